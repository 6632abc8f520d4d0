"""Threads for blocking work under asyncio, with a bound: overload is refused instead of piling up."""

import asyncio
import contextvars
import functools
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from voxloom.errors import Exhausted

Args = ParamSpec("Args")
Result = TypeVar("Result")


class BoundedExecutor:
    """At most `threads` calls run and `waiting` more wait; one beyond that raises Exhausted at once."""

    def __init__(self, threads: int, waiting: int, name: str = "blocking") -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._slots = threading.BoundedSemaphore(threads + waiting)
        self._limits = f"{threads} running and {waiting} waiting"

    async def run(self, fn: Callable[Args, Result], *args: Args.args, **kwargs: Args.kwargs) -> Result:
        """The result of fn, called in a thread that has the caller's context (log ids).

        When the caller is cancelled, a call that has not begun never does; one that has runs to its end.
        """
        if not self._slots.acquire(blocking=False):
            raise Exhausted(f"the service is full ({self._limits}); try again in a moment")
        try:
            work = functools.partial(fn, *args, **kwargs)
            future = self._pool.submit(contextvars.copy_context().run, work)
        except BaseException:
            self._slots.release()
            raise
        future.add_done_callback(lambda _: self._slots.release())
        return await asyncio.wrap_future(future)

    def shutdown(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)


@functools.cache
def shared() -> BoundedExecutor:
    """The one of this process: mostly waits for the store, so it has more threads than processors."""
    return BoundedExecutor(threads=min(32, 4 + 2 * (os.cpu_count() or 1)), waiting=128)
