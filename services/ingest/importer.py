"""The import job: lists what is in the archive, has chunk jobs take it in, and adds up what became of it."""

import logging
import time
from collections.abc import Callable, Iterator

from services.ingest import chunk
from services.ingest.chunk import ChunkSpec, chunk_id
from services.ingest.config import IngestConfig
from services.ingest.corpus import ImportSpec, Members, find_clips, read_index
from services.ingest.fetch import Fetcher
from services.ingest.plan import Plan, write_plan
from services.ingest.refusals import Tally
from voxloom import keys
from voxloom.bus import EventBus, new_event
from voxloom.corpora.archive import ArchiveLimits, walk
from voxloom.corpora.commonvoice import release_limits
from voxloom.errors import BadInput, NotFound
from voxloom.events import announce
from voxloom.job_lease import job_key
from voxloom.jobs import JobRecord, Jobs, JobState, Lease
from voxloom.record import to_model
from voxloom.storage import ObjectStore, read_model
from voxloom.v1.events_pb2 import CorpusImported, ImportChunkReady

KIND = "import"
_MIN_PAUSE_S, _MAX_PAUSE_S = 0.05, 1.0
_log = logging.getLogger(__name__)


class Importer:
    """`wake` makes this process' own chunk worker look; those of other processes hear it by event."""

    def __init__(
        self, config: IngestConfig, store: ObjectStore, bus: EventBus, jobs: Jobs, wake: Callable[[], None]
    ) -> None:
        self._store = store
        self._bus = bus
        self._jobs = jobs
        self._wake = wake
        self._limits = ArchiveLimits(
            max_members=config.import_max_members, max_file_bytes=config.import_max_clip_mib * 2**20
        )
        self._fetcher = Fetcher(config, store, self._limits)

    def run(self, job: JobRecord, lease: Lease) -> dict[str, object]:
        """The body of the job; its result is what `services.ingest.messages` shows."""
        spec = to_model(job_key(KIND, job.id), job.spec, ImportSpec)
        if spec.origin:
            self._fetcher.fetch(spec, lambda message: lease.progress(0, 0, message))
        plan = self._plan(spec, job, lease)
        tally = self._take_in(spec, plan, job, lease)
        self._store.put_stream(keys.import_report(job.id), self._outcomes(job, plan))
        self._check_share(spec, job, tally)
        self._announce(spec, job, tally)
        selected = {"not_selected_by_reason": plan.not_selected_by_reason}
        return {"corpus": spec.corpus, **tally.to_result(), **selected}

    def _plan(self, spec: ImportSpec, job: JobRecord, lease: Lease) -> Plan:
        """The plan of an earlier run, if that came so far."""
        try:
            return read_model(self._store, keys.import_plan(job.id), Plan)
        except NotFound:
            lease.progress(0, 0, "reading the transcripts")
        limits = release_limits(self._limits) if spec.format == "commonvoice" else self._limits
        with self._store.open(spec.upload) as tar:
            index = read_index(_heeding(walk(tar, limits), lease.check), spec, limits)
        expected = len(index)
        lease.progress(0, expected, "listing the clips")
        with index, self._store.open(spec.upload) as tar:
            found = find_clips(_heeding(walk(tar, limits), lease.check), index, spec)
            return write_plan(self._store, job.id, found, expected, index.not_selected)

    def _take_in(self, spec: ImportSpec, plan: Plan, job: JobRecord, lease: Lease) -> Tally:
        """Waits until every chunk is done, by whichever worker."""
        self._submit(spec, plan, job)
        pause_s, before = _MIN_PAUSE_S, -1
        while True:
            chunks = self._chunks(job)
            tally, done = _added_up(chunks), sum(each.done for each in chunks)
            lease.progress(done, plan.items, tally.summary())
            if sum(each.state is JobState.DONE for each in chunks) >= plan.chunks:
                return tally
            pause_s = _MIN_PAUSE_S if done != before else min(2 * pause_s, _MAX_PAUSE_S)
            before = done
            time.sleep(pause_s)

    def _submit(self, spec: ImportSpec, plan: Plan, job: JobRecord) -> None:
        for index in range(plan.chunks):
            part = ChunkSpec(job=job.id, index=index, created_at=job.created_at, spec=spec)
            name = chunk_id(job.id, index)
            self._jobs.submit(chunk.KIND, name, part.model_dump(), job.trace)
            self._wake()
            ready = ImportChunkReady(job=job.id, chunk=name)
            announce(self._bus, new_event("ingest", name, ready, job.trace))

    def _chunks(self, job: JobRecord) -> list[JobRecord]:
        """In the order of the archive; BadInput when one of them was given up."""
        chunks = [each for each in self._jobs.list(chunk.KIND) if each.spec.get("job") == job.id]
        for each in chunks:
            if each.state is JobState.FAILED:
                raise BadInput(f"chunk {each.id} of the import could not be taken in: {each.error}")
        return sorted(chunks, key=lambda each: each.id)

    def _outcomes(self, job: JobRecord, plan: Plan) -> Iterator[bytes]:
        for index in range(plan.chunks):
            yield self._store.get(keys.import_outcome(job.id, index))

    def _check_share(self, spec: ImportSpec, job: JobRecord, tally: Tally) -> None:
        if not tally.seen:
            raise BadInput(
                "the archive holds no audio; expected .wav, .flac, .mp3, .ogg or .opus files in a tar"
            )
        if tally.refused_fraction > spec.max_refused_fraction or not tally.accepted:
            raise BadInput(
                f"{tally.refused} of {tally.seen} clips are refused ({tally.refused_fraction:.1%}, "
                f"allowed {spec.max_refused_fraction:.1%}): {tally.reasons()[:1200]}. "
                f"The {tally.accepted} good ones are stored and stay; mend the corpus and import it again "
                "(nothing is stored twice), or allow a larger share. "
                f"All refusals: {keys.import_report(job.id)}"
            )

    def _announce(self, spec: ImportSpec, job: JobRecord, tally: Tally) -> None:
        body = CorpusImported(
            corpus=spec.corpus,
            job=job.id,
            utterances=tally.accepted,
            refused=tally.refused,
            duration_s=tally.duration_s,
        )
        _log.info("corpus %s imported: %s", spec.corpus, tally.summary())
        announce(self._bus, new_event("ingest", spec.corpus, body, job.trace))


def _heeding(members: Members, check: Callable[[], None]) -> Members:
    """Lets a job be stopped while it skips over the audio of a long archive."""
    for member in members:
        check()
        yield member


def _added_up(chunks: list[JobRecord]) -> Tally:
    tally = Tally()
    for each in chunks:
        if each.state is JobState.DONE:
            tally.add(each.result)
    return tally
