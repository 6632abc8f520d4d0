import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from voxloom.bus import Event, Handler, MemoryBus, Subscription, new_event
from voxloom.bus_late import LateBus
from voxloom.errors import Unavailable
from voxloom.jobs import JobRecord, Jobs, JobWorker
from voxloom.reconcile import Reconciler
from voxloom.runtime import Service, announce, run_service, stage_failed
from voxloom.storage import FolderStore
from voxloom.v1 import recorder_pb2_grpc
from voxloom.v1.events_pb2 import RecordingStored

STORED = RecordingStored(utterance="u")


def until(condition: Callable[[], object], timeout_s: float = 10) -> None:
    end_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end_s, "it did not come true in time"
        time.sleep(0.005)


def register(server: grpc.aio.Server) -> list[str]:
    recorder_pb2_grpc.add_RecorderServiceServicer_to_server(  # type: ignore[no-untyped-call]
        recorder_pb2_grpc.RecorderServiceServicer(), server
    )
    return ["voxloom.v1.RecorderService"]


def service(name: str = "spoon", address: str = "127.0.0.1:0", **parts: Any) -> Service:
    return Service(name, address, register, **({"handlers": {}, "reconcile": lambda: None} | parts))


def run(services: Sequence[Service], bus: Any, during: Callable[[list[int]], None], **options: Any) -> None:
    """Runs the services in one loop while `during` works in a thread with their ports."""

    async def all_of_them() -> None:
        stop = asyncio.Event()
        ports: list[int] = []
        started = asyncio.Semaphore(0)

        def on_started(port: int) -> None:
            ports.append(port)
            started.release()

        async with asyncio.TaskGroup() as group:
            for each in services:
                group.create_task(run_service(each, bus, stop, on_started=on_started, grace_s=2, **options))
            for _ in services:
                await started.acquire()
            try:
                await asyncio.to_thread(during, ports)
            finally:
                stop.set()

    asyncio.run(all_of_them())


class BrokenBus:
    """A broker that is away for the first `failures` subscriptions, and for publishing always."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.inner = MemoryBus()

    def publish(self, event: Event) -> None:
        raise Unavailable("the broker does not answer")

    def subscribe(self, queue: str, kinds: Sequence[str], handler: Handler) -> Subscription:
        self.failures -= 1
        if self.failures >= 0:
            raise Unavailable("the broker does not answer")
        return self.inner.subscribe(queue, kinds, handler)


def test_an_event_reaches_its_handler_and_wakes_reconcile() -> None:
    handled: list[str] = []
    runs: list[int] = []
    bus = MemoryBus()
    spoon = service(
        handlers={"recording_stored": lambda event: handled.append(event.header.subject)},
        reconcile=lambda: runs.append(len(handled)),
    )

    def during(ports: list[int]) -> None:
        until(lambda: runs)
        bus.publish(new_event("fork", "u-1", STORED))
        until(lambda: 1 in runs)

    run([spoon], bus, during)
    assert handled == ["u-1"]
    bus.close()


def test_a_handler_that_raises_gets_the_event_again_and_state_is_looked_at_anyway() -> None:
    calls: list[str] = []
    runs: list[int] = []

    def fail_once(event: Event) -> None:
        calls.append(event.header.id)
        if len(calls) == 1:
            raise Unavailable("the store is away")

    bus = MemoryBus()
    spoon = service(handlers={"recording_stored": fail_once}, reconcile=lambda: runs.append(len(calls)))

    def during(ports: list[int]) -> None:
        bus.publish(new_event("fork", "u-1", STORED))
        until(lambda: len(calls) == 2 and 2 in runs)

    run([spoon], bus, during)
    assert len(set(calls)) == 1
    bus.close()


def test_services_share_a_loop_and_each_gets_the_event() -> None:
    seen: list[str] = []
    bus = MemoryBus()
    names = ("spoon", "fork", "knife")
    parts = [
        service(name, handlers={"recording_stored": lambda event, name=name: seen.append(name)})
        for name in names
    ]

    def during(ports: list[int]) -> None:
        assert len(set(ports)) == 3
        bus.publish(new_event("fork", "u", STORED))
        until(lambda: len(seen) == 3)

    run(parts, bus, during)
    assert sorted(seen) == sorted(names)
    bus.close()


def test_with_the_broker_away_the_clock_does_the_work_and_the_subscription_comes_later() -> None:
    bus = BrokenBus(failures=1)
    handled: list[Event] = []
    runs: list[float] = []
    spoon = service(
        handlers={"recording_stored": handled.append}, reconcile=lambda: runs.append(time.monotonic())
    )

    def during(ports: list[int]) -> None:
        until(lambda: len(runs) >= 3)
        until(lambda: bus.failures < 0)
        time.sleep(0.05)
        bus.inner.publish(new_event("fork", "u", STORED))
        until(lambda: handled)

    run([spoon], bus, during, reconcile_period_s=0.05)
    bus.inner.close()


def test_jobs_submitted_by_reconcile_are_done_at_once(tmp_path: Path) -> None:
    jobs = Jobs(FolderStore(tmp_path), lease_s=60)
    worker = JobWorker(jobs, "polish", lambda job, lease: {"shine": 1}, lambda job: None)
    spoon = service(reconcile=lambda: jobs.submit("polish", "p-1", {}) and None, workers=[worker])
    run(
        [spoon],
        MemoryBus(),
        lambda ports: until(lambda: [job.state for job in jobs.list("polish")] == ["done"]),
    )


def test_a_busy_port_ends_the_start_and_leaves_nothing_running() -> None:
    runs: list[int] = []
    closed: list[int] = []

    def during(ports: list[int]) -> None:
        second = service(
            address=f"127.0.0.1:{ports[0]}", reconcile=lambda: runs.append(1), close=lambda: closed.append(1)
        )
        with pytest.raises(Unavailable, match="another program has the port"):
            asyncio.run(run_service(second, MemoryBus(), asyncio.Event()))

    run([service()], MemoryBus(), during)
    assert runs == []
    assert closed == [1]


def test_all_is_stopped_in_order() -> None:
    order: list[str] = []

    class Worker:
        def start(self) -> None:
            order.append("start")

        def wake(self) -> None: ...

        def stop(self, timeout_s: float) -> bool:
            order.append("stop")
            return True

    spoon = service(workers=[Worker()], close=lambda: order.append("close"))

    def during(ports: list[int]) -> None:
        order.append("up")

    run([spoon], MemoryBus(), during)
    assert order == ["start", "up", "stop", "close"]


def test_an_event_that_is_lost_is_logged_and_fails_nothing(caplog: pytest.LogCaptureFixture) -> None:
    assert announce(BrokenBus(0), new_event("spoon", "u-7", STORED)) is False  # type: ignore[arg-type]
    assert "recording_stored of u-7 is lost" in caplog.text
    bus = MemoryBus()
    assert announce(bus, new_event("spoon", "u-7", STORED)) is True
    bus.close()


def test_a_bus_that_is_not_open_yet_refuses_at_once() -> None:
    late = LateBus("memory://")
    told: list[Event] = []
    for call in (
        lambda: late.publish(new_event("spoon", "u", STORED)),
        lambda: late.subscribe("spoon", ["recording_stored"], told.append),
        lambda: late.tail(told.append),
        lambda: late.dead_letters("spoon"),
    ):
        with pytest.raises(Unavailable, match="broker has not answered"):
            call()
    late.close()
    late.open()
    late.open()
    late.subscribe("spoon", ["recording_stored"], told.append)
    late.publish(new_event("spoon", "u", STORED))
    until(lambda: told)
    assert late.dead_letters("spoon") == []
    late.close()


def test_a_job_that_is_given_up_is_told() -> None:
    bus = MemoryBus()
    told: list[Event] = []
    tail = bus.tail(told.append)
    job = JobRecord(
        id="j-1", kind="train", error="no data", failures=3, trace="t", created_at="", updated_at="", spec={}
    )
    stage_failed(bus, "trainer")(job)
    until(lambda: told)
    body = told[0].stage_failed
    assert (body.stage, body.job, body.error, body.attempts) == ("train", "j-1", "no data", 3)
    assert told[0].header.trace == "t"
    tail.close()
    bus.close()


class TestReconciler:
    def test_many_wakes_make_few_runs_and_none_is_missed(self) -> None:
        runs: list[int] = []
        state = [0]

        def look() -> None:
            seen = state[0]
            time.sleep(0.01)
            runs.append(seen)

        reconciler = Reconciler(look, lambda: None, period_s=60)
        reconciler.start()
        for number in range(1, 301):
            state[0] = number
            reconciler.wake()
            time.sleep(0.0005)
        until(lambda: 300 in runs)
        reconciler.stop(5)
        assert len(runs) < 30

    def test_it_never_runs_twice_at_once_and_outlives_every_error(self) -> None:
        running = threading.Lock()
        runs: list[int] = []

        def stumble() -> None:
            assert running.acquire(blocking=False)
            runs.append(1)
            running.release()
            if len(runs) < 3:
                raise Unavailable("the store is away") if len(runs) == 1 else KeyError("a bug")

        reconciler = Reconciler(stumble, lambda: None, period_s=0.1)
        reconciler.start()
        until(lambda: len(runs) >= 4)
        reconciler.stop(5)

    def test_what_follows_is_done_even_when_it_failed(self) -> None:
        after: list[int] = []

        def fail() -> None:
            raise Unavailable("away")

        reconciler = Reconciler(fail, lambda: after.append(1), period_s=60)
        reconciler.start()
        until(lambda: after)
        reconciler.stop(5)

    def test_stopping_one_that_hangs_takes_the_timeout_and_no_more(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        release = threading.Event()
        entered = threading.Event()

        def hang() -> None:
            entered.set()
            release.wait(20)

        reconciler = Reconciler(hang, lambda: None)
        reconciler.start()
        assert entered.wait(5)
        reconciler.stop(0.05)
        assert "still runs" in caplog.text
        release.set()

    def test_it_can_be_stopped_before_it_was_started(self) -> None:
        Reconciler(lambda: None, lambda: None).stop(1)
