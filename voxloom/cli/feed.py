"""Request streams whose own errors are not lost: gRPC alone would report them as an unknown fault."""

import threading
from collections.abc import Iterator
from typing import Any

import grpc

from voxloom.errors import VoxloomError


def upload(method: Any, messages: Iterator[Any], timeout_s: float) -> Any:
    """Calls a stream-unary method; an error in making the messages cancels it and is raised as it is."""
    feed = _Feed(messages)
    feed.call = method.future(feed.guarded(), timeout=timeout_s)
    feed.started.set()
    try:
        return feed.call.result()
    except (grpc.RpcError, grpc.FutureCancelledError):
        if feed.failure is not None:
            raise feed.failure from None
        raise


class _Feed:
    """The messages as gRPC's own thread draws them."""

    def __init__(self, messages: Iterator[Any]) -> None:
        self._messages = messages
        self.failure: Exception | None = None
        self.call: Any = None
        self.started = threading.Event()  # gRPC draws the first message before `future` returns the call

    def guarded(self) -> Iterator[Any]:
        try:
            yield from self._messages
        except (VoxloomError, OSError) as error:
            self.failure = error
            self.started.wait()
            self.call.cancel()
