"""The two threads of a RabbitMQ consumer: one for the connection, one for the handler."""

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import DecodeError
from pika import exceptions

from voxloom.bus_port import DELIVERY_LIMIT, Handler, retry_pause_s
from voxloom.bus_rabbit_link import CLOSE_TIMEOUT_S, FAULTS, TICK_S, Connect, close, describe, pause_s
from voxloom.v1.events_pb2 import Event

log = logging.getLogger(__name__)
_STABLE_S = 10.0  # a connection that lived this long was a good one


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
                thread.join(CLOSE_TIMEOUT_S)

    def _open(self) -> _Session:
        connection = self._connect()
        try:
            channel = connection.channel()
            session = _Session(connection, channel)
            channel.basic_qos(prefetch_count=1)  # the next event may go to another consumer meanwhile
            channel.add_on_cancel_callback(lambda _: setattr(session, "cancelled", True))
            name = self._declare(channel)
            session.tag = channel.basic_consume(name, lambda *delivery: self._receive(session, *delivery))
        except FAULTS:
            close(connection)
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
                close(self._session.connection)
            self._session = None
            failures = failures + 1 if time.monotonic() - since < _STABLE_S else 0
            if self._closing.wait(pause_s(failures)):
                return None

    def _serve(self, session: _Session) -> None:
        while not self._closing.is_set():
            session.connection.process_data_events(TICK_S)
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
