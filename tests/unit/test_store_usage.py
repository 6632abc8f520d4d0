"""What counts as what, and that only what nobody needs can be deleted."""

import os
import time
from pathlib import Path

import pytest
import store_maker as made
from store_maker import content, faults, hours_ago

from voxloom import keys, store_usage
from voxloom.errors import BadInput
from voxloom.jobs import JobState
from voxloom.storage import FolderStore
from voxloom.store_usage import Amount, Rules, find_deletable, kind_of, take_inventory

ENDED_RUN, OLD_SHARDS = "runs/r-1/checkpoints/", "manifests/d-1/shards/"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FolderStore:
    monkeypatch.setattr(os, "fsync", lambda file: None)
    store = FolderStore(tmp_path)
    made.fill(store)
    return store


def deletable(store: FolderStore) -> list[str]:
    inventory = take_inventory(store)
    return [item.prefix for item in find_deletable(inventory, Rules(store, inventory.datasets, time.time()))]


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("raw/user_recorded/ada/u-1.wav", "raw/user_recorded"),
        ("raw/commonvoice/s/u.json", "raw/commonvoice"),
        ("raw/elsewhere/s/u.json", "raw"),
        ("uploads/a.tar", "uploads"),
        ("manifests/d/test.csv", "manifests"),
        ("manifests/d/shards/test-00000.tar", "manifests/shards"),
        ("runs/r/run.json", "runs"),
        ("runs/r/checkpoints/latest.json", "runs/checkpoints"),
        ("runs/r/export/model.onnx", "runs/export"),
        ("models/m/bundle.json", "models"),
        (keys.PRODUCTION, "models"),
        ("jobs/train/r.json", "jobs"),
        ("voxloom.log", "other"),
        ("photos/cat.jpg", "other"),
        ("raw", "other"),
    ],
)
def test_everything_is_of_a_kind(key: str, kind: str) -> None:
    assert kind_of(key) == kind


def test_all_is_counted(store: FolderStore) -> None:
    kinds = take_inventory(store).kinds
    found = content(store)
    assert sum(amount.objects for amount in kinds.values()) == len(found)
    assert sum(amount.bytes for amount in kinds.values()) == sum(map(len, found.values()))
    assert kinds["uploads"] == Amount(1, len(b"a corpus"))


def test_checkpoints_of_ended_runs_and_shards_of_old_datasets_can_go(store: FolderStore) -> None:
    assert deletable(store) == [OLD_SHARDS, ENDED_RUN]


@pytest.mark.parametrize("state", [JobState.ACCEPTED, JobState.RUNNING])
def test_what_an_open_run_needs_stays(store: FolderStore, state: JobState) -> None:
    made.add_run(store, "r-1", "d-1", state)
    assert deletable(store) == []


def test_what_has_just_ended_stays_for_an_hour(store: FolderStore) -> None:
    made.add_job(store, "train", "r-1", JobState.DONE, hours_ago(0.9), dataset="d-1")
    assert ENDED_RUN not in deletable(store)
    made.add_job(store, "train", "r-1", JobState.DONE, hours_ago(1.1), dataset="d-1")
    assert ENDED_RUN in deletable(store)
    made.add_job(store, "train", "r-1", JobState.DONE, "some day", dataset="d-1")
    assert ENDED_RUN not in deletable(store)


def test_a_run_without_a_job_or_without_its_export_keeps_its_checkpoints(store: FolderStore) -> None:
    store.delete(keys.export_file("r-1", "export.json"))
    assert ENDED_RUN not in deletable(store)
    store.delete(keys.job("train", "r-1"))
    assert ENDED_RUN not in deletable(store)


def test_a_failed_run_has_ended(store: FolderStore) -> None:
    made.add_run(store, "r-3", "d-2", JobState.FAILED)
    assert "runs/r-3/checkpoints/" in deletable(store)


def test_the_newest_dataset_keeps_its_shards_whoever_trains(store: FolderStore) -> None:
    made.add_run(store, "r-2", "d-2", JobState.DONE)
    assert "manifests/d-2/shards/" not in deletable(store)
    made.add_dataset(store, "d-3", hours_ago(0.5))
    assert deletable(store) == [OLD_SHARDS, "manifests/d-2/shards/", ENDED_RUN, "runs/r-2/checkpoints/"]


@pytest.mark.parametrize(
    ("state", "ended_hours_ago", "goes"),
    [
        (JobState.DONE, 2, True),
        (JobState.DONE, 0.5, False),
        (JobState.RUNNING, 2, False),
        (JobState.ACCEPTED, 2, False),
    ],
)
def test_shards_of_a_build_that_was_cut_off_go_unless_one_is_under_way(
    store: FolderStore, state: JobState, ended_hours_ago: float, goes: bool
) -> None:
    store.put(keys.shard("d-half", "train", 0), b"half")
    made.add_job(store, "dataset", "build", state, hours_ago(ended_hours_ago))
    assert ("manifests/d-half/shards/" in deletable(store)) is goes


@pytest.mark.parametrize("key", ["jobs/train/r-9.json", "jobs/dataset/b.json", "manifests/d-9/dataset.json"])
@pytest.mark.parametrize("data", [b'{"schema_version": 99}', b"{"])
def test_nothing_can_go_while_a_record_cannot_be_read(store: FolderStore, key: str, data: bytes) -> None:
    store.put(key, data)
    store.put(keys.shard("d-half", "train", 0), b"half")
    with pytest.raises(BadInput, match=key):
        deletable(store)


def test_pruning_deletes_what_was_listed_and_nothing_else(store: FolderStore) -> None:
    before = content(store)
    inventory = take_inventory(store)
    rules = Rules(store, inventory.datasets, time.time())
    found = find_deletable(inventory, rules)
    told: list[int] = []
    deleted = store_usage.prune(store, rules, found, told.append)
    gone = before.keys() - content(store).keys()
    assert gone == {key for key in before if key.startswith((ENDED_RUN, OLD_SHARDS))}
    assert deleted == Amount(len(gone), sum(len(before[key]) for key in gone))
    assert sum(told) == deleted.bytes
    assert content(store).items() <= before.items()
    assert deletable(store) == []
    assert [fault for fault in faults(store) if OLD_SHARDS not in fault] == []


def test_a_run_that_begins_meanwhile_keeps_its_shards(store: FolderStore) -> None:
    inventory = take_inventory(store)
    rules = Rules(store, inventory.datasets, time.time())
    found = [item for item in find_deletable(inventory, rules) if item.prefix == OLD_SHARDS]

    def begin(num_bytes: int) -> None:
        made.add_job(store, "train", "r-new", JobState.ACCEPTED, dataset="d-1")

    assert store_usage.prune(store, rules, found, begin).objects == 1
    assert len([key for key in content(store) if key.startswith(OLD_SHARDS)]) == 1
