"""What a scrape shows, as a dict: {'voxloom_jobs{kind="train",state="done"}': 1.0}."""

import socket
import urllib.request
from collections.abc import Iterable

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


def scrape_text(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        text: str = answer.read().decode()
        return text


def scrape(port: int) -> dict[str, float]:
    return series(text_string_to_metric_families(scrape_text(port)))


def series(metrics: Iterable[Metric]) -> dict[str, float]:
    samples = (sample for metric in metrics for sample in metric.samples)
    return {_name(sample.name, sample.labels): sample.value for sample in samples}


def _name(name: str, labels: dict[str, str]) -> str:
    shown = ",".join(f'{label}="{value}"' for label, value in sorted(labels.items()))
    return f"{name}{{{shown}}}" if shown else name
