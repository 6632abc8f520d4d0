"""The chunk job: a stretch of an archive becomes checked utterances; many workers share an import."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from functools import partial
from typing import BinaryIO

from services.ingest.clips import Checked, Outcome, check_clips, remove_if_forgotten, write_clips
from services.ingest.config import IngestConfig
from services.ingest.corpus import Found, ImportSpec
from services.ingest.plan import read_chunk
from services.ingest.refusals import ReportLine, Tally
from services.ingest.rows import speaker_key, utterance_id
from voxloom import keys
from voxloom.corpora.entry import Entry
from voxloom.corpora.refusal import Reason, Refusal
from voxloom.forgotten import Forgotten, digest, read_forgotten
from voxloom.job_lease import job_key
from voxloom.jobs import JobRecord, Lease
from voxloom.record import Record, to_line, to_model
from voxloom.storage import ObjectStore
from voxloom.threads import ordered_map

KIND = "chunk"
_log = logging.getLogger(__name__)
_SKIP_BYTES = 256 * 1024  # to read over a gap is cheaper than another request
_BATCH_CLIPS = 64
_BATCH_BYTES = 2 * 2**20  # encoded: a clip of 35 s grows from 70 kB to 1.1 MB

Item = tuple[Entry, bytes] | Refusal
Batch = list[tuple[Outcome | Checked, Entry | None]]


class ChunkSpec(Record):
    """The spec of a chunk job."""

    job: str  # the import
    index: int
    created_at: str  # of the import: all its records say the same, whoever stored them, and however often
    spec: ImportSpec


def chunk_id(job: str, index: int) -> str:
    """The id of the job of a chunk."""
    return f"{job}-{index:05d}"


class ChunkWorker:
    """What a killed worker has stored is found again by id: who takes its chunk over only goes over it."""

    def __init__(self, config: IngestConfig, store: ObjectStore) -> None:
        self._store = store
        self._threads = config.ingest_threads

    def run(self, job: JobRecord, lease: Lease) -> dict[str, object]:
        """The body of the job; its result is a tally, and its refusals lie beside the plan."""
        chunk = to_model(job_key(KIND, job.id), job.spec, ChunkSpec)
        items = read_chunk(self._store, chunk.job, chunk.index)
        tally, lines = Tally(), []
        gone = read_forgotten(self._store)
        with self._store.open(chunk.spec.upload) as tar:
            check, write = partial(_check, self._store, chunk, gone), partial(_write, self._store)
            # Apart, so that the next batch is decoded while the disk is waited for.
            with (
                closing(ordered_map(check, _batches(_clips(tar, items)), self._threads)) as checked,
                closing(ordered_map(write, checked, max(self._threads // 2, 1))) as batches,
            ):
                for batch in batches:
                    for outcome, entry in batch:
                        tally.count(outcome)
                        if isinstance(outcome, Refusal):
                            lines.append(to_line(_report_line(chunk.spec, outcome, entry)))
                    lease.progress(tally.seen, len(items), tally.summary())
        if (now_gone := read_forgotten(self._store)) != gone:
            _remove_late(self._store, chunk.spec, items, now_gone)
        self._store.put(keys.import_outcome(chunk.job, chunk.index), b"".join(lines))
        _log.info("taken in: chunk %d of import %s, %s", chunk.index, chunk.job, tally.summary())
        return tally.to_result()


def _clips(tar: BinaryIO, items: Iterable[Found | Refusal]) -> Iterator[Item]:
    for item in items:
        if isinstance(item, Refusal):
            yield item
        else:
            _go_to(tar, item.offset)
            yield item.entry, tar.read(item.size)


def _go_to(tar: BinaryIO, offset: int) -> None:
    gap = offset - tar.tell()
    if 0 <= gap <= _SKIP_BYTES:
        tar.read(gap)
    else:
        tar.seek(offset)


def _batches(items: Iterable[Item]) -> Iterator[list[Item]]:
    """A batch is written at once: what makes it durable costs as much as for a single clip."""
    batch: list[Item] = []
    size = 0
    for item in items:
        batch.append(item)
        size += 0 if isinstance(item, Refusal) else len(item[1])
        if len(batch) == _BATCH_CLIPS or size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _check(store: ObjectStore, chunk: ChunkSpec, gone: Forgotten, batch: Sequence[Item]) -> Batch:
    clips = [item for item in batch if not isinstance(item, Refusal)]
    checked = iter(check_clips(store, chunk.spec, clips, chunk.created_at, gone))
    return [(item, None) if isinstance(item, Refusal) else (next(checked), item[0]) for item in batch]


def _write(store: ObjectStore, batch: Batch) -> list[tuple[Outcome, Entry | None]]:
    outcomes = write_clips(store, [each for each, _ in batch])
    return [(outcome, entry) for outcome, (_, entry) in zip(outcomes, batch, strict=True)]


def _remove_late(
    store: ObjectStore, spec: ImportSpec, items: Iterable[Found | Refusal], gone: Forgotten
) -> None:
    """What was withdrawn since the tombstones were read may have been stored after it was deleted."""
    for item in items:
        if isinstance(item, Found):
            remove_if_forgotten(store, spec, item.entry, gone)


def _report_line(spec: ImportSpec, refusal: Refusal, entry: Entry | None) -> ReportLine:
    """Of what was withdrawn not even the id is kept."""
    if refusal.reason == Reason.FORGOTTEN:
        return ReportLine(utterance="", corpus=spec.corpus, **vars(refusal))
    utterance = utterance_id(spec.namespace, refusal.path)
    voice = digest(f"{spec.source}/{speaker_key(spec.namespace, entry.speaker)}") if entry else ""
    return ReportLine(utterance=utterance, corpus=spec.corpus, voice=voice, **vars(refusal))
