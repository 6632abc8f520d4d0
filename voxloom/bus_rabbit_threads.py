"""The threads of the RabbitMQ adapter: one that publishes, and two for each consumer.

A connection of pika belongs to one thread, which must look after its heartbeat. So publishers hand their
events over to such a thread, and a handler runs beside the thread of its connection, however long it takes.
"""

import contextlib
import logging
import queue
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.message import DecodeError
from pika import exceptions
from pika.adapters.utils.connection_workflow import AMQPConnectorException

from voxloom.bus_port import DELIVERY_LIMIT, Handler, retry_pause_s
from voxloom.errors import Unavailable
from voxloom.v1.events_pb2 import Event

log = logging.getLogger(__name__)

FAULTS = (exceptions.AMQPError, AMQPConnectorException, OSError)
PUBLISH_TIMEOUT_S = 20.0
_TICK_S = 1.0
_MAX_PAUSE_S = 10.0
_STABLE_S = 10.0
_CLOSE_TIMEOUT_S = 30.0

Connect = Callable[[], Any]


def describe(error: BaseException) -> str:
    return (str(error) or repr(error))[:300]


def _pause_s(failures: int) -> float:
    """0.2 s doubling to 10 s, spread so that not all services come back in the same instant."""
    return min(0.2 * 2.0 ** min(failures, 10), _MAX_PAUSE_S) * random.uniform(0.5, 1.0)


@dataclass
class _Outgoing:
    kind: str
    body: bytes
    properties: Any
    confirmed: "Future[None]" = field(default_factory=Future)


class Publisher:
    """Publishes one event after the other, each confirmed by the broker; connects as often as it takes."""

    def __init__(self, connect: Connect, where: str, exchange: str) -> None:
        self._connect = connect
        self._where = where
        self._exchange = exchange
        self._outgoing: queue.Queue[_Outgoing | None] = queue.Queue()
        self._closing = threading.Event()
        self._fault = "no confirm came"
        self._thread = threading.Thread(target=self._run, name="bus-publisher", daemon=True)
        self._thread.start()

    def publish(self, kind: str, body: bytes, properties: Any) -> None:
        """Returns once the broker has confirmed; a confirm that got lost means it is published twice."""
        if self._closing.is_set():
            raise Unavailable(f"the bus to {self._where} is closed; nothing can be published any more")
        outgoing = _Outgoing(kind, body, properties)
        self._outgoing.put(outgoing)
        try:
            outgoing.confirmed.result(PUBLISH_TIMEOUT_S)
        except TimeoutError:
            outgoing.confirmed.cancel()
            raise Unavailable(
                f"the broker {self._where} did not take the event {kind} within {PUBLISH_TIMEOUT_S:.0f} s:"
                f" {self._fault}"
            ) from None

    def close(self) -> None:
        self._closing.set()
        self._outgoing.put(None)
        self._thread.join(_CLOSE_TIMEOUT_S)

    def _run(self) -> None:
        failures = 0
        waiting: _Outgoing | None = None
        while not self._closing.is_set():
            try:
                with contextlib.closing(self._connect()) as connection:
                    channel = connection.channel()
                    channel.confirm_delivery()
                    while not self._closing.is_set():
                        waiting = waiting or self._next(connection)
                        if waiting and not waiting.confirmed.cancelled():
                            self._send(channel, waiting)
                        waiting, failures = None, 0
            except Exception as error:  # the edge of the thread: it outlives every fault of the broker
                self._fault, known = describe(error), isinstance(error, FAULTS)
                log.warning("publishing to %s interrupted: %s", self._where, self._fault, exc_info=not known)
                self._closing.wait(_pause_s(failures))
                failures += 1
        self._refuse_rest(waiting)

    def _next(self, connection: Any) -> _Outgoing | None:
        connection.process_data_events(0)  # heartbeats
        with contextlib.suppress(queue.Empty):
            return self._outgoing.get(timeout=_TICK_S)
        return None

    def _send(self, channel: Any, outgoing: _Outgoing) -> None:
        try:
            channel.basic_publish(self._exchange, outgoing.kind, outgoing.body, outgoing.properties)
        except exceptions.NackError:
            _settle(
                outgoing, Unavailable(f"the broker {self._where} refused the event: a queue is full or lost")
            )
        else:
            _settle(outgoing, None)

    def _refuse_rest(self, waiting: _Outgoing | None) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                if waiting:
                    _settle(
                        waiting, Unavailable(f"the bus to {self._where} was closed before the event went out")
                    )
                waiting = self._outgoing.get_nowait()


def _settle(outgoing: _Outgoing, error: Unavailable | None) -> None:
    if outgoing.confirmed.set_running_or_notify_cancel():
        if error is None:
            outgoing.confirmed.set_result(None)
        else:
            outgoing.confirmed.set_exception(error)


@dataclass
class _Session:
    """One connection of a consumer, used by its thread only; except for `add_callback_threadsafe`."""

    connection: Any
    channel: Any
    tag: str = ""
    unsettled: int = 0
    cancelled: bool = False  # by the broker, for example because the queue was deleted


@dataclass
class _Delivery:
    session: _Session
    tag: int
    count: int  # of deliveries, with this one
    body: bytes


class Consumer:
    """One subscription: a thread for the connection and one for the handler."""

    def __init__(
        self,
        connect: Connect,
        where: str,
        name: str,
        declare: Callable[[Any], str],
        handler: Handler,
        *,
        durable: bool,
    ) -> None:
        self._connect = connect
        self._where = where
        self._name = name
        self._declare = declare
        self._handler = handler
        self._durable = durable
        self._deliveries: queue.Queue[_Delivery | None] = queue.Queue()
        self._closing = threading.Event()
        self._session: _Session | None = None
        self._threads = [
            threading.Thread(target=self._run, name=f"bus-{name}", daemon=True),
            threading.Thread(target=self._handle_all, name=f"bus-{name}-handler", daemon=True),
        ]

    @property
    def closed(self) -> bool:
        return self._closing.is_set()

    def start(self) -> None:
        """Returns once the queue is bound and consumed; raises pika's error if the broker is not there."""
        self._session = self._open()
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        self._closing.set()
        if session := self._session:
            with contextlib.suppress(*FAULTS):
                session.connection.add_callback_threadsafe(lambda: None)  # wakes the thread
        if threading.current_thread() not in self._threads:
            for thread in self._threads:
                thread.join(_CLOSE_TIMEOUT_S)

    def _open(self) -> _Session:
        connection = self._connect()
        try:
            channel = connection.channel()
            session = _Session(connection, channel)
            channel.basic_qos(prefetch_count=1)  # the next event may go to another consumer meanwhile
            channel.add_on_cancel_callback(lambda _: setattr(session, "cancelled", True))
            name = self._declare(channel)
            session.tag = channel.basic_consume(name, lambda *delivery: self._receive(session, *delivery))
        except BaseException:
            connection.close()
            raise
        return session

    def _run(self) -> None:
        try:
            self._keep_serving()
        finally:
            self._deliveries.put(None)  # ends the handler's thread behind all that was received

    def _keep_serving(self) -> None:
        failures = 0
        while True:
            since = time.monotonic()
            try:
                self._session = self._session or self._open()
                return self._serve(self._session)
            except Exception as error:  # the edge of the thread: it outlives every fault of the broker
                known = isinstance(error, FAULTS)
                log.warning("consuming %s interrupted: %s", self._name, describe(error), exc_info=not known)
            if self._session:
                with contextlib.suppress(*FAULTS):
                    self._session.connection.close()
            self._session = None
            failures = failures + 1 if time.monotonic() - since < _STABLE_S else 0
            if self._closing.wait(_pause_s(failures)):
                return None

    def _serve(self, session: _Session) -> None:
        while not self._closing.is_set():
            session.connection.process_data_events(_TICK_S)
            if session.cancelled or not session.channel.is_open:
                raise exceptions.ConsumerCancelled(f"the broker ended the consumer of {self._name}")
        session.channel.basic_cancel(session.tag)
        while session.unsettled:
            session.connection.process_data_events(0.1)
        session.connection.close()

    def _receive(self, session: _Session, _: Any, method: Any, properties: Any, body: bytes) -> None:
        session.unsettled += 1
        earlier = (properties.headers or {}).get("x-delivery-count", 0)
        self._deliveries.put(_Delivery(session, method.delivery_tag, int(earlier) + 1, body))

    def _handle_all(self) -> None:
        while delivery := self._deliveries.get():
            if self._closing.is_set():
                self._settle(delivery, "basic_nack", requeue=True)
            else:
                self._handle(delivery)

    def _handle(self, delivery: _Delivery) -> None:
        last = delivery.count >= DELIVERY_LIMIT
        try:
            self._handler(Event.FromString(delivery.body))
        except DecodeError:
            log.error("queue %s: a message of %d bytes is no event", self._name, len(delivery.body))
            last = True
        except Exception:  # the edge: logged, then delivered again or dead-lettered
            log.exception(
                "queue %s: handling an event failed, delivery %d of %d",
                self._name,
                delivery.count,
                DELIVERY_LIMIT,
            )
        else:
            return self._settle(delivery, "basic_ack")
        if not self._durable:
            return self._settle(delivery, "basic_ack")
        if not last:
            self._closing.wait(retry_pause_s(delivery.count))
        return self._settle(delivery, "basic_nack", requeue=not last)

    def _settle(self, delivery: _Delivery, method: str, **arguments: bool) -> None:
        session = delivery.session

        def settle() -> None:
            session.unsettled -= 1
            getattr(session.channel, method)(delivery.tag, **arguments)

        with contextlib.suppress(*FAULTS):  # a lost connection: the broker delivers it again
            session.connection.add_callback_threadsafe(settle)
