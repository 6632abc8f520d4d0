"""The chunk job: a stretch of an archive becomes checked utterances; many workers share an import."""

import logging
from collections.abc import Iterable, Iterator
from contextlib import closing
from functools import partial
from typing import BinaryIO

from services.ingest.clips import Stored, remove_if_forgotten, speaker_key, store_clip, utterance_id
from services.ingest.config import IngestConfig
from services.ingest.corpus import Found, ImportSpec
from services.ingest.plan import read_chunk
from services.ingest.refusals import ReportLine, Tally
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

Clip = tuple[Entry, bytes]


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
            check = partial(_outcome, self._store, chunk, gone)
            with closing(ordered_map(check, _clips(tar, items), self._threads)) as outcomes:
                for outcome, entry in outcomes:
                    tally.count(outcome)
                    if isinstance(outcome, Refusal):
                        lines.append(to_line(_report_line(chunk.spec, outcome, entry)))
                    lease.progress(tally.seen, len(items), tally.summary())
        _remove_late(self._store, chunk.spec, items, read_forgotten(self._store))
        self._store.put(keys.import_outcome(chunk.job, chunk.index), b"".join(lines))
        _log.info("taken in: chunk %d of import %s, %s", chunk.index, chunk.job, tally.summary())
        return tally.to_result()


def _clips(tar: BinaryIO, items: Iterable[Found | Refusal]) -> Iterator[Clip | Refusal]:
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


def _outcome(
    store: ObjectStore, chunk: ChunkSpec, gone: Forgotten, clip: Clip | Refusal
) -> tuple[Stored | Refusal, Entry | None]:
    if isinstance(clip, Refusal):
        return clip, None
    return store_clip(store, chunk.spec, *clip, chunk.created_at, gone), clip[0]


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
