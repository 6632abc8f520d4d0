"""Killed without warning at every stage, started again each time: nothing is lost, nothing is done twice."""

import contextlib
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from embedded_process import up, voxloom, wait_until_up
from mini_corpus import make_mini_corpus

from voxloom.jobs import Jobs, JobState
from voxloom.storage import FolderStore, list_all

pytestmark = pytest.mark.slow

TRAIN, TEST = 66, 8
STAGE_S = 240.0
SETTINGS = {
    "VOXLOOM_TRAIN_RECIPE": "smoke",
    "VOXLOOM_TRAIN_CHECKPOINT_S": "0.2",
    "VOXLOOM_GATE_MAX_WER": "100",  # a few seconds of training recognise nothing
    "VOXLOOM_RETRAIN_FIRST": "20",
    "VOXLOOM_RETRAIN_QUIET_S": "1",
    "VOXLOOM_JOB_LEASE_S": "3",
    "VOXLOOM_STORE": "",
    "VOXLOOM_BUS": "",
}
STAGES: dict[str, Callable[[Path], bool]] = {
    "upload": lambda data: any((data / ".voxloom" / "tmp").glob("*")) or _has(data, "uploads/*"),
    "import": lambda data: _count(data, "raw/imported/*/*.json") >= 10,
    "dataset": lambda data: _has(data, "jobs/dataset/*") or _has(data, "manifests/*/*"),
    "training begins": lambda data: _has(data, "runs/*/run.json"),
    "training": lambda data: _has(data, "runs/*/checkpoints/*"),
    "export": lambda data: _has(data, "runs/*/export/*"),
    "optimise": lambda data: _has(data, "models/*/model.onnx") or _has(data, "jobs/optimize/*"),
    "decision": lambda data: _has(data, "models/*/decision.json"),
}


def _count(data: Path, pattern: str) -> int:
    return sum(1 for _ in data.glob(pattern))


def _has(data: Path, pattern: str) -> bool:
    return any(True for _ in data.glob(pattern))


def test_killed_at_every_stage_the_loop_still_ends_with_one_promoted_model(tmp_path: Path) -> None:
    data = tmp_path / "data"
    corpus = make_mini_corpus(tmp_path / "mini", train=TRAIN, test=TEST)
    for stage, reached in STAGES.items():
        with up(data, env=SETTINGS) as process:
            wait_until_up(data, process)
            if stage in ("upload", "import"):
                start_import(corpus, data)
            wait_for(lambda reached=reached: reached(data), f"stage {stage}", data)
            kill_and_check_that_nobody_survives(process)
    with up(data, env=SETTINGS) as process:
        wait_until_up(data, process)
        wait_for(lambda: _has(data, "models/production.json"), "promotion", data)
        wait_for(lambda: serves(data), "serving", data)
        wait_for(lambda: all_done(data), "the end of all jobs", data)
        again = voxloom("import", str(corpus), "--corpus", "mini", "--keep-split", "--data", str(data))
        assert again.code == 0, again.err
        clip = next((corpus / "test").iterdir())
        heard = voxloom("transcribe", str(clip), "--format", "json", "--data", str(data))
        assert heard.code == 0, heard.err
        process.send_signal(signal.SIGTERM)
        assert process.wait(40) == 0
    check_that_all_is_there_once(data, json.loads(heard.out)["model"])


def start_import(corpus: Path, data: Path) -> None:
    """In the background: its connection breaks when the services are killed, the job goes on without it."""
    arguments = ["import", str(corpus), "--corpus", "mini", "--keep-split", "--data", str(data)]
    command = [sys.executable, "-m", "voxloom.cli", *arguments]
    client = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    threading.Thread(target=client.wait, daemon=True).start()


def wait_for(condition: Callable[[], bool], what: str, data: Path) -> None:
    deadline = time.monotonic() + STAGE_S
    while not condition():
        assert time.monotonic() < deadline, (
            f"{what} not reached: {(data / 'voxloom.log').read_text()[-4000:]}"
        )
        time.sleep(0.02)


def kill_and_check_that_nobody_survives(process: "subprocess.Popen[bytes]") -> None:
    """Only the parent is killed; the training process must go with it."""
    family = descendants(process.pid)
    process.kill()
    process.wait()
    deadline = time.monotonic() + 10
    while any(is_alive(pid) for pid in family):
        assert time.monotonic() < deadline, f"children {family} outlived their parent"
        time.sleep(0.05)


def descendants(pid: int) -> list[int]:
    """All processes below this one, also those in sessions of their own."""
    children = [child for child, (parent, state) in processes().items() if parent == pid and state != "Z"]
    return children + [below for child in children for below in descendants(child)]


def is_alive(pid: int) -> bool:
    return processes().get(pid, (0, "Z"))[1] != "Z"


def processes() -> dict[int, tuple[int, str]]:
    """pid -> (parent, state)."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            state, parent, *_ = path.read_text().rsplit(")", 1)[1].split()
            found[int(path.parent.name)] = (int(parent), state)
    return found


def serves(data: Path) -> bool:
    status = voxloom("status", "--data", str(data), "--json")
    return bool(json.loads(status.out)["services"]["inference"]["health"] == "serving")


def check_that_all_is_there_once(data: Path, served: str) -> None:
    store = FolderStore(data)
    keys = [info.key for info in list_all(store, "")]
    records = [key for key in keys if key.startswith("raw/") and key.endswith(".json")]
    assert len(records) == TRAIN + TEST
    assert all(key.removesuffix(".json") + ".wav" in keys for key in records)
    assert not [key for key in keys if key.startswith("uploads/")]
    [dataset] = [key for key in keys if key.endswith("/dataset.json")]
    splits = json.loads(store.get(dataset))["splits"]
    dropped = json.loads(store.get(dataset))["dropped_by_reason"]
    assert sum(each["utterances"] for each in splits.values()) + sum(dropped.values()) == TRAIN + TEST
    assert len([key for key in keys if key.endswith("/run.json")]) == 1
    [model] = [key.split("/")[1] for key in keys if key.endswith("/decision.json")]
    pointer = json.loads(store.get("models/production.json"))
    assert pointer["model"] == model == served
    assert len(pointer["history"]) == 1
    assert all_done(data)


def all_done(data: Path) -> bool:
    """One job of each kind; a job that was killed has not failed."""
    jobs = Jobs(FolderStore(data))
    found = [jobs.list(kind) for kind in ("import", "dataset", "train", "optimize")]
    assert [len(of_a_kind) for of_a_kind in found] == [1, 1, 1, 1]
    assert [job.error for [job] in found if job.failures] == []
    return all(job.state is JobState.DONE for [job] in found)
