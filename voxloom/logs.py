"""Logging: one line a record, text for people or JSON for machines, with the ids of the work in hand."""

import json
import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Literal

_ids: ContextVar[dict[str, str] | None] = ContextVar("voxloom_log_ids", default=None)
_QUIETER = {"pika": "WARNING", "urllib3": "ERROR", "asyncio": "WARNING", "grpc": "WARNING"}
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_LINE_BREAKERS = (*range(32), *range(127, 160), 0x2028, 0x2029)
_ESCAPES = {code: f"\\u{code:04x}" for code in _LINE_BREAKERS} | {10: "\\n", 13: "\\r"}  # good in JSON too


@contextmanager
def bind(**ids: str) -> Iterator[None]:
    """Puts ids (event, job, run, model, request, trace, service) on every record of this task or thread."""
    token = _ids.set(bound() | {key: value for key, value in ids.items() if value})
    try:
        yield
    finally:
        _ids.reset(token)


def bound() -> dict[str, str]:
    """The ids bound here; a new thread starts with none."""
    return _ids.get() or {}


def setup(service: str, fmt: Literal["text", "json"] = "json", level: str = "info") -> None:
    """Sends all records to stderr; calling it again replaces the former set-up."""
    root = logging.getLogger()
    for handler in [each for each in root.handlers if isinstance(each, _Handler)]:
        root.removeHandler(handler)
    handler = _Handler()
    handler.setFormatter(JsonFormatter(service) if fmt == "json" else TextFormatter(service))
    root.addHandler(handler)
    root.setLevel(level.upper())
    for name, least in _QUIETER.items():  # urllib3 warns of each retry; the store tells how it ended
        logging.getLogger(name).setLevel(least)


class _Handler(logging.StreamHandler[Any]):
    """Ours, so that `setup` replaces nobody else's; looks stderr up each time, for it can be redirected."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


class JsonFormatter(logging.Formatter):
    """{"time", "level", "service", "logger", "message", ids..., "error"}: fields of `extra=` are kept too."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "service": self._service,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= bound() | _extra(record)
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str).translate(_ESCAPES)


class TextFormatter(logging.Formatter):
    """`12:00:00.123 INFO  recorder  message  key=value`; what came from outside cannot start a line."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        fields = bound() | _extra(record)
        service = fields.pop("service", self._service)
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        tail = "".join(f"  {key}={value}" for key, value in fields.items())
        line = f"{record.levelname:<7} {service:<9} {record.getMessage()}{tail}".translate(_ESCAPES)
        error = "\n" + self.formatException(record.exc_info) if record.exc_info else ""
        return f"{clock}.{int(record.msecs):03d} {line}{error}"


def _extra(record: logging.LogRecord) -> dict[str, Any]:
    return {key: value for key, value in vars(record).items() if key not in _STANDARD}
