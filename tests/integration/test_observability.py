"""The loop as Prometheus sees it: what dashboard and alerts ask for is there, and all of it is described."""

import contextlib
import json
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml
from embedded_process import tone, up, voxloom, wait_until_up
from mini_corpus import make_mini_corpus
from prometheus_process import OBSERVABILITY, Prometheus, program, prometheus
from scraping import free_port, scrape, scrape_text
from service_process import ServiceProcess, eventually

pytestmark = pytest.mark.slow

ROOT = OBSERVABILITY.parents[1]
LOOP_S = 240.0
SETTINGS = {
    "VOXLOOM_TRAIN_RECIPE": "tiny",
    "VOXLOOM_TRAIN_BUDGET_MINUTES": "0.4",  # some seconds of steps: long enough for the curves to be seen
    "VOXLOOM_GATE_MAX_WER": "100",
    "VOXLOOM_RETRAIN_FIRST": "20",
    "VOXLOOM_RETRAIN_QUIET_S": "1",
    "VOXLOOM_RECONCILE_PERIOD_S": "0.5",  # gauges are looked for as often
    "VOXLOOM_STORE": "",
    "VOXLOOM_BUS": "",
}
NAME = re.compile(r"\b(?:voxloom|process)_[a-z0-9_]+")
OF_HISTOGRAM = re.compile(r"_(bucket|sum|count)$")
ABSENT = re.compile(r'rabbitmq_|haproxy_|ALERTS|outcome="lost"')  # other programs, and what should not happen
VARIABLES = {"$__rate_interval": "10s", "[5m]": "[10s]"}


@dataclass
class Loop:
    """The services, still up after one walk through the loop."""

    port: int
    seen: set[str] = field(default_factory=set)  # names of all that was ever scraped
    prometheus: Prometheus | None = None
    started_at: float = field(default_factory=time.time)

    def look(self) -> dict[str, float]:
        found = scrape(self.port)
        self.seen |= {series.partition("{")[0] for series in found}
        return found


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loop]:
    folder = tmp_path_factory.mktemp("loop")
    data, loop = folder / "data", Loop(free_port())
    settings = SETTINGS | {"VOXLOOM_METRICS_PORT": str(loop.port)}
    with contextlib.ExitStack() as stack:
        if shutil.which("prometheus"):
            loop.prometheus = stack.enter_context(prometheus(folder / "prometheus", loop.port))
        process = stack.enter_context(up(data, env=settings))
        wait_until_up(data, process)
        walk(loop, folder, data)
        yield loop


@pytest.fixture
def server(loop: Loop) -> Prometheus:
    program("prometheus")
    assert loop.prometheus
    return loop.prometheus


def walk(loop: Loop, folder: Path, data: Path) -> None:
    """Import, train, promote, serve; record a good take and one too short, transcribe a file and a stream."""
    corpus, options = corpus_with_a_copy(folder / "mini"), ("--data", str(data))
    done(*("import", str(corpus), "--corpus", "mini", "--keep-split", *options))
    deadline = time.monotonic() + LOOP_S
    while not any(series.startswith("voxloom_serving_model_info") for series in loop.look()):
        assert time.monotonic() < deadline, (data / "voxloom.log").read_text()[-4000:]
        time.sleep(0.2)
    clip = str(next((corpus / "test").iterdir()))
    for _ in range(3):  # a rate needs two samples, and a counter that begins is none
        take = ("record", str(tone(folder / "take.wav")), "--speaker", "Ada", *options)
        done(*take, "--text", "a tone")
        assert "letters" in voxloom(*take, "--text", "a tone that is too short for so long a sentence").err
        done("transcribe", clip, *options)
        done("transcribe", clip, "--stream", *options)
        time.sleep(1.5)
    loop.look()


def corpus_with_a_copy(folder: Path) -> Path:
    """One clip is there twice, so that the dataset leaves something out."""
    corpus = make_mini_corpus(folder, train=66, test=8)
    lines = (corpus / "manifest.tsv").read_text().splitlines()
    path, *labels = lines[1].split("\t")
    copy = str(Path(path).with_stem("copy"))
    shutil.copyfile(corpus / path, corpus / copy)
    (corpus / "manifest.tsv").write_text("\n".join([*lines, "\t".join([copy, *labels])]) + "\n")
    return corpus


def done(*arguments: str) -> None:
    found = voxloom(*arguments)
    assert found.code == 0, found.err


def panel_expressions() -> list[str]:
    board = json.loads((OBSERVABILITY / "dashboards" / "loop.json").read_text())
    return [target["expr"] for panel in board["panels"] for target in panel.get("targets", [])]


def alert_expressions() -> list[str]:
    rules = yaml.safe_load((OBSERVABILITY / "rules.yml").read_text())
    return [rule["expr"] for group in rules["groups"] for rule in group["rules"]]


def test_all_that_is_asked_for_is_in_a_scrape(loop: Loop) -> None:
    expressions = panel_expressions() + alert_expressions()
    asked = {name for expression in expressions for name in NAME.findall(expression)}
    assert len(asked) > 30
    assert sorted(asked - loop.seen) == []


def test_all_that_is_in_a_scrape_is_described_and_nothing_else(loop: Loop) -> None:
    words = NAME.findall((ROOT / "docs" / "metrics.md").read_text())
    described, shown = ({OF_HISTOGRAM.sub("", name) for name in names} for names in (words, loop.seen))
    assert sorted(name for name in shown - described if name.startswith("voxloom_")) == []
    assert sorted(described - shown) == []


def test_every_panel_draws_something(loop: Loop, server: Prometheus) -> None:
    empty = []
    for expression in panel_expressions():
        asked = expression
        for variable, value in VARIABLES.items():
            asked = asked.replace(variable, value)
        found = server.query_range(asked, loop.started_at, time.time())
        if not found and not ABSENT.search(expression):
            empty.append(expression)
    assert empty == []


def test_every_rule_can_be_evaluated_and_a_walk_without_faults_sets_off_no_alert(server: Prometheus) -> None:
    rules = server.rules()
    assert len(rules) > 5
    assert [rule for rule in rules if rule["health"] != "ok"] == []
    assert [rule["name"] for rule in rules if rule["alerts"]] == []


def test_promtool_finds_nothing_wrong_with_a_scrape(loop: Loop) -> None:
    promtool("check", "metrics", text=scrape_text(loop.port))


def test_a_service_of_its_own_serves_metrics_and_still_drains(tmp_path: Path) -> None:
    port = free_port()
    with ServiceProcess("recorder", tmp_path, metrics_port=str(port)) as recorder:
        eventually(lambda: scrape(port)['voxloom_reconcile_duration_seconds_count{service="recorder"}'] > 0)
        assert recorder.terminate() == 0


def test_a_busy_metrics_port_is_named_with_the_way_out(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        data = ("--data", str(tmp_path / "data"), "--port-base", "0")
        found = voxloom("up", *data, env={"VOXLOOM_METRICS_PORT": port})
    assert found.code == 1
    assert f"127.0.0.1:{port}" in found.err
    assert "VOXLOOM_METRICS_PORT" in found.err
    assert "Traceback" not in found.err


def test_promtool_accepts_the_configuration_and_the_rules() -> None:
    promtool("check", "config", str(OBSERVABILITY / "prometheus.yml"))
    promtool("test", "rules", str(Path(__file__).parent / "rules.test.yml"))


def promtool(*arguments: str, text: str = "") -> None:
    found = subprocess.run(
        [program("promtool"), *arguments], input=text, capture_output=True, text=True, timeout=60
    )
    assert found.returncode == 0, found.stdout + found.stderr
