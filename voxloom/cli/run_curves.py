"""The curves of a run in bounded memory, and as lines of small bars for a terminal."""

import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from voxloom.mix import NAMES
from voxloom.v1 import trainer_pb2

Point = tuple[float, float]  # step or epoch, and value
_MOST_POINTS = 2048
_BLOCKS, _ASCII = "▁▂▃▄▅▆▇█", "_.-=+*%#"


@dataclass
class Curve:
    """Above a bound every second point goes."""

    points: list[Point] = field(default_factory=list)
    _every: int = 1
    _seen: int = 0

    def add(self, at: float, value: float) -> None:
        self._seen += 1
        if self._seen % self._every:
            return
        self.points.append((at, value))
        if len(self.points) > _MOST_POINTS:
            self.points = self.points[1::2]
            self._every *= 2

    @property
    def values(self) -> list[float]:
        return [value for _, value in self.points]


@dataclass
class Epoch:
    """The end of one, as it was told."""

    number: int
    loss: float
    trained_s: float
    wer: float
    cer: float
    examples: list[tuple[str, str]]  # said, heard


@dataclass
class Curves:
    """By step: loss, learning rate, gradient norm, throughput; by epoch: WER and CER, also by source."""

    loss: Curve = field(default_factory=Curve)
    learning_rate: Curve = field(default_factory=Curve)
    gradient_norm: Curve = field(default_factory=Curve)
    audio_s_per_s: Curve = field(default_factory=Curve)
    wer: Curve = field(default_factory=Curve)
    cer: Curve = field(default_factory=Curve)
    wer_by_source: dict[str, Curve] = field(default_factory=dict)
    cer_by_source: dict[str, Curve] = field(default_factory=dict)
    utterances_by_source: dict[str, int] = field(default_factory=dict)
    epochs: list[Epoch] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)

    def add(self, line: trainer_pb2.RunMetrics) -> None:
        if line.steps_total:
            self._step(line)
        if line.HasField("val_wer"):
            self._epoch(line)
        if line.message and line.message not in self.messages[-1:]:
            self.messages = [*self.messages, line.message][-20:]

    def _step(self, line: trainer_pb2.RunMetrics) -> None:
        self.loss.add(line.step, line.loss)
        self.learning_rate.add(line.step, line.learning_rate)
        self.gradient_norm.add(line.step, line.gradient_norm)
        self.audio_s_per_s.add(line.step, line.audio_s_per_s)

    def _epoch(self, line: trainer_pb2.RunMetrics) -> None:
        self.wer.add(line.epoch, line.val_wer)
        self.cer.add(line.epoch, line.val_cer)
        for source, errors in sorted(line.val_by_source.items()):
            self.wer_by_source.setdefault(source, Curve()).add(line.epoch, errors.wer)
            self.cer_by_source.setdefault(source, Curve()).add(line.epoch, errors.cer)
            self.utterances_by_source[source] = errors.utterances
        told = [(each.reference, each.hypothesis) for each in line.examples] or [
            (line.example_reference, line.example_hypothesis)
        ]
        examples = [each for each in told if each[0]]
        self.epochs.append(Epoch(line.epoch, line.loss, line.trained_s, line.val_wer, line.val_cer, examples))
        if len(self.epochs) > _MOST_POINTS:
            del self.epochs[1:-1:2]

    def rates(self) -> list[tuple[str, Curve]]:
        """Named; sources are told apart only where there are several."""
        several = len(self.wer_by_source) > 1
        own = [(f"val WER {source_name(each)}", self.wer_by_source[each]) for each in self.wer_by_source]
        return [("val WER", self.wer), *(own * several), ("val CER", self.cer)]

    def steps(self) -> list[tuple[str, Curve]]:
        return [
            ("loss", self.loss),
            ("learning rate", self.learning_rate),
            ("gradient norm", self.gradient_norm),
            ("x real time", self.audio_s_per_s),
        ]


def curves_of(lines: Iterable[trainer_pb2.RunMetrics]) -> Curves:
    found = Curves()
    for line in lines:
        found.add(line)
    return found


def source_name(source: str) -> str:
    """As in mixes: own, tts."""
    return NAMES.get(source, source)


def finite(values: Iterable[float]) -> list[float]:
    return [value for value in values if math.isfinite(value)]


def downsampled(points: Sequence[Point], most: int) -> list[Point]:
    """Means of neighbours; what is not finite makes its neighbourhood not finite, so that it shows."""
    if len(points) <= most:
        return list(points)
    edges = [round(index * len(points) / most) for index in range(most + 1)]
    groups = [points[low:high] for low, high in pairwise(edges)]
    return [(_mean([x for x, _ in group]), _mean([y for _, y in group])) for group in groups]


def sparkline(points: Sequence[Point], width: int = 40) -> str:
    """Bars of eight heights from the least to the most; x where training had diverged."""
    values = [value for _, value in downsampled(points, width)]
    known = finite(values)
    low, high = min(known, default=0.0), max(known, default=0.0)
    blocks = _blocks()
    scale = (len(blocks) - 1) / (high - low) if high > low else 0.0
    return "".join(blocks[round((each - low) * scale)] if math.isfinite(each) else "x" for each in values)


def _blocks() -> str:
    try:
        _BLOCKS.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return _ASCII
    return _BLOCKS


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
