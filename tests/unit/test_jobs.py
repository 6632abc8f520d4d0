import itertools
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from voxloom import keys
from voxloom.errors import BadInput, Conflict, NewerSchema, NotFound, Unavailable
from voxloom.jobs import JobInterrupted, JobRecord, Jobs, JobState, JobWorker, Lease, LeaseLost, log
from voxloom.storage import FolderStore, ObjectStore, read_model, write_model

LEASE_S = 0.3


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def jobs(folder_store: FolderStore, clock: Clock) -> Jobs:
    return Jobs(folder_store, clock=clock)


def wait_until(condition: Callable[[], bool], patience_s: float = 10.0) -> None:
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def claimed(jobs: Jobs, kind: str = "import") -> Lease:
    lease = jobs.claim(kind)
    assert lease is not None
    return lease


def test_submitting_again_changes_nothing(jobs: Jobs) -> None:
    first = jobs.submit("import", "j1", {"corpus": "an4"}, trace="t")
    assert (first.state, first.trace, first.spec) == (JobState.ACCEPTED, "t", {"corpus": "an4"})
    assert jobs.submit("import", "j1", {"corpus": "another"}) == first == jobs.get("import", "j1")
    with claimed(jobs) as lease:
        lease.complete({"kept": 3})
    assert jobs.submit("import", "j1", {}).result == {"kept": 3}
    assert jobs.claim("import") is None


def test_an_unknown_job_is_not_found(jobs: Jobs) -> None:
    with pytest.raises(NotFound, match="jobs/import/none"):
        jobs.get("import", "none")


@pytest.mark.parametrize(
    ("kind", "job_id"), [("import", "../x"), ("import", "a/b"), ("a/b", "x"), ("import", "")]
)
def test_hostile_ids_are_refused(jobs: Jobs, kind: str, job_id: str) -> None:
    for act in (jobs.get, lambda kind, job_id: jobs.submit(kind, job_id, {})):
        with pytest.raises(BadInput, match="not allowed"):
            act(kind, job_id)


def test_jobs_are_listed_and_taken_oldest_first(jobs: Jobs, clock: Clock) -> None:
    for name in ("c", "a", "b"):
        jobs.submit("import", name, {})
        clock.now += 1
    jobs.submit("dataset", "other", {})
    assert [record.id for record in jobs.list("import")] == ["c", "a", "b"]
    assert [claimed(jobs).record.id for _ in range(3)] == ["c", "a", "b"]
    assert jobs.claim("import") is None


def test_of_racing_workers_one_gets_the_job(folder_store: FolderStore) -> None:
    everyone = [Jobs(folder_store, owner=f"w{number}") for number in range(8)]
    everyone[0].submit("import", "j1", {})
    barrier = threading.Barrier(8)

    def claim(jobs: Jobs) -> Lease | None:
        barrier.wait()
        return jobs.claim("import")

    with ThreadPoolExecutor(8) as pool:
        leases = [lease for lease in pool.map(claim, everyone) if lease]
    assert [lease.record for lease in leases] == [everyone[0].get("import", "j1")]


def test_a_lease_holds_while_its_worker_lives(folder_store: FolderStore) -> None:
    jobs = Jobs(folder_store, lease_s=LEASE_S)
    other = Jobs(folder_store, lease_s=LEASE_S)
    jobs.submit("import", "j1", {})
    with claimed(jobs) as lease:
        deadline = time.monotonic() + 3 * LEASE_S
        while time.monotonic() < deadline:
            assert other.claim("import") is None
            time.sleep(0.02)
        lease.check()
    assert lease.record.claims == 0


def test_a_dead_workers_job_is_taken_over(jobs: Jobs, clock: Clock) -> None:
    jobs.submit("import", "j1", {})
    dead = claimed(jobs)
    clock.now += 15.1
    with claimed(jobs) as lease:
        assert lease.record.claims == 1
        assert lease.record.owner != dead.record.owner
        for settle in (lambda: dead.complete({}), dead.interrupt, lambda: dead.fail("x", retry=True)):
            with pytest.raises(LeaseLost):
                settle()
        with pytest.raises(LeaseLost):
            dead.progress(1, 2)
        lease.complete({"by": "the other"})
    assert jobs.get("import", "j1").result == {"by": "the other"}


def test_a_lost_lease_is_noticed_by_the_heartbeat(folder_store: FolderStore) -> None:
    jobs = Jobs(folder_store, lease_s=LEASE_S)
    jobs.submit("import", "j1", {})
    with claimed(jobs) as lease:
        thief = jobs.get("import", "j1").model_copy(update={"owner": "thief"})
        write_model(folder_store, keys.job("import", "j1"), thief)

        def lost() -> bool:
            try:
                lease.check()
            except LeaseLost:
                return True
            return False

        wait_until(lost)
    assert jobs.get("import", "j1").owner == "thief"


def test_deaths_count_until_the_work_gets_further(jobs: Jobs, clock: Clock) -> None:
    jobs.submit("import", "j1", {})
    for done, claims in ((0, 0), (5, 1), (3, 1), (5, 2), (6, 3)):
        lease = claimed(jobs)
        assert lease.record.claims == claims
        lease.progress(done, 10)
        lease._write()
        clock.now += 16
    assert claimed(jobs).record.claims == 1


def test_progress_is_written_by_the_heartbeat(folder_store: FolderStore) -> None:
    jobs = Jobs(folder_store, lease_s=LEASE_S)
    jobs.submit("train", "r1", {})
    with claimed(jobs, "train") as lease:
        for done in range(1, 1000):
            lease.progress(done, 1000, f"step {done}")
        wait_until(lambda: jobs.get("train", "r1").done == 999)
        lease.progress(1000, 1000, "the end")
        lease.complete({"val_wer": 0.2})
    record = jobs.get("train", "r1")
    assert (record.done, record.total, record.message, record.state) == (1000, 1000, "the end", JobState.DONE)
    assert (record.result, record.lease_expires_at) == ({"val_wer": 0.2}, 0.0)


def test_failures_are_retried_after_growing_pauses_and_then_final(jobs: Jobs, clock: Clock) -> None:
    jobs.submit("import", "j1", {})
    for failures, pause_s in ((1, 1.0), (2, 2.0)):
        claimed(jobs).fail("disk full", retry=True)
        record = jobs.get("import", "j1")
        assert (record.state, record.failures, record.error) == (JobState.ACCEPTED, failures, "disk full")
        clock.now += pause_s - 0.01
        assert jobs.claim("import") is None
        clock.now += 0.02
    claimed(jobs).fail("x" * 10_000, retry=True)
    record = jobs.get("import", "j1")
    assert (record.state, record.failures, len(record.error)) == (JobState.FAILED, 3, 2000)
    clock.now += 1e6
    assert jobs.claim("import") is None


def test_some_failures_are_final_at_once(jobs: Jobs) -> None:
    jobs.submit("import", "j1", {})
    claimed(jobs).fail("no audio in it", retry=False)
    assert jobs.get("import", "j1").state is JobState.FAILED


def test_an_interrupted_job_waits_again_and_counts_nothing(jobs: Jobs) -> None:
    jobs.submit("import", "j1", {})
    lease = claimed(jobs)
    lease.progress(3, 7)
    lease.ask_to_stop()
    for act in (lease.check, lambda: lease.progress(4, 7)):
        with pytest.raises(JobInterrupted):
            act()
    lease.interrupt()
    record = jobs.get("import", "j1")
    assert (record.state, record.failures, record.claims, record.done) == (JobState.ACCEPTED, 0, 0, 3)
    assert claimed(jobs).record.claims == 0


def test_a_broken_record_does_not_stop_the_others(jobs: Jobs, folder_store: FolderStore) -> None:
    folder_store.put("jobs/import/broken.json", b"{")
    jobs.submit("import", "j1", {})
    assert [record.id for record in jobs.list("import")] == ["j1"]
    assert claimed(jobs).record.id == "j1"
    with pytest.raises(BadInput, match=r"jobs/import/broken\.json"):
        jobs.get("import", "broken")


class CountingStore:
    """Passes everything on, counts reads, and can be down or forget to answer."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self.reads = 0
        self.down = False
        self.answers_lost = 0

    def __getattr__(self, name: str) -> Any:
        if self.down:
            raise Unavailable("the store is down")
        self.reads += name in ("get", "get_with_etag")
        return getattr(self._store, name)

    def put(self, key: str, data: bytes, **conditions: Any) -> str:
        if self.down:
            raise Unavailable("the store is down")
        etag = self._store.put(key, data, **conditions)
        if self.answers_lost:
            self.answers_lost -= 1
            raise Unavailable("the answer got lost")
        return etag


@pytest.fixture
def counting(folder_store: FolderStore) -> CountingStore:
    return CountingStore(folder_store)


def test_looking_for_work_reads_only_what_changed(counting: CountingStore) -> None:
    jobs = Jobs(counting)  # type: ignore[arg-type]
    for number in range(20):
        jobs.submit("import", f"j{number}", {})
    for _ in range(20):
        with claimed(jobs) as lease:
            lease.complete({})
    assert jobs.claim("import") is None
    counting.reads = 0
    assert jobs.claim("import") is None
    assert counting.reads == 0


def test_a_write_whose_answer_got_lost_is_still_ours(counting: CountingStore) -> None:
    jobs = Jobs(counting)  # type: ignore[arg-type]
    jobs.submit("import", "j1", {})
    lease = claimed(jobs)
    counting.answers_lost = 1
    with pytest.raises(Unavailable):
        lease.complete({"kept": 1})
    lease.complete({"kept": 1})
    assert jobs.get("import", "j1").result == {"kept": 1}


def test_an_outage_of_the_store_does_not_end_the_lease(counting: CountingStore) -> None:
    jobs = Jobs(counting, lease_s=LEASE_S)  # type: ignore[arg-type]
    jobs.submit("import", "j1", {})
    with claimed(jobs) as lease:
        counting.down = True
        time.sleep(2 * LEASE_S)
        lease.progress(1, 2)
        counting.down = False
        wait_until(lambda: jobs.get("import", "j1").done == 1)
        lease.complete({})


# -- workers


class Bench:
    """A worker over a folder, its runs and what it said had failed."""

    def __init__(self, store: ObjectStore, **settings: Any) -> None:
        self.jobs = Jobs(store, lease_s=LEASE_S, **settings)
        self.failed: list[JobRecord] = []
        self.worker: JobWorker | None = None

    def start(self, run: Callable[[JobRecord, Lease], Any]) -> JobWorker:
        self.worker = JobWorker(self.jobs, "import", run, self.failed.append)
        self.worker.start()
        return self.worker

    def ended(self, job_id: str = "j1") -> JobRecord:
        done = (JobState.DONE, JobState.FAILED)
        wait_until(lambda: self.jobs.get("import", job_id).state in done)
        return self.jobs.get("import", job_id)


@pytest.fixture
def bench(folder_store: FolderStore) -> Iterator[Bench]:
    bench = Bench(folder_store)
    yield bench
    if bench.worker:
        assert bench.worker.stop(10)


def test_a_worker_runs_what_is_submitted(bench: Bench) -> None:
    worker = bench.start(lambda record, lease: {"doubled": record.spec["number"] * 2})
    for number in range(3):
        bench.jobs.submit("import", f"j{number}", {"number": number})
        worker.wake()
    assert [bench.ended(f"j{number}").result for number in range(3)] == [{"doubled": 2 * n} for n in range(3)]
    assert bench.failed == []


def test_an_exception_is_tried_again_and_bad_input_is_not(bench: Bench) -> None:
    tries = {"flaky": itertools.count(1), "bad": itertools.count(1)}

    def run(record: JobRecord, lease: Lease) -> dict[str, Any]:
        count = next(tries[record.id])
        if record.id == "bad":
            raise BadInput("no audio in the corpus")
        if count == 1:
            raise RuntimeError("out of memory")
        return {"tries": count}

    bench.jobs.submit("import", "flaky", {})
    bench.jobs.submit("import", "bad", {})
    bench.start(run)
    assert bench.ended("bad").error == "no audio in the corpus"
    record = bench.ended("flaky")
    assert (record.result, record.failures, record.error) == ({"tries": 2}, 1, "")
    wait_until(lambda: len(bench.failed) == 1)
    assert [record.id for record in bench.failed] == ["bad"]
    assert next(tries["bad"]) == 2


def test_what_a_newer_release_has_to_do_waits_for_it(bench: Bench) -> None:
    def run(record: JobRecord, lease: Lease) -> dict[str, Any]:
        raise NewerSchema("runs/r/run.json has schema version 2; upgrade voxloom")

    bench.jobs.submit("import", "j1", {})
    bench.start(run)
    wait_until(lambda: "upgrade voxloom" in bench.jobs.get("import", "j1").error)
    record = bench.jobs.get("import", "j1")
    assert (record.state, record.failures) == (JobState.ACCEPTED, 0)
    assert record.not_before > time.time() + 30
    assert bench.failed == []


def test_a_record_of_a_newer_release_is_left_as_it_is_and_told_of_once(
    jobs: Jobs, folder_store: FolderStore, caplog: pytest.LogCaptureFixture
) -> None:
    jobs.submit("import", "j1", {})
    key, newer = keys.job("import", "j2"), b'{"schema_version": 2, "state": "waiting"}'
    folder_store.put(key, newer)
    for _ in range(3):
        assert [record.id for record in jobs.list("import")] == ["j1"]
    assert claimed(jobs).record.id == "j1"
    assert jobs.claim("import") is None
    with pytest.raises(NewerSchema, match="upgrade voxloom"):
        jobs.submit("import", "j2", {})
    assert folder_store.get(key) == newer
    assert [key in message for message in caplog.messages] == [True]


def test_failing_for_good_is_told_once(folder_store: FolderStore) -> None:
    bench = Bench(folder_store, max_failures=1)
    bench.jobs.submit("import", "j1", {})
    worker = bench.start(lambda record, lease: {"not json": object()})
    assert "TypeError" in bench.ended().error
    wait_until(lambda: len(bench.failed) == 1)
    assert worker.stop(10)
    assert [record.state for record in bench.failed] == [JobState.FAILED]


def test_a_job_that_kills_every_worker_fails(folder_store: FolderStore) -> None:
    clock = Clock()
    jobs = Jobs(folder_store, lease_s=LEASE_S, max_claims=2, clock=clock)
    jobs.submit("import", "j1", {})
    for _ in range(3):
        claimed(jobs)  # and never heard of again
        clock.now += 1
    bench = Bench(folder_store, max_claims=2)
    worker = bench.start(lambda record, lease: {"unexpected": True})
    assert "died 3 times" in bench.ended().error
    assert worker.stop(10)
    assert len(bench.failed) == 1


def test_stopping_hands_the_job_back(bench: Bench, folder_store: FolderStore) -> None:
    running = threading.Event()

    def run(record: JobRecord, lease: Lease) -> dict[str, Any]:
        running.set()
        while True:
            lease.progress(1, 2)
            time.sleep(0.01)

    bench.jobs.submit("import", "j1", {})
    worker = bench.start(run)
    assert running.wait(10)
    assert worker.stop(10)
    record = bench.jobs.get("import", "j1")
    assert (record.state, record.failures, record.claims) == (JobState.ACCEPTED, 0, 0)
    second = Bench(folder_store)
    worker = second.start(lambda record, lease: {})
    assert second.ended().state is JobState.DONE
    assert worker.stop(10)


def test_a_worker_outlives_an_outage(counting: CountingStore) -> None:
    bench = Bench(counting)  # type: ignore[arg-type]
    bench.jobs.submit("import", "j1", {})
    counting.down = True
    worker = bench.start(lambda record, lease: setattr(counting, "down", True) or {"kept": 1})
    time.sleep(0.1)
    counting.down = False
    wait_until(lambda: counting.down)  # it went down again while the job ran
    time.sleep(0.1)
    counting.down = False
    assert bench.ended().result == {"kept": 1}
    assert worker.stop(10)


def test_what_is_told_of_a_failure_may_fail_itself(folder_store: FolderStore) -> None:
    def fail(*_: Any) -> Any:
        raise BadInput("broken")

    jobs = Jobs(folder_store, lease_s=LEASE_S)
    jobs.submit("import", "j1", {})
    jobs.submit("import", "j2", {})
    worker = JobWorker(jobs, "import", fail, fail)
    worker.start()
    wait_until(lambda: all(record.state is JobState.FAILED for record in jobs.list("import")))
    assert worker.stop(10)


def test_names_that_are_no_utf8_do_not_stop_a_worker(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "disabled", True)  # a test that runs beside others sends its log as UTF-8
    strange = b"\xe4.wav".decode(errors="surrogateescape")

    def run(record: JobRecord, lease: Lease) -> dict[str, Any]:
        lease.progress(1, 2, strange)
        if record.id == "j2":
            raise BadInput(f"{strange} is no audio")
        return {"last": strange}

    bench.jobs.submit("import", "j1", {})
    bench.jobs.submit("import", "j2", {})
    bench.start(run)
    assert bench.ended().result == {"last": "?.wav"}
    assert bench.ended("j2").error == "?.wav is no audio"


def test_conflicting_writers_are_seen(folder_store: FolderStore, jobs: Jobs) -> None:
    """What the leases stand on: a stale etag never writes."""
    jobs.submit("import", "j1", {})
    key = keys.job("import", "j1")
    record, (_, etag) = read_model(folder_store, key, JobRecord), folder_store.get_with_etag(key)
    write_model(folder_store, key, record, if_match=etag)
    with pytest.raises(Conflict):
        write_model(folder_store, key, record, if_match=etag)
