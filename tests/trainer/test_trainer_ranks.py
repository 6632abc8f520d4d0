"""Several processes under torchrun, over gloo: they do what one process with as many copies does."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest
from nodes import start
from trainer_bench import Bench
from trainer_maker import make_dataset

from services.trainer.checkpoint import Latest
from services.trainer.counters import Mishaps
from services.trainer.runs import submit
from voxloom import keys
from voxloom.errors import NotFound
from voxloom.jobs import Jobs
from voxloom.storage import FolderStore, exists, read_model

pytestmark = pytest.mark.slow
TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")
SHARED = """
import sys
import torch
from pathlib import Path
from trainer_bench import Bench
from services.trainer.ranks import join

torch.set_num_threads(1)
with join() as ranks:
    poison = lambda step, mishaps: step in (3, 4, 5) and not mishaps.rollbacks
    bench = Bench(Path(sys.argv[1]) / str(ranks.rank), ranks=ranks, threads=1, poison=poison)
    state = bench.run()
    told = [loss.hex() for loss in bench.losses]
    weights = sum(float(value.double().sum()) for value in state.average.state_dict().values())
    (Path(sys.argv[1]) / f"told-{ranks.rank}").write_text(" ".join([*told, weights.hex()]))
"""


def once(step: int, mishaps: Mishaps) -> bool:
    return step in (3, 4, 5) and not mishaps.rollbacks


def test_two_processes_do_what_one_with_two_copies_does(tmp_path: Path) -> None:
    script = tmp_path / "shared.py"
    script.write_text(SHARED)
    process = start((*TORCHRUN, str(script), str(tmp_path)), "lo")
    said, _ = process.communicate(timeout=900)
    assert process.returncode == 0, said[-3000:]
    first, second = ((tmp_path / f"told-{rank}").read_text() for rank in (0, 1))
    assert first == second  # all ranks have the same losses and weights, bit for bit
    alone = Bench(tmp_path / "alone", threads=2, poison=once)
    state = alone.run()
    assert state.at.mishaps.rollbacks == 1
    found = [float.fromhex(word) for word in first.split()][:-1]
    assert len(found) == len(alone.losses)
    assert found == pytest.approx(alone.losses, rel=1e-4, nan_ok=True)


def last_step(store: FolderStore, run_id: str) -> int:
    try:
        return read_model(store, keys.checkpoint(run_id, "latest.json"), Latest).counters.step
    except NotFound:
        return 0


def ranks_of(agent: int) -> list[int]:
    tasks = Path(f"/proc/{agent}/task").glob("*/children")
    return sorted(int(pid) for each in tasks for pid in each.read_text().split())


def test_a_killed_rank_is_started_again_and_the_run_ends_as_if_nothing_had_been(tmp_path: Path) -> None:
    exports = []
    for name, disturbed in (("quiet", False), ("disturbed", True)):
        store, dataset, _ = make_dataset(tmp_path / name, clips=120)
        run_id = submit(store, Jobs(store), dataset, "smoke", seed=3, budget_minutes=0).run
        settings = {
            "VOXLOOM_STORE": (tmp_path / name).as_uri(),
            "VOXLOOM_TRAIN_CHECKPOINT_S": "0",
            "VOXLOOM_TRAIN_THREADS": "1" if disturbed else "2",
        }
        command = (sys.executable,) if not disturbed else (*TORCHRUN, "--max-restarts=4")
        process = start((*command, "-m", "services.trainer", "run", run_id), "lo", **settings)
        if disturbed:
            deadline = time.monotonic() + 600
            while not last_step(store, run_id):
                assert process.poll() is None, process.communicate()[0][-3000:]
                assert time.monotonic() < deadline
                time.sleep(0.02)
            os.kill(ranks_of(process.pid)[-1], signal.SIGKILL)
        said, _ = process.communicate(timeout=900)
        assert process.returncode == 0, said[-3000:]
        assert exists(store, keys.export_file(run_id, "export.json"))
        assert said.count('"result"') == 1
        latest = read_model(store, keys.checkpoint(run_id, "latest.json"), Latest)
        exports.append((latest.counters.step, latest.counters.epoch, latest.counters.best_cer))
        if disturbed:
            assert "resumes at epoch" in said
    assert exports[0][:2] == exports[1][:2]
    assert exports[0][2] == pytest.approx(exports[1][2], abs=0.05)
