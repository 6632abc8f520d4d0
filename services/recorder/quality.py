"""What is measured of a take: loudness, noise, silence around the words, pace. Pure functions."""

import math
import unicodedata
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from services.recorder.voice import measure_voice
from voxloom.audio import SAMPLE_RATE_HZ, Samples
from voxloom.loudness import integrated
from voxloom.manifest import TakeQuality

_FRAME, _HOP = 400, 160  # 25 ms every 10 ms
_EDGE = 320  # 20 ms
_HOP_S = _HOP / SAMPLE_RATE_HZ
_FLOOR_PERCENTILE, _LOUD_PERCENTILE = 10, 95
_ABOVE_FLOOR = 0.35  # of the way from the floor to loud, in dB: there speech begins
_BELOW_LOUD_DB = 35.0
_BAND_HZ = 4200.0  # what telephones and their headsets leave out lies above
_MIN_DB = -120.0
_PAUSE = 3  # letters' time that a comma or full stop takes

FloatsN = npt.NDArray[np.float64]


def measure_quality(samples: Samples, text: str) -> TakeQuality:
    """All that the checks ask for; `samples` are 16 kHz mono and not empty."""
    frames = _frames(samples)
    levels = _db(np.mean(frames**2, axis=1))
    floor, loud = (float(np.percentile(levels, each)) for each in (_FLOOR_PERCENTILE, _LOUD_PERCENTILE))
    speech = np.flatnonzero(levels >= max(floor + _ABOVE_FLOOR * (loud - floor), loud - _BELOW_LOUD_DB))
    lead, trail = int(speech[0]), int(len(levels) - 1 - speech[-1])
    speech_s = (int(speech[-1]) - int(speech[0]) + 1) * _HOP_S
    edges = samples[:_EDGE], samples[-_EDGE:]
    before, after = (float(_db(np.mean(np.square(edge, dtype=np.float64)))) - loud for edge in edges)
    measured = {
        "loudness_lufs": integrated(samples, SAMPLE_RATE_HZ),
        "snr_db": _snr_db(levels, floor),
        "leading_silence_s": lead * _HOP_S,
        "trailing_silence_s": trail * _HOP_S,
        "first_level_db": before,
        "last_level_db": after,
        "dc_offset": float(np.mean(samples, dtype=np.float64)),
        "high_band_db": _high_band_db(frames, levels),
        "speech_s": speech_s,
        "letters_per_s": num_letters(text) / speech_s,
    }
    rounded = {name: round(value, 4) for name, value in measured.items()}
    return TakeQuality(**rounded, voice=measure_voice(samples))


def num_letters(text: str) -> int:
    return sum(char.isalpha() for char in text)


def spoken_length(text: str) -> int:
    """In letters; signs at which a reader pauses count as some."""
    pauses = sum(unicodedata.category(char) in ("Po", "Pd") and char not in "'’&%@/#*" for char in text)
    return num_letters(text) + _PAUSE * pauses


def _frames(samples: Samples) -> FloatsN:
    """(number, 400); the last whole one, or one padded with silence where there is none."""
    padded = np.pad(samples, (0, max(0, _FRAME - len(samples)))).astype(np.float64)
    return np.lib.stride_tricks.sliding_window_view(padded, _FRAME)[::_HOP]


def _snr_db(levels: FloatsN, floor_db: float) -> float:
    """Power of what rises over the noise floor against the floor itself, which speech pauses show."""
    floor = 10 ** (floor_db / 10)
    powers = 10 ** (levels / 10)
    speech = powers[powers > 2 * floor]
    if not len(speech):
        return 0.0
    return float(_db(max(float(np.mean(speech)) - floor, 1e-12)) - max(floor_db, _MIN_DB))


def _high_band_db(frames: FloatsN, levels: FloatsN) -> float:
    """The largest share above 4.2 kHz in a loud frame: an s has nearly all there."""
    loud: Sequence[float] | FloatsN = frames[levels >= np.percentile(levels, 60)] * np.hanning(_FRAME)
    power = np.abs(np.fft.rfft(loud)) ** 2
    first = math.ceil(_BAND_HZ * _FRAME / SAMPLE_RATE_HZ)
    return float(_db(np.max(power[:, first:].sum(axis=1) / np.maximum(power.sum(axis=1), 1e-30))))


def _db(power: float | FloatsN | np.floating) -> FloatsN:
    return np.asarray(10 * np.log10(np.maximum(power, 1e-12)))
