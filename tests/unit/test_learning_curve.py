"""The learning curve: known ones are found again, what cannot be known is said, nonsense is refused."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voxloom.errors import BadInput
from voxloom.learning_curve import Curve, Fit, fit

SIZES = (100, 200, 400, 800)


def measured(curve: Curve, noise: float = 0.01, seed: int = 0, sizes: tuple[float, ...] = SIZES) -> Fit:
    """Errors around the curve, resampled with the noise that they have."""
    random = np.random.default_rng(seed)
    truth = np.array([curve.error(size) for size in sizes])
    errors = np.maximum(truth + random.normal(0, noise, len(sizes)), 0)
    resampled = np.maximum(errors[:, None] + random.normal(0, noise, (len(sizes), 300)), 0)
    return fit(sizes, errors, resampled)


curves = st.builds(
    Curve, a=st.floats(1, 8), b=st.floats(0.2, 1.0), c=st.sampled_from([0.0, 0.02, 0.1])
).filter(lambda curve: 0.05 < curve.error(800) < curve.error(100) - 0.1 < 1.5)


@settings(max_examples=12, deadline=None)
@given(curves)
def test_without_noise_the_curve_itself_comes_back(curve: Curve) -> None:
    found = measured(curve, noise=0)
    for size in (*SIZES, 1600):
        assert found.curve.error(size) == pytest.approx(curve.error(size), abs=5e-3)
    target = curve.error(1200)
    assert found.forecast(target).verdict == "reachable"
    assert found.forecast(target).size == pytest.approx(1200, rel=0.03)


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    curve = Curve(a=3.0, b=0.4, c=0.05)
    target, held = curve.error(1600), 0
    for seed in range(40):
        answer = measured(curve, noise=0.01, seed=seed).forecast(target)
        assert answer.low <= answer.high
        held += answer.low <= 1600 <= answer.high
    assert held >= 34


@settings(max_examples=12, deadline=None)
@given(curves, st.floats(0.5, 20), st.integers(0, 9))
def test_twice_the_unit_is_half_the_number(curve: Curve, scale: float, seed: int) -> None:
    """Counted in hours or in utterances, the same answer."""
    target = curve.error(1200)
    one = measured(curve, seed=seed).forecast(target)
    truth = Curve(curve.a * scale**curve.b, curve.b, curve.c)
    other = measured(truth, seed=seed, sizes=tuple(size * scale for size in SIZES)).forecast(target)
    assert other.size == pytest.approx(one.size * scale, rel=1e-6)
    assert other.verdict == one.verdict


def test_more_is_wanted_for_less_error_and_the_fit_never_promises_below_its_floor() -> None:
    found = measured(Curve(a=2.0, b=0.5, c=0.1), noise=1e-4)
    needed = [found.curve.needed(rate) for rate in (0.3, 0.2, 0.15, 0.12)]
    assert needed == sorted(needed)
    assert math.isinf(found.curve.needed(0.05))
    lost = found.forecast(0.05)
    assert (lost.verdict, lost.p_reach < 0.05, math.isinf(lost.high)) == ("out of reach", True, True)


def test_what_it_says_of_a_target() -> None:
    curve = Curve(a=3.0, b=0.4, c=0.0)
    found = measured(curve, noise=1e-3)
    assert found.forecast(0.9).verdict == "reached"
    assert found.forecast(curve.error(2000)).verdict == "reachable"
    assert found.forecast(curve.error(8000)).verdict == "far"
    low, high = found.band(800)
    assert low <= curve.error(800) <= high
    assert found.p_falls == 1.0


@pytest.mark.parametrize("slope", [0.0, 0.0002])
def test_an_error_that_does_not_fall_foretells_nothing(slope: float) -> None:
    errors = [0.5 + slope * size for size in SIZES]
    noise = np.random.default_rng(0).normal(0, 0.02, (4, 300))
    found = fit(SIZES, errors, np.array(errors)[:, None] + noise)
    assert found.forecast(0.2).verdict == "flat"


def test_a_size_with_an_unsure_error_bends_the_curve_less() -> None:
    truth = Curve(a=3.0, b=0.4, c=0.0)
    errors = np.array([truth.error(size) for size in SIZES]) + np.array([0, 0.1, 0, 0])
    random = np.random.default_rng(0)

    def with_noise(second: float) -> float:
        spread = np.array([0.005, second, 0.005, 0.005])[:, None]
        return fit(SIZES, errors, errors[:, None] + spread * random.normal(size=(4, 300))).curve.error(1600)

    assert abs(with_noise(0.1) - truth.error(1600)) < abs(with_noise(0.005) - truth.error(1600))


@pytest.mark.parametrize(
    ("sizes", "errors", "says"),
    [
        ((100, 200), (0.5, 0.4), "3 different amounts"),
        ((100, 100, 200), (0.5, 0.5, 0.4), "3 different amounts"),
        ((0, 100, 200), (0.6, 0.5, 0.4), "above 0"),
        ((100, 200, math.inf), (0.6, 0.5, 0.4), "above 0"),
        ((100, 200, 400), (0.6, math.nan, 0.4), "no number"),
        ((100, 200, 400), (0.6, -0.1, 0.4), "negative"),
        ((100, 200, 400), (0.6, 0.5), "3 sizes"),
    ],
)
def test_nonsense_is_refused(sizes: tuple[float, ...], errors: tuple[float, ...], says: str) -> None:
    with pytest.raises(BadInput, match=says):
        fit(sizes, errors, np.ones((len(sizes), 5)) * 0.5)


@pytest.mark.parametrize("target", [0.0, -0.1, math.nan, math.inf])
def test_a_target_that_is_no_error_rate(target: float) -> None:
    with pytest.raises(BadInput, match="more than 0"):
        measured(Curve(3.0, 0.4, 0.0)).forecast(target)
