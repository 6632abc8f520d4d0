"""The event bus: its adapters chosen by URL, and how an event is made."""

import uuid

from google.protobuf.message import Message

from voxloom.bus_memory import MemoryBus
from voxloom.bus_port import DELIVERY_LIMIT, KINDS, EventBus, Handler, Subscription, kind_of
from voxloom.errors import BadInput
from voxloom.v1.events_pb2 import Event

__all__ = [
    "DELIVERY_LIMIT",
    "KINDS",
    "EventBus",
    "Handler",
    "MemoryBus",
    "Subscription",
    "kind_of",
    "new_event",
    "open_bus",
]


def new_event(source: str, subject: str, body: Message, trace: str = "") -> Event:
    """The event that carries `body`, with a fresh id, the present time, and a new trace if none is given."""
    event = Event()
    event.header.id = str(uuid.uuid4())
    event.header.time.GetCurrentTime()
    event.header.source = source
    event.header.subject = subject
    event.header.trace = trace or uuid.uuid4().hex
    for field in Event.DESCRIPTOR.oneofs_by_name["body"].fields:
        if field.message_type == body.DESCRIPTOR:
            getattr(event, field.name).CopyFrom(body)
            getattr(event, field.name).SetInParent()  # an empty body is a body too
            return event
    raise BadInput(
        f"{body.DESCRIPTOR.name} is no event body; expected the message of one of {', '.join(KINDS)}"
    )


def open_bus(url: str) -> EventBus:
    """The bus that the URL names: `memory://` for one process, or `amqp://user:password@host:port/vhost`."""
    scheme = url.partition("://")[0]
    if url == "memory://":
        return MemoryBus()
    if scheme in ("amqp", "amqps"):
        from voxloom.bus_rabbit import RabbitBus

        return RabbitBus(url)
    raise BadInput(
        f"bus URL scheme {scheme!r} is unknown; expected memory:// or amqp://user:password@host:port/vhost"
    )
