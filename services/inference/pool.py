"""The worker threads that compute, and how many calls may wait for them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

from services.inference.batching import Batching
from services.inference.metrics import REFUSED
from voxloom.errors import Exhausted
from voxloom.executor import BoundedExecutor

Args = ParamSpec("Args")
Result = TypeVar("Result")


class Pool:
    """N threads, each with one job at a time: N sessions' worth of work without N sessions.

    Calls are admitted or refused at their start. One that is in computes piece by piece, at most one in the
    queue, so what waits is bounded and a call that is cancelled leaves at its next piece.
    """

    def __init__(self, threads: int, max_calls: int, max_streams: int) -> None:
        self._executor = BoundedExecutor(threads, max_calls + max_streams, "recognise")
        self.batching = Batching(self._executor)
        self.calls = Admission(max_calls, "calls")
        self.streams = Admission(max_streams, "streams")

    async def run(self, fn: Callable[Args, Result], *args: Args.args, **kwargs: Args.kwargs) -> Result:
        return await self._executor.run(fn, *args, **kwargs)

    def close(self) -> None:
        self._executor.shutdown()


class Admission:
    """Counts who is in; used from one event loop only."""

    def __init__(self, limit: int, what: str) -> None:
        self.active = 0
        self.limit = limit
        self._what = what

    @contextmanager
    def enter(self) -> Iterator[None]:
        """Raises Exhausted when the house is full."""
        if self.active >= self.limit:
            REFUSED.labels(self._what).inc()
            raise Exhausted(f"all {self.limit} {self._what} are taken; try again in a moment")
        self.active += 1
        try:
            yield
        finally:
            self.active -= 1
