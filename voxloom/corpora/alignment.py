"""A text without times laid over the speech between pauses, by length alone (Gale and Church 1993).

A lattice of I stretches of speech and J clauses. A step takes one clause over several stretches, several
clauses in one stretch, or skips one of either. Voiced seconds must fit letters, long pauses sentence ends.
Forward and backward sums give the probability that a pause is the end of a certain clause: pieces are cut
only where it is high. No word is listened to: what this gives is likely, and never certain.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from voxloom.corpora.clauses import Clause
from voxloom.corpora.cutting import Unit

Floats = npt.NDArray[np.float64]

SURE = 0.97  # probability from which on a place is believed
_MOST_STRETCHES, _MOST_CLAUSES = 10, 4  # in one step
_BAND = 300  # clauses around the diagonal that are looked at
_VARIANCE = 0.06  # seconds squared, a second of speech
_SKIPPED_STRETCH, _SKIPPED_CLAUSE = -9.0, -12.0  # log probabilities: noise, and what was not said
_PAUSE_SPREAD = 0.7  # of the logarithm of pauses of one kind
_JOINED_SENTENCE, _JOINED_CLAUSE = -3.5, -0.7  # a clause ends without a pause


@dataclass(frozen=True)
class _Scores:
    """What every step is worth; `place_I` is the clause near which the diagonal runs."""

    voiced_I: Floats  # seconds before stretch i, I + 1 values
    weight_J: Floats  # letters before clause j, J + 1 values
    rate: float  # letters a second
    end_IJ: (
        Floats  # [i, kind of clause j's end]: log likelihood of the pause after i, kinds 0 clause, 1 sentence
    )
    inner_I: Floats  # the same if nothing ends there, summed up before pause i
    joined_J: Floats  # clauses that end without a pause, summed up before clause j
    kind_J: npt.NDArray[np.int64]


def align(speech: Sequence[Unit], clauses: Sequence[Clause]) -> list[Unit]:
    """Units of text with their speech, cut where it is likely beyond SURE; faults where one is missing."""
    if not speech or not clauses:
        return []
    total_s = sum(unit.voiced_s for unit in speech)
    rate = sum(clause.weight for clause in clauses) / max(total_s, 1e-3)
    nodes = _sure_nodes(speech, clauses, rate)
    rate = _median_rate(speech, clauses, nodes) or rate
    nodes = _sure_nodes(speech, clauses, rate)
    return [_unit(speech, clauses, a, b) for a, b in pairwise(nodes)]


Node = tuple[int, int, float]  # stretches and clauses before it, and its probability


def _unit(speech: Sequence[Unit], clauses: Sequence[Clause], first: Node, last: Node) -> Unit:
    said = speech[first[0] : last[0]]
    text = " ".join(clause.text for clause in clauses[first[1] : last[1]])
    at = said or speech[max(0, first[0] - 1) : first[0]] or speech[:1]
    return Unit(
        said[0].start_s if said else at[-1].end_s,
        at[-1].end_s,
        text,
        sum(unit.voiced_s for unit in said),
        at[-1].cut_cost + 4.0 * (1.0 - last[2]),
        fault="not_in_text" if not text else "not_found_in_audio" if not said else "",
    )


def _median_rate(speech: Sequence[Unit], clauses: Sequence[Clause], nodes: Sequence[Node]) -> float:
    rates = []
    for (i, j, _), (i2, j2, _) in pairwise(nodes):
        voiced = sum(unit.voiced_s for unit in speech[i:i2])
        if voiced > 0 and j2 > j:
            rates.append(sum(clause.weight for clause in clauses[j:j2]) / voiced)
    return float(np.median(rates)) if len(rates) >= 5 else 0.0


def _sure_nodes(speech: Sequence[Unit], clauses: Sequence[Clause], rate: float) -> list[Node]:
    """Beginning, end, and what lies on nearly every path: nodes above one half are always in order."""
    scores = _score(speech, clauses, rate)
    lows = _band(scores)
    forward, backward = _Into(scores, lows).run(), _OutOf(scores, lows).run()
    whole = forward[-1][len(clauses) - lows[-1]]
    nodes: list[Node] = [(0, 0, 1.0)]
    for i in range(1, len(speech)):
        chance = np.exp(np.minimum(forward[i] + backward[i] - whole, 0.0))
        j = int(chance.argmax()) + lows[i]
        if chance.max() > SURE and 0 < j < len(clauses) and clauses[j - 1].ends_sentence:
            nodes.append((i, j, float(chance.max())))
    return [*nodes, (len(speech), len(clauses), 1.0)]


def _score(speech: Sequence[Unit], clauses: Sequence[Clause], rate: float) -> _Scores:
    pauses = np.array([max(b.start_s - a.end_s, 0.01) for a, b in pairwise(speech)] + [9.0])
    kinds = np.array([int(clause.ends_sentence) for clause in clauses])
    sentence, inner = _pause_likelihoods(np.log(pauses), int(kinds.sum()))
    comma = np.logaddexp(sentence, inner) - math.log(2)
    joined = np.where(kinds == 1, _JOINED_SENTENCE, _JOINED_CLAUSE)
    return _Scores(
        _before([unit.voiced_s for unit in speech]),
        _before([clause.weight for clause in clauses]),
        rate,
        np.stack([comma, sentence], axis=1),
        _before(inner),
        _before(joined),
        kinds,
    )


def _pause_likelihoods(logs: Floats, sentences: int) -> tuple[Floats, Floats]:
    """Of each pause, as the end of a sentence and as none: the longest are ends, as many as there are."""
    ordered = np.sort(logs[:-1])[::-1] if len(logs) > 1 else logs
    ends, rest = ordered[: max(1, sentences - 1)], ordered[max(1, sentences - 1) :]
    long = float(np.median(ends))
    short = float(np.median(rest)) if len(rest) else long - 1.0
    short = min(short, long - 0.5)
    return _normal(np.minimum(logs, long), long), _normal(np.maximum(logs, short), short)


def _normal(values: Floats, mean: float) -> Floats:
    return -0.5 * ((values - mean) / _PAUSE_SPREAD) ** 2


def _before(values: Sequence[float] | Floats) -> Floats:
    return np.concatenate([[0.0], np.cumsum(np.asarray(values, np.float64))])


def _band(scores: _Scores) -> list[int]:
    """The first clause that is looked at, for each number of stretches."""
    share = scores.voiced_I / max(scores.voiced_I[-1], 1e-9)
    places = np.searchsorted(scores.weight_J, share * scores.weight_J[-1])
    last = len(scores.weight_J) - 1
    return [int(np.clip(place - _BAND // 2, 0, max(0, last - _BAND))) for place in places]


class _Lattice:
    """Rows of log sums within the band; `at` gives a row shifted onto the band of another."""

    def __init__(self, scores: _Scores, lows: Sequence[int]) -> None:
        self.scores, self.lows = scores, lows
        self.count_i, self.count_j = len(scores.voiced_I) - 1, len(scores.weight_J) - 1
        self.width = min(_BAND, self.count_j) + 1
        self.rows: list[Floats] = [np.full(self.width, -np.inf) for _ in range(self.count_i + 1)]

    def at(self, i: int, low: int, shift: int) -> Floats:
        """Row i at clauses low + shift, low + shift + 1, ..."""
        found = np.full(self.width, -np.inf)
        first = low + shift - self.lows[i]
        begin, end = max(0, -first), min(self.width, self.width - first)
        if end > begin:
            found[begin:end] = self.rows[i][first + begin : first + end]
        return found

    def step(self, i: int, i2: int, low: int, clauses: int, shift: int) -> Floats:
        """Log worth of the step from (i, j) to (i2, j + clauses), for j = low + shift, ...; outside -inf."""
        s = self.scores
        j = np.arange(self.width) + low + shift
        inside = (j >= 0) & (j + clauses <= self.count_j)
        a = np.clip(j, 0, self.count_j)
        b = np.clip(j + clauses, 0, self.count_j)
        expected = np.maximum((s.weight_J[b] - s.weight_J[a]) / s.rate, 0.05)
        voiced = s.voiced_I[i2] - s.voiced_I[i]
        spread = _VARIANCE * expected + 0.005
        fit = -0.5 * (voiced - expected) ** 2 / spread - 0.5 * np.log(spread)
        inner = s.inner_I[i2 - 1] - s.inner_I[i]
        joined = s.joined_J[np.maximum(b - 1, 0)] - s.joined_J[a]
        end = s.end_IJ[i2 - 1, s.kind_J[np.maximum(b - 1, 0)]]
        return np.where(inside, fit + inner + joined + end, -np.inf)


def _moves() -> list[tuple[int, int]]:
    """(stretches, clauses) of a step."""
    return [(n, 1) for n in range(1, _MOST_STRETCHES + 1)] + [(1, m) for m in range(2, _MOST_CLAUSES + 1)]


class _Into(_Lattice):
    """Sums over all ways from the beginning."""

    def run(self) -> list[Floats]:
        for i in range(self.count_i + 1):
            low, row = self.lows[i], self.rows[i]
            if i == 0:
                row[0 - low] = 0.0
            else:
                row = np.logaddexp(row, self.at(i - 1, low, 0) + _SKIPPED_STRETCH)
            for n, m in _moves():
                if i >= n:
                    row = np.logaddexp(row, self.at(i - n, low, -m) + self.step(i - n, i, low, m, -m))
            places = np.arange(self.width)
            skipped = np.logaddexp.accumulate(row - places * _SKIPPED_CLAUSE) + places * _SKIPPED_CLAUSE
            self.rows[i] = skipped
        return self.rows


class _OutOf(_Lattice):
    """Sums over all ways to the end."""

    def run(self) -> list[Floats]:
        for i in range(self.count_i, -1, -1):
            low, row = self.lows[i], self.rows[i]
            if i == self.count_i:
                row[self.count_j - low] = 0.0
            else:
                row = np.logaddexp(row, self.at(i + 1, low, 0) + _SKIPPED_STRETCH)
            for n, m in _moves():
                if i + n <= self.count_i:
                    row = np.logaddexp(row, self.at(i + n, low, m) + self.step(i, i + n, low, m, 0))
            places = np.arange(self.width)
            turned = row[::-1]
            skipped = np.logaddexp.accumulate(turned - places * _SKIPPED_CLAUSE) + places * _SKIPPED_CLAUSE
            self.rows[i] = skipped[::-1]
        return self.rows
