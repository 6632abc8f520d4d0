"""The dataset job: a snapshot of all that is stored, written as CSV, shards and, last, dataset.json."""

import itertools
import logging
from collections.abc import Callable, Iterator

from pydantic import Field

from services.ingest import importer, reviewed, shards, sidecars
from services.ingest.config import IngestConfig
from services.ingest.describe import Description, Made
from services.ingest.records import read_records
from services.ingest.refusals import ReportLine, read_report
from services.ingest.snapshot import Snapshot, take_snapshot
from voxloom import keys
from voxloom.bus import EventBus, new_event
from voxloom.errors import BadInput, Conflict, NotFound, Unavailable
from voxloom.events import announce
from voxloom.job_lease import job_key
from voxloom.jobs import JobRecord, Jobs, JobState, Lease
from voxloom.manifest import (
    LEFT_OUT_BY_DESIGN,
    SPLITS,
    DatasetRecord,
    SplitName,
    write_csv,
)
from voxloom.mix import Mix
from voxloom.record import Record, to_model
from voxloom.storage import ObjectStore, exists, list_all, read_model, usable, write_model
from voxloom.v1.events_pb2 import DatasetReady

KIND = "dataset"
DEFAULT_MAX_DROPPED = 0.1
_MAX_SNAPSHOTS = 5
_log = logging.getLogger(__name__)


class BuildSpec(Record):
    """What a dataset job is asked for; `{}` of older releases means everything."""

    mix: Mix | None = None
    max_dropped: float = Field(default=DEFAULT_MAX_DROPPED, ge=0, le=1)  # of each source, to faults
    experiment: bool = False  # for a comparison, not for production


class _Stale(Exception):
    """The store has changed under the build: the snapshot must be taken anew."""


class DatasetBuilder:
    """Shards that a killed build has written are kept: they are made of the same rows or have another key."""

    def __init__(self, config: IngestConfig, store: ObjectStore, bus: EventBus, jobs: Jobs) -> None:
        self._threads = config.ingest_threads
        self._store = store
        self._bus = bus
        self._jobs = jobs

    def run(self, job: JobRecord, lease: Lease) -> dict[str, object]:
        """The body of the job: the dataset there is if nothing has changed, else a new one."""
        spec = to_model(job_key(KIND, job.id), job.spec, BuildSpec)
        counted, record = self._build(spec, job, lease)
        total = sum(split.utterances for split in record.splits.values())
        lease.progress(total, total, summary(record))
        if not spec.experiment:
            self._announce(record, job.trace)
        return _result(counted, record)

    def _build(self, spec: "BuildSpec", job: JobRecord, lease: Lease) -> tuple[int, DatasetRecord]:
        """With how many utterances the retrain policy counts as seen."""
        damaged: frozenset[str] = frozenset()
        rejected = reviewed.Rejected(self._store).count()
        for _ in range(_MAX_SNAPSHOTS):
            lease.progress(0, 0, "reading the records")
            with take_snapshot(
                read_records(self._store),
                self._refused(),
                mix=spec.mix,
                damaged=damaged,
                reviewer=reviewed.reader(self._store),
                check=lease.check,
            ) as snapshot:
                refuse_empty(snapshot)
                refuse_lossy(snapshot, spec.max_dropped)
                name = snapshot.dataset
                snapshot.dataset = self._unscrubbed(_name_of_experiment(name) if spec.experiment else name)
                try:
                    return snapshot.stored - rejected, self._write(snapshot, spec, job, lease)
                except _Stale:
                    damaged |= self._find_damaged(snapshot, lease)
        raise Unavailable("recordings keep changing while the dataset is built; it is tried again in a while")

    def _write(self, snapshot: Snapshot, spec: "BuildSpec", job: JobRecord, lease: Lease) -> DatasetRecord:
        """Shards that were pruned come back also where the dataset is known, and sidecars that it never had;
        everything else is immutable."""
        dataset = snapshot.dataset
        shards_of = self._write_shards(snapshot, lease)
        description = Description(snapshot)
        try:
            return sidecars.complete(self._store, description)
        except NotFound:
            pass
        for split in SPLITS:
            self._store.put_stream(keys.manifest(dataset, split), write_csv(snapshot.rows(split)))
        beside = sidecars.write(self._store, description)
        made = Made(spec.max_dropped, spec.experiment, job.created_at, job.trace)
        record = description.record(shards_of, beside, made)
        try:
            write_model(self._store, keys.dataset_record(dataset), record, if_absent=True)
        except Conflict:
            return read_model(self._store, keys.dataset_record(dataset), DatasetRecord)
        _log.info("dataset %s: %s", dataset, summary(record))
        return record

    def _unscrubbed(self, dataset: str) -> str:
        """The id, or the next one after it that names a dataset of which nothing was withdrawn."""
        names = (dataset if number == 1 else f"{dataset}-{number}" for number in itertools.count(1))
        return next(name for name in names if not exists(self._store, keys.withdrawn(f"manifests/{name}")))

    def _write_shards(self, snapshot: Snapshot, lease: Lease) -> dict[SplitName, list[str]]:
        """Their keys, in order."""
        dataset, done = snapshot.dataset, 0
        total = sum(snapshot.counts.values())

        def progress() -> None:
            nonlocal done
            done += 1
            lease.progress(done, total, f"writing {dataset}")

        written: dict[SplitName, list[str]] = {split: [] for split in SPLITS}
        for split in SPLITS:
            for shard in shards.cut(dataset, split, snapshot.rows(split)):
                written[split].append(shard.key)
                if exists(self._store, shard.key):
                    done += len(shard.rows)
                    continue
                self._write_shard(dataset, shard, progress)
        return written

    def _write_shard(self, dataset: str, shard: shards.Shard, progress: Callable[[], None]) -> None:
        try:
            shards.write(self._store, shard, self._threads, progress)
        except (shards.Damaged, NotFound) as error:
            _log.warning("dataset %s is planned anew: %s", dataset, error)
            if not exists(self._store, keys.dataset_record(dataset)):
                self._remove(dataset)
            raise _Stale from error

    def _find_damaged(self, snapshot: Snapshot, lease: Lease) -> frozenset[str]:
        """All of them at once, so that one more snapshot will do."""
        found = set()
        total = sum(snapshot.counts.values())
        for number, row in enumerate(snapshot.rows()):
            lease.progress(number, total, "checking all audio")
            try:
                shards.read_clip(self._store, row)
            except shards.Damaged:
                found.add(row.utterance)
            except NotFound:
                continue  # deleted just now: the next snapshot will not see it
        return frozenset(found)

    def _refused(self) -> Iterator[tuple[str, ReportLine]]:
        """Law 8: what imports refused, with the source. Of each corpus the latest import that looked at its
        clips speaks."""
        heard = set()
        for job in reversed(self._jobs.list(importer.KIND)):
            corpus, finished = job.spec.get("corpus"), job.state in (JobState.DONE, JobState.FAILED)
            if finished and corpus not in heard and exists(self._store, keys.import_report(job.id)):
                heard.add(corpus)
                source = str(job.spec.get("source", "imported"))
                yield from ((source, line) for line in read_report(self._store, job.id))

    def _remove(self, dataset: str) -> None:
        for info in list(list_all(self._store, f"manifests/{dataset}/")):
            self._store.delete(info.key)

    def _announce(self, record: DatasetRecord, trace: str) -> None:
        body = DatasetReady(
            dataset=record.dataset,
            train_utterances=record.splits["train"].utterances,
            val_utterances=record.splits["val"].utterances,
            test_utterances=record.splits["test"].utterances,
            train_hours=record.splits["train"].hours,
        )
        announce(self._bus, new_event("ingest", record.dataset, body, trace))


def _name_of_experiment(dataset: str) -> str:
    """Production's dataset of the same rows is another one, whichever is built first."""
    return "x-" + dataset.removeprefix("d-")


def newest_dataset(store: ObjectStore) -> DatasetRecord | None:
    """Experiments are found by their names only."""
    return next((record for record in list_datasets(store) if not record.experiment), None)


def list_datasets(store: ObjectStore) -> list[DatasetRecord]:
    """Newest first."""
    found = [info.key for info in list_all(store, "manifests/") if info.key.endswith("/dataset.json")]
    records = usable(lambda key: read_model(store, key, DatasetRecord), found)
    return sorted(records, key=lambda record: (record.created_at, record.dataset), reverse=True)


def refuse_empty(snapshot: Snapshot) -> None:
    if snapshot.counts["train"]:
        return
    held_out = ", ".join(f"{snapshot.counts[split]} {split}" for split in SPLITS)
    drops = ", ".join(f"{number} {reason}" for reason, number in snapshot.dropped_by_reason.items())
    raise BadInput(
        f"nothing to train on: of {snapshot.stored} utterances {held_out}, dropped: {drops or 'none'}. "
        "Record or import more sentences and speakers; a corpus of few sentences said by all speakers "
        "needs its published split (import it with --keep-split)"
    )


def refuse_lossy(snapshot: Snapshot, max_dropped: float) -> None:
    """Law 8: no dataset of a source that lost too much to faults, unless somebody says that it may."""
    told = []
    for source, reasons in snapshot.dropped.items():
        lost, considered = snapshot.lost(source)
        if lost > max_dropped * considered:
            faults = ", ".join(
                f"{n} {reason}" for reason, n in reasons.items() if reason not in LEFT_OUT_BY_DESIGN
            )
            told.append(f"{source} lost {lost} of {considered} clips ({lost / considered:.0%}: {faults})")
    if told:
        raise BadInput(
            f"{'; '.join(told)}; allowed are {max_dropped:.0%} of each source. Mend and import "
            "again what was refused, or delete what is broken; to build without it: "
            "voxloom dataset build --max-dropped 0.5"
        )


def summary(record: DatasetRecord) -> str:
    """One line for the job: what is in, what is empty, what was left out, what the mix lacks."""
    parts = [", ".join(f"{record.splits[split].utterances} {split}" for split in SPLITS)]
    parts += [f"{split} is empty" for split in SPLITS if not record.splits[split].utterances]
    if record.dropped_by_reason:
        parts.append(f"{record.dropped_fraction:.1%} dropped")
    if record.mix:
        parts.append(f"mix {record.mix.name}")
    parts += [
        f"{source}: {each.found} of the {each.wanted} wanted"
        for source, each in record.mix_shortfalls.items()
    ]
    return "; ".join(parts)


def _result(counted: int, record: DatasetRecord) -> dict[str, object]:
    return {
        "dataset": record.dataset,
        "stored": counted,
        "summary": summary(record),
        "dropped_by_reason": record.dropped_by_reason,
    }
