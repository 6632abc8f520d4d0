"""The event bus port: facts to whoever waits for them."""

from collections.abc import Callable, Sequence
from typing import Protocol

from voxloom.errors import BadInput
from voxloom.keys import check_id
from voxloom.v1.events_pb2 import Event

Handler = Callable[[Event], None]

DELIVERY_LIMIT = 5
KINDS: tuple[str, ...] = tuple(field.name for field in Event.DESCRIPTOR.oneofs_by_name["body"].fields)


class Subscription(Protocol):
    """A running consumer."""

    def close(self) -> None:
        """Stops taking events; one being handled is finished first. A durable queue keeps the others."""


class EventBus(Protocol):
    """Topic publish and subscribe. Every adapter guarantees:

    - publish returns after the bus has taken charge of the event (broker confirm), else raises Unavailable;
    - each durable queue gets every event of its kinds at least once, also while nobody consumes;
    - a handler that raises gets the event again, up to `DELIVERY_LIMIT` deliveries, then it is a dead letter;
    - order is not promised, and an event can come twice.

    `kind` is the name of the field set in `Event.body`, for example `dataset_ready`. A queue exists from its
    first subscription on; an event that no queue is bound to is gone, which is no error.
    """

    def publish(self, event: Event) -> None: ...

    def subscribe(self, queue: str, kinds: Sequence[str], handler: Handler) -> Subscription:
        """Competing consumer of the durable `queue` bound to `kinds`. Its handler runs in a thread;
        the event is acknowledged when it returns."""

    def tail(self, handler: Handler) -> Subscription:
        """Every event from now on, for people watching; nothing is kept while nobody looks."""

    def dead_letters(self, queue: str) -> list[Event]:
        """The events that `queue` gave up on, left where they are."""

    def close(self) -> None: ...


def kind_of(event: Event) -> str:
    """The name of the field set in the body; BadInput for an event without one."""
    kind = event.WhichOneof("body")
    if kind is None:
        raise BadInput(f"event {event.header.id!r} has no body; expected one of {', '.join(KINDS)}")
    return str(kind)


def check_subscription(queue: str, kinds: Sequence[str]) -> None:
    """Raises BadInput for a queue or kinds that no adapter takes."""
    check_id(queue, "queue")
    unknown = sorted(set(kinds) - set(KINDS))
    if unknown or not kinds:
        raise BadInput(
            f"event kinds {unknown} of queue {queue} are unknown; expected some of {', '.join(KINDS)}"
        )


def retry_pause_s(deliveries: int) -> float:
    """How long a failed event waits before its next delivery: 0.1, 0.2, 0.4, 0.8 s."""
    return 0.1 * 2.0 ** (min(deliveries, DELIVERY_LIMIT) - 1)
