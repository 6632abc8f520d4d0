"""What only a broker can get wrong: users, heartbeats, properties, and messages that are no events."""

import time
import uuid
from collections.abc import Iterator
from typing import Any

import pika
import pytest

from voxloom.bus import DELIVERY_LIMIT, Event, new_event, open_bus
from voxloom.bus_rabbit import EXCHANGE, RabbitBus
from voxloom.errors import BadInput, Unavailable
from voxloom.v1.events_pb2 import DatasetReady

pytestmark = pytest.mark.connected


@pytest.fixture
def bus(amqp_url: str) -> Iterator[RabbitBus]:
    bus = RabbitBus(amqp_url)
    yield bus
    bus.close()


@pytest.fixture
def channel(amqp_url: str) -> Iterator[Any]:
    connection = pika.BlockingConnection(pika.URLParameters(amqp_url))
    yield connection.channel()
    connection.close()


@pytest.fixture
def queue(channel: Any) -> Iterator[str]:
    name = f"test-{uuid.uuid4().hex[:12]}"
    yield name
    for suffix in ("", ".dead"):
        channel.queue_delete(f"voxloom.{name}{suffix}")


def eventually(condition: Any, patience_s: float = 20.0) -> None:
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


@pytest.mark.parametrize("user", ["guest:guest", "voxloom:wrong", "nobody:x"])
def test_wrong_users_are_refused(amqp_url: str, user: str) -> None:
    url = f"amqp://{user}@{amqp_url.rpartition('@')[2]}"
    with pytest.raises(BadInput, match="refused the user") as refused:
        open_bus(url)
    assert user.split(":")[1] not in str(refused.value).replace(user.split(":")[0], "")


def test_an_unknown_virtual_host_is_refused(amqp_url: str) -> None:
    with pytest.raises(BadInput, match="'nowhere'"):
        open_bus(amqp_url.rstrip("/") + "/nowhere")


def test_a_broker_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:1 cannot be reached"):
        open_bus("amqp://u:p@127.0.0.1:1/")


def test_properties_mirror_the_header(bus: RabbitBus, channel: Any) -> None:
    name = channel.queue_declare("", exclusive=True).method.queue
    channel.queue_bind(name, EXCHANGE, "dataset_ready")
    event = new_event("ingest" * 100, "d-1", DatasetReady(dataset="d-1"), trace="t" * 300)
    bus.publish(event)
    method, properties, body = channel.basic_get(name, auto_ack=True)
    assert Event.FromString(body) == event
    assert method.routing_key == properties.type == "dataset_ready"
    assert properties.message_id == event.header.id
    assert properties.timestamp == event.header.time.seconds
    assert (properties.app_id, properties.correlation_id) == (("ingest" * 100)[:255], "t" * 255)
    assert properties.headers == {"subject": "d-1"}
    assert (properties.delivery_mode, properties.content_type) == (2, "application/protobuf")


def test_a_handler_slower_than_the_heartbeat_is_not_disturbed(
    amqp_url: str, queue: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Two missed heartbeats of 2 s would end the connection, and the event would come again."""
    bus = RabbitBus(f"{amqp_url}?heartbeat=2")
    handled: list[float] = []

    def slow(event: Event) -> None:
        time.sleep(9)
        handled.append(time.monotonic())

    subscription = bus.subscribe(queue, ["dataset_ready"], slow)
    bus.publish(new_event("test", "d", DatasetReady()))
    eventually(lambda: handled)
    time.sleep(1)
    subscription.close()
    bus.publish(new_event("test", "d", DatasetReady()))  # the idle publisher is still connected as well
    bus.close()
    assert len(handled) == 1
    assert "interrupted" not in caplog.text


def test_what_is_no_event_is_a_dead_letter_at_once(bus: RabbitBus, channel: Any, queue: str) -> None:
    handled: list[str] = []
    bus.subscribe(queue, ["dataset_ready"], lambda event: handled.append(event.header.id))
    event = new_event("test", "d", DatasetReady())
    channel.basic_publish(EXCHANGE, "dataset_ready", b"\xff\xff no protobuf")
    bus.publish(event)
    eventually(lambda: handled == [event.header.id])
    dead = f"voxloom.{queue}.dead"
    eventually(lambda: channel.queue_declare(dead, passive=True).method.message_count == 1)
    assert bus.dead_letters(queue) == []  # there is one, but it cannot be shown as an event


def test_an_event_that_kills_its_consumer_is_given_up_too(
    bus: RabbitBus, channel: Any, amqp_url: str, queue: str
) -> None:
    """No handler is left to count: the broker's own limit ends it."""
    bus.subscribe(queue, ["dataset_ready"], lambda event: None).close()
    event = new_event("test", "d", DatasetReady())
    bus.publish(event)
    deaths = 0
    while True:
        victim = pika.BlockingConnection(pika.URLParameters(amqp_url))
        found = victim.channel().basic_get(f"voxloom.{queue}")[0]
        victim.close()
        if found is None:
            break
        deaths += 1
        time.sleep(0.2)
    assert deaths == DELIVERY_LIMIT
    eventually(lambda: bus.dead_letters(queue) == [event])


def test_a_deleted_queue_is_declared_again(bus: RabbitBus, channel: Any, queue: str) -> None:
    handled: list[str] = []
    bus.subscribe(queue, ["dataset_ready"], lambda event: handled.append(event.header.id))
    channel.queue_delete(f"voxloom.{queue}")

    def arrives() -> bool:
        bus.publish(new_event("test", "d", DatasetReady()))
        return bool(handled)

    eventually(arrives)
