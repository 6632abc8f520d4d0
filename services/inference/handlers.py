"""What inference does on events: nothing but wake up, for the pointer in the store says what to serve."""

from collections.abc import Mapping

from voxloom.bus import Handler
from voxloom.v1.events_pb2 import Event


def model_promoted(event: Event) -> None:
    """Reconcile runs after every event, and looks at the pointer."""


HANDLERS: Mapping[str, Handler] = {"model_promoted": model_promoted}
