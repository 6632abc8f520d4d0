"""The curve as event files: `tensorboard --logdir` on the folder of runs. Numbers alone, no texts.

An upload makes one more file with the events since the last: a reader that follows the folder finds what is
new, and a store needs no appending. No speaker and no sentence is in them, so nothing has to be withdrawn.
"""

import math
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from services.trainer.metrics import Metrics
from voxloom import keys
from voxloom.storage import ObjectStore, list_all

_EVERY_S = 15.0  # at least between two files; more as the run goes on, so that they stay a few hundred


class TensorBoard:
    """Begins anew with each sitting: it is given the past lines first."""

    def __init__(
        self,
        store: ObjectStore,
        run: str,
        folder: Path,
        trained_s: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store, self._run, self._folder, self._clock = store, run, folder, clock
        self._zero_s = clock() - trained_s  # a curve against time leaves out the pauses between sittings
        self._uploaded_s = 0.0
        self.restart()

    def restart(self) -> None:
        self._waiting: list[Metrics] = []
        self._parts = 0
        for info in list(list_all(self._store, f"runs/{self._run}/tensorboard/")):
            self._store.delete(info.key)

    def add(self, line: Metrics) -> None:
        self._waiting.append(line)

    def upload(self) -> None:
        now_s = self._clock()
        if now_s - self._uploaded_s >= max(_EVERY_S, (now_s - self._zero_s) / 100):
            self.close()
            self._uploaded_s = now_s

    def close(self) -> None:
        """The last file, whenever the one before was written."""
        if self._waiting:
            self._store.put(keys.run_tensorboard(self._run, self._parts), self._events())
            self._parts += 1
            self._waiting = []

    def _events(self) -> bytes:
        with tempfile.TemporaryDirectory(dir=self._folder) as folder:
            with SummaryWriter(folder) as writer:
                for line in self._waiting:
                    for name, value in scalars(line):
                        writer.add_scalar(name, value, line.step, walltime=self._zero_s + line.trained_s)
            return b"".join(path.read_bytes() for path in Path(folder).iterdir())


def scalars(line: Metrics) -> Iterator[tuple[str, float]]:
    """Tags and values of a line; a value that is not finite is left out."""
    named = [("train/loss", line.loss), ("train/learning_rate", line.learning_rate)]
    named += [("train/gradient_norm", line.gradient_norm), ("train/audio_s_per_s", line.audio_s_per_s)]
    if not line.is_step:
        named = [("train/epoch", float(line.epoch)), ("train/epoch_loss", line.loss)]
        named += [("val/wer", line.val_wer or 0.0), ("val/cer", line.val_cer or 0.0)] * (
            line.val_wer is not None
        )
        for source, errors in line.val_by_source.items():
            named += [(f"val_wer/{source}", errors.wer), (f"val_cer/{source}", errors.cer)]
    return ((name, value) for name, value in named if math.isfinite(value))
