"""Log-mel features, the same C++ code for training and for serving.

The contract is sherpa-onnx's: kaldi fbank, 80 bins, 25/10 ms, povey window, edges not snipped, no dither,
samples in [-1, 1]. A change of any number here is a new FEATURE_VERSION, and all models must be trained anew.
"""

import kaldi_native_fbank as knf
import numpy as np
import numpy.typing as npt

from voxloom.audio import SAMPLE_RATE_HZ, Samples

FEATURE_VERSION = 1
NUM_MEL = 80
FRAME_SHIFT_S = 0.01

Features = npt.NDArray[np.float32]


def fbank(samples: Samples) -> Features:
    """Samples at 16 kHz in [-1, 1] to log-mel frames (T, 80), T = (num_samples + 80) // 160."""
    stream = OnlineFbank()
    return np.concatenate([stream.push(samples), stream.finish()])


class OnlineFbank:
    """The frames of `fbank`, bit for bit, while the samples come in chunks of any size."""

    def __init__(self) -> None:
        self._fbank = knf.OnlineFbank(_options())
        self._taken = 0

    def push(self, samples: Samples) -> Features:
        """The frames (t, 80) that these samples complete."""
        self._fbank.accept_waveform(SAMPLE_RATE_HZ, samples.tolist())
        return self._take()

    def finish(self) -> Features:
        """The last frames, whose windows reach past the end."""
        self._fbank.input_finished()
        return self._take()

    def _take(self) -> Features:
        ready = self._fbank.num_frames_ready
        new = [self._fbank.get_frame(index) for index in range(self._taken, ready)]
        frames = np.stack(new) if new else np.zeros((0, NUM_MEL), np.float32)
        self._fbank.pop(ready - self._taken)
        self._taken = ready
        return frames


def _options() -> knf.FbankOptions:
    options = knf.FbankOptions()
    options.frame_opts.samp_freq = SAMPLE_RATE_HZ
    options.frame_opts.frame_length_ms = 25
    options.frame_opts.frame_shift_ms = 10
    options.frame_opts.window_type = "povey"
    options.frame_opts.preemph_coeff = 0.97
    options.frame_opts.snip_edges = False
    options.frame_opts.dither = 0
    options.mel_opts.num_bins = NUM_MEL
    options.mel_opts.low_freq = 20
    options.mel_opts.high_freq = -400
    return options
