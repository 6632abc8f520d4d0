"""What the training process tells its service between the steps, and where it asks whether to stop."""

import threading

from services.trainer.process import say
from services.trainer.train import Interrupted

_EVERY = 200  # clips


class Progress:
    """Of the first rank; the others do the same work and say nothing. Its methods raise Interrupted once the
    service has asked to stop."""

    def __init__(self, stop: threading.Event, quiet: bool = False) -> None:
        self._stop, self._quiet = stop, quiet

    def tell(self, message: str) -> None:
        if not self._quiet:
            say(done=0, total=0, message=message)

    def check(self) -> None:
        if self._stop.is_set():
            raise Interrupted("stopped while audio is fetched; the run goes on from its last checkpoint")

    def loading(self, done: int, total: int) -> None:
        why = "stopped while loading; nothing was trained since the last checkpoint"
        self._clip(f"loads clip {done} of {total}", done, total, why)

    def evaluating(self, done: int, total: int) -> None:
        self._after(f"transcribes {done} of {total} clips of val and test", done, total)

    def aligning(self, done: int, total: int) -> None:
        self._after(f"lays the transcripts of {done} of {total} clips over their audio", done, total)

    def _after(self, message: str, done: int, total: int) -> None:
        self._clip(message, done, total, "stopped before the export; the next start goes on there")

    def _clip(self, message: str, done: int, total: int, why: str) -> None:
        if done % _EVERY == 0 or done == total:
            self.tell(message)
        if self._stop.is_set():
            raise Interrupted(why)
