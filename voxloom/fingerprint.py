"""What a recording sounds like, in 67 bytes: the same for its MP3, its louder or its slightly trimmed copy.

Signs of differences between neighbouring bands and times of a coarse spectrogram, after J. Haitsma and
T. Kalker, "A highly robust audio fingerprinting system", 2002. The bands part harmonics, so another take,
voice or pitch is another fingerprint. Only windows around the centre of the energy are looked at, spread as
the energy is: silence before or after moves nothing, and a long clip costs little more than a short one.
"""

import math
import re
from functools import cache

import numpy as np
import numpy.typing as npt

from voxloom.audio import SAMPLE_RATE_HZ, Samples

VERSION = 1  # of what the digits mean; others are not compared
MAX_DISTANCE = (
    0.12  # of copies of one recording. Other recordings are near 0.5, the same voice's words near 0.35
)
MAX_SPREAD = 90  # units of `spread_of`, 3 %: another speed of the same synthetic voice is more
NUM_BITS = 512
NUM_DIGITS = 2 + 4 + NUM_BITS // 4  # version, spread, bits

_TIMES = 17  # 16 differences
_BANDS = 33  # 32 differences
_LOW_HZ, _HIGH_HZ = 300.0, 2000.0
_WINDOW = 2048  # 128 ms
_FOLD = 4  # samples added up before the energy is taken: fricatives suffer most from coding
_BLOCK = 40  # of folded samples: 10 ms
_MIN_STEP, _MAX_STEP = 256.0, 1600.0  # samples between windows: 16 to 100 ms
_STEPS_OF_SPREAD = 6.0
_SPREAD_UNITS = 2048  # an octave
_PATTERN = re.compile(f"{VERSION:02x}[0-9a-f]{{{NUM_DIGITS - 2}}}")


def fingerprint(samples: Samples) -> str:
    """134 hexadecimal digits for mono samples at 16 kHz, of any length and level; bits of 0 for silence."""
    centre, spread = _centre_and_spread(samples)
    step = min(max(spread / _STEPS_OF_SPREAD, _MIN_STEP), _MAX_STEP)
    middle = np.arange(_TIMES) - _TIMES // 2
    frames_TW = _frames(samples, np.rint(centre + middle * step - _WINDOW / 2).astype(np.int64))
    energies_TB = _energies(frames_TW)
    slopes = energies_TB[:, 1:] - energies_TB[:, :-1]
    bits = slopes[1:] - slopes[:-1] > 0
    return f"{VERSION:02x}{_spread_code(spread):04x}{np.packbits(bits).tobytes().hex()}"


def distance(a: str, b: str) -> float:
    """0 for the same sound, about 0.5 for another; 1 where the energy is spread over another time."""
    if abs(spread_of(a) - spread_of(b)) > MAX_SPREAD:
        return 1.0
    return bit_distance(bits_of(a), bits_of(b))


def bit_distance(a: bytes, b: bytes) -> float:
    """The part of `distance` that two strings of `bits_of` tell."""
    return (int.from_bytes(a) ^ int.from_bytes(b)).bit_count() / NUM_BITS


def is_fingerprint(text: str) -> bool:
    """Whether it can be compared: of this version, and of some sound."""
    return _PATTERN.fullmatch(text) is not None and text[6:].strip("0") != ""


def spread_of(text: str) -> int:
    """Over what time the energy is spread, on a logarithmic scale: copies differ by little."""
    return int(text[2:6], 16)


def bits_of(text: str) -> bytes:
    """The 64 bytes that are compared."""
    return bytes.fromhex(text[6:])


def _centre_and_spread(samples: Samples) -> tuple[float, float]:
    """Mean and standard deviation in time of the energy below 1 kHz, in samples."""
    energies = _block_energies(samples)
    total = float(energies.sum())
    if not total > 0:
        return len(samples) / 2, 0.0
    times = (np.arange(len(energies)) + 0.5) * (_BLOCK * _FOLD)
    centre = float(energies @ times) / total
    return centre, math.sqrt(float(energies @ np.square(times - centre)) / total)


def _block_energies(samples: Samples) -> npt.NDArray[np.float64]:
    """Of 10 ms each. The differences of sums over 8 samples pass no offset and little above 1 kHz."""
    count = len(samples) // (_BLOCK * _FOLD)
    pairs = samples[: count * _BLOCK * _FOLD : 2] + samples[1 : count * _BLOCK * _FOLD : 2]
    folded = pairs[::2] + pairs[1::2]  # four samples: _FOLD
    sums = folded[1:] + folded[:-1]
    sound = np.zeros(count * _BLOCK, np.float32)
    np.subtract(sums[2:], sums[:-2], out=sound[2:-1])
    blocks = sound.reshape(count, _BLOCK)
    energies: npt.NDArray[np.float32] = np.einsum("nb,nb->n", blocks, blocks)
    return energies.astype(np.float64)


def _frames(samples: Samples, starts: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """(T, W) pieces from the starts on, under the window; beyond the ends is silence."""
    window, _ = _tables()
    frames_TW = np.zeros((len(starts), _WINDOW), np.float32)
    for frame_W, start in zip(frames_TW, starts.tolist(), strict=True):
        begin, end = max(-start, 0), max(min(_WINDOW, len(samples) - start), 0)
        if begin < end:
            np.multiply(samples[start + begin : start + end], window[begin:end], out=frame_W[begin:end])
    return frames_TW


def _energies(frames_TW: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """(T, W) samples under the window to (T, 33) band energies."""
    _, edges = _tables()
    spectra = np.fft.rfft(frames_TW, axis=1)[:, edges[0] : edges[-1]]
    power = np.square(spectra.real)
    power += np.square(spectra.imag)
    return np.add.reduceat(power, edges[:-1] - edges[0], axis=1)


@cache
def _tables() -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """The window, and the first bin of each band and past the last."""
    edges_hz = np.geomspace(_LOW_HZ, _HIGH_HZ, _BANDS + 1)
    edges = np.rint(edges_hz * _WINDOW / SAMPLE_RATE_HZ).astype(np.int64)
    return np.hanning(_WINDOW).astype(np.float32), edges


def _spread_code(spread: float) -> int:
    return min(round(math.log2(max(spread, 1.0)) * _SPREAD_UNITS), 0xFFFF)
