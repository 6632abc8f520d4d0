"""The dataset job: a snapshot of all that is stored, written as CSV, shards and, last, dataset.json."""

import logging
from collections.abc import Iterator

from services.ingest import importer, shards
from services.ingest.config import IngestConfig
from services.ingest.refusals import ReportLine, read_report
from services.ingest.snapshot import Snapshot, take_snapshot
from voxloom import keys
from voxloom.bus import EventBus, new_event
from voxloom.errors import BadInput, Conflict, NotFound, Unavailable
from voxloom.events import announce
from voxloom.jobs import JobRecord, Jobs, JobState, Lease
from voxloom.manifest import SPLITS, DatasetRecord, SplitName, write_csv
from voxloom.storage import ObjectStore, exists, list_all, read_model, usable, write_model
from voxloom.v1.events_pb2 import DatasetReady

KIND = "dataset"
_MAX_SNAPSHOTS = 5
_log = logging.getLogger(__name__)


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
        snapshot, record = self._build(job, lease)
        lease.progress(len(snapshot.rows), len(snapshot.rows), _summary(record))
        self._announce(record, job.trace)
        return _result(snapshot, record)

    def _build(self, job: JobRecord, lease: Lease) -> tuple[Snapshot, DatasetRecord]:
        damaged: frozenset[str] = frozenset()
        for _ in range(_MAX_SNAPSHOTS):
            lease.progress(0, 0, "reading the records")
            snapshot = take_snapshot(self._store, self._refused(), damaged, lease.check)
            _check_trainable(snapshot)
            try:
                return snapshot, self._write(snapshot, job, lease)
            except _Stale:
                damaged |= self._find_damaged(snapshot, lease)
        raise Unavailable("recordings keep changing while the dataset is built; it is tried again in a while")

    def _write(self, snapshot: Snapshot, job: JobRecord, lease: Lease) -> DatasetRecord:
        """The dataset that is there already gets back the shards that `voxloom store prune` took from it."""
        dataset = snapshot.dataset
        cut = {split: shards.cut(dataset, split, snapshot.of(split)) for split in SPLITS}
        self._write_shards(dataset, [shard for each in cut.values() for shard in each], lease)
        try:
            return read_model(self._store, keys.dataset_record(dataset), DatasetRecord)
        except NotFound:
            pass
        for split in SPLITS:
            self._store.put_stream(keys.manifest(dataset, split), write_csv(snapshot.of(split)))
        record = snapshot.record(_keys(cut), job.created_at, job.trace)
        try:
            write_model(self._store, keys.dataset_record(dataset), record, if_absent=True)
        except Conflict:
            return read_model(self._store, keys.dataset_record(dataset), DatasetRecord)
        _log.info("dataset %s: %s", dataset, _summary(record))
        return record

    def _write_shards(self, dataset: str, cut: list[shards.Shard], lease: Lease) -> None:
        total, done = sum(len(shard.rows) for shard in cut), 0

        def progress() -> None:
            nonlocal done
            done += 1
            lease.progress(done, total, f"writing {dataset}")

        for shard in cut:
            if exists(self._store, shard.key):
                done += len(shard.rows)
                continue
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
        for number, row in enumerate(snapshot.rows):
            lease.progress(number, len(snapshot.rows), "checking all audio")
            try:
                shards.read_clip(self._store, row)
            except shards.Damaged:
                found.add(row.utterance)
            except NotFound:
                continue  # deleted just now: the next snapshot will not see it
        return frozenset(found)

    def _refused(self) -> Iterator[ReportLine]:
        """Law 8: what imports refused. Of each corpus the latest import that looked at its clips speaks."""
        heard = set()
        for job in reversed(self._jobs.list(importer.KIND)):
            corpus, finished = job.spec.get("corpus"), job.state in (JobState.DONE, JobState.FAILED)
            if finished and corpus not in heard and exists(self._store, keys.import_report(job.id)):
                heard.add(corpus)
                yield from read_report(self._store, job.id)

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


def list_datasets(store: ObjectStore) -> list[DatasetRecord]:
    """Newest first."""
    found = [info.key for info in list_all(store, "manifests/") if info.key.endswith("/dataset.json")]
    records = usable(lambda key: read_model(store, key, DatasetRecord), found)
    return sorted(records, key=lambda record: (record.created_at, record.dataset), reverse=True)


def _check_trainable(snapshot: Snapshot) -> None:
    if snapshot.of("train"):
        return
    held_out = ", ".join(f"{len(snapshot.of(split))} {split}" for split in SPLITS)
    drops = ", ".join(f"{number} {reason}" for reason, number in sorted(snapshot.dropped.counts.items()))
    raise BadInput(
        f"nothing to train on: of {snapshot.stored} utterances {held_out}, dropped: {drops or 'none'}. "
        "Record or import more sentences and speakers; a corpus of few sentences said by all speakers "
        "needs its published split (import it with --keep-split)"
    )


def _keys(cut: dict[SplitName, list[shards.Shard]]) -> dict[SplitName, list[str]]:
    return {split: [shard.key for shard in each] for split, each in cut.items()}


def _summary(record: DatasetRecord) -> str:
    parts = [", ".join(f"{record.splits[split].utterances} {split}" for split in SPLITS)]
    parts += [f"{split} is empty" for split in SPLITS if not record.splits[split].utterances]
    if record.dropped_by_reason:
        parts.append(f"{record.dropped_fraction:.1%} dropped")
    return "; ".join(parts)


def _result(snapshot: Snapshot, record: DatasetRecord) -> dict[str, object]:
    return {
        "dataset": record.dataset,
        "stored": snapshot.stored,
        "summary": _summary(record),
        "dropped_by_reason": record.dropped_by_reason,
    }
