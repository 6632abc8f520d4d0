"""Training runs as records in the store: accepted here, done by a worker. No torch."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import Field

from services.trainer.recipes import Recipe, choose
from voxloom import keys
from voxloom.errors import Conflict, NotFound, NotReady
from voxloom.jobs import JobRecord, Jobs
from voxloom.manifest import DatasetRecord
from voxloom.record import Record
from voxloom.storage import ObjectStore, exists, list_all, read_model, usable, write_model

KIND = "train"


class RunRecord(Record):
    """runs/<run>/run.json: everything that is needed to do the run again."""

    run: str
    dataset: str
    seed: int
    budget_minutes: float  # wall clock; 0: to convergence
    recipe: dict[str, Any]  # every field of the recipe
    recipe_reason: str
    train_hours: float
    created_at: str
    versions: dict[str, str] = Field(default_factory=dict)  # of what trained it, once it has begun
    left_out: dict[str, int] = Field(default_factory=dict)  # training clips by reason, once it has begun
    window_shards: int | None = None  # of train on disk at a time, 0: all; None: it has not begun
    trace: str = ""

    @property
    def model(self) -> str:
        """The id of the model that this run makes."""
        return "m-" + self.run.removeprefix("r-")


def newest_dataset(store: ObjectStore) -> DatasetRecord | None:
    """The dataset that was made last, experiments aside; a dataset exists once its dataset.json does."""
    found = [info.key for info in list_all(store, "manifests/") if info.key.endswith("/dataset.json")]
    records = usable(lambda key: read_model(store, key, DatasetRecord), found)
    for_production = (record for record in records if not record.experiment)
    return max(for_production, key=lambda record: record.created_at, default=None)


def find_dataset(store: ObjectStore, name: str) -> DatasetRecord:
    """The dataset of that name, the newest for an empty one; NotFound says what there is to do."""
    if not name:
        newest = newest_dataset(store)
        if newest is None:
            raise NotFound("there is no dataset yet; import a corpus, then run `voxloom dataset build`")
        return newest
    try:
        return read_model(store, keys.dataset_record(keys.check_id(name, "dataset")), DatasetRecord)
    except NotFound as error:
        raise NotFound(
            f"dataset {name} does not exist; `voxloom dataset list` shows those there are"
        ) from error


def refuse_lossy(dataset: DatasetRecord, recipe: Recipe) -> None:
    """Law 8: training does not start on a dataset that lost more than the recipe or its build allows."""
    allowed = max(recipe.max_lost_fraction, dataset.max_dropped_fraction or 0.0)
    if dataset.lost_fraction > allowed:
        reasons = ", ".join(
            f"{count} {reason}" for reason, count in sorted(dataset.dropped_by_reason.items())
        )
        raise NotReady(
            f"dataset {dataset.dataset} lost {dataset.lost_fraction:.0%} of its clips ({reasons}), "
            f"allowed are {allowed:.0%}; see `voxloom dataset show {dataset.dataset}`"
        )


def refuse_pruned(store: ObjectStore, dataset: DatasetRecord) -> None:
    """Training does not start on a dataset without its shards. They go in order, so the first ones tell."""
    firsts = [split.shards[0] for split in dataset.splits.values() if split.shards]
    if missing := [key for key in firsts if not exists(store, key)]:
        raise NotReady(
            f"dataset {dataset.dataset} has no shards any more ({missing[0]} is gone, as after `voxloom "
            "store prune`); train on the newest dataset, or build one: voxloom dataset build"
        )


def submit(
    store: ObjectStore,
    jobs: Jobs,
    dataset: DatasetRecord,
    recipe_name: str,
    seed: int,
    budget_minutes: float,
    pieces: int | None = None,
) -> RunRecord:
    """Accepts a run: its record, then its job. The same wish twice is the same run. Recipe and pieces that
    were not asked for, an empty name and None, are chosen."""
    hours = dataset.splits["train"].hours
    recipe, reason = choose(hours, dataset.alphabet, recipe_name, pieces)
    record = RunRecord(
        run=run_id(dataset.dataset, recipe, seed, budget_minutes),
        dataset=dataset.dataset,
        seed=seed,
        budget_minutes=budget_minutes,
        recipe=recipe.to_dict(),
        recipe_reason=reason,
        train_hours=hours,
        created_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        trace=dataset.trace,
    )
    try:
        write_model(store, keys.run_record(record.run), record, if_absent=True)
    except Conflict:
        record = read_run(store, record.run)
    jobs.submit(KIND, record.run, {"run": record.run, "dataset": record.dataset}, record.trace)
    return record


def run_id(dataset: str, recipe: Recipe, seed: int, budget_minutes: float) -> str:
    budget = f"-{budget_minutes:g}min" if budget_minutes else ""
    pieces = f"-p{recipe.pieces}" if recipe.pieces else ""
    return keys.check_id(f"r-{dataset.removeprefix('d-')}-{recipe.name}{pieces}-s{seed}{budget}", "run")


def read_run(store: ObjectStore, run: str) -> RunRecord:
    try:
        return read_model(store, keys.run_record(keys.check_id(run, "run")), RunRecord)
    except NotFound as error:
        raise NotFound(f"run {run} does not exist; `voxloom runs list` shows those there are") from error


def untrained(newest: DatasetRecord | None, jobs: Sequence[JobRecord]) -> bool:
    """Whether the newest dataset waits for its first run; older ones without one were overtaken."""
    return newest is not None and all(job.spec.get("dataset") != newest.dataset for job in jobs)
