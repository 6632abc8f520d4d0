"""`voxloom store` beside services that work: the backup of a busy store goes on where it was."""

import json
import re
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from embedded_process import up, voxloom_here, wait_until_up

from voxloom.jobs import Jobs, JobState
from voxloom.storage import FolderStore

pytestmark = pytest.mark.slow

ARCHIVE = Path(__file__).parents[1] / "data" / "store-0.1.tar.xz"
SETTINGS = {
    "VOXLOOM_STORE": "",
    "VOXLOOM_BUS": "",
    "VOXLOOM_TRAIN_AUTO": "false",
    "VOXLOOM_TRAIN_CHECKPOINT_S": "0.1",
    "VOXLOOM_RETRAIN_FIRST": "1000",
    "VOXLOOM_GATE_MAX_WER": "0.001",
    "VOXLOOM_RECONCILE_PERIOD_S": "1",
    "VOXLOOM_JOB_LEASE_S": "2",
}


def test_a_training_goes_on_from_a_backup_that_was_made_while_it_ran(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store has a training that was interrupted; it goes on, is backed up, and goes on in the copy."""
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    data, backup, new = tmp_path / "store", tmp_path / "backup", tmp_path / "new"
    [latest] = data.glob("runs/*-s2/checkpoints/latest.json")
    begun_at = step_in(latest)
    with up(data, env=SETTINGS) as process:
        wait_until_up(data, process)
        wait_for(lambda: step_in(latest) > begun_at + 30, data)
        made = voxloom_here(monkeypatch, "store", "backup", str(backup), "--prune", "--data", str(data))
        process.kill()
        process.wait()
    assert made.code == 0, made.err
    saved_at = step_in(backup / latest.relative_to(data))
    assert saved_at > begun_at
    restored = voxloom_here(monkeypatch, "store", "restore", str(backup), "--data", str(new))
    assert restored.code == 0, restored.err
    with up(new, env=SETTINGS) as process:
        wait_until_up(new, process)
        jobs = Jobs(FolderStore(new))
        wait_for(lambda: len(ended(jobs, "train")) == len(ended(jobs, "optimize")) == 2, new)
        usage = voxloom_here(monkeypatch, "store", "usage", "--json", "--data", str(new))
        prune = voxloom_here(monkeypatch, "store", "prune", "--yes", "--data", str(new))
    log = (new / "voxloom.log").read_text()
    assert re.findall(r"(?:resumes|begins) at epoch \d+, step (\d+)", log) == [str(saved_at)]
    assert json.loads(usage.out)["kinds"]["runs/checkpoints"]["objects"] > 0
    assert prune.code == 0, prune.err


def ended(jobs: Jobs, kind: str) -> list[str]:
    return [job.id for job in jobs.list(kind) if job.state is JobState.DONE]


def step_in(latest: Path) -> int:
    return int(json.loads(latest.read_bytes())["counters"]["step"])


def wait_for(condition: Callable[[], bool], data: Path) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, (data / "voxloom.log").read_text()[-4000:]
        time.sleep(0.05)
