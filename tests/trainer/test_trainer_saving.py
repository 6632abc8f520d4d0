"""Checkpoints on a full disk and in a store that is away: training goes on and loses nothing saved before."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from trainer_bench import RUN, Bench, same_weights

from services.trainer.checkpoint import Checkpoints
from services.trainer.metrics import read_metrics
from services.trainer.saving import patiently
from services.trainer.train import new_state
from voxloom.errors import Unavailable
from voxloom.storage import FolderStore

MIB = 1 << 20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 12 MB, where the user may mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("mounting a small file system needs root and a kernel that allows it")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def fill(disk: Path) -> Path:
    """Takes all the room there is, but for a little."""
    ballast = disk / "ballast"
    ballast.write_bytes(bytes(os.statvfs(disk).f_bavail * os.statvfs(disk).f_bsize - 40_000))
    return ballast


def restored_step(store: FolderStore, bench: Bench) -> int:
    state, checkpoints = new_state(bench.task), Checkpoints(store, RUN)
    assert checkpoints.restore(state)
    assert checkpoints.damaged == []
    return state.at.step


def test_a_full_disk_stops_no_training_and_costs_no_checkpoint(tmp_path: Path, small_disk: Path) -> None:
    untouched = Bench(tmp_path / "untouched", threads=1)
    expected = untouched.run()
    store = FolderStore(small_disk / "store")
    bench = Bench(tmp_path / "bench", threads=1, store=lambda _: store)
    bench.checkpoint_every_s = 0.0
    found: dict[int, int] = {}

    def disturb(state: Any) -> None:
        if state.at.step == 3:
            found[-1] = restored_step(store, bench)
            fill(small_disk)
        if 4 < state.at.step < 7:
            found[state.at.step] = restored_step(store, bench)
        if state.at.step == 7:
            (small_disk / "ballast").unlink()

    bench.after_step = disturb
    state = bench.run()
    assert found == {-1: 2, 5: 2, 6: 2}
    assert same_weights(state, expected)
    assert bench.losses == untouched.losses
    assert restored_step(store, bench) == state.at.step
    full = [message for message in bench.messages() if "no checkpoint could be written" in message]
    assert "is full" in full[0]
    assert "free some space" in full[0]
    assert any("checkpoints are written again: step 7" in message for message in bench.messages())
    told = [line.message for line in read_metrics(store, RUN)]
    assert any("no checkpoint could be written" in message for message in told)
    assert Checkpoints(store, RUN).load_best(state).rank == min(best.rank for best in state.at.best)


class Away(FolderStore):
    """A real folder that cannot be written to between two moments."""

    away = False

    def put(self, key: str, data: bytes, **conditions: Any) -> str:
        if self.away:
            raise Unavailable("bucket 'voxloom' of http://s3:9000 cannot be reached: refused")
        return super().put(key, data, **conditions)


def away_from(step: int, tmp_path: Path) -> tuple[Bench, Away]:
    store = Away(tmp_path / "bench" / "store")
    bench = Bench(tmp_path / "bench", threads=1, store=lambda _: store)
    bench.checkpoint_every_s = 0.0

    def leave(state: Any) -> None:
        store.away = store.away or state.at.step == step

    bench.after_step = leave
    return bench, store


def test_a_run_fails_when_nothing_was_saved_for_too_long_and_goes_on_later(tmp_path: Path) -> None:
    expected = Bench(tmp_path / "whole", threads=1).run()
    bench, store = away_from(3, tmp_path)
    bench.give_up_s = 4.0  # the clock of the bench counts steps
    with pytest.raises(Unavailable, match=r"no checkpoint could be written for .* until step 7"):
        bench.run()
    store.away = False
    bench.after_step = lambda state: None
    assert same_weights(bench.run(), expected)


def test_at_the_end_it_waits_for_the_store(tmp_path: Path) -> None:
    bench, store = away_from(7, tmp_path)
    state = bench.run()
    assert state.at.epoch == bench.task.recipe.epochs
    assert restored_step(store, bench) == 6
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        store.away = len(pauses) < 4

    bench.last_saver._sleep = sleep
    bench.last_saver.finish(state)
    assert pauses == [1.0, 2.0, 4.0, 8.0]
    assert restored_step(store, bench) == state.at.step
    assert Checkpoints(store, RUN).load_best(state).epoch > 0


def test_patience_has_an_end() -> None:
    now = [0.0]

    def fails() -> None:
        raise Unavailable("away")

    with pytest.raises(Unavailable):
        patiently(fails, 100.0, lambda: now[0], lambda seconds: now.__setitem__(0, now[0] + seconds))
    assert 60 < now[0] <= 100
