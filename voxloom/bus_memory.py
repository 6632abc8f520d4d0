"""The event bus port inside one process: no kinder than a broker, in threads of its own, delivering again."""

import logging
import random
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from voxloom.bus_port import (
    DELIVERY_LIMIT,
    KINDS,
    Handler,
    check_subscription,
    kind_of,
    retry_pause_s,
)
from voxloom.errors import Unavailable
from voxloom.v1.events_pb2 import Event

log = logging.getLogger(__name__)
_CLOSE_TIMEOUT_S = 30.0


@dataclass
class _Delivery:
    body: bytes  # serialised, so that no two handlers share an object
    deliveries: int = 0
    echoed: bool = False


@dataclass
class _Queue:
    kinds: set[str]
    waiting: list[_Delivery] = field(default_factory=list)
    dead: list[_Delivery] = field(default_factory=list)


class MemoryBus:
    """Queues in memory, gone with the process. With a `chaos_seed` it also delivers one event in four twice,
    and all in random order, as a broker does on a bad day."""

    def __init__(self, chaos_seed: int | None = None) -> None:
        self._chaos = None if chaos_seed is None else random.Random(chaos_seed)
        self._changed = threading.Condition()
        self._queues: dict[str, _Queue] = {}
        self._consumers: list[_Consumer] = []
        self._tails = 0
        self._closed = False

    def publish(self, event: Event) -> None:
        kind, body = kind_of(event), event.SerializeToString()
        with self._changed:
            if self._closed:
                raise Unavailable("the event bus is closed; nothing can be published any more")
            for queue in self._queues.values():
                if kind in queue.kinds:
                    queue.waiting.append(_Delivery(body))
            self._changed.notify_all()

    def subscribe(self, queue: str, kinds: Sequence[str], handler: Handler) -> "_Consumer":
        check_subscription(queue, kinds)
        return self._consume(queue, kinds, handler, durable=True)

    def tail(self, handler: Handler) -> "_Consumer":
        with self._changed:
            self._tails += 1
            name = f"tail/{self._tails}"  # no durable queue has a slash in its name
        return self._consume(name, KINDS, handler, durable=False)

    def dead_letters(self, queue: str) -> list[Event]:
        with self._changed:
            dead = list(self._queues[queue].dead) if queue in self._queues else []
        return [Event.FromString(delivery.body) for delivery in dead]

    def close(self) -> None:
        with self._changed:
            self._closed = True
            consumers = list(self._consumers)
        for consumer in consumers:
            consumer.close()

    def _consume(self, name: str, kinds: Sequence[str], handler: Handler, *, durable: bool) -> "_Consumer":
        with self._changed:
            if self._closed:
                raise Unavailable("the event bus is closed; nothing can be subscribed any more")
            queue = self._queues.setdefault(name, _Queue(set()))
            queue.kinds.update(kinds)
            consumer = _Consumer(self, name, handler, durable)
            self._consumers.append(consumer)
        consumer.thread.start()
        return consumer

    def _take(self, consumer: "_Consumer") -> _Delivery | None:
        """The next event for this consumer, waited for; None once it is closed."""
        with self._changed:
            self._changed.wait_for(lambda: consumer.closing.is_set() or self._queues[consumer.queue].waiting)
            if consumer.closing.is_set():
                return None
            queue = self._queues[consumer.queue]
            index = self._chaos.randrange(len(queue.waiting)) if self._chaos else 0
            delivery = queue.waiting.pop(index)
            delivery.deliveries += 1
            if self._chaos and not delivery.echoed and self._chaos.random() < 0.25:
                queue.waiting.append(_Delivery(delivery.body, echoed=True))
            return delivery

    def _give_back(self, name: str, delivery: _Delivery) -> None:
        with self._changed:
            queue = self._queues[name]
            dead = delivery.deliveries >= DELIVERY_LIMIT
            (queue.dead if dead else queue.waiting).append(delivery)
            self._changed.notify_all()

    def _detach(self, consumer: "_Consumer") -> None:
        with self._changed:
            consumer.closing.set()
            self._consumers = [other for other in self._consumers if other is not consumer]
            if not consumer.durable:
                self._queues.pop(consumer.queue, None)
            self._changed.notify_all()


class _Consumer:
    """One subscription: a thread that takes, handles and gives back what failed."""

    def __init__(self, bus: MemoryBus, queue: str, handler: Handler, durable: bool) -> None:
        self._bus = bus
        self.queue = queue
        self._handler = handler
        self.durable = durable
        self.closing = threading.Event()
        self.thread = threading.Thread(target=self._run, name=f"bus-{queue}", daemon=True)

    def close(self) -> None:
        self._bus._detach(self)
        if self.thread is not threading.current_thread():
            self.thread.join(_CLOSE_TIMEOUT_S)

    def _run(self) -> None:
        while delivery := self._bus._take(self):
            event = Event.FromString(delivery.body)
            try:
                self._handler(event)
            except Exception:  # the edge: logged, then delivered again or dead-lettered
                log.exception(
                    "queue %s: handling event %s failed, delivery %d of %d",
                    *(self.queue, event.header.id, delivery.deliveries, DELIVERY_LIMIT),
                )
                if self.durable:
                    if delivery.deliveries < DELIVERY_LIMIT:
                        self.closing.wait(retry_pause_s(delivery.deliveries))
                    self._bus._give_back(self.queue, delivery)
