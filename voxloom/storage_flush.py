"""Many written files become durable at the price of one: syncfs(2)."""

import ctypes
import os
import platform
from collections.abc import Callable
from functools import cache

_REPORTS_ERRORS = (5, 8)  # an older Linux keeps failed writes to itself


def can_flush_all() -> bool:
    """Whether `flush_all` works on this system."""
    return _syncfs() is not None


def flush_all(number: int) -> None:
    """All that was written to the file system of this descriptor, to disk; OSError when a write failed."""
    call = _syncfs()
    assert call is not None
    if call(number):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


@cache
def _syncfs() -> Callable[[int], int] | None:
    if platform.system() != "Linux" or _release(platform.release()) < _REPORTS_ERRORS:
        return None
    call: Callable[[int], int] | None = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    return call


def _release(text: str) -> tuple[int, ...]:
    """The first two numbers of a version such as 6.18.44-generic."""
    return tuple(int("".join(filter(str.isdigit, part)) or 0) for part in text.split(".")[:2])
