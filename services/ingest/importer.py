"""The import job: an uploaded tar becomes checked utterances, each refusal counted; safe to run again."""

import logging
from collections.abc import Callable
from contextlib import closing
from functools import partial

from services.ingest.clips import Stored, store_clip, utterance_id
from services.ingest.config import IngestConfig
from services.ingest.corpus import Clip, ImportSpec, Index, Members, read_clips, read_index
from services.ingest.refusals import Tally, write_report
from voxloom.bus import EventBus, new_event
from voxloom.corpora.archive import ArchiveLimits, walk
from voxloom.corpora.refusal import Refusal
from voxloom.errors import BadInput
from voxloom.events import announce
from voxloom.job_lease import job_key
from voxloom.jobs import JobRecord, Lease
from voxloom.keys import import_report
from voxloom.record import to_model
from voxloom.storage import ObjectStore
from voxloom.threads import ordered_map
from voxloom.v1.events_pb2 import CorpusImported

KIND = "import"
_log = logging.getLogger(__name__)


class Importer:
    """What a killed import has stored is found again by id, so a resumed one only goes over it."""

    def __init__(self, config: IngestConfig, store: ObjectStore, bus: EventBus) -> None:
        self._store = store
        self._bus = bus
        self._threads = config.ingest_threads
        self._limits = ArchiveLimits(
            max_members=config.import_max_members, max_file_bytes=config.import_max_clip_mib * 2**20
        )

    def run(self, job: JobRecord, lease: Lease) -> dict[str, object]:
        """The body of the job; its result is what `services.ingest.messages` shows."""
        spec = to_model(job_key(KIND, job.id), job.spec, ImportSpec)
        lease.progress(0, 0, "reading the transcripts")
        with self._store.open(spec.upload) as tar:
            index = read_index(_heeding(walk(tar, self._limits), lease.check), spec, self._limits)
        tally = self._take_in(spec, index, job, lease)
        write_report(
            self._store, job.id, spec.corpus, [(utterance_id(spec.corpus, r.path), r) for r in tally.refusals]
        )
        self._check_share(spec, job, tally)
        self._announce(spec, job, tally)
        return _result(spec, tally)

    def _take_in(self, spec: ImportSpec, index: Index, job: JobRecord, lease: Lease) -> Tally:
        tally, total = Tally(), len(index.entries) + len(index.refusals)
        with self._store.open(spec.upload) as tar:
            clips = read_clips(_heeding(walk(tar, self._limits), lease.check), index, spec)
            check = partial(_outcome, self._store, spec, job.created_at)
            with closing(ordered_map(check, clips, self._threads)) as outcomes:
                for outcome in outcomes:
                    _count(tally, outcome)
                    lease.progress(tally.seen, max(total, tally.seen), _progress(tally))
        return tally

    def _check_share(self, spec: ImportSpec, job: JobRecord, tally: Tally) -> None:
        if not tally.seen:
            raise BadInput(
                "the archive holds no audio; expected .wav, .flac, .mp3, .ogg or .opus files in a tar"
            )
        if tally.refused_fraction > spec.max_refused_fraction or not tally.accepted:
            raise BadInput(
                f"{len(tally.refusals)} of {tally.seen} clips are refused ({tally.refused_fraction:.1%}, "
                f"allowed {spec.max_refused_fraction:.1%}): {tally.summary()[:1200]}. "
                f"The {tally.accepted} good ones are stored and stay; mend the corpus and import it again "
                "(nothing is stored twice), or allow a larger share. "
                f"All refusals: {import_report(job.id)}"
            )

    def _announce(self, spec: ImportSpec, job: JobRecord, tally: Tally) -> None:
        body = CorpusImported(
            corpus=spec.corpus,
            job=job.id,
            utterances=tally.accepted,
            refused=len(tally.refusals),
            duration_s=tally.duration_s,
        )
        _log.info("corpus %s imported: %s", spec.corpus, _progress(tally))
        announce(self._bus, new_event("ingest", spec.corpus, body, job.trace))


def _heeding(members: Members, check: Callable[[], None]) -> Members:
    """Lets a job be stopped while it skips over the audio of a long archive."""
    for member in members:
        check()
        yield member


def _outcome(store: ObjectStore, spec: ImportSpec, created_at: str, clip: Clip | Refusal) -> Stored | Refusal:
    return clip if isinstance(clip, Refusal) else store_clip(store, spec, clip, created_at)


def _count(tally: Tally, outcome: Stored | Refusal) -> None:
    if isinstance(outcome, Refusal):
        tally.refusals.append(outcome)
        return
    tally.added += outcome.added
    tally.already_stored += not outcome.added
    tally.duration_s += outcome.duration_s


def _progress(tally: Tally) -> str:
    parts = [f"{tally.added} added"]
    if tally.already_stored:
        parts.append(f"{tally.already_stored} stored before")
    if tally.refusals:
        parts.append(f"{len(tally.refusals)} refused")
    return ", ".join(parts)


def _result(spec: ImportSpec, tally: Tally) -> dict[str, object]:
    return {
        "corpus": spec.corpus,
        "accepted": tally.accepted,
        "added": tally.added,
        "already_stored": tally.already_stored,
        "refused": len(tally.refusals),
        "refused_by_reason": tally.by_reason(),
        "refused_examples": tally.examples(),
        "duration_s": round(tally.duration_s, 3),
    }
