"""The features that sherpa-onnx computes, as the oracle of ours."""

import kaldi_native_fbank as knf
import numpy as np

from voxloom.features import NUM_MEL, Features


def kaldi_fbank(samples: np.ndarray) -> Features:
    """Samples at 16 kHz in [-1, 1] to log-mel frames (T, 80)."""
    options = knf.FbankOptions()
    options.frame_opts.samp_freq = 16000
    options.frame_opts.frame_length_ms = 25
    options.frame_opts.frame_shift_ms = 10
    options.frame_opts.window_type = "povey"
    options.frame_opts.preemph_coeff = 0.97
    options.frame_opts.snip_edges = False
    options.frame_opts.dither = 0
    options.mel_opts.num_bins = NUM_MEL
    options.mel_opts.low_freq = 20
    options.mel_opts.high_freq = -400
    online = knf.OnlineFbank(options)
    online.accept_waveform(16000, samples.tolist())
    online.input_finished()
    frames = [online.get_frame(index) for index in range(online.num_frames_ready)]
    return np.array(frames, np.float32).reshape(-1, NUM_MEL)
