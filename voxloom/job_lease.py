"""One job: its record, and the lease by which one worker at a time holds it."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from types import TracebackType
from typing import Any, Self

from pydantic import Field

from voxloom import keys
from voxloom.errors import BadInput, Conflict, NotFound, Unavailable
from voxloom.record import Record
from voxloom.storage import ObjectStore, parse_model, write_model

log = logging.getLogger(__name__)
_MAX_ERROR_LENGTH = 2000
_MAX_RETRY_PAUSE_S = 60.0
_PROGRESS_S = 1.0


class LeaseLost(Exception):
    """Another worker holds the job now: stop, and write nothing more for it."""


class JobInterrupted(Exception):
    """This worker is to stop: let go of the job, another will resume it."""


class JobState(StrEnum):
    ACCEPTED = "accepted"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class JobRecord(Record):
    """jobs/<kind>/<id>.json. Times named `_at` are ISO 8601 in UTC; the two floats are seconds since 1970."""

    id: str
    kind: str
    state: JobState = JobState.ACCEPTED
    spec: dict[str, Any] = Field(default_factory=dict)
    created_at: str
    updated_at: str
    failures: int = 0  # exceptions
    claims: int = 0  # times a worker died over it since it last got further
    not_before: float = 0.0  # when a failed run may be tried again
    owner: str = ""  # who holds it, or held it last
    lease_expires_at: float = 0.0
    done: int = 0
    total: int = 0
    furthest: int = 0  # the most `done` of all runs
    message: str = ""
    error: str = ""
    result: dict[str, Any] = Field(default_factory=dict)
    trace: str = ""

    def is_claimable(self, now: float) -> bool:
        if self.state is JobState.ACCEPTED:
            return self.not_before <= now
        return self.state is JobState.RUNNING and self.lease_expires_at <= now


@dataclass(frozen=True)
class Policy:
    lease_s: float
    max_failures: int  # exceptions until a job has failed
    max_claims: int  # deaths of its worker until a job has failed
    clock: Callable[[], float]

    def timestamp(self) -> str:
        return datetime.fromtimestamp(self.clock(), UTC).isoformat(timespec="microseconds")


def job_key(kind: str, job_id: str) -> str:
    return keys.job(keys.check_id(kind, "job kind"), keys.check_id(job_id, "job id"))


def _writable(text: str) -> str:
    """Names of files that are no UTF-8 get into messages as lone surrogates, which JSON cannot hold."""
    return text.encode(errors="replace").decode()


class Lease:
    """One claimed job. As a context manager it renews the lease in a thread, which also writes the progress:
    a slow store never holds up the work. Only a lost compare-and-swap ends a lease: while the store cannot be
    reached the work goes on, and settling it decides."""

    def __init__(self, store: ObjectStore, policy: Policy, record: JobRecord, etag: str) -> None:
        self.record = record
        self._store = store
        self._policy = policy
        self._etag = etag
        self._lock = threading.Lock()
        self._progress = (record.done, record.total, record.message)
        self._lost = threading.Event()
        self._stop_asked = threading.Event()
        self._left = threading.Event()
        self._settled = False
        self._redacted: dict[str, Any] = {}
        self._thread = threading.Thread(target=self._renew, name=f"lease-{record.id}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._left.set()
        self._thread.join()

    def check(self) -> None:
        """Raises LeaseLost or JobInterrupted when the work is to end; call it every second or so."""
        if self._lost.is_set():
            raise LeaseLost(f"job {self.record.kind}/{self.record.id} is held by another worker now")
        if self._stop_asked.is_set():
            raise JobInterrupted(f"job {self.record.kind}/{self.record.id} is asked to stop")

    def progress(self, done: int, total: int, message: str = "") -> None:
        """Tells how far the work is, written about once a second; raises what `check` raises."""
        self.check()
        self._progress = (done, total, _writable(message))

    def ask_to_stop(self) -> None:
        """From any thread: makes the next `check` or `progress` of the worker raise JobInterrupted."""
        self._stop_asked.set()

    def complete(self, result: dict[str, Any]) -> None:
        self._settle(state=JobState.DONE, result=result, error="", **self._redacted)

    def redact(self, spec: dict[str, Any]) -> None:
        """What stands in the record instead of the spec once the job is completed."""
        self._redacted = {"spec": spec}

    def fail(self, error: str, retry: bool) -> None:
        """Counts a failure; with `retry` the job runs again after a growing pause, up to `max_failures`."""
        failures = self.record.failures + 1
        again = retry and failures < self._policy.max_failures
        pause_s = min(2.0 ** (failures - 1), _MAX_RETRY_PAUSE_S)
        self._settle(
            state=JobState.ACCEPTED if again else JobState.FAILED,
            failures=failures,
            error=_writable(error[:_MAX_ERROR_LENGTH]),
            not_before=self._policy.clock() + pause_s if again else 0.0,
        )

    def interrupt(self) -> None:
        """Hands the job back unfinished, to be resumed by whoever comes; counts as no failure."""
        self._settle(state=JobState.ACCEPTED, not_before=0.0)

    def postpone(self, error: str) -> None:
        """Hands the job back as one that another release has to do; counts as no failure."""
        pause_until = self._policy.clock() + _MAX_RETRY_PAUSE_S
        self._settle(
            state=JobState.ACCEPTED, not_before=pause_until, error=_writable(error[:_MAX_ERROR_LENGTH])
        )

    def _settle(self, **changes: Any) -> None:
        with self._lock:
            self._write(lease_expires_at=0.0, **changes)
            self._settled = True

    def _renew(self) -> None:
        interval_s = self._policy.lease_s / 3
        renewed = time.monotonic()
        while not self._left.wait(min(_PROGRESS_S, interval_s)):
            if time.monotonic() - renewed < interval_s and not self._has_news():
                continue
            try:
                with self._lock:
                    if self._settled:
                        return
                    self._write(lease_expires_at=self._policy.clock() + self._policy.lease_s)
                renewed = time.monotonic()
            except LeaseLost:
                return
            except Unavailable as error:
                log.warning("lease of job %s/%s not renewed: %s", self.record.kind, self.record.id, error)
            except Exception:  # the edge of the thread: the next try may succeed
                log.exception("lease of job %s/%s not renewed", self.record.kind, self.record.id)

    def _has_news(self) -> bool:
        return self._progress != (self.record.done, self.record.total, self.record.message)

    def _write(self, **changes: Any) -> None:
        """Writes progress and changes by compare-and-swap; the caller holds the lock."""
        if self._settled or self._lost.is_set():
            raise LeaseLost(f"job {self.record.kind}/{self.record.id} is no longer held by this worker")
        done, total, message = self._progress
        changes |= {"done": done, "total": total, "message": message, "updated_at": self._policy.timestamp()}
        if done > self.record.furthest:
            changes |= {"furthest": done, "claims": 0}
        record = self.record.model_copy(update=changes)
        self._etag = self._swap(record)
        self.record = record

    def _swap(self, record: JobRecord) -> str:
        """A write whose answer got lost has moved the etag too: it is ours as long as we are the owner."""
        key = job_key(record.kind, record.id)
        try:
            return write_model(self._store, key, record, if_match=self._etag)
        except Conflict:
            try:
                data, etag = self._store.get_with_etag(key)
                if parse_model(key, data, JobRecord).owner == record.owner:
                    return write_model(self._store, key, record, if_match=etag)
            except (Conflict, NotFound, BadInput):
                pass
            self._lost.set()
            raise LeaseLost(f"job {record.kind}/{record.id} was taken by another worker") from None
