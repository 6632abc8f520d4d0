"""Killed with SIGKILL at random moments, with masks, noise and a rollback: the same run, bit for bit."""

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

RUN = """
import sys
import torch
from pathlib import Path
from trainer_bench import Bench

torch.set_num_threads(1)
POISON = (2, 7, 8, 9)  # of the second epoch; its steps 7 to 9 are a streak
def poison(step, mishaps):
    return step in POISON and not mishaps.rollbacks

shards = dict(shards=6, window=2) if sys.argv[2] == "streamed" else {}
bench = Bench(Path(sys.argv[1]), poison=poison, clips=24, **shards)
bench.checkpoint_every_s = 0.25  # of a clock that goes 0.1 s a step
bench.after_step = lambda state: print(
    state.at.mishaps.rollbacks, state.at.step, bench.losses[-1].hex(), flush=True
)
state = bench.run()
print("ended", state.at.mishaps.rollbacks, flush=True)
bench.task.train.features.clips.close()
"""


def start(folder: Path, way: str) -> "subprocess.Popen[str]":
    env = {"PYTHONPATH": ":".join(sys.path)}
    return subprocess.Popen(
        [sys.executable, "-c", RUN, str(folder), way],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def lines(folder: Path, way: str, most: int) -> list[str]:
    """What a process says until it is killed after so many lines, or ends."""
    process, said = start(folder, way), []
    assert process.stdout
    for line in process.stdout:
        said.append(line.strip())
        if len(said) >= most:
            process.send_signal(signal.SIGKILL)
            break
    process.communicate()
    return said


@pytest.mark.parametrize("way", ["on disk", "streamed"])
def test_a_run_that_is_killed_again_and_again_has_the_same_losses(tmp_path: Path, way: str) -> None:
    whole = lines(tmp_path / "whole", way, 10**6)
    assert whole[-1] == "ended 1"
    chance, killed = random.Random(8), []
    for _ in range(4):
        killed.append(lines(tmp_path / "cut", way, chance.randint(3, 7)))
    killed.append(lines(tmp_path / "cut", way, 10**6))
    said = [line for sitting in killed for line in sitting]
    assert said[-1] == "ended 1"
    assert set(said) == set(whole)  # every step, also those that were done twice
    assert len(said) > len(whole)
