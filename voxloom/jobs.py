"""Durable jobs: long work is a record in the object store, leased by one worker at a time."""

import json
import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any, TypeAlias

from voxloom import keys
from voxloom.errors import BadInput, Conflict, NewerSchema, NotFound, Unavailable
from voxloom.job_lease import JobInterrupted, JobRecord, JobState, Lease, LeaseLost, Policy, job_key
from voxloom.storage import ObjectStore, list_all, parse_model, read_model, write_model

__all__ = ["JobInterrupted", "JobRecord", "JobState", "JobWorker", "Jobs", "Lease", "LeaseLost"]

log = logging.getLogger(__name__)
Keys: TypeAlias = list[str]
Records: TypeAlias = list[JobRecord]
Versions: TypeAlias = list[tuple[str, JobRecord]]  # with the etag of each


class Jobs:
    """The job records of a store. Who takes, renews or settles a job does it by compare-and-swap, so of all
    workers on all machines one holds it. Leases compare the machines' clocks: keep them within seconds."""

    def __init__(
        self,
        store: ObjectStore,
        *,
        owner: str | None = None,
        lease_s: float = 15.0,
        max_failures: int = 3,
        max_claims: int = 20,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.policy = Policy(lease_s, max_failures, max_claims, clock)
        self._store = store
        self._owner = owner or f"{socket.gethostname()}-{os.getpid()}"
        self._cache: dict[str, tuple[str, JobRecord | None]] = {}  # key -> etag and what that version says
        self._cache_lock = threading.Lock()

    def submit(self, kind: str, job_id: str, spec: dict[str, Any], trace: str = "") -> JobRecord:
        """Makes the record, or returns unchanged the one that exists: work handed in twice is done once."""
        now = self.policy.timestamp()
        record = JobRecord(id=job_id, kind=kind, spec=spec, created_at=now, updated_at=now, trace=trace)
        try:
            write_model(self._store, job_key(kind, job_id), record, if_absent=True)
        except Conflict:
            return self.get(kind, job_id)
        return record

    def get(self, kind: str, job_id: str) -> JobRecord:
        return read_model(self._store, job_key(kind, job_id), JobRecord)

    def remove(self, kind: str, job_id: str) -> None:
        """Takes the record away; a worker that holds the job loses its lease."""
        self._store.delete(job_key(kind, job_id))

    def list(self, kind: str) -> Records:
        """All jobs of the kind, oldest first."""
        return [record for _, record in self._versions(kind)]

    def unreadable(self, kind: str) -> Keys:
        """Keys of the records that the last `list` left out, because they could not be read."""
        with self._cache_lock:
            found = self._cache.items()
            return [key for key, (_, record) in found if record is None and key.startswith(f"jobs/{kind}/")]

    def claim(self, kind: str) -> Lease | None:
        """Takes the oldest job that waits, or whose worker died; None if there is nothing to do now."""
        now = self.policy.clock()
        for etag, record in self._versions(kind):
            if record.is_claimable(now):
                taken = record.model_copy(
                    update={
                        "state": JobState.RUNNING,
                        "owner": f"{self._owner}-{uuid.uuid4().hex[:8]}",  # tells two leases apart
                        "lease_expires_at": now + self.policy.lease_s,
                        "claims": record.claims + (record.state is JobState.RUNNING),
                        "updated_at": self.policy.timestamp(),
                    }
                )
                try:
                    new_etag = write_model(self._store, job_key(kind, record.id), taken, if_match=etag)
                except Conflict:
                    continue  # another worker was faster
                return Lease(self._store, self.policy, taken, new_etag)
        return None

    def _versions(self, kind: str) -> Versions:
        """Etag and record of every job, oldest first; only records that changed are read again."""
        prefix = f"jobs/{keys.check_id(kind, 'job kind')}/"
        with self._cache_lock:
            known, found = self._cache, {}
            for info in list_all(self._store, prefix):
                version = known.get(info.key)
                if version is None or version[0] != info.etag:
                    version = self._read(info.key)
                if version is not None:
                    found[info.key] = version
            self._cache = {key: v for key, v in known.items() if not key.startswith(prefix)} | found
        readable = [(etag, record) for etag, record in found.values() if record is not None]
        return sorted(readable, key=lambda version: (version[1].created_at, version[1].id))

    def _read(self, key: str) -> tuple[str, JobRecord | None] | None:
        """None for one that is gone; one that cannot be read has no record, and the log says so once."""
        try:
            data, etag = self._store.get_with_etag(key)
        except NotFound:
            return None
        try:
            return etag, parse_model(key, data, JobRecord)
        except NewerSchema as error:
            log.error("job record left out: %s", error)
        except BadInput as error:
            log.error("job record left out: %s; repair or delete it", error)
        return etag, None


class JobWorker:
    """Runs the jobs of one kind, one after the other, in a thread of its own.

    `run` returns the result; it resumes from what an earlier run left in the store. BadInput fails the job at
    once, any other exception is tried again up to `max_failures`; `on_failed` then hears of it. NewerSchema
    hands it back: it waits for a worker of the newer release. A job during which the worker died `max_claims`
    times without getting further fails as well.
    """

    def __init__(
        self,
        jobs: Jobs,
        kind: str,
        run: Callable[[JobRecord, Lease], dict[str, Any]],
        on_failed: Callable[[JobRecord], None],
    ) -> None:
        self._jobs = jobs
        self._kind = kind
        self._run = run
        self._on_failed = on_failed
        self._lease: Lease | None = None
        self._woken = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._loop, name=f"worker-{kind}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """Makes an idle worker look for work now."""
        self._woken.set()

    def stop(self, timeout_s: float) -> bool:
        """Asks the job in progress to let go, and waits; False if it did not within the time."""
        self._stopping.set()
        self._woken.set()
        if lease := self._lease:
            lease.ask_to_stop()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _loop(self) -> None:
        pause_s = self._jobs.policy.lease_s / 3
        while True:
            self._woken.clear()
            if self._stopping.is_set():
                return
            try:
                lease = self._jobs.claim(self._kind)
                if lease is None:
                    self._woken.wait(pause_s)
                else:
                    self._work(lease)
            except Unavailable as error:
                log.warning("looking for %s jobs: %s", self._kind, error)
                self._stopping.wait(pause_s)
            except Exception:  # the edge of the thread: it outlives whatever a store does
                log.exception("looking for %s jobs failed; trying again in %.0f s", self._kind, pause_s)
                self._stopping.wait(pause_s)

    def _work(self, lease: Lease) -> None:
        with lease:
            self._lease = lease
            if self._stopping.is_set():
                lease.ask_to_stop()
            self._settle(lease, self._outcome(lease))
            self._lease = None
        if lease.record.state is JobState.FAILED:
            self._report(lease.record)

    def _outcome(self, lease: Lease) -> Callable[[], None]:
        """Runs the job; returns how to settle it."""
        record = lease.record
        name = f"{record.kind}/{record.id}"
        if record.claims > self._jobs.policy.max_claims:
            text = f"its worker died {record.claims} times without getting further; is there enough memory?"
            return lambda: lease.fail(text, retry=False)
        try:
            lease.check()
            result = json.dumps(self._run(record, lease), ensure_ascii=False).encode(errors="replace")
            return lambda: lease.complete(json.loads(result))
        except JobInterrupted:
            log.info("job %s is interrupted and will be resumed", name)
            return lease.interrupt
        except LeaseLost as lost:
            log.warning("%s", lost)
            return lambda: None
        except NewerSchema as error:
            log.error("job %s waits for a newer voxloom: %s", name, error)
            text = str(error)
            return lambda: lease.postpone(text)
        except BadInput as error:
            log.error("job %s failed: %s", name, error)
            text = str(error)
            return lambda: lease.fail(text, retry=False)
        except Exception as error:  # the edge: it is recorded and tried again
            log.exception(
                "job %s failed, time %d of %d", name, record.failures + 1, self._jobs.policy.max_failures
            )
            text = f"{type(error).__name__}: {error}"
            return lambda: lease.fail(text, retry=True)

    def _settle(self, lease: Lease, action: Callable[[], None]) -> None:
        """Hours of work are not thrown away because the store is down for a moment."""
        pause_s = 1.0
        while True:
            try:
                return action()
            except LeaseLost as lost:
                log.warning("%s", lost)
                return None
            except Unavailable as error:
                log.warning("job %s/%s not settled yet: %s", lease.record.kind, lease.record.id, error)
                if self._stopping.wait(pause_s):
                    return None
                pause_s = min(2 * pause_s, 30.0)

    def _report(self, record: JobRecord) -> None:
        try:
            self._on_failed(record)
        except Exception:  # the edge: the record says it all
            log.exception("telling of the failed job %s/%s failed", record.kind, record.id)
