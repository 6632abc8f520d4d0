"""What forgetting has left to do once its job has ended; from reconcile, by what the store says now."""

import logging
import re
from contextlib import suppress
from datetime import UTC, datetime

from services.ingest.forget import KIND
from services.ingest.heirs import mark_heirs
from voxloom.errors import BadInput, Conflict
from voxloom.forgotten import ForgetSpec
from voxloom.job_lease import job_key
from voxloom.jobs import JobRecord, Jobs, JobState
from voxloom.record import to_model
from voxloom.storage import ObjectStore, parse_model, usable, write_model

_WRITERS = ("train", "optimize")  # kinds of jobs that write what may quote an utterance
_ENDED = (JobState.DONE, JobState.FAILED)
_log = logging.getLogger(__name__)


class Aftercare:
    """Used by one thread.

    A training or a measurement that was under way while something was forgotten writes what it heard of it
    later. So runs and models are gone through again whenever such a job, or one of forgetting, has changed
    its state; what is remembered of that is lost with the process, and then they are gone through once more.
    """

    def __init__(self, store: ObjectStore, jobs: Jobs) -> None:
        self._store = store
        self._jobs = jobs
        self._seen: frozenset[tuple[str, str, JobState]] = frozenset()

    def step(self) -> None:
        """Raises BadInput for what is damaged, after all else is done."""
        ours = self._jobs.list(KIND)
        for _ in usable(self._redact, (job for job in ours if job.state in _ENDED)):
            pass
        if ours:
            self._scrub(ours)

    def _scrub(self, ours: list[JobRecord]) -> None:
        theirs = (job for kind in _WRITERS for job in self._jobs.list(kind))
        seen = frozenset((job.kind, job.id, job.state) for job in (*ours, *theirs))
        if seen == self._seen:
            return
        heirs = mark_heirs(self._store, datetime.now(UTC).isoformat(timespec="microseconds"))
        self._seen = seen
        if heirs.faults:
            raise BadInput("; ".join(heirs.faults))

    def _redact(self, job: JobRecord) -> None:
        """A job that has ended needs no names: to ask again is to name again. The worker does not do this:
        it may have been killed, or be of an older release."""
        key = job_key(KIND, job.id)
        spec = to_model(key, job.spec, ForgetSpec)
        names = spec.names()
        if not names:
            return
        data, etag = self._store.get_with_etag(key)
        found = parse_model(key, data, JobRecord)
        if found.state in _ENDED:
            told = {"spec": spec.hashed().model_dump(), "error": _without(found.error, names)}
            with suppress(Conflict):  # another replica was faster
                write_model(self._store, key, found.model_copy(update=told), if_match=etag)


def _without(text: str, names: set[str]) -> str:
    """Keys of objects name the clips that they are of."""
    parts = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    return re.sub(rf"(?<![\w.-])(?:{parts})(?![\w-])", "(withdrawn)", text)
