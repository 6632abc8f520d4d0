"""The run's curve as JSON lines in the store, for `voxloom runs watch` and whoever plots it."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from typing import NamedTuple

from voxloom import keys
from voxloom.errors import NotFound
from voxloom.storage import ObjectStore

_STEP_LINE_EVERY_S = 1.0
_WRITE_EVERY_S = 2.0


@dataclass
class Metrics:
    """One line of metrics.jsonl, fields as in `RunMetrics` of trainer.proto; val_* at the end of an epoch."""

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
    ) -> None:
        self._store, self._key, self._tell, self._clock = store, keys.run_metrics(run), tell, clock
        self._lines = [line for line in read_metrics(store, run) if line.step <= resumed_at_step]
        self._begun_s = self._written_s = self._stepped_s = clock()

    def step(self, line: Metrics) -> None:
        """A step's line is kept about once a second."""
        if self._clock() - self._stepped_s >= _STEP_LINE_EVERY_S:
            self._stepped_s = self._clock()
            self._append(line)

    def epoch(self, line: Metrics) -> None:
        self._append(line)

    def flush(self) -> None:
        self._store.put(self._key, "".join(_dump(line) for line in self._lines).encode())
        self._written_s = self._clock()

    def _append(self, line: Metrics) -> None:
        self._lines.append(line)
        self._tell(line)
        pause_s = max(_WRITE_EVERY_S, (self._clock() - self._begun_s) / 200)
        if self._clock() - self._written_s >= pause_s:
            self.flush()


def read_metrics(store: ObjectStore, run: str) -> list[Metrics]:
    """The lines so far; none before the run has begun."""
    try:
        text = store.get(keys.run_metrics(run)).decode()
    except NotFound:
        return []
    return [parse_line(line) for line in text.splitlines()]


class Latest(NamedTuple):
    """Where a curve stands: a step tells its loss, a validation its error rates, and neither tells both."""

    line: Metrics | None = None  # whatever was said last
    step: Metrics | None = None
    validation: Metrics | None = None


def read_latest(store: ObjectStore, run: str) -> Latest:
    """The last lines of the run, in bounded memory: a run of days has many. NotFound before it has begun."""
    line = step = validation = b""
    with store.open(keys.run_metrics(run)) as file:
        for line in file:
            if b'"steps_total": 0,' not in line:
                step = line
            if b'"val_wer": null' not in line:
                validation = line
    return Latest(*(parse_line(each.decode()) if each else None for each in (line, step, validation)))


def parse_line(line: str) -> Metrics:
    known = {f.name for f in fields(Metrics)}
    return Metrics(**{name: value for name, value in json.loads(line).items() if name in known})


def _dump(line: Metrics) -> str:
    return json.dumps(asdict(line), ensure_ascii=False) + "\n"
