"""What is made for a comparison stays out of production: not trained by itself, not gated, not kept."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
import store_maker as made
from integration import bundle_maker

from services.optimizer.reconcile import Reconcile as LookAtRuns
from services.trainer.config import TrainerConfig
from services.trainer.handlers import Reconcile as LookAtDatasets
from services.trainer.runs import KIND, find_dataset, newest_dataset
from voxloom import keys
from voxloom.bus_memory import MemoryBus
from voxloom.errors import NotFound
from voxloom.jobs import Jobs
from voxloom.manifest import DatasetRecord
from voxloom.storage import FolderStore, read_model, write_model
from voxloom.store_usage import Rules

OLDER, NEWER = "2026-01-01T00:00:00+00:00", "2026-02-01T00:00:00+00:00"


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path)


def add_experiment(store: FolderStore, dataset: str, created_at: str = NEWER) -> None:
    made.add_dataset(store, dataset, created_at)
    key = keys.dataset_record(dataset)
    record = read_model(store, key, DatasetRecord)
    write_model(store, key, record.model_copy(update={"experiment": True}))


def test_nothing_trains_on_an_experiment_by_itself(store: FolderStore) -> None:
    config, jobs = TrainerConfig(train_recipe="smoke"), Jobs(store)
    reconcile = LookAtDatasets(config, store, jobs)
    add_experiment(store, "x-2")
    reconcile()
    assert jobs.list(KIND) == []
    with pytest.raises(NotFound, match="there is no dataset yet"):
        find_dataset(store, "")
    made.add_dataset(store, "d-1", OLDER)
    reconcile()
    reconcile()
    assert [job.spec["dataset"] for job in jobs.list(KIND)] == ["d-1"]
    newest = newest_dataset(store)
    assert newest
    assert newest.dataset == "d-1"
    assert find_dataset(store, "x-2").experiment


def test_the_optimizer_measures_no_model_of_an_experiment(store: FolderStore) -> None:
    """Neither when it is told of the run nor when it looks by itself."""
    add_experiment(store, "x-1")
    made.add_dataset(store, "d-1")
    for dataset in ("x-1", "d-1"):
        bundle_maker.write_export(store, f"r-{dataset}", dataset, bundle_maker.graph())
    jobs = Jobs(store)
    reconcile = LookAtRuns(store, MemoryBus(), jobs)
    assert reconcile.look_at("r-x-1")
    reconcile()
    assert [job.id for job in jobs.list("optimize")] == ["m-d-1"]


def test_pruning_keeps_the_newest_dataset_of_production(store: FolderStore) -> None:
    made.add_dataset(store, "d-1", OLDER)
    add_experiment(store, "x-2")
    datasets = [keys.dataset_record(dataset) for dataset in ("d-1", "x-2")]
    rules = Rules(store, datasets, datetime(2026, 3, 1, tzinfo=UTC).timestamp())
    assert rules.why("manifests/d-1/shards/") == ""
    assert "no open run needs this one" in rules.why("manifests/x-2/shards/")
