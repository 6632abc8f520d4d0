"""The run's curve as JSON lines in the store, for `voxloom runs watch` and whoever plots it."""

import logging
import re
import time
from collections.abc import Callable
from typing import NamedTuple

from pydantic import ConfigDict

from voxloom import keys
from voxloom.errors import NotFound, Unavailable
from voxloom.forgotten import num_withdrawn
from voxloom.record import Record, parse_lines, parse_model, to_line
from voxloom.storage import ObjectStore

_STEP_LINE_EVERY_S = 1.0
_WRITE_EVERY_S = 2.0
_NO_STEP = re.compile(rb'"steps_total": ?0,')  # in a line that tells of no step; found without parsing it
_NO_VALIDATION = re.compile(rb'"val_wer": ?null')
_log = logging.getLogger(__name__)


class Metrics(Record):
    """One line of metrics.jsonl, fields as in `RunMetrics` of trainer.proto; val_* at the end of an epoch."""

    model_config = ConfigDict(ser_json_inf_nan="strings")  # a training that diverges shows it

    step: int = 0
    epoch: int = 0
    epochs: int = 0
    steps_total: int = 0
    loss: float = 0.0
    learning_rate: float = 0.0
    gradient_norm: float = 0.0
    audio_s_per_s: float = 0.0
    eta_s: float = 0.0
    val_wer: float | None = None
    val_cer: float | None = None
    example_reference: str = ""
    example_hypothesis: str = ""
    message: str = ""


class MetricsLog:
    """Appends lines; the object is rewritten every two seconds at most, and less often as the run goes on."""

    def __init__(
        self,
        store: ObjectStore,
        run: str,
        resumed_at_step: int,
        tell: Callable[[Metrics], None],
        clock: Callable[[], float] = time.monotonic,
        *,
        writes: bool = True,
    ) -> None:
        self._writes, self._withdrawn = writes, False
        self._store, self._run, self._tell, self._clock = store, run, tell, clock
        self._key = keys.run_metrics(run)
        self._lines = [line for line in read_metrics(store, run) if line.step <= resumed_at_step]
        self._begun_s = self._written_s = self._stepped_s = clock()

    def step(self, line: Metrics) -> None:
        """A step's line is kept about once a second."""
        if self._clock() - self._stepped_s >= _STEP_LINE_EVERY_S:
            self._stepped_s = self._clock()
            self._append(line)

    def epoch(self, line: Metrics) -> None:
        self._append(_without_example(line) if self._is_withdrawn() else line)

    def note(self, line: Metrics) -> None:
        """What the user must see, beside what the last step told."""
        told = next((each for each in reversed(self._lines) if each.steps_total), Metrics())
        self._append(told.model_copy(update=line.model_dump(exclude_defaults=True)))

    def cut(self, step: int) -> None:
        """Forgets what came after the step, as a run does that is resumed there."""
        self._lines = [line for line in self._lines if line.step <= step]

    def flush(self) -> None:
        """Once some of the run's data is withdrawn its curve shows no texts: they may be of that."""
        if self._is_withdrawn():
            self._lines = [_without_example(each) for each in self._lines]
        if self._writes:
            self._store.put(self._key, b"".join(map(to_line, self._lines)))
        self._written_s = self._clock()

    def close(self) -> None:
        """The last write; the run's end does not hang on it."""
        self._try_to_flush()

    def _is_withdrawn(self) -> bool:
        try:
            self._withdrawn = num_withdrawn(self._store, keys.withdrawn(f"runs/{self._run}")) > 0
        except Unavailable as error:
            _log.warning("whether data of run %s was withdrawn is not known for now: %s", self._run, error)
        return self._withdrawn

    def _append(self, line: Metrics) -> None:
        self._lines.append(line)
        self._tell(line)
        pause_s = max(_WRITE_EVERY_S, (self._clock() - self._begun_s) / 200)
        if self._clock() - self._written_s >= pause_s:
            self._try_to_flush()

    def _try_to_flush(self) -> None:
        """The lines stay in memory and go with a later write."""
        try:
            self.flush()
        except Unavailable as error:
            self._written_s = self._clock()
            _log.warning("the curve of run %s is not written for now: %s", self._run, error)


def _without_example(line: Metrics) -> Metrics:
    """Nor a message: that of a faulty step names utterances."""
    return line.model_copy(update={"example_reference": "", "example_hypothesis": "", "message": ""})


def read_metrics(store: ObjectStore, run: str) -> list[Metrics]:
    """The lines so far; none before the run has begun."""
    try:
        data = store.get(keys.run_metrics(run))
    except NotFound:
        return []
    return list(parse_lines(keys.run_metrics(run), data.splitlines(), Metrics))


class Latest(NamedTuple):
    """Where a curve stands: a step tells its loss, a validation its error rates, and neither tells both."""

    line: Metrics | None = None  # whatever was said last
    step: Metrics | None = None
    validation: Metrics | None = None


def read_latest(store: ObjectStore, run: str) -> Latest:
    """The last lines of the run, in bounded memory: a run of days has many. NotFound before it has begun."""
    line = step = validation = b""
    key = keys.run_metrics(run)
    with store.open(key) as file:
        for line in file:
            if not _NO_STEP.search(line):
                step = line
            if not _NO_VALIDATION.search(line):
                validation = line
    return Latest(*(parse_model(key, each, Metrics) if each else None for each in (line, step, validation)))
