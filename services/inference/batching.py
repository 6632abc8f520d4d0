"""Segments of different calls that wait at the same time, heard in one run of the network.

Nothing waits for company: a worker that becomes free takes the segment that has waited longest, and with it
others that are about as long, so that little of the batch is padding. What one run may cost is bounded in
audio, which bounds how long a segment is held up by those it is heard with.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from services.inference.models import ServedModel
from voxloom.decode import Hypothesis, LogProbs
from voxloom.executor import BoundedExecutor
from voxloom.features import Features

MOST = 4  # segments of one run; more gained nothing (tests/bench/batching.py)
ALIKE = 1.1  # the longest of a run to its shortest, in frames
MOST_FRAMES = 3000  # of a run with more than one segment


@dataclass(frozen=True)
class Heard:
    hypothesis: Hypothesis
    compute_s: float  # its share of the run and its decoding


@dataclass(eq=False)
class Waiting:
    """A segment, (T, 80) log-mel, and the call that waits for it."""

    model: ServedModel
    features_TF: Features
    heard: Future[Heard] = field(default_factory=Future)


class Batching:
    """Safe to use from one event loop; computes in the executor's threads."""

    def __init__(self, executor: BoundedExecutor) -> None:
        self._executor = executor
        self._waiting: deque[Waiting] = deque()
        self._lock = threading.Lock()

    async def hear(self, model: ServedModel, features_TF: Features) -> Heard:
        """The text of one segment, (T, 80) log-mel; times count from its start. Raises Exhausted if too much
        waits already. A call that is cancelled while it waits is never computed."""
        mine = Waiting(model, features_TF)
        with self._lock:
            self._waiting.append(mine)
        try:
            # There are never fewer jobs than segments that wait; this one may serve others, and another mine.
            await self._executor.run(self._hear_next)
            return await asyncio.wrap_future(mine.heard)
        finally:
            with self._lock:
                if mine in self._waiting:
                    self._waiting.remove(mine)

    def _hear_next(self) -> None:
        with self._lock:
            run = take(self._waiting)
        run = [each for each in run if each.heard.set_running_or_notify_cancel()]
        if not run:
            return
        began_s = time.perf_counter()
        try:
            log_probs = run[0].model.engine.log_probs([each.features_TF for each in run])
        except Exception as error:  # noqa: BLE001 - goes on to the calls that wait for it
            for each in run:
                each.heard.set_exception(error)
            return
        run_s = time.perf_counter() - began_s
        frames = sum(len(each.features_TF) for each in run)
        for each, log_probs_TV in zip(run, log_probs, strict=True):
            _decode(each, log_probs_TV, run_s * len(each.features_TF) / frames)


def take(waiting: deque[Waiting]) -> list[Waiting]:
    """Takes off what has waited longest, with its company."""
    if not waiting:
        return []
    run = [waiting.popleft()]
    for other in list(waiting):
        if len(run) < MOST and _may_join(other, run):
            run.append(other)
            waiting.remove(other)
    return run


def _may_join(other: Waiting, run: Sequence[Waiting]) -> bool:
    if other.model.engine is not run[0].model.engine:
        return False
    lengths = [len(each.features_TF) for each in (*run, other)]
    return max(lengths) <= ALIKE * min(lengths) and max(lengths) * len(lengths) <= MOST_FRAMES


def _decode(each: Waiting, log_probs_TV: LogProbs, run_s: float) -> None:
    began_s = time.perf_counter()
    try:
        hypothesis = each.model.decode(log_probs_TV)
    except Exception as error:  # noqa: BLE001 - goes on to the call that waits for it
        each.heard.set_exception(error)
    else:
        each.heard.set_result(Heard(hypothesis, run_s + time.perf_counter() - began_s))
