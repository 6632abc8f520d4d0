"""What the models of an experiment heard, compared on the utterances that all of them were tested on."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from voxloom import wer
from voxloom.cli.connect import CALL_TIMEOUT_S
from voxloom.errors import BadInput
from voxloom.record import Part, Record, parse_lines
from voxloom.v1 import trainer_pb2
from voxloom.wer import Edits, Unit

GREEDY = "greedy"
_MAX_BYTES = 256 * 2**20


class Transcript(Part):
    text: str = ""


class ScoredLine(Record):
    """A line of runs/<run>/report/utterances.jsonl, as far as a comparison needs it."""

    utterance: str
    split: str
    source: str
    reference: str
    duration_s: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    heard: dict[str, Transcript]  # by decoder

    @model_validator(mode="before")
    @classmethod
    def _plain_texts(cls, values: Any) -> Any:
        """Decoders may also be given as `hypotheses`, each with its bare text."""
        if isinstance(values, dict) and isinstance(plain := values.get("hypotheses"), dict):
            return {"heard": {name: {"text": text} for name, text in plain.items()}} | values
        return values


Lines = Mapping[str, ScoredLine]  # by utterance


@dataclass(frozen=True)
class Difference:
    """Error rate minus that of the baseline; negative is better."""

    delta: float
    low: float
    high: float
    p_better: float


@dataclass(frozen=True)
class Result:
    """The mean error rate of one arm's trainings, with its 95 % interval over utterances and trainings."""

    arm: str
    rate: float
    low: float
    high: float
    by_training: list[float]
    versus: Difference | None  # None for the baseline


@dataclass(frozen=True)
class Comparison:
    group: str  # whose test utterances
    decoder: str
    unit: Unit
    utterances: int
    reference: int  # words or characters
    results: list[Result]

    @property
    def rate_name(self) -> str:
        return "WER" if self.unit == "words" else "CER"


def read_test(trainer: Any, run: str) -> Lines:
    """The run's test utterances; NotFound when it wrote none."""
    request = trainer_pb2.ReadRunFileRequest(run=run, file=trainer_pb2.RUN_FILE_UTTERANCES)
    data = bytearray()
    for part in trainer.ReadRunFile(request, timeout=10 * CALL_TIMEOUT_S):
        data += part.data
        if len(data) > _MAX_BYTES:
            raise BadInput(f"what run {run} heard is longer than {_MAX_BYTES} bytes; expected a test set")
    lines = parse_lines(f"utterances of run {run}", bytes(data).splitlines(), ScoredLine)
    return {line.utterance: line for line in lines if line.split == "test"}


def in_all(runs: Sequence[Lines]) -> tuple[list[str], int]:
    """The utterances that every run heard with one and the same reference, and how many others there are."""
    first = runs[0]
    common = [
        name
        for name, line in sorted(first.items())
        if all(name in each and each[name].reference == line.reference for each in runs)
    ]
    return common, len({name for each in runs for name in each}) - len(common)


def compare(
    trainings: Mapping[str, Sequence[Lines]], group: str, of_group: Callable[[ScoredLine], bool]
) -> Iterator[Comparison]:
    """Of each decoder that all runs were tested with, greedy first. The first arm is the baseline. Nothing
    for a group without utterances."""
    runs = [each for lines in trainings.values() for each in lines]
    names = [name for name in in_all(runs)[0] if of_group(runs[0][name])]
    if not names:
        return
    decoders = set.intersection(*(set(each[name].heard) for each in runs for name in names))
    for decoder in sorted(decoders, key=lambda each: (each != GREEDY, each)):
        yield _compare(trainings, names, group, decoder)


def edits_of(lines: Lines, names: Sequence[str], decoder: str, unit: Unit) -> list[Edits]:
    edits = wer.word_edits if unit == "words" else wer.char_edits
    return [edits(lines[name].reference, lines[name].heard[decoder].text) for name in names]


def _compare(
    trainings: Mapping[str, Sequence[Lines]], names: Sequence[str], group: str, decoder: str
) -> Comparison:
    some = next(iter(trainings.values()))[0]
    unit = wer.unit_of(some[name].reference for name in names)
    edits = [[edits_of(lines, names, decoder, unit) for lines in training] for training in trainings.values()]
    resampled = wer.resample(edits)
    rates = [[wer.total(run).rate for run in runs] for runs in edits]
    results = [
        _result(arm, rates[0], rates[i], resampled[0], resampled[i], i == 0)
        for i, arm in enumerate(trainings)
    ]
    return Comparison(group, decoder, unit, len(names), wer.total(edits[0][0]).reference, results)


def _result(
    arm: str,
    base: list[float],
    rates: list[float],
    base_R: npt.NDArray[np.float64],
    rates_R: npt.NDArray[np.float64],
    is_base: bool,
) -> Result:
    rate, deltas_R = float(np.mean(rates)), rates_R - base_R
    versus = Difference(
        rate - float(np.mean(base)), *wer.interval(deltas_R), p_better=float(np.mean(deltas_R < 0))
    )
    return Result(arm, rate, *wer.interval(rates_R), by_training=rates, versus=None if is_base else versus)
