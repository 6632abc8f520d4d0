"""The event bus port: facts to whoever waits for them."""

from collections.abc import Callable, Sequence
from typing import Protocol

from voxloom.v1.events_pb2 import Event

Handler = Callable[[Event], None]


class Subscription(Protocol):
    """A running consumer."""

    def close(self) -> None:
        """Stops taking events; one being handled is finished first. Unhandled ones stay queued (durable queues)."""


class EventBus(Protocol):
    """Topic publish and subscribe. Every adapter guarantees:

    - publish returns after the bus has taken charge of the event (broker confirm), else raises Unavailable;
    - each durable queue gets every event of its kinds at least once, also those published while no one consumed;
    - a handler that raises gets the event again, up to `DELIVERY_LIMIT` deliveries, then it lies in the dead letters;
    - order is not promised, and an event can come twice.

    `kind` is the name of the field set in `Event.body`, for example `dataset_ready`.
    """

    def publish(self, event: Event) -> None: ...

    def subscribe(self, queue: str, kinds: Sequence[str], handler: Handler) -> Subscription:
        """Competing consumer of the durable `queue` bound to `kinds`; the handler runs in a thread of its own.
        Acknowledged when the handler returns."""

    def tail(self, handler: Handler) -> Subscription:
        """Every event from now on, for people watching; nothing is kept while nobody looks."""

    def dead_letters(self, queue: str) -> list[Event]:
        """The events that `queue` gave up on, left where they are."""

    def close(self) -> None: ...


DELIVERY_LIMIT = 5
