"""Long recordings into pieces of 5 to 16 s, cut at pauses: which pauses, is a shortest path."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from voxloom.corpora.activity import Activity, Bools, runs

PAD_S = 0.25  # of silence kept on each side of a piece, where the pause has so much
MIN_PAUSE_S = 0.2
_MIN_SPEECH_S = 0.06  # shorter is a click
_LONG_GAP_S = 1.0  # a pause inside a piece costs from here on
_TOO_LONG_COST = 1000.0


@dataclass(frozen=True)
class Limits:
    min_s: float = 5.0
    max_s: float = 16.0


@dataclass(frozen=True)
class Unit:
    """What is not cut: a stretch of speech, a caption, sentences. Times in seconds of the recording."""

    start_s: float
    end_s: float
    text: str = ""
    voiced_s: float = 0.0
    cut_cost: float = 0.0  # of ending a piece after this unit; infinite: no pause is there
    must_cut: bool = False  # what follows belongs to another piece
    fault: str = ""  # a unit of its own, left out for this reason


@dataclass(frozen=True)
class Piece:
    """A cut: what goes into a file, or is left out for the reason in `fault`."""

    start_s: float
    end_s: float
    text: str
    voiced_s: float
    fault: str = ""

    @property
    def duration_s(self) -> float:
        return self.end_s - self.start_s


def stretches(activity: Activity, min_pause_s: float = MIN_PAUSE_S) -> list[Unit]:
    """Speech between pauses of at least `min_pause_s`; each with what a cut after it costs."""
    spans = _spans(activity.speech, activity.hop_s, min_pause_s)
    units = [
        Unit(a * activity.hop_s, b * activity.hop_s, voiced_s=(b - a) * activity.hop_s) for a, b in spans
    ]
    ends = [*(a for a, _ in spans[1:]), len(activity.speech)][: len(spans)]
    costs = [_pause_cost(activity, b, after) for (_, b), after in zip(spans, ends, strict=True)]
    return [replace(unit, cut_cost=cost) for unit, cost in zip(units, costs, strict=True)]


def _spans(speech: Bools, hop_s: float, min_pause_s: float) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for begin, end in runs(speech):
        if merged and (begin - merged[-1][1]) * hop_s < min_pause_s:
            merged[-1] = (merged[-1][0], end)
        else:
            merged.append((begin, end))
    return [(begin, end) for begin, end in merged if (end - begin) * hop_s >= _MIN_SPEECH_S]


def _pause_cost(activity: Activity, begin: int, end: int) -> float:
    """Near 0 for a long deep pause, up to 3 for a short one full of noise."""
    depth = 1.0 - float(activity.score[begin:end].mean()) if end > begin else 1.0
    return 2.0 * math.exp(-(end - begin) * activity.hop_s / 0.4) + (1.0 - depth)


def cut(units: Sequence[Unit], limits: Limits, end_s: float) -> list[Piece]:
    """The cheapest way to put units together. Pieces that no pause lets end in time have the fault no_pause.

    Each piece costs what its last pause costs, what it lacks of `min_s`, and long silence inside it.
    """
    best, before = [0.0] + [math.inf] * len(units), [0] * (len(units) + 1)
    for stop in range(1, len(units) + 1):
        if math.isinf(units[stop - 1].cut_cost) and stop < len(units):
            continue
        for start in _starts(units, stop, limits):
            cost = best[start] + _cost(units, start, stop, limits)
            if cost < best[stop]:
                best[stop], before[stop] = cost, start
    groups, stop = list[tuple[int, int]](), len(units)
    while stop > 0:
        groups.append((before[stop], stop))
        stop = before[stop]
    return [_piece(units, start, stop, limits, end_s) for start, stop in reversed(groups)]


def _starts(units: Sequence[Unit], stop: int, limits: Limits) -> list[int]:
    """Where a piece that ends here may begin: within the limit, and at least one place in any case."""
    found: list[int] = []
    for start in range(stop - 1, -1, -1):
        if start < stop - 1 and (units[start].must_cut or units[start].fault or units[start + 1].fault):
            break
        if found and units[stop - 1].end_s - units[start].start_s > limits.max_s:
            break
        if start == 0 or not math.isinf(units[start - 1].cut_cost):
            found.append(start)
    return found


def _cost(units: Sequence[Unit], start: int, stop: int, limits: Limits) -> float:
    length_s = units[stop - 1].end_s - units[start].start_s
    lacking = max(0.0, limits.min_s - length_s) / limits.min_s
    gaps = (units[k + 1].start_s - units[k].end_s for k in range(start, stop - 1))
    silence = sum(max(0.0, gap - _LONG_GAP_S) for gap in gaps)
    over = _TOO_LONG_COST if length_s > limits.max_s else 0.0
    last = 0.0 if math.isinf(units[stop - 1].cut_cost) else units[stop - 1].cut_cost
    return last + 3.0 * lacking + 0.5 * silence + over


def _piece(units: Sequence[Unit], start: int, stop: int, limits: Limits, end_s: float) -> Piece:
    """With silence around it, at most to the middle of the pauses beside it, and never over the limit."""
    first, last = units[start], units[stop - 1]
    room_before = (first.start_s - units[start - 1].end_s) / 2 if start else first.start_s
    room_after = (units[stop].start_s - last.end_s) / 2 if stop < len(units) else end_s - last.end_s
    length_s = last.end_s - first.start_s
    spare = max(0.0, limits.max_s - length_s) / 2
    fault = first.fault or ("no_pause" if length_s > limits.max_s else "")
    return Piece(
        first.start_s - max(0.0, min(PAD_S, room_before, spare)),
        last.end_s + max(0.0, min(PAD_S, room_after, spare)),
        " ".join(unit.text for unit in units[start:stop] if unit.text),
        sum(unit.voiced_s for unit in units[start:stop]),
        fault,
    )
