"""Where somebody speaks in a recording of any length, by level and spectrum; its pauses lie between.

T frames of 10 ms, F frequency bins, B bands. Only three numbers a frame are kept: 13 MB for three hours.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from voxloom.audio import Samples

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]

HOP_S = 0.01
_HOP, _WINDOW, _FFT = 160, 400, 512  # samples
_LOW_BIN, _HIGH_BIN = 5, 220  # 150 Hz to 6.9 kHz: above mains hum, below where codecs stop
_BANDS = 16
_SPAN = 10  # frames: the spectrum of 0.1 s is compared with that of the 0.1 s before
_BLOCK = 3000  # frames taken at a time
_FLOOR_DB = -100.0


@dataclass(frozen=True)
class Activity:
    """`score` (T): 0 in silence, 1 at full voice; `speech` (T): decided, before short gaps are closed."""

    hop_s: float
    score: Floats
    speech: Bools

    @property
    def duration_s(self) -> float:
        return len(self.score) * self.hop_s


@dataclass(frozen=True)
class _Frames:
    level_db_T: Floats
    flatness_T: Floats  # 0 a tone, about 0.56 white noise
    flux_db_T: Floats  # how much the bands differ from 0.1 s before, in the mean


def by_energy(blocks: Iterable[Samples]) -> Activity:
    """Level above a noise floor that follows the recording, unless the sound is steady: then it is noise."""
    frames = _collect(_measure(blocks))
    level = _smooth(frames.level_db_T, 5)
    floor, voice = _local(level, 5, 20), _local(level, 95, 30)
    span = np.maximum(voice - floor, 1e-3)
    high, low = floor + np.clip(0.35 * span, 6, 15), floor + np.clip(0.2 * span, 4, 9)
    moving = ~_is_steady(frames) & (level > _FLOOR_DB + 10)
    speech = hysteresis((level > high) & moving, (level > low) & moving)
    return Activity(HOP_S, np.clip((level - floor) / span, 0, 1).astype(np.float32), speech)


def _is_steady(frames: _Frames) -> Bools:
    """A fan, a hum, hiss: for half a second the spectrum hardly moves; flat spectra need move a bit more."""
    flux, flatness = _smooth(frames.flux_db_T, 50), _smooth(frames.flatness_T, 50)
    steady: Bools = flux < np.where(flatness > 0.35, 2.0, 1.2)
    return steady


def hysteresis(starts: Bools, stays: Bools) -> Bools:
    """Runs of `stays` in which `starts` is true at least once."""
    kept = np.zeros(len(stays), np.bool_)
    for begin, end in runs(stays | starts):
        kept[begin:end] = starts[begin:end].any()
    return kept


def runs(mask: Bools) -> list[tuple[int, int]]:
    """(first, after the last) of each run of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _measure(blocks: Iterable[Samples]) -> Iterator[_Frames]:
    bands_before = np.zeros((0, _BANDS), np.float32)
    for samples in _framed(blocks):
        power_TF = _power(samples)
        bands_TB = _band_levels(power_TF)
        joined = np.concatenate([bands_before, bands_TB])
        flux = _flux(joined)[len(bands_before) :]
        bands_before = joined[-2 * _SPAN :]
        yield _Frames(_decibels(power_TF.sum(axis=1)), _flatness(power_TF), flux)


def _framed(blocks: Iterable[Samples]) -> Iterator[Samples]:
    """Samples of about _BLOCK whole frames at a time, each with the overlap that its last frame needs."""
    rest = np.zeros(0, np.float32)
    wanted = _BLOCK * _HOP + _WINDOW - _HOP
    for block in blocks:
        rest = np.concatenate([rest, block])
        while len(rest) >= wanted:
            yield rest[:wanted]
            rest = rest[_BLOCK * _HOP :]
    if len(rest):
        yield np.pad(rest, (0, _WINDOW))


def _power(samples: Samples) -> Floats:
    count = (len(samples) - _WINDOW) // _HOP + 1
    frames = np.lib.stride_tricks.sliding_window_view(samples, _WINDOW)[: count * _HOP : _HOP]
    spectrum = np.fft.rfft(frames * np.hanning(_WINDOW).astype(np.float32), _FFT, axis=1)
    power: Floats = (np.abs(spectrum[:, _LOW_BIN:_HIGH_BIN] / _WINDOW) ** 2).astype(np.float32)
    return power


def _band_levels(power_TF: Floats) -> Floats:
    edges = np.unique(np.geomspace(4, power_TF.shape[1] + 4, _BANDS + 1).astype(int) - 4)[:-1]
    bands: Floats = _decibels(np.add.reduceat(power_TF, edges, axis=1))
    return bands if bands.shape[1] == _BANDS else np.resize(bands, (len(bands), _BANDS))


def _flux(bands_TB: Floats) -> Floats:
    sums = np.cumsum(np.pad(bands_TB, ((_SPAN + 1, _SPAN), (0, 0)), mode="edge"), axis=0, dtype=np.float64)
    count = len(bands_TB)
    after = sums[2 * _SPAN : 2 * _SPAN + count] - sums[_SPAN : _SPAN + count]
    before = sums[_SPAN : _SPAN + count] - sums[:count]
    flux: Floats = (np.abs(after - before).mean(axis=1) / _SPAN).astype(np.float32)
    return flux


def _flatness(power_TF: Floats) -> Floats:
    safe = power_TF + 1e-12
    flat: Floats = (np.exp(np.log(safe).mean(axis=1)) / safe.mean(axis=1)).astype(np.float32)
    return flat


def _decibels(power: npt.NDArray[np.floating]) -> Floats:
    level: Floats = (10 * np.log10(np.maximum(power, 1e-10))).astype(np.float32)
    return level


def _collect(parts: Iterable[_Frames]) -> _Frames:
    found = list(parts)
    empty = [np.zeros(0, np.float32)]
    return _Frames(
        *(
            np.concatenate(empty + [getattr(each, name) for each in found])
            for name in ("level_db_T", "flatness_T", "flux_db_T")
        )
    )


def _smooth(values: Floats, width: int) -> Floats:
    """Mean of `width` frames around each."""
    if not len(values):
        return values
    sums = np.cumsum(np.pad(values, (width // 2 + 1, width - width // 2 - 1), mode="edge"), dtype=np.float64)
    smoothed: Floats = ((sums[width:] - sums[:-width]) / width).astype(np.float32)
    return smoothed


def _local(level: Floats, percent: float, reach_s: int) -> Floats:
    """A percentile of the level within `reach_s` on both sides, looked at once a second."""
    step, count = round(1 / HOP_S), len(level)
    if not count:
        return level
    centres = np.arange(step // 2, count + step, step)
    reach = reach_s * step
    found = [
        np.percentile(level[max(0, c - reach) : c + reach : 3], percent) for c in centres if c - reach < count
    ]
    return np.interp(np.arange(count), centres[: len(found)], found).astype(np.float32)
