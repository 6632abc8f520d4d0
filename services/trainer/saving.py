"""Checkpoints while the store is away or full: training goes on, saving is tried again, the user is told."""

import logging
import time
from collections.abc import Callable
from typing import Protocol, TypeVar

from services.trainer.train import State
from voxloom.errors import Unavailable

_MOST_PAUSE_S = 30.0
_log = logging.getLogger(__name__)
Result = TypeVar("Result")


class Saves(Protocol):
    def save(self, state: State) -> None: ...


class Saver:
    """Saves when it can. Unavailable only when nothing could be saved for `give_up_s`."""

    def __init__(
        self,
        checkpoints: Saves,
        tell: Callable[[State, str], None],
        give_up_s: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._checkpoints, self._tell, self._give_up_s = checkpoints, tell, give_up_s
        self._clock, self._sleep = clock, sleep
        self._failing_since: float | None = None
        self._saved_step = 0  # at the last success of this sitting

    def save(self, state: State) -> None:
        """Tries once; the loop comes again at its next interval."""
        try:
            self._checkpoints.save(state)
        except Unavailable as error:
            self._missed(state, error)
        else:
            self._succeeded(state)

    def finish(self, state: State) -> None:
        """After the last step: what is not saved yet is tried until it is."""
        if self._failing_since is not None:
            patiently(lambda: self._checkpoints.save(state), self._give_up_s, self._clock, self._sleep)
            self._succeeded(state)

    def _missed(self, state: State, error: Unavailable) -> None:
        now = self._clock()
        if self._failing_since is None:
            self._failing_since = now
        failing_s = now - self._failing_since
        message = (
            f"no checkpoint could be written for {failing_s:.0f} s: {error}. Training goes on and tries "
            f"again; safe is what was saved{f' up to step {self._saved_step}' if self._saved_step else ''}"
        )
        _log.error("step %d: %s", state.at.step, message)
        if failing_s >= self._give_up_s:
            raise Unavailable(
                f"no checkpoint could be written for {failing_s / 60:.1f} minutes, until step "
                f"{state.at.step}: {error}; the run goes on from its last checkpoint once this is mended"
            ) from error
        self._tell(state, message)

    def _succeeded(self, state: State) -> None:
        self._saved_step = state.at.step
        if self._failing_since is not None:
            self._failing_since = None
            self._tell(state, f"checkpoints are written again: step {state.at.step} is saved")


def patiently(
    act: Callable[[], Result],
    give_up_s: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Result:
    """What `act` returns, tried with growing pauses while the store is away, for `give_up_s` at most."""
    begun, pause_s = clock(), 1.0
    while True:
        try:
            return act()
        except Unavailable as error:
            if clock() - begun + pause_s > give_up_s:
                raise
            _log.warning("tries again in %.0f s: %s", pause_s, error)
            sleep(pause_s)
            pause_s = min(2 * pause_s, _MOST_PAUSE_S)
