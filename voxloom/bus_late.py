"""A bus whose broker may be down when a service starts: the service does its work by the clock meanwhile."""

from collections.abc import Sequence

from voxloom.bus import EventBus, Handler, Subscription, open_bus
from voxloom.errors import Unavailable
from voxloom.v1.events_pb2 import Event


class LateBus:
    """The EventBus of a URL once `open` has succeeded; until then every method raises Unavailable at once."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._bus: EventBus | None = None

    def open(self) -> None:
        """Connects; Unavailable when the broker does not answer, BadInput when it refuses this URL."""
        if self._bus is None:
            self._bus = open_bus(self._url)

    def publish(self, event: Event) -> None:
        self._opened().publish(event)

    def subscribe(self, queue: str, kinds: Sequence[str], handler: Handler) -> Subscription:
        return self._opened().subscribe(queue, kinds, handler)

    def tail(self, handler: Handler) -> Subscription:
        return self._opened().tail(handler)

    def dead_letters(self, queue: str) -> list[Event]:
        return self._opened().dead_letters(queue)

    def close(self) -> None:
        if self._bus is not None:
            self._bus.close()

    def _opened(self) -> EventBus:
        if self._bus is None:
            raise Unavailable("the broker has not answered since this service started")
        return self._bus
