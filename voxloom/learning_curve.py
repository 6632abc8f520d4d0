"""How the error falls as the data grows, and how much more data a wanted error needs. Pure functions.

The curve is err(n) = a * n^-b + c with a >= 0, c >= 0 and b within bounds: a power law down to what no amount
of this kind of data mends (Hestness et al. 2017, arXiv 1712.00409). Shapes: S sizes, R replications.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from voxloom.errors import BadInput

Floats = npt.NDArray[np.float64]
Verdict = Literal["reached", "reachable", "far", "out of reach", "flat"]

MIN_SIZES = 3  # as many as the curve has parameters
MAX_EXTRAPOLATION = 4.0  # beyond so many times the data seen an answer is a guess, and is called one
MIN_EXPONENT, MAX_EXPONENT = 0.05, 2.0
_EXPONENTS = np.geomspace(MIN_EXPONENT, MAX_EXPONENT, 200)
_SURE = 0.975  # share of replications in which more data must help, for there to be a curve at all


@dataclass(frozen=True)
class Curve:
    a: float
    b: float
    c: float  # the error that remains however much data there is

    def error(self, size: float) -> float:
        return float(self.a * size**-self.b + self.c)

    def needed(self, error: float) -> float:
        """The size at which the curve comes down to the error; infinite if it never does."""
        a_R, b_R, c_R = (np.array([value]) for value in (self.a, self.b, self.c))
        return float(_needed(a_R, b_R, c_R, error)[0])


@dataclass(frozen=True)
class Forecast:
    """`size` is what the target needs, `low` and `high` its 95 % interval; each infinite where the curve, or
    that end of the interval, never reaches it."""

    target: float
    verdict: Verdict
    size: float
    low: float
    high: float
    p_reach: float  # share of replications whose curve reaches the target at all


@dataclass(frozen=True)
class Fit:
    """The curve of the measured errors, and one of each replication (R,)."""

    curve: Curve
    seen: float  # the largest size
    smallest: float
    a_R: Floats
    b_R: Floats
    c_R: Floats

    def band(self, size: float) -> tuple[float, float]:
        """95 % interval of the curve at a size."""
        low, high = np.percentile(self.a_R * size**-self.b_R + self.c_R, [2.5, 97.5])
        return float(low), float(high)

    @property
    def p_falls(self) -> float:
        """Share of replications in which more data gives fewer errors."""
        fall_R = self.a_R * (self.smallest**-self.b_R - self.seen**-self.b_R)
        return float(np.mean(fall_R > 1e-9))

    def forecast(self, target: float) -> Forecast:
        """BadInput for a target that is no error rate above 0."""
        if not 0 < target < float("inf"):
            raise BadInput(f"the wanted error rate is {target}; expected more than 0")
        needed_R = np.sort(_needed(self.a_R, self.b_R, self.c_R, target))
        low, high = (float(needed_R[round(share * (len(needed_R) - 1))]) for share in (0.025, 0.975))
        size = self.curve.needed(target)
        p_reach = float(np.mean(np.isfinite(needed_R)))
        return Forecast(target, self._verdict(target, size), size, low, high, p_reach)

    def _verdict(self, target: float, size: float) -> Verdict:
        if self.curve.error(self.seen) <= target:
            return "reached"
        if self.p_falls < _SURE:
            return "flat"
        if not np.isfinite(size):
            return "out of reach"
        return "far" if size > MAX_EXTRAPOLATION * self.seen else "reachable"


def fit(sizes_S: Sequence[float], errors_S: Sequence[float], resampled_SR: npt.ArrayLike) -> Fit:
    """Least squares, each size weighted by how sure its error is. `resampled_SR`: the errors in replications
    of a bootstrap (`wer.resample`). BadInput for what no curve can be drawn through."""
    sizes, errors = np.asarray(sizes_S, np.float64), np.asarray(errors_S, np.float64)
    resampled = np.asarray(resampled_SR, np.float64)
    _check(sizes, errors, resampled)
    weights = 1 / np.maximum(resampled.var(axis=1), _least_variance(resampled))
    measured = _fit_all(sizes, errors[:, None], weights)
    curve = Curve(*(float(each[0]) for each in measured))
    return Fit(curve, float(sizes.max()), float(sizes.min()), *_fit_all(sizes, resampled, weights))


def _fit_all(sizes_S: Floats, errors_SR: Floats, weights_S: Floats) -> tuple[Floats, Floats, Floats]:
    """(a, b, c) of each column: for every exponent of a fine grid the best a and c are known in closed form,
    then the exponent with the smallest residual is taken."""
    largest = sizes_S.max()
    x_GS = (sizes_S / largest)[None, :] ** -_EXPONENTS[:, None]  # scaled, so that powers stay near 1
    a_GR, c_GR = _lines(x_GS, errors_SR, weights_S)
    residual_GR = _residuals(x_GS, errors_SR, weights_S, a_GR, c_GR)
    best = residual_GR.argmin(axis=0)
    columns = np.arange(errors_SR.shape[1])
    b_R = _EXPONENTS[best]
    return a_GR[best, columns] * largest**b_R, b_R, c_GR[best, columns]


def _lines(x_GS: Floats, y_SR: Floats, weights_S: Floats) -> tuple[Floats, Floats]:
    """The weighted line y = a x + c with a, c >= 0: where the free one breaks a bound, the best on it."""
    w_GS = weights_S * np.ones_like(x_GS)
    w, wx, wxx = (each.sum(axis=1)[:, None] for each in (w_GS, w_GS * x_GS, w_GS * x_GS**2))
    wy, wxy = (weights_S @ y_SR)[None, :], (w_GS * x_GS) @ y_SR
    a = (w * wxy - wx * wy) / (w * wxx - wx**2)
    c = (wy - a * wx) / w
    a, c = np.where(c < 0, wxy / wxx, a), np.maximum(c, 0)
    return np.maximum(a, 0), np.where(a < 0, wy / w, c)


def _residuals(x_GS: Floats, y_SR: Floats, weights_S: Floats, a_GR: Floats, c_GR: Floats) -> Floats:
    """Weighted sum of squares, size by size: (G, S, R) at once would be large."""
    parts = (weight * (a_GR * x_GS[:, s, None] + c_GR - y_SR[s]) ** 2 for s, weight in enumerate(weights_S))
    return np.asarray(sum(parts))


def _needed(a_R: Floats, b_R: Floats, c_R: Floats, error: float) -> Floats:
    """(R,) sizes; a curve without slope reaches only what it already is at."""
    gap_R = error - c_R
    with np.errstate(over="ignore"):
        sizes_R = (a_R / np.where(gap_R > 0, gap_R, 1.0)) ** (1 / b_R)
    return np.where(gap_R > 0, sizes_R, np.inf)


def _least_variance(resampled_SR: Floats) -> float:
    """No size is trusted without bounds: one where nothing was heard has no variance at all."""
    return max(1e-8, 0.05 * float(resampled_SR.var(axis=1).mean()))


def _check(sizes_S: Floats, errors_S: Floats, resampled_SR: Floats) -> None:
    if len(set(sizes_S.tolist())) < MIN_SIZES:
        raise BadInput(f"a learning curve needs {MIN_SIZES} different amounts of data, found {len(sizes_S)}")
    if errors_S.shape != sizes_S.shape or resampled_SR.ndim != 2 or len(resampled_SR) != len(sizes_S):
        raise BadInput(
            f"{len(sizes_S)} sizes, but {errors_S.shape} errors and {resampled_SR.shape} resampled"
        )
    if not resampled_SR.shape[1]:
        raise BadInput("there is no replication; resample the errors at least once")
    if not (np.isfinite(sizes_S).all() and (sizes_S > 0).all()):
        raise BadInput(f"sizes are {sizes_S.tolist()}; expected numbers above 0")
    for values in (errors_S, resampled_SR):
        if not (np.isfinite(values).all() and (values >= 0).all()):
            raise BadInput("an error rate is negative or no number; expected 0 or more")
