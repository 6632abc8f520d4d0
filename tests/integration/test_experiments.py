"""`voxloom ablate` and `voxloom forecast` on real services: stopped, gone on with, kept out of production."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from embedded_process import Outcome, voxloom_here
from experiment_maker import make_store
from service_process import ServiceProcess, eventually

from voxloom.bundle import read_pointer
from voxloom.jobs import Jobs, JobState
from voxloom.storage import FolderStore

pytestmark = pytest.mark.slow
SETTINGS = {"train_recipe": "smoke", "train_threads": "1", "retrain_first": "1000000"}
ABLATE = ("ablate", "--minutes", "0", "--recipe", "smoke")


class Line:
    """The command line beside ingest, trainer and optimizer on one store."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
        self._monkeypatch, self.store, self.jobs = monkeypatch, FolderStore(root), Jobs(FolderStore(root))

    def __call__(self, *arguments: str) -> Outcome:
        return voxloom_here(self._monkeypatch, *arguments)

    def runs(self) -> dict[str, JobState]:
        return {job.id: job.state for job in self.jobs.list("train")}


@pytest.fixture
def line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Line]:
    root = tmp_path / "store"
    make_store(FolderStore(root), own=70, tts=20, commonvoice_tests=6)
    with ExitStack() as stack:
        for name in ("ingest", "trainer", "optimizer"):
            process = stack.enter_context(ServiceProcess(name, root, **SETTINGS))
            port = process.find(lambda said: "port" in said)["port"]
            monkeypatch.setenv(f"VOXLOOM_{name.upper()}_ADDRESS", f"127.0.0.1:{port}")
        yield Line(monkeypatch, root)


def test_an_ablation_and_a_forecast_share_what_they_train_and_change_nothing_in_production(
    line: Line, tmp_path: Path
) -> None:
    interrupt_while_it_trains(line)
    page = tmp_path / "page.html"
    done = line(*ABLATE, "--json", "--html", str(page))
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert [each["name"] for each in found["datasets"]] == ["own-only", "own+tts"]
    clips = [each["clips"] for each in found["datasets"]]
    assert clips[1] == {**clips[0], "tts": 20}
    assert found["datasets"][0]["tests"] == found["datasets"][1]["tests"]
    assert found["left_out"].keys() == {"own+commonvoice", "hybrid"}
    assert [(each["group"], each["decoder"]) for each in found["comparisons"][:1]] == [("own", "greedy")]
    assert {each["group"] for each in found["comparisons"]} == {"own", "general"}
    assert found["comparisons"][0]["utterances"] == found["datasets"][0]["tests"]["own"]
    assert found["failures"] == []
    assert "<svg" in page.read_text()
    assert len(line.runs()) == 2
    assert line(*ABLATE).code == 0  # the same wish once more: nothing is trained
    assert set(line.runs().values()) == {JobState.DONE}
    assert len(line.runs()) == 2

    foretold = line(
        "forecast", "--wer", "5", "--parts", "1/4,1/2,1", "--minutes", "0", "--recipe", "smoke", "--json"
    )
    assert foretold.code == 0, foretold.err
    answer = json.loads(foretold.out)
    sizes = [point["clips"] for point in answer["points"]]
    assert sizes == sorted(set(sizes))
    assert sizes[-1] == clips[0]["own"]
    assert answer["points"][-1]["runs"] == found["runs"]["own-only"]
    assert answer["forecast"]["target"] == 0.05
    assert len(line.runs()) == 4

    assert all(run.startswith("r-x-") for run in line.runs())
    assert "no model yet" in line("models", "list").out
    assert line.jobs.list("optimize") == []
    assert read_pointer(line.store)[0] is None
    assert line("dataset", "show").code == 1  # there is no dataset but those of experiments
    line("dataset", "build")
    eventually(lambda: len(line.jobs.list("optimize")) == 1, timeout_s=120)  # what is for production goes on
    assert len(line.runs()) == 5


def interrupt_while_it_trains(line: Line) -> None:
    """Ctrl-C: what was begun goes on, and the end is said in words."""
    command = [sys.executable, "-m", "voxloom.cli", *ABLATE]
    process = subprocess.Popen(
        command,
        env=dict(os.environ),
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    eventually(lambda: bool(line.runs()) or process.poll() is not None, timeout_s=120)
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 130, printed
    assert "the same command goes on from there" in printed


def test_what_cannot_be_compared_is_said_before_anything_is_trained(
    line: Line, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    mix = tmp_path / "mine.yaml"
    mix.write_text("name: own-only\nsources: {own: {max: 5}}\n")
    assert "two mixes are named own-only" in line("ablate", "--mix", str(mix)).err
    assert "--wer is 200" in line("forecast", "--wer", "200").err
    assert "--parts" in line("forecast", "--wer", "10", "--parts", "1/2,1").err
    mix.write_text("name: few\nsources: {own: {max: 2}}\n")
    few = line("forecast", "--wer", "10", "--mix", str(mix), "--parts", "1/2,0.6,1")
    assert few.code == 1
    assert "a curve needs 3 different amounts" in few.err
    assert line.runs() == {}
