"""What is measured of how a take sounds, so that a bark or a cough stands out among one speaker's takes.

Pure functions. Shapes: N samples, T frames, F frequencies, L lags.
"""

import numpy as np
import numpy.typing as npt

from voxloom.audio import SAMPLE_RATE_HZ, Samples
from voxloom.manifest import VoiceMeasures

_FRAME, _HOP = 512, 160  # 32 ms every 10 ms
_FFT = 2 * _FRAME  # no lag wraps round
_MIN_LAG, _MAX_LAG = SAMPLE_RATE_HZ // 1000, SAMPLE_RATE_HZ // 70  # of pitches from 1000 to 70 Hz
_HIGH_LAG = SAMPLE_RATE_HZ / 450  # grown-ups speak lower; who does not is measured against their own takes
_PERIODIC, _APERIODIC = 0.6, 0.45  # share of a frame that its best lag repeats
_SAME_PEAK = 0.9  # the shortest lag that is nearly as good is the period, and not two of them
_LOUD_DB, _LOUDEST_DB = 12.0, 6.0  # below loud speech, the 95th percentile of frames
_MID_HZ = (1800.0, 2600.0)
_MID_RANK = 11  # the loudest tenth of a second is left to what happens in any take
_WINDOW = np.hanning(_FRAME)

FloatsT = npt.NDArray[np.float64]
FloatsTF = npt.NDArray[np.float64]


def measure_voice(samples: Samples) -> VoiceMeasures:
    """`samples` are 16 kHz mono and not empty; the measures do not depend on their level."""
    power_TF = _power(samples)
    levels_T = 10 * np.log10(power_TF.sum(axis=1) + 1e-12)
    loud_db = float(np.percentile(levels_T, 95))
    period_T, repeated_T = _periods(power_TF)
    loud_T, loudest_T = levels_T > loud_db - _LOUD_DB, levels_T > loud_db - _LOUDEST_DB
    high_T = (repeated_T > _PERIODIC) & (period_T < _HIGH_LAG)
    first, last = (round(hz * _FFT / SAMPLE_RATE_HZ) for hz in _MID_HZ)
    mid_T = np.sort(power_TF[:, first:last].sum(axis=1))
    mid_db = 10 * np.log10(mid_T[-min(_MID_RANK, len(mid_T))] + 1e-12) - loud_db
    return VoiceMeasures(
        high_pitch=round(float(np.mean(high_T[loud_T])), 4),
        no_pitch=round(float(np.mean(repeated_T[loudest_T] < _APERIODIC)), 4),
        loudest_db=round(float(levels_T.max()) - loud_db, 2),
        mid_band_db=round(float(mid_db), 2),
    )


def _power(samples: Samples) -> FloatsTF:
    padded = np.pad(samples, (0, max(0, _FRAME - len(samples)))).astype(np.float64)
    frames = np.lib.stride_tricks.sliding_window_view(padded, _FRAME)[::_HOP]
    power: FloatsTF = np.abs(np.fft.rfft(frames * _WINDOW, _FFT)) ** 2
    return power


def _periods(power_TF: FloatsTF) -> tuple[FloatsT, FloatsT]:
    """In samples, and what share of the frame repeats after it: the autocorrelation over that of the window
    (Boersma, 1993)."""
    of_window = np.fft.irfft(np.abs(np.fft.rfft(_WINDOW, _FFT)) ** 2)[: _MAX_LAG + 1]
    correlation_TL = np.fft.irfft(power_TF)[:, : _MAX_LAG + 1]
    correlation_TL /= (correlation_TL[:, :1] + 1e-12) * (of_window / of_window[0])
    lags_TL = correlation_TL[:, _MIN_LAG:]
    best_T = lags_TL.max(axis=1)
    first_T = np.argmax(lags_TL >= _SAME_PEAK * best_T[:, None], axis=1)
    return (first_T + _MIN_LAG).astype(np.float64), best_T
