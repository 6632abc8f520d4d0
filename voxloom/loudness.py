"""Loudness in LUFS, as broadcasters measure it: ITU-R BS.1770-4, one channel."""

import numpy as np
import numpy.typing as npt

SILENCE_LUFS = -120.0  # stands for nothing above the absolute gate
_STANDARD_HZ = 48_000  # for which the standard gives its two filters: numerator, denominator
_SHELF = ((1.53512485958697, -2.69169618940638, 1.19839281085285), (1.0, -1.69065929318241, 0.73248077421585))
_HIGH_PASS = ((1.0, -2.0, 1.0), (1.0, -1.99004745483398, 0.99007225036621))
_OFFSET_DB = -0.691
_BLOCK_S, _STEP_S = 0.4, 0.1
_ABSOLUTE_LUFS, _RELATIVE_LU = -70.0, -10.0
_TAIL_S = 1.0  # in which what the filters ring is gone


def integrated(samples: npt.NDArray[np.floating], sample_rate_hz: int) -> float:
    """Of a mono clip; what is shorter than a block of 0.4 s counts as one block.

    Both filters are applied in the frequency domain, at the response that they have at 48 kHz: the standard
    gives no coefficients for other rates, and a speech clip is short enough to be transformed at once.
    """
    if not len(samples):
        return SILENCE_LUFS
    powers = _block_powers(_weighted(samples, sample_rate_hz), sample_rate_hz)
    loud = powers[_lufs(powers) > _ABSOLUTE_LUFS]
    if not len(loud):
        return SILENCE_LUFS
    gated = loud[_lufs(loud) > _lufs(np.mean(loud)) + _RELATIVE_LU]
    return float(_lufs(np.mean(gated)))


def _weighted(samples: npt.NDArray[np.floating], rate_hz: int) -> npt.NDArray[np.float64]:
    size = len(samples) + round(_TAIL_S * rate_hz)
    size = 1 << (size - 1).bit_length()
    frequencies_hz = np.fft.rfftfreq(size, 1 / rate_hz)
    delay = np.exp(-2j * np.pi * np.minimum(frequencies_hz, _STANDARD_HZ / 2) / _STANDARD_HZ)
    response = np.ones_like(delay)
    for (b0, b1, b2), (a0, a1, a2) in (_SHELF, _HIGH_PASS):
        response *= (b0 + b1 * delay + b2 * delay**2) / (a0 + a1 * delay + a2 * delay**2)
    spectrum = np.fft.rfft(samples.astype(np.float64), size) * response
    return np.fft.irfft(spectrum, size)[: len(samples)]


def _block_powers(weighted: npt.NDArray[np.float64], rate_hz: int) -> npt.NDArray[np.float64]:
    """Mean squares of blocks that overlap by three quarters."""
    block, step = round(_BLOCK_S * rate_hz), round(_STEP_S * rate_hz)
    if len(weighted) <= block:
        return np.array([np.mean(weighted**2)])
    sums = np.concatenate([[0.0], np.cumsum(weighted**2)])
    starts = np.arange(0, len(weighted) - block + 1, step)
    return np.asarray((sums[starts + block] - sums[starts]) / block)


def _lufs(power: npt.NDArray[np.float64] | np.floating) -> npt.NDArray[np.float64]:
    return np.asarray(_OFFSET_DB + 10 * np.log10(np.maximum(power, 1e-30)))
