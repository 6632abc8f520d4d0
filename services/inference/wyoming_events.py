"""Wyoming's events over TCP, read with limits: a line of JSON, perhaps more JSON, perhaps bytes.

The package's own reader takes what lengths it is told, and half an event for the end of the connection.
"""

import asyncio
import json
from typing import Any

from wyoming.event import Event

from voxloom.errors import BadInput

MAX_LINE_BYTES = 64 << 10
_MAX_DATA_BYTES = 64 << 10
_MAX_PAYLOAD_BYTES = 1 << 20


async def read_event(reader: asyncio.StreamReader) -> Event | None:
    """The next event, None at the end of the connection; BadInput for what is none. The reader's own limit
    must be MAX_LINE_BYTES."""
    try:
        line = await reader.readuntil(b"\n")
        header = _parse(line)
        data = _object(header.get("data") or {}, "data")
        if length := _length(header, "data_length", _MAX_DATA_BYTES):
            data |= _parse(await reader.readexactly(length))
        length = _length(header, "payload_length", _MAX_PAYLOAD_BYTES)
        payload = await reader.readexactly(length) if length else None
    except asyncio.IncompleteReadError:
        return None
    except asyncio.LimitOverrunError:
        raise BadInput(
            f"an event's first line is longer than {MAX_LINE_BYTES} bytes; expected a line of JSON"
        ) from None
    return Event(_type(header), data, payload)


def number(data: dict[str, Any], name: str) -> int:
    """A field that must be a whole number."""
    value = data.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadInput(f"{name} is {str(value)[:40]!r}; expected a whole number")
    return value


def text(data: dict[str, Any], name: str) -> str:
    """A field that may be missing."""
    value = data.get(name)
    if value is not None and not isinstance(value, str):
        raise BadInput(f"{name} is {str(value)[:40]!r}; expected a text")
    return value or ""


def _parse(raw: bytes) -> dict[str, Any]:
    try:
        return _object(json.loads(raw), "an event")
    except (ValueError, RecursionError) as error:
        raise BadInput(f"an event is not JSON ({str(error)[:100]}); this port speaks Wyoming") from None


def _object(value: object, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadInput(f"{what} is a JSON {type(value).__name__}; expected an object")
    return value


def _type(header: dict[str, Any]) -> str:
    kind = header.get("type")
    if not isinstance(kind, str):
        raise BadInput("an event has no type; this port speaks Wyoming")
    return kind


def _length(header: dict[str, Any], name: str, limit: int) -> int:
    value = number(header, name) if header.get(name) is not None else 0
    if not 0 <= value <= limit:
        raise BadInput(f"{name} is {value}; expected 0 to {limit}: send less at once")
    return value
