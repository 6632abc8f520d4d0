"""How sure a word is: the probability that it is right, learned from words that were checked.

The mean probability of a word's letters is no such thing: CTC's posteriors are too sure. A logistic
regression over it and the word's length (Platt 1999) brings it there, with three weights, so that a few
hundred words are enough to learn from; the expected calibration error (Naeini et al. 2015) tells how near it
comes.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from voxloom.record import Part

LEAST_WORDS = 100  # with fewer, what is learned is chance
BINS = 10
_LEAST = 1e-6  # a probability is this far from 0 and 1 at least
_STEPS = 50
# What is believed before any data: that the mean probability is right as it is; and how firmly.
_PRIOR = np.array([0.0, 1.0, 0.0])
_FIRMNESS = np.array([0.1, 1.0, 1.0])
Weights = npt.NDArray[np.float64]


class Calibration(Part):
    """Odds of a word: e^bias, its letters' odds to the power `slope`, its length to the power `letters`."""

    bias: float
    slope: float
    letters: float
    words: int  # it was learned from
    wrong: int  # of them
    error_before: float  # expected calibration error of the same words, without it
    error: float  # with it

    def probability(self, raw: float, letters: int) -> float:
        """That a word is right whose letters have this mean probability."""
        return _sigmoid(self.bias + self.slope * _logit(raw) + self.letters * math.log(max(letters, 1)))


class Bin(Part):
    """Words of about the same confidence."""

    words: int
    confidence: float  # their mean
    right: float  # the share that is


class Reliability(Part):
    """Whether confidence says what it should, on words that nothing was learned from."""

    words: int
    error: float  # expected calibration error: mean over words of |confidence - share right| of their bin
    bins: list[Bin]  # of equal width, from unsure to sure; empty ones are left out


@dataclass(frozen=True)
class Checked:
    """One word that was heard, and whether it was said."""

    confidence: float
    letters: int
    right: bool


def fit(words: Sequence[Checked]) -> Calibration | None:
    """By Newton's method; None for too few words."""
    if len(words) < LEAST_WORDS:
        return None
    x_N3 = np.array([[1.0, _logit(each.confidence), math.log(max(each.letters, 1))] for each in words])
    y_N = np.array([each.right for each in words], np.float64)
    weights = _newton(x_N3, y_N)
    found = Calibration(
        bias=float(weights[0]),
        slope=max(float(weights[1]), 0.0),  # what is surer is never less likely
        letters=float(weights[2]),
        words=len(words),
        wrong=int(len(words) - y_N.sum()),
        error_before=reliability(words).error,
        error=0.0,
    )
    after = [replace(each, confidence=found.probability(each.confidence, each.letters)) for each in words]
    return found.model_copy(update={"error": reliability(after).error})


def reliability(words: Sequence[Checked]) -> Reliability:
    """Of confidences as they are."""
    confidence_N = np.array([each.confidence for each in words])
    right_N = np.array([each.right for each in words], np.float64)
    bin_N = np.minimum((confidence_N * BINS).astype(np.int64), BINS - 1)
    bins = [
        Bin(
            words=int(inside.sum()),
            confidence=float(confidence_N[inside].mean()),
            right=float(right_N[inside].mean()),
        )
        for inside in (bin_N == index for index in range(BINS))
        if inside.any()
    ]
    error = sum(each.words * abs(each.confidence - each.right) for each in bins) / max(len(words), 1)
    return Reliability(words=len(words), error=error, bins=bins)


def _newton(x_N3: Weights, y_N: Weights) -> Weights:
    """The likeliest weights under a normal prior."""
    weights = _PRIOR.copy()
    for _ in range(_STEPS):
        p_N = 1 / (1 + np.exp(-np.clip(x_N3 @ weights, -30, 30)))
        gradient = x_N3.T @ (p_N - y_N) + _FIRMNESS * (weights - _PRIOR)
        curvature = (x_N3 * (p_N * (1 - p_N))[:, None]).T @ x_N3 + np.diag(_FIRMNESS)
        step = np.linalg.solve(curvature, gradient)
        weights = weights - step * min(1.0, 2.0 / float(np.abs(step).max() + 1e-12))
        if np.abs(step).max() < 1e-9:
            break
    return weights


def _logit(probability: float) -> float:
    bounded = min(max(probability, _LEAST), 1 - _LEAST)
    return math.log(bounded / (1 - bounded))


def _sigmoid(odds: float) -> float:
    return 1 / (1 + math.exp(-min(max(odds, -30.0), 30.0)))
