"""The event bus port on RabbitMQ, through pika: topology, publishing and subscribing."""

import contextlib
import copy
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pika
from google.protobuf.message import DecodeError
from pika import exceptions

from voxloom.bus_port import DELIVERY_LIMIT, Handler, check_subscription, kind_of
from voxloom.bus_rabbit_consumer import Consumer
from voxloom.bus_rabbit_link import FAULTS, closed_after, describe
from voxloom.bus_rabbit_publisher import Publisher
from voxloom.errors import BadInput, Unavailable
from voxloom.keys import check_id
from voxloom.v1.events_pb2 import Event

log = logging.getLogger(__name__)

EXCHANGE = "voxloom.events"
DEAD_EXCHANGE = "voxloom.dead"
_MAX_DEAD_LETTERS_SHOWN = 1000
_TIMEOUT_S = 5.0
_BLOCKED_TIMEOUT_S = 15.0  # the broker stops publishers when its disk or memory is short


class RabbitBus:
    """Durable quorum queues on a topic exchange, published to with confirms.

    Broker and network may come and go: the publisher and each consumer hold their own connection, connect
    anew after growing pauses, and declare again what they need. Works with RabbitMQ 3.10 and 4.
    """

    def __init__(self, url: str) -> None:
        # pika logs each try to connect as several errors; what matters is logged or raised here once.
        logging.getLogger("pika").setLevel(logging.CRITICAL)
        self._parameters = _parameters(url)
        self._where = f"{self._parameters.host}:{self._parameters.port}"
        self._consumers: list[Consumer] = []
        with self._translated(), closed_after(self._connect("check")) as connection:
            _declare_exchanges(connection.channel())
        self._publisher = Publisher(lambda: self._connect("publish"), self._where, EXCHANGE)

    def publish(self, event: Event) -> None:
        header = event.header
        properties = pika.BasicProperties(
            content_type="application/protobuf",
            delivery_mode=2,  # persistent
            message_id=_short(header.id),
            timestamp=header.time.seconds,
            type=kind_of(event),
            app_id=_short(header.source),
            correlation_id=_short(header.trace),
            headers={"subject": header.subject},
        )
        self._publisher.publish(kind_of(event), event.SerializeToString(), properties)

    def subscribe(self, queue: str, kinds: Sequence[str], handler: Handler) -> Consumer:
        check_subscription(queue, kinds)
        return self._consume(
            queue, lambda channel: _declare_queue(channel, queue, kinds), handler, durable=True
        )

    def tail(self, handler: Handler) -> Consumer:
        return self._consume("tail", _declare_tail, handler, durable=False)

    def dead_letters(self, queue: str) -> list[Event]:
        name = _dead_name(check_id(queue, "queue"))
        with self._translated(), closed_after(self._connect("dead letters")) as connection:
            channel = connection.channel()
            try:
                found = channel.queue_declare(name, passive=True).method.message_count
            except exceptions.ChannelClosedByBroker:
                return []  # nobody has subscribed to it yet
            bodies = [channel.basic_get(name)[2] for _ in range(min(found, _MAX_DEAD_LETTERS_SHOWN))]
        # The connection ends without acknowledging, so the broker puts them all back.
        return [event for body in bodies if body is not None and (event := _parse(body, name)) is not None]

    def close(self) -> None:
        for consumer in list(self._consumers):
            consumer.close()
        self._publisher.close()

    def _consume(
        self, name: str, declare: Callable[[Any], str], handler: Handler, *, durable: bool
    ) -> Consumer:
        consumer = Consumer(
            lambda: self._connect(f"consume {name}"), self._where, name, declare, handler, durable=durable
        )
        with self._translated():
            consumer.start()
        self._consumers = [other for other in self._consumers if not other.closed] + [consumer]
        return consumer

    def _connect(self, purpose: str) -> Any:
        parameters = copy.copy(self._parameters)
        parameters.client_properties = {"connection_name": f"voxloom {purpose}"}  # seen by `rabbitmqctl`
        return pika.BlockingConnection(parameters)

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (
            exceptions.AuthenticationError,
            exceptions.ProbableAuthenticationError,
            exceptions.ProbableAccessDeniedError,
        ) as error:
            raise BadInput(
                f"the broker {self._where} refused the user {self._parameters.credentials.username!r}"
                f" on the virtual host {self._parameters.virtual_host!r};"
                " check user, password and virtual host in VOXLOOM_BUS"
            ) from error
        except exceptions.ChannelClosedByBroker as error:
            raise BadInput(
                f"the broker {self._where} refused: {error.reply_text}; delete a queue that another version"
                " made, or grant the user its rights"
            ) from error
        except FAULTS as error:
            raise Unavailable(f"the broker {self._where} cannot be reached: {describe(error)}") from error


def _parameters(url: str) -> Any:
    """The URL's, with a heartbeat that finds a dead network within a minute unless the URL sets another."""
    try:
        parameters = pika.URLParameters(url)
    except (ValueError, TypeError, KeyError):  # not shown: the text can hold the password
        raise BadInput(
            "the bus URL cannot be read; expected amqp://user:password@host:port/vhost, with special"
            " characters of the password percent-encoded"
        ) from None
    if parameters.heartbeat is None:
        parameters.heartbeat = 30
    parameters.socket_timeout = parameters.stack_timeout = _TIMEOUT_S
    parameters.blocked_connection_timeout = _BLOCKED_TIMEOUT_S
    return parameters


def _declare_exchanges(channel: Any) -> None:
    channel.exchange_declare(EXCHANGE, "topic", durable=True)
    channel.exchange_declare(DEAD_EXCHANGE, "direct", durable=True)


def _declare_queue(channel: Any, queue: str, kinds: Sequence[str]) -> str:
    """The queue, its dead letters and its bindings. The limit counts redeliveries, so it is one less."""
    _declare_exchanges(channel)
    name, dead = f"voxloom.{queue}", _dead_name(queue)
    quorum = {"x-queue-type": "quorum"}
    # Looking at dead letters counts as a delivery; RabbitMQ 4 would drop them after 20 looks.
    channel.queue_declare(dead, durable=True, arguments=quorum | {"x-delivery-limit": 1_000_000})
    channel.queue_bind(dead, DEAD_EXCHANGE, queue)
    arguments = quorum | {
        "x-delivery-limit": DELIVERY_LIMIT - 1,
        "x-dead-letter-exchange": DEAD_EXCHANGE,
        "x-dead-letter-routing-key": queue,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",  # the strategy asks for it
    }
    channel.queue_declare(name, durable=True, arguments=arguments)
    for kind in kinds:
        channel.queue_bind(name, EXCHANGE, kind)
    return name


def _declare_tail(channel: Any) -> str:
    _declare_exchanges(channel)
    name = str(channel.queue_declare("", exclusive=True).method.queue)
    channel.queue_bind(name, EXCHANGE, "#")
    return name


def _dead_name(queue: str) -> str:
    return f"voxloom.{queue}.dead"


def _parse(body: bytes, queue: str) -> Event | None:
    try:
        return Event.FromString(body)
    except DecodeError:
        log.error("%s: a message of %d bytes is no event", queue, len(body))
        return None


def _short(text: str) -> str:
    """AMQP's short strings hold 255 bytes."""
    return text.encode()[:255].decode(errors="ignore")
