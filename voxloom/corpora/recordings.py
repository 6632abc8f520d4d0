"""One long recording, with or without its text, to pieces."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median

from voxloom.audio import SAMPLE_RATE_HZ, Samples
from voxloom.audio_stream import stream
from voxloom.corpora import captions
from voxloom.corpora.activity import Activity, by_energy
from voxloom.corpora.alignment import align
from voxloom.corpora.clauses import split, weight
from voxloom.corpora.cutting import Limits, Piece, Unit, cut, stretches
from voxloom.corpora.folders import TIMED_SUFFIXES

FINE_PAUSE_S = 0.08  # pauses that a text is laid over; pieces without a text are cut at longer ones
_RATE_RANGE = 0.6, 1.67  # of the recording's median, letters a second
_ENOUGH = 5  # pieces for a median

Progress = Callable[[float], None]  # seconds heard


@dataclass(frozen=True)
class Cutter:
    limits: Limits = field(default_factory=Limits)
    find_speech: Callable[[Iterable[Samples]], Activity] = by_energy

    def pieces(self, recording: Path, text: str, progress: Progress = lambda _: None) -> list[Piece]:
        """In order of time, those with a `fault` too. `text` has times, or has none, or is empty."""
        return self.pieces_of(_told(stream(recording), progress), text)

    def pieces_of(self, blocks: Iterable[Samples], text: str) -> list[Piece]:
        """The same for mono 16 kHz samples."""
        activity, timed = self.find_speech(blocks), captions.parse(text)
        if timed:
            units = captions.units_of(timed, stretches(activity))
        elif text.strip():
            units = [self._sure(unit) for unit in align(stretches(activity, FINE_PAUSE_S), split(text))]
        else:
            units = stretches(activity)
        nothing = [Piece(0.0, round(activity.duration_s, 3), text[:200], 0.0, "no_speech")]
        return _check_rates(self._cut(units, activity.duration_s)) or nothing

    def _sure(self, unit: Unit) -> Unit:
        """Where nothing is sure for longer than a piece may be, the text is left out."""
        long = unit.end_s - unit.start_s > self.limits.max_s
        return replace(unit, fault=unit.fault or "text_not_sure") if long else unit

    def _cut(self, units: Sequence[Unit], end_s: float) -> list[Piece]:
        pieces = cut(units, self.limits, end_s)
        rounded = (replace(p, start_s=round(p.start_s, 3), end_s=round(p.end_s, 3)) for p in pieces)
        return [each for each in rounded if each.end_s > each.start_s or each.fault]


def _told(blocks: Iterable[Samples], progress: Progress) -> Iterator[Samples]:
    heard = 0
    for block in blocks:
        yield block
        heard += len(block)
        progress(heard / SAMPLE_RATE_HZ)


def _check_rates(pieces: list[Piece]) -> list[Piece]:
    """Text that nobody could say in that time, or would take so long for, is not what is said there."""
    rates = [weight(each.text) / each.voiced_s for each in pieces if _has_rate(each)]
    if len(rates) < _ENOUGH:
        return pieces
    low, high = (share * median(rates) for share in _RATE_RANGE)
    return [
        replace(each, fault="implausible_rate")
        if _has_rate(each) and not low <= weight(each.text) / each.voiced_s <= high
        else each
        for each in pieces
    ]


def _has_rate(piece: Piece) -> bool:
    return not piece.fault and piece.text != "" and piece.voiced_s > 0


def find_transcript(recording: Path) -> Path | None:
    """The text beside a recording; one with times comes before one without."""
    beside = (recording.with_suffix(suffix) for suffix in (*TIMED_SUFFIXES, ".txt"))
    return next((each for each in beside if each.is_file()), None)
