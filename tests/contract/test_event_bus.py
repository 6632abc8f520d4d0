"""What every event bus promises, in one process and on a real RabbitMQ."""

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pika
import pytest
from servers import server

from voxloom.bus import DELIVERY_LIMIT, KINDS, EventBus, MemoryBus, kind_of, new_event, open_bus
from voxloom.errors import BadInput, Unavailable
from voxloom.v1.events_pb2 import DatasetReady, Event, ModelTrained, RecordingStored

PATIENCE_S = 20.0


class Inbox:
    """A handler that keeps what came, and fails as often as it is told to."""

    def __init__(self, failures: int = 0, pause_s: float = 0.0) -> None:
        self.events: list[Event] = []
        self._failures = failures
        self._pause_s = pause_s
        self._changed = threading.Condition()

    def __call__(self, event: Event) -> None:
        time.sleep(self._pause_s)
        with self._changed:
            self.events.append(event)
            self._changed.notify_all()
            if len(self.events) <= self._failures:
                raise RuntimeError("the handler fails on purpose")

    def ids(self) -> list[str]:
        return [event.header.id for event in self.events]

    def wait(self, count: int) -> list[str]:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.events) >= count, PATIENCE_S), self.events
            return self.ids()

    def stays_at(self, count: int, for_s: float = 0.5) -> None:
        with self._changed:
            assert not self._changed.wait_for(lambda: len(self.events) > count, for_s), self.events
            assert len(self.events) == count


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


@pytest.fixture(params=["memory", pytest.param("rabbit", marks=pytest.mark.connected)])
def bus(request: pytest.FixtureRequest) -> Iterator[EventBus]:
    bus = open_bus("memory://" if request.param == "memory" else server("VOXLOOM_TEST_AMQP"))
    yield bus
    bus.close()


@pytest.fixture
def queue(bus: EventBus) -> Iterator[str]:
    """A queue name of this test's own, removed from the broker afterwards."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    yield name
    if not isinstance(bus, MemoryBus):
        connection = pika.BlockingConnection(pika.URLParameters(server("VOXLOOM_TEST_AMQP")))
        for suffix in ("", ".dead", "-2", "-2.dead"):
            connection.channel().queue_delete(f"voxloom.{name}{suffix}")
        connection.close()


def stored(utterance: str = "u1") -> Event:
    return new_event("recorder", utterance, RecordingStored(utterance=utterance, speaker="anna"))


def test_an_event_arrives_as_it_was_sent(bus: EventBus, queue: str) -> None:
    inbox = Inbox()
    bus.subscribe(queue, ["recording_stored"], inbox)
    event = stored("ä" * 300)
    bus.publish(event)
    inbox.wait(1)
    assert inbox.events == [event]


def test_a_queue_gets_its_kinds_only(bus: EventBus, queue: str) -> None:
    inbox = Inbox()
    bus.subscribe(queue, ["dataset_ready", "model_trained"], inbox)
    for body in (RecordingStored(), DatasetReady(dataset="d"), ModelTrained(run="r"), RecordingStored()):
        bus.publish(new_event("test", "x", body))
    inbox.wait(2)
    inbox.stays_at(2)
    assert sorted(kind_of(event) for event in inbox.events) == ["dataset_ready", "model_trained"]


def test_a_queue_keeps_what_comes_while_nobody_consumes(bus: EventBus, queue: str) -> None:
    bus.subscribe(queue, ["recording_stored"], Inbox()).close()
    events = [stored(f"u{number}") for number in range(10)]
    for event in events:
        bus.publish(event)
    inbox = Inbox()
    bus.subscribe(queue, ["recording_stored"], inbox)
    assert sorted(inbox.wait(10)) == sorted(event.header.id for event in events)
    inbox.stays_at(10)


def test_every_queue_gets_a_copy(bus: EventBus, queue: str) -> None:
    inboxes = [Inbox(), Inbox()]
    for name, inbox in zip((queue, f"{queue}-2"), inboxes, strict=True):
        bus.subscribe(name, ["recording_stored"], inbox)
    bus.publish(stored())
    assert inboxes[0].wait(1) == inboxes[1].wait(1)


def test_competing_consumers_share_the_work(bus: EventBus, queue: str) -> None:
    inboxes = [Inbox(pause_s=0.02) for _ in range(2)]
    for inbox in inboxes:
        bus.subscribe(queue, ["recording_stored"], inbox)
    for number in range(40):
        bus.publish(stored(f"u{number}"))
    wait_until(lambda: sum(len(inbox.events) for inbox in inboxes) == 40)
    assert len(set(inboxes[0].ids() + inboxes[1].ids())) == 40
    assert min(len(inbox.events) for inbox in inboxes) >= 5


def test_a_handler_that_fails_gets_the_event_again(bus: EventBus, queue: str) -> None:
    inbox = Inbox(failures=DELIVERY_LIMIT - 1)
    bus.subscribe(queue, ["recording_stored"], inbox)
    bus.publish(stored())
    assert len(set(inbox.wait(DELIVERY_LIMIT))) == 1
    inbox.stays_at(DELIVERY_LIMIT)
    assert bus.dead_letters(queue) == []


def test_an_event_that_always_fails_is_a_dead_letter(bus: EventBus, queue: str) -> None:
    poison, healthy = stored("poison"), stored("healthy")
    counts = {"poison": 0, "healthy": 0}

    def handle(event: Event) -> None:
        counts[event.header.subject] += 1
        if event.header.subject == "poison":
            raise ValueError("cannot be handled")

    assert bus.dead_letters(queue) == []
    bus.subscribe(queue, ["recording_stored"], handle)
    bus.publish(poison)
    bus.publish(healthy)
    wait_until(lambda: len(bus.dead_letters(queue)) == 1)
    assert counts == {"poison": DELIVERY_LIMIT, "healthy": 1}
    for _ in range(30):  # looking takes nothing away
        found = bus.dead_letters(queue)
    assert found == [poison]


def test_closing_finishes_what_was_begun_and_keeps_the_rest(bus: EventBus, queue: str) -> None:
    begun, go_on = threading.Event(), threading.Event()
    finished: list[str] = []

    def slow(event: Event) -> None:
        begun.set()
        assert go_on.wait(PATIENCE_S)
        finished.append(event.header.id)

    subscription = bus.subscribe(queue, ["recording_stored"], slow)
    events = [stored(f"u{number}") for number in range(3)]
    for event in events:
        bus.publish(event)
    assert begun.wait(PATIENCE_S)
    threading.Timer(0.3, go_on.set).start()
    subscription.close()
    assert len(finished) == 1
    inbox = Inbox()
    bus.subscribe(queue, ["recording_stored"], inbox)
    assert sorted(inbox.wait(2) + finished) == sorted(event.header.id for event in events)
    inbox.stays_at(2)


def test_a_consumer_may_close_itself(bus: EventBus, queue: str) -> None:
    done = threading.Event()

    def handle(event: Event) -> None:
        subscription.close()
        done.set()

    subscription = bus.subscribe(queue, ["recording_stored"], handle)
    bus.publish(stored())
    assert done.wait(PATIENCE_S)


def test_a_handler_may_publish(bus: EventBus, queue: str) -> None:
    inbox = Inbox()
    bus.subscribe(
        queue,
        ["recording_stored"],
        lambda event: bus.publish(new_event("ingest", "d", DatasetReady(), event.header.trace)),
    )
    bus.subscribe(f"{queue}-2", ["dataset_ready"], inbox)
    event = stored()
    bus.publish(event)
    inbox.wait(1)
    assert inbox.events[0].header.trace == event.header.trace


def test_many_threads_publish(bus: EventBus, queue: str) -> None:
    inbox = Inbox()
    bus.subscribe(queue, ["recording_stored"], inbox)
    events = [stored(f"u{number}") for number in range(100)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(bus.publish, events))
    assert sorted(inbox.wait(100)) == sorted(event.header.id for event in events)


def test_a_tail_sees_everything_from_now_on(bus: EventBus, queue: str) -> None:
    before, inbox, failing = stored("before"), Inbox(), Inbox(failures=1)
    mine = f"subject-{uuid.uuid4()}"
    bus.publish(before)
    tail = bus.tail(inbox)
    bus.tail(failing)
    bodies = [getattr(Event(), kind) for kind in KINDS]
    for body in bodies:
        bus.publish(new_event("test", mine, body))
    seen: list[str] = []
    for one in (inbox, failing):
        wait_until(lambda one=one: sum(e.header.subject == mine for e in one.events) == len(KINDS))
        seen = [kind_of(event) for event in one.events if event.header.subject == mine]
        assert sorted(seen) == sorted(KINDS)
        assert before.header.id not in one.ids()
    tail.close()
    bus.publish(new_event("test", mine, DatasetReady()))
    failing.wait(len(KINDS) + 1)
    assert sum(e.header.subject == mine for e in inbox.events) == len(KINDS)


def test_an_event_that_nobody_waits_for_is_no_error(bus: EventBus) -> None:
    bus.publish(stored())


def test_a_closed_bus_says_so(bus: EventBus, queue: str) -> None:
    bus.subscribe(queue, ["recording_stored"], Inbox())
    bus.close()
    bus.close()
    with pytest.raises(Unavailable, match="closed"):
        bus.publish(stored())


def test_what_makes_no_sense_is_refused(bus: EventBus) -> None:
    with pytest.raises(BadInput, match="no body"):
        bus.publish(Event())
    for kinds in (["frob"], []):
        with pytest.raises(BadInput, match="expected some of"):
            bus.subscribe("q", kinds, Inbox())
    for queue in ("", "a/b", "a b", "*", "-q"):
        with pytest.raises(BadInput, match="queue"):
            bus.subscribe(queue, KINDS, Inbox())


def test_events_carry_who_what_and_when() -> None:
    event = new_event("trainer", "r-1", ModelTrained())
    assert kind_of(event) == "model_trained"
    assert len({event.header.id, event.header.trace, ""}) == 3
    assert abs(event.header.time.seconds - time.time()) < 5
    assert new_event("trainer", "r-1", ModelTrained(), "t").header.trace == "t"
    with pytest.raises(BadInput, match="no event body"):
        new_event("trainer", "r-1", event)


@pytest.mark.parametrize("url", ["", "memory", "kafka://host", "amqp://u:p@host:99999/", "amqp://u:p@[::/"])
def test_strange_urls_are_refused(url: str) -> None:
    with pytest.raises(BadInput, match="expected"):
        open_bus(url)


def test_chaos_repeats_and_reorders_but_loses_nothing() -> None:
    orders = []
    for seed in (1, 1, 2):
        bus, inbox = MemoryBus(chaos_seed=seed), Inbox()
        bus.subscribe("q", ["recording_stored"], Inbox()).close()
        for number in range(50):
            bus.publish(stored(f"u{number:02d}"))
        bus.subscribe("q", ["recording_stored"], inbox)
        inbox.wait(50)
        wait_until(lambda inbox=inbox: len({event.header.subject for event in inbox.events}) == 50)
        bus.close()
        orders.append([event.header.subject for event in inbox.events])
    assert orders[0][:50] == orders[1][:50] != orders[2][:50]
    assert len(orders[0]) > 50
    assert orders[0] != sorted(orders[0])
