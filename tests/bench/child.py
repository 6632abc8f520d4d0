"""Time and memory of a piece of work, in a process of its own that holds nothing else."""

import multiprocessing
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

_T = TypeVar("_T")


class Measured(NamedTuple):
    """What came out, how long it took once the process was there, and the most memory that it held."""

    result: object
    seconds: float
    peak_mb: float


def measured(work: Callable[..., _T], *args: object) -> Measured:
    """`work` and `args` travel by pickle; the process is started anew, so imports count as its memory."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_run, (work, args))


def _run(work: Callable[..., _T], args: tuple[object, ...]) -> Measured:
    began = time.perf_counter()
    result = work(*args)
    return Measured(result, time.perf_counter() - began, peak_mb())


def peak_mb() -> float:
    """Of this process since it began to be this program: `ru_maxrss` also counts what its parent held."""
    status = Path("/proc/self/status").read_text()
    return float(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) / 1000
