"""The run's curve as JSON lines in the store, for `voxloom runs watch` and whoever plots it."""

import logging
import time
from collections.abc import Callable
from typing import Protocol

from pydantic import ConfigDict, Field

from voxloom import keys
from voxloom.errors import NotFound, Unavailable
from voxloom.forgotten import num_withdrawn
from voxloom.record import Part, Record, parse_lines, to_line
from voxloom.storage import ObjectStore

_STEP_LINE_EVERY_S = 1.0
_MOST_STEP_LINES = 4096  # of a run of days too: above it every second one goes, and they come half as often
_WRITE_EVERY_S = 2.0
_log = logging.getLogger(__name__)


class SourceErrors(Part):
    """Error rates on what val has of one source."""

    wer: float
    cer: float
    utterances: int


class Example(Part):
    reference: str
    hypothesis: str


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
    trained_s: float = 0.0
    val_by_source: dict[str, SourceErrors] = Field(default_factory=dict)
    examples: list[Example] = Field(default_factory=list)

    @property
    def is_step(self) -> bool:
        """Not the line of an epoch's end."""
        return self.steps_total > 0


class Board(Protocol):
    """Who else keeps the curve, such as TensorBoard."""

    def restart(self) -> None:
        """Forgets all lines."""

    def add(self, line: Metrics) -> None: ...

    def upload(self) -> None:
        """Makes what was added durable, now and then."""

    def close(self) -> None:
        """Makes the rest durable."""


class _Mean:
    """Of what single steps told: a batch alone says little."""

    def __init__(self) -> None:
        self._sums, self._steps = (0.0, 0.0, 0.0), 0

    def add(self, line: Metrics) -> None:
        loss, norm, pace = self._sums
        self._sums = (loss + line.loss, norm + line.gradient_norm, pace + line.audio_s_per_s)
        self._steps += 1

    def into(self, line: Metrics) -> Metrics:
        """The line with the means of all since the last one; as it is if there was no step."""
        if not self._steps:
            return line
        loss, norm, pace = (each / self._steps for each in self._sums)
        self._sums, self._steps = (0.0, 0.0, 0.0), 0
        return line.model_copy(update={"loss": loss, "gradient_norm": norm, "audio_s_per_s": pace})


class MetricsLog:
    """Appends lines; the object is rewritten every two seconds at most, and less often as the run goes on.

    A step's line has the means of loss, gradient norm and throughput since the line before, an epoch's those
    of its steps (after a resume: of those since)."""

    def __init__(
        self,
        store: ObjectStore,
        run: str,
        resumed_at_step: int,
        tell: Callable[[Metrics], None],
        clock: Callable[[], float] = time.monotonic,
        *,
        writes: bool = True,
        board: Board | None = None,
    ) -> None:
        self._writes, self._withdrawn, self._board = writes, False, board
        self._store, self._run, self._tell, self._clock = store, run, tell, clock
        self._key = keys.run_metrics(run)
        self._lines = [line for line in read_metrics(store, run) if line.step <= resumed_at_step]
        self._begun_s = self._written_s = self._stepped_s = clock()
        self._every_s = _STEP_LINE_EVERY_S
        self._since_line, self._since_epoch = _Mean(), _Mean()
        for line in self._lines:
            self._show(line)

    def step(self, line: Metrics) -> None:
        """A step's line is kept about once a second; less often in a run of hours."""
        self._since_line.add(line)
        self._since_epoch.add(line)
        if self._clock() - self._stepped_s >= self._every_s:
            self._stepped_s = self._clock()
            self._append(self._since_line.into(line))
            self._thin()

    def epoch(self, line: Metrics) -> None:
        line = self._since_epoch.into(line)
        self._append(_without_example(line) if self._is_withdrawn() else line)

    def note(self, line: Metrics) -> None:
        """What the user must see, beside what the last step told."""
        told = next((each for each in reversed(self._lines) if each.steps_total), Metrics())
        self._append(told.model_copy(update=line.model_dump(exclude_defaults=True)))

    def cut(self, step: int) -> None:
        """Forgets what came after the step, as a run does that is resumed there."""
        self._lines = [line for line in self._lines if line.step <= step]
        if self._board:
            self._attempt(self._board.restart)
            for line in self._lines:
                self._show(line)

    def flush(self) -> None:
        """Once some of the run's data is withdrawn its curve shows no texts: they may be of that."""
        if self._is_withdrawn():
            self._lines = [_without_example(each) for each in self._lines]
        if self._writes:
            self._store.put(self._key, b"".join(map(to_line, self._lines)))
        self._written_s = self._clock()
        if self._board:
            self._board.upload()

    def _show(self, line: Metrics) -> None:
        if self._board:
            self._board.add(line)

    def _thin(self) -> None:
        """Every second line of a step goes when there are too many, but for those that say something."""
        steps = [index for index, line in enumerate(self._lines) if line.is_step and not line.message]
        if len(steps) > _MOST_STEP_LINES:
            gone = set(steps[-2::-2])
            self._lines = [line for index, line in enumerate(self._lines) if index not in gone]
            self._every_s *= 2

    def close(self) -> None:
        """The last write; the run's end does not hang on it."""
        self._try_to_flush()
        if self._board:
            self._attempt(self._board.close)

    def _is_withdrawn(self) -> bool:
        try:
            self._withdrawn = num_withdrawn(self._store, keys.withdrawn(f"runs/{self._run}")) > 0
        except Unavailable as error:
            _log.warning("whether data of run %s was withdrawn is not known for now: %s", self._run, error)
        return self._withdrawn

    def _append(self, line: Metrics) -> None:
        self._lines.append(line)
        self._tell(line)
        self._show(line)
        pause_s = max(_WRITE_EVERY_S, (self._clock() - self._begun_s) / 200)
        if self._clock() - self._written_s >= pause_s:
            self._try_to_flush()

    def _try_to_flush(self) -> None:
        """The lines stay in memory and go with a later write."""
        self._attempt(self.flush)

    def _attempt(self, write: Callable[[], None]) -> None:
        try:
            write()
        except Unavailable as error:
            self._written_s = self._clock()
            _log.warning("the curve of run %s is not written for now: %s", self._run, error)


def _without_example(line: Metrics) -> Metrics:
    """Nor a message: that of a faulty step names utterances."""
    no_texts = {"example_reference": "", "example_hypothesis": "", "examples": [], "message": ""}
    return line.model_copy(update=no_texts)


def read_metrics(store: ObjectStore, run: str) -> list[Metrics]:
    """The lines so far; none before the run has begun."""
    try:
        data = store.get(keys.run_metrics(run))
    except NotFound:
        return []
    return list(parse_lines(keys.run_metrics(run), data.splitlines(), Metrics))
