"""The curve of a run as others read it: what is new, and where it stands."""

import re
from typing import NamedTuple

from services.trainer.metrics import Metrics, read_metrics
from voxloom import keys
from voxloom.errors import NotFound
from voxloom.record import parse_model
from voxloom.storage import ObjectStore

_NO_STEP = re.compile(rb'"steps_total": ?0,')  # in a line that tells of no step; found without parsing it
_NO_MESSAGE = re.compile(rb'"message": ?"",|"message": ?""}')
_VALIDATION = re.compile(rb'"val_wer": ?([0-9]+(?:[.][0-9]+)?(?:e[+-]?[0-9]+)?)')


class Latest(NamedTuple):
    """Where a curve stands: a step tells its loss, a validation its error rates, and neither tells both."""

    line: Metrics | None = None  # the last, with what the trainer said last: a warning outlives its step
    step: Metrics | None = None
    validation: Metrics | None = None
    best_wer: float | None = None


def read_latest(store: ObjectStore, run: str) -> Latest:
    """The last lines of the run, in bounded memory: a run of days has many. NotFound before it has begun."""
    line = step = validation = said = b""
    best_wer: float | None = None
    key = keys.run_metrics(run)
    with store.open(key) as file:
        for line in file:
            if not _NO_MESSAGE.search(line):
                said = line
            if not _NO_STEP.search(line):
                step = line
            if rate := _VALIDATION.search(line):
                validation, wer = line, float(rate[1])
                best_wer = wer if best_wer is None else min(wer, best_wer)
    found = [parse_model(key, each, Metrics) if each else None for each in (line, step, validation, said)]
    last = found[0] and found[0].model_copy(update={"message": found[3].message if found[3] else ""})
    return Latest(last, found[1], found[2], best_wer)


class Curve:
    """The lines of a run that were not told yet. The object is read only when it has changed; a run that is
    resumed writes lines anew that were told before."""

    def __init__(self, store: ObjectStore, run: str) -> None:
        self._store, self.run = store, run
        self._etag = ""
        self._told, self._told_there = (-1, -1), 0  # the last place of which lines were told, and how many

    def news(self) -> list[Metrics]:
        try:
            etag = self._store.stat(keys.run_metrics(self.run)).etag
        except NotFound:
            return []
        if etag == self._etag:
            return []
        self._etag = etag
        lines = read_metrics(self._store, self.run)
        here = [line for line in lines if _place(line) == self._told][self._told_there :]
        new = here + [line for line in lines if _place(line) > self._told]
        if new:
            self._told = max(map(_place, new))
            self._told_there = sum(_place(line) == self._told for line in lines)
        return new


def _place(line: Metrics) -> tuple[int, int]:
    """The line of an epoch's end has the step of the one before it, and counts the epoch; what the trainer
    says besides has the place of the step."""
    return line.step, line.epoch
