"""The training process among others: what it says to its service, and that it ends with it."""

import ctypes
import json
import os
import signal
import sys
import time
from typing import Any

from voxloom.cpus import cpu_count

_PR_SET_PDEATHSIG = 1


def say(**message: Any) -> None:
    print(json.dumps(message), flush=True)


def die_with_parent() -> None:
    """Asks Linux to kill this process when the service is gone, however it went."""
    parent = int(os.environ.get("VOXLOOM_PARENT_PID", "0"))
    if not parent or sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit("the service that started this training is gone")


def stopwatch() -> Any:
    """A function that returns the seconds since its last call."""
    last_s = time.monotonic()

    def lap() -> float:
        nonlocal last_s
        now_s = time.monotonic()
        seconds, last_s = now_s - last_s, now_s
        return seconds

    return lap


def fair_share() -> int:
    """Processors for each of the processes that torchrun started on this machine."""
    return max(1, cpu_count() // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
