"""What a model leaves behind when the last call has let go of it."""

import ctypes
import threading
import weakref

_AFTER_S = 0.5  # until the engine whose end is told of has freed its memory


def give_back_after(engine: object) -> None:
    """Once the engine is gone, its memory goes back to the system.

    The C library keeps freed memory in its heaps, for the next model; after some changes of the model that is
    another hundred megabytes (tests/bench/serving.py). Where it is not glibc, nothing happens.
    """
    weakref.finalize(engine, _soon).atexit = False


def _soon() -> None:
    timer = threading.Timer(_AFTER_S, _trim)
    timer.daemon = True
    timer.start()


def _trim() -> None:
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)
