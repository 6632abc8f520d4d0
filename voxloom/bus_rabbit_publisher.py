"""The thread that publishes to RabbitMQ."""

import contextlib
import logging
import queue
import threading
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from pika import exceptions

from voxloom.bus_rabbit_link import CLOSE_TIMEOUT_S, FAULTS, TICK_S, Connect, closed_after, describe, pause_s
from voxloom.errors import Unavailable

log = logging.getLogger(__name__)
PUBLISH_TIMEOUT_S = 20.0


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
        self._thread.join(CLOSE_TIMEOUT_S)

    def _run(self) -> None:
        failures = 0
        waiting: _Outgoing | None = None
        while not self._closing.is_set():
            try:
                with closed_after(self._connect()) as connection:
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
                self._closing.wait(pause_s(failures))
                failures += 1
        self._refuse_rest(waiting)

    def _next(self, connection: Any) -> _Outgoing | None:
        connection.process_data_events(0)  # heartbeats
        with contextlib.suppress(queue.Empty):
            return self._outgoing.get(timeout=TICK_S)
        return None

    def _send(self, channel: Any, outgoing: _Outgoing) -> None:
        try:
            channel.basic_publish(self._exchange, outgoing.kind, outgoing.body, outgoing.properties)
        except exceptions.NackError:
            _settle(outgoing, Unavailable(f"the broker {self._where} refused the event: a queue is full"))
        else:
            _settle(outgoing, None)

    def _refuse_rest(self, waiting: _Outgoing | None) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                if waiting:
                    _settle(waiting, Unavailable(f"the bus to {self._where} closed before the event left"))
                waiting = self._outgoing.get_nowait()


def _settle(outgoing: _Outgoing, error: Unavailable | None) -> None:
    if outgoing.confirmed.set_running_or_notify_cancel():
        if error is None:
            outgoing.confirmed.set_result(None)
        else:
            outgoing.confirmed.set_exception(error)
