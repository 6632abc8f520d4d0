"""Log-mel features, one function for training and for serving.

The contract is sherpa-onnx's: kaldi fbank, 80 bins, 25/10 ms, povey window, edges not snipped, no dither,
samples in [-1, 1]. A change of any number here is a new FEATURE_VERSION, and all models must be trained anew.

Kaldi's definition (feat/feature-window.cc, feat/mel-computations.cc) in numpy; the tests hold it against
kaldi-native-fbank, whose Python binding takes lists of floats and twice the time (ADR 43).
"""

import numpy as np
import numpy.typing as npt

from voxloom.audio import SAMPLE_RATE_HZ, Samples

FEATURE_VERSION = 1
NUM_MEL = 80
FRAME_SHIFT_S = 0.01

Features = npt.NDArray[np.float32]

_SHIFT = 160  # samples from one frame to the next
_WINDOW = 400  # samples that a frame sees
_BEFORE = (_WINDOW - _SHIFT) // 2  # of them before the frame's own 160: the sound is mirrored at its edges
_AFTER = _WINDOW - _BEFORE - _SHIFT // 2  # so many past the end does the last frame see at most
_FFT = 512
_BINS = _FFT // 2  # kaldi leaves the bin of the Nyquist frequency out
_LOW_HZ, _HIGH_HZ = 20, SAMPLE_RATE_HZ // 2 - 400
_PREEMPHASIS = np.float32(0.97)
_EPSILON = np.finfo(np.float32).eps  # where the logarithm is cut


def fbank(samples: Samples) -> Features:
    """Samples at 16 kHz in [-1, 1] to log-mel frames (T, 80), T = (num_samples + 80) // 160."""
    return _log_mel(_mirrored(samples), num_frames(len(samples)))


def num_frames(num_samples: int) -> int:
    """How many frames so much audio has."""
    return (num_samples + _SHIFT // 2) // _SHIFT


class OnlineFbank:
    """The frames of `fbank`, bit for bit, while the samples come in chunks of any size."""

    def __init__(self) -> None:
        self._samples = np.zeros(0, np.float32)  # from the first one that the next frame sees
        self._started = False  # whether the mirrored beginning stands before them

    def push(self, samples: Samples) -> Features:
        """The frames (t, 80) that these samples complete."""
        self._samples = np.concatenate([self._samples, samples])
        if not self._started and len(self._samples) >= _WINDOW - _BEFORE:
            self._samples = np.concatenate([self._samples[:_BEFORE][::-1], self._samples])
            self._started = True
        full = (len(self._samples) - _WINDOW) // _SHIFT + 1 if self._started else 0
        return self._take(max(full, 0))

    def finish(self) -> Features:
        """The last frames, whose windows reach past the end."""
        if not self._started:  # too short for one full window
            return fbank(self._samples)
        seen = len(self._samples) - _BEFORE
        self._samples = np.concatenate([self._samples, self._samples[: -_AFTER - 1 : -1]])
        return self._take(num_frames(seen))

    def _take(self, count: int) -> Features:
        frames = _log_mel(self._samples, count)
        self._samples = self._samples[count * _SHIFT :]
        return frames


def _mirrored(samples: Samples) -> Samples:
    """With the sound before its beginning and after its end that the outer windows see."""
    if not len(samples):
        return samples
    return np.pad(samples.astype(np.float32, copy=False), (_BEFORE, _AFTER), "symmetric")


def _log_mel(samples: Samples, count: int) -> Features:
    """The windows that begin at samples 0, 160, 320, ... as log-mel frames."""
    if not count:
        return np.zeros((0, NUM_MEL), np.float32)
    windows_TW = np.lib.stride_tricks.sliding_window_view(samples, _WINDOW)[::_SHIFT][:count]
    windows_TW = windows_TW - windows_TW.mean(axis=1, keepdims=True)
    emphasised_TW = windows_TW * (1 - _PREEMPHASIS)  # the first sample's predecessor is itself
    emphasised_TW[:, 1:] = windows_TW[:, 1:] - _PREEMPHASIS * windows_TW[:, :-1]
    spectrum_TF = np.fft.rfft(emphasised_TW * _POVEY_W, _FFT)[:, :_BINS]
    power_TF = spectrum_TF.real**2 + spectrum_TF.imag**2
    # a product for each frame: in a product of matrices its sums would depend on how many others come with it
    mel_TM = (power_TF[:, None, :] @ _TRIANGLES_FM)[:, 0]
    return np.log(np.maximum(mel_TM, _EPSILON))


def _povey_window() -> npt.NDArray[np.float32]:
    hann_W = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_WINDOW) / (_WINDOW - 1))
    return (hann_W**0.85).astype(np.float32)


def _triangles() -> npt.NDArray[np.float32]:
    """Weights (bins, 80): triangles that are equally wide on HTK's mel scale."""
    edges = np.linspace(_mel_of(_LOW_HZ), _mel_of(_HIGH_HZ), NUM_MEL + 2)
    bins_F1 = _mel_of(np.arange(_BINS) * SAMPLE_RATE_HZ / _FFT)[:, None]
    left, middle, right = edges[:-2], edges[1:-1], edges[2:]
    weights_FM = np.minimum((bins_F1 - left) / (middle - left), (right - bins_F1) / (right - middle))
    return np.maximum(weights_FM, 0).astype(np.float32)


def _mel_of(hz: npt.ArrayLike) -> npt.NDArray[np.float64]:
    return np.asarray(1127 * np.log(1 + np.asarray(hz, np.float64) / 700))


_POVEY_W = _povey_window()
_TRIANGLES_FM = _triangles()
