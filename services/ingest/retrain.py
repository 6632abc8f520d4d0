"""The retrain policy at work: what it sees in the store, and the dataset job that it submits."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from services.ingest import dataset, importer
from services.ingest.policy import Decision, Seen, Thresholds, decide, obstacle
from services.ingest.records import count_stored
from services.ingest.reviewed import Rejected
from voxloom.errors import VoxloomError
from voxloom.jobs import JobRecord, Jobs, JobState
from voxloom.storage import ObjectStore

_OPEN = (JobState.ACCEPTED, JobState.RUNNING)
_log = logging.getLogger(__name__)


class Retrain:
    """Everything that lasts is in the store; in memory is only since when it has been quiet.

    The raw utterances are listed once it is quiet, not at each event of a recording session. Takes that were
    rejected do not count; those of which there is a better one do, for no listing tells them.
    """

    def __init__(
        self,
        store: ObjectStore,
        jobs: Jobs,
        thresholds: Thresholds,
        submitted: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._jobs = jobs
        self._thresholds = thresholds
        self._submitted = submitted
        self._clock = clock
        self._lock = threading.Lock()
        self._rejected = Rejected(store)
        self._alarm = Alarm(self.step)
        self._changed_at = clock()
        self._stored: int | None = None
        self._told = False  # of a change, since the last count
        self._trace = ""

    def changed(self, trace: str) -> None:
        """Something was stored or deleted; the next dataset carries the trace of the last change."""
        with self._lock:
            self._changed_at = self._clock()
            self._told = True
            self._trace = trace or self._trace

    def step(self) -> None:
        """Submits the dataset job when it is due; comes back by itself when only time is lacking."""
        with self._lock:
            work = _Work(self._jobs)
            if not obstacle(self._seen(work), self._thresholds):
                self._count()
                decision = decide(self._seen(work), self._thresholds)
                if decision.build:
                    self._submit(work, decision)
            blocked = obstacle(self._seen(work), self._thresholds)
        if blocked:
            self._alarm.set(blocked.look_again_s)

    def look(self) -> tuple[str, Decision]:
        """For people: the latest dataset, and what the policy makes of the store now."""
        with self._lock:
            self._count()
            work = _Work(self._jobs)
            return work.latest_dataset, decide(self._seen(work), self._thresholds)

    def last_look(self) -> tuple[str, Decision | None]:
        """As `look`, but of what was counted last: raw/ is not listed. No decision before the first count."""
        with self._lock:
            work = _Work(self._jobs)
            counted = self._stored is not None
            return work.latest_dataset, decide(self._seen(work), self._thresholds) if counted else None

    def close(self) -> None:
        self._alarm.cancel()

    def _submit(self, work: "_Work", decision: Decision) -> None:
        job = self._jobs.submit(dataset.KIND, self._next_id(work), work.latest_spec, self._trace)
        _log.info("%s", decision.summary, extra={"job": job.id})
        self._submitted()

    def _seen(self, work: "_Work") -> Seen:
        return Seen(
            quiet_s=self._clock() - self._changed_at,
            open_imports=_num_open(work.imports),
            open_builds=_num_open(work.builds),
            stored=self._stored or 0,
            built=work.built,
            failed=work.error_of(self._next_id(work)),
        )

    def _count(self) -> None:
        stored = count_stored(self._store) - self._rejected.count()
        if self._stored not in (None, stored) and not self._told:
            self._changed_at = (
                self._clock()
            )  # its event was lost, or comes later, or takes are being reviewed
        self._stored, self._told = stored, False

    def _next_id(self, work: "_Work") -> str:
        """The same state asks for the same job, so that reconciling twice builds once."""
        return f"auto-{work.latest_dataset or 'first'}-{self._stored}"


class _Work:
    """The job records as they are now."""

    def __init__(self, jobs: Jobs) -> None:
        self.imports = jobs.list(importer.KIND)
        self.builds = jobs.list(dataset.KIND)
        done = [job for job in self.builds if job.state is JobState.DONE and not job.spec.get("experiment")]
        self._newest = max(done, key=lambda job: job.updated_at, default=None)

    @property
    def latest_dataset(self) -> str:
        """What the newest build made, or found unchanged."""
        return str(self._newest.result.get("dataset", "")) if self._newest else ""

    @property
    def latest_spec(self) -> dict[str, Any]:
        """What the newest build was asked for: its mix and what it may drop hold until somebody asks anew."""
        return dict(self._newest.spec) if self._newest else {}

    @property
    def built(self) -> int | None:
        """How many utterances the newest build looked at, without those that review had rejected."""
        return int(self._newest.result.get("stored", 0)) if self._newest else None

    def error_of(self, build: str) -> str:
        failed = (job.error for job in self.builds if job.id == build and job.state is JobState.FAILED)
        return next(failed, "")


class Alarm:
    """Calls back once after a while, in a thread of its own; setting it anew replaces the former time."""

    def __init__(self, call: Callable[[], None]) -> None:
        self._call = call
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None
        self._closed = False

    def set(self, seconds: float) -> None:
        with self._lock:
            if self._timer:
                self._timer.cancel()
            if not self._closed:
                self._timer = threading.Timer(seconds, self._ring)
                self._timer.daemon = True
                self._timer.start()

    def cancel(self) -> None:
        with self._lock:
            self._closed = True
            if self._timer:
                self._timer.cancel()

    def _ring(self) -> None:
        try:
            self._call()
        except VoxloomError as error:
            _log.warning("the retrain policy looks again within a minute: %s", error)
        except Exception:  # noqa: BLE001 - the edge of a thread: logged whole, and reconcile tries again
            _log.exception("the retrain policy failed")


def _num_open(jobs: list[JobRecord]) -> int:
    return sum(job.state in _OPEN for job in jobs)
