"""A real Prometheus that reads one voxloom process, where the program is installed."""

import contextlib
import json
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from scraping import free_port

OBSERVABILITY = Path(__file__).parents[2] / "deploy" / "observability"
START_S = 60.0


def program(name: str) -> str:
    """Its path; skips the test where it is not installed."""
    if path := shutil.which(name):
        return path
    pytest.skip(f"no program `{name}` here: Debian's package `prometheus` brings it")


@dataclass(frozen=True)
class Prometheus:
    port: int

    def query_range(self, expression: str, start_s: float, end_s: float) -> list[dict[str, Any]]:
        """The series that a panel would draw; fails with Prometheus' own words."""
        asked = {"query": expression, "start": f"{start_s:.3f}", "end": f"{end_s:.3f}", "step": "1s"}
        found: list[dict[str, Any]] = self._get("query_range", **asked)["result"]
        return found

    def rules(self) -> list[dict[str, Any]]:
        return [rule for group in self._get("rules")["groups"] for rule in group["rules"]]

    def _get(self, path: str, **asked: str) -> Any:
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(asked)}"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{asked}: {error.read().decode()}") from error


@contextlib.contextmanager
def prometheus(folder: Path, metrics_port: int) -> Iterator[Prometheus]:
    """Scrapes and evaluates our rules once a second."""
    folder.mkdir()
    config = folder / "prometheus.yml"
    config.write_text(yaml.safe_dump(_config(metrics_port)))
    port = free_port()
    arguments = [
        program("prometheus"),
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with open(folder / "out", "wb") as output:
        process = subprocess.Popen(arguments, stdout=output, stderr=output)
    try:
        _wait_until_ready(port, process, folder / "out")
        yield Prometheus(port)
    finally:
        process.kill()
        process.wait()


def _config(metrics_port: int) -> dict[str, Any]:
    target = {"job_name": "voxloom", "static_configs": [{"targets": [f"127.0.0.1:{metrics_port}"]}]}
    return {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(OBSERVABILITY / "rules.yml")],
        "scrape_configs": [target],
    }


def _wait_until_ready(port: int, process: "subprocess.Popen[bytes]", output: Path) -> None:
    deadline = time.monotonic() + START_S
    while True:
        assert process.poll() is None, output.read_text()
        assert time.monotonic() < deadline, output.read_text()
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=2).close()
            return
        time.sleep(0.1)
