"""A copy is whole at every moment: whatever breaks it off, and whatever happens to the store meanwhile."""

import json
import os
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO

import pytest
import store_maker as made
from store_maker import Watched, content, faults, fill

from voxloom import keys, store_copy
from voxloom.errors import BadInput, Unavailable
from voxloom.jobs import JobState
from voxloom.storage import FolderStore, ObjectInfo, exists
from voxloom.store_copy import Copier, Outcome

OLD_CHECKPOINT = "runs/r-2/checkpoints/step-000000010.safetensors"
MIB = 1 << 20


class World:
    def __init__(self, root: Path) -> None:
        self.source, self.target = Watched(root / "source"), Watched(root / "target")
        fill(self.source)
        self.source.written.clear()

    def copy(self, verify: bool = False) -> Outcome:
        return Copier(self.source, self.target, verify=verify).run()

    def once(self, key: str, act: Callable[[], object]) -> None:
        """Acts before the source is asked for the key, the first time."""
        left, lock = [act], threading.Lock()

        def before(read: str) -> None:
            with lock:
                todo = left.pop() if read == key and left else None
            if todo:
                todo()

        self.source.before_read = before


@pytest.fixture(autouse=True)
def in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Writes come one after the other, and fast: no machine dies in here."""
    monkeypatch.setattr(store_copy, "THREADS", 1)
    monkeypatch.setattr(os, "fsync", lambda file: None)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def move_on(store: Watched) -> None:
    """What services do in a while."""
    made.add_take(store, "u-3")
    store.delete(keys.raw_record("user_recorded", "ada", "u-1"))
    store.delete(keys.raw_audio("user_recorded", "ada", "u-1"))
    made.add_import(store, "waits", JobState.DONE)
    store.delete(keys.upload("waits"))
    made.add_import(store, "new", JobState.ACCEPTED)
    made.add_dataset(store, "d-3", "2026-01-03T00:00:00+00:00")
    for step in (20, 30, 40):
        made.add_checkpoint(store, "r-2", step)
    made.add_export(store, "r-2")
    made.add_job(store, "train", "r-2", JobState.DONE, dataset="d-2", run="r-2")
    made.add_model(store, "m-2")
    made.promote(store, "m-2")


def test_everything_arrives_and_nothing_is_copied_twice(world: World) -> None:
    outcome = world.copy()
    assert content(world.target) == content(world.source)
    assert (outcome.copied, outcome.kept) == (len(content(world.source)), 0)
    again = world.copy()
    assert (again.copied, again.kept) == (0, outcome.copied)
    move_on(world.source)
    newer = world.copy()
    assert 0 < newer.copied < outcome.copied + 10
    assert faults(world.target) == []


def test_records_come_after_what_they_name_and_production_last(world: World) -> None:
    world.copy()
    place = {key: number for number, key in enumerate(world.target.written)}
    for key, data in content(world.source).items():
        assert all(place[name] < place[key] for name in made._named(key, data)), key
    assert world.target.written[-1] == keys.PRODUCTION


class Unplugged(Exception):
    """The target is gone."""


def unplug(store: Watched, after: int) -> None:
    left = after

    def before(key: str) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise Unplugged

    store.before_write = before


@pytest.mark.parametrize("older", [False, True])
def test_wherever_it_breaks_off_it_is_a_whole_store_and_goes_on(tmp_path: Path, older: bool) -> None:
    total = 0
    for after in range(0, 200, 3):
        world = World(tmp_path / str(after))
        if older:
            world.copy()
            move_on(world.source)
        unplug(world.target, after)
        try:
            world.copy()
        except Unplugged:
            assert faults(world.target) == [], after
        else:
            total = after
            break
        world.target.before_write = lambda key: None
        world.copy()
        assert faults(world.target) == [], after
        assert content(world.source).items() - content(world.target).items() == kept_back(world)
    assert total > 10


def kept_back(world: World) -> set[tuple[str, bytes]]:
    """Of two checkpoints only the one that a run goes on from is copied."""
    found = content(world.source)
    return {
        (key, data)
        for key, data in found.items()
        if "/step-" in key and json.loads(found[key.rpartition("/")[0] + "/latest.json"])["name"] not in key
    }


ALL_AT_ONCE = [
    *("jobs/import/waits.json", "uploads/waits.tar", "raw/user_recorded/ada/u-1.json", OLD_CHECKPOINT),
    *("raw/user_recorded/ada/u-1.wav", "manifests/d-1/dataset.json", "runs/r-1/export/model.onnx"),
    *("runs/r-2/checkpoints/latest.json", "runs/r-2/run.json", "models/m-1/bundle.json", keys.PRODUCTION),
]


@pytest.mark.parametrize("key", ALL_AT_ONCE)
def test_whatever_happens_while_it_is_copied_the_copy_is_whole(world: World, key: str) -> None:
    world.once(key, lambda: move_on(world.source))
    outcome = world.copy()
    assert faults(world.target) == []
    assert outcome.unsettled == []
    world.copy()
    assert faults(world.target) == []
    assert world.target.get(keys.PRODUCTION) == world.source.get(keys.PRODUCTION)


def test_a_take_that_is_withdrawn_meanwhile_is_not_copied(world: World) -> None:
    record = keys.raw_record("user_recorded", "ada", "u-1")
    wav = keys.raw_audio("user_recorded", "ada", "u-1")
    world.once(wav, lambda: (world.source.delete(record), world.source.delete(wav)))
    outcome = world.copy()
    assert outcome.vanished == 1
    assert not exists(world.target, record)
    assert not exists(world.target, wav)


def test_what_changes_at_every_try_is_told(world: World) -> None:
    steps = iter(range(20, 1000, 10))

    def before(key: str) -> None:
        if "/step-" in key:  # so slow that the checkpoint is gone whenever it is read
            for _ in range(3):
                made.add_checkpoint(world.source, "r-2", next(steps))

    world.source.before_read = before
    world.source.delete("runs/r-1/checkpoints/latest.json")
    assert world.copy().unsettled == ["runs/r-2/checkpoints"]
    assert faults(world.target) == []


def test_other_audio_of_the_same_size_is_copied_when_its_record_is_another(world: World) -> None:
    world.copy()
    made.add_take(world.source, "u-1", b"WAVE")
    world.copy()
    assert world.target.get(keys.raw_audio("user_recorded", "ada", "u-1")) == b"WAVE"
    assert faults(world.target) == []


def test_a_curve_of_the_same_size_is_compared(world: World) -> None:
    world.copy()
    world.source.put(keys.run_metrics("r-2"), b'{"schema_version": 1, "step": 2}\n')
    assert world.copy().copied == 1
    assert world.target.get(keys.run_metrics("r-2")) == world.source.get(keys.run_metrics("r-2"))


def test_damage_is_found_and_neither_end_overwritten(world: World) -> None:
    world.copy()
    damaged = [keys.raw_audio("user_recorded", "ada", "u-1"), keys.shard("d-1", "train", 0)]
    for key in damaged:
        world.target.put(key, world.target.get(key)[:-1] + b"?")
    assert world.copy().damaged == []
    outcome = world.copy(verify=True)
    assert sorted(outcome.damaged) == sorted(damaged)
    assert all(world.target.get(key).endswith(b"?") for key in damaged)
    for key in damaged:
        world.target.delete(key)
    assert world.copy(verify=True).damaged == []
    assert content(world.target) == content(world.source)


class Forgetful(FolderStore):
    """A disk that gives back other bytes than were written."""

    def open(self, key: str) -> AbstractContextManager[BinaryIO]:
        if key.endswith(".wav"):
            self.put(key, b"????")
        return super().open(key)


def test_a_write_that_reads_back_as_something_else_is_told(world: World, tmp_path: Path) -> None:
    target = Forgetful(tmp_path / "bad")
    Copier(world.source, target).run()
    with pytest.raises(Unavailable, match="does not read back"):
        Copier(world.source, Forgetful(tmp_path / "worse"), verify=True).run()


class Hostile(FolderStore):
    """A backup in which somebody has put a key that leads out."""

    def list_page(self, prefix: str, *, start_after: str = "", limit: int = 1000) -> list[ObjectInfo]:
        if prefix != "raw/" or start_after:
            return super().list_page(prefix, start_after=start_after, limit=limit)
        return [ObjectInfo("raw/../../evil", 4, "etag")]

    def open(self, key: str) -> AbstractContextManager[BinaryIO]:
        return super().open("manifests/d-1/test.csv")


def test_a_key_that_leads_out_is_refused(tmp_path: Path) -> None:
    source, target = Hostile(tmp_path / "a"), FolderStore(tmp_path / "b")
    fill(source)
    with pytest.raises(BadInput, match=r"'raw/\.\./\.\./evil' is not allowed"):
        Copier(source, target).run()
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("name", ["../../../etc/passwd", "", None, 3, ["x"], "gone.safetensors"])
def test_a_checkpoint_that_cannot_be_is_no_reason_to_copy_anything_else(world: World, name: object) -> None:
    world.source.put("runs/r-2/checkpoints/latest.json", json.dumps({"name": name}).encode())
    outcome = world.copy()
    assert outcome.unsettled == (["runs/r-2/checkpoints"] if name == "gone.safetensors" else [])
    assert all(key.startswith(keys.FOLDERS) for key in content(world.target))


def test_a_large_object_needs_little_memory(world: World) -> None:
    def blocks() -> Iterator[bytes]:
        for number in range(64):
            yield bytes([number]) * MIB

    world.source.put_stream(keys.shard("d-2", "train", 1), blocks())
    tracemalloc.start()
    try:
        world.copy(verify=True)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 16 * MIB
    assert content(world.target) == content(world.source)


def test_a_record_of_absurd_size_is_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_copy, "_MAX_RECORD_BYTES", 100)
    with pytest.raises(BadInput, match="expected a record, 100 at most"):
        world.copy()


def test_best_weights_that_are_newer_than_their_record_are_no_damage(world: World) -> None:
    world.copy()
    best = keys.checkpoint("r-2", "best.safetensors")
    world.source.put(best, b"best at %09d" % 20)
    assert world.copy(verify=True).damaged == []
    assert world.target.get(best) == world.source.get(best)


def test_earlier_checkpoints_and_best_weights_go_with_the_one_that_names_them(world: World) -> None:
    document = json.loads(world.source.get("runs/r-2/checkpoints/latest.json"))
    best = {"name": "best-000000005.safetensors", "wer": 0.1, "cer": 0.1, "epoch": 1}
    earlier = {"name": "step-000000003.safetensors", "counters": {"best": [best]}}
    named = [keys.checkpoint("r-2", each["name"]) for each in (best, earlier)]
    for key in [*named, keys.checkpoint("r-2", "best-000000001.safetensors")]:
        world.source.put(key, key.encode())
    text = json.dumps({**document, "earlier": [earlier]}).encode()
    world.source.put("runs/r-2/checkpoints/latest.json", text)
    world.copy()
    copied = [key for key in content(world.target) if key in named or "best-" in key]
    assert sorted(copied) == sorted(named)
