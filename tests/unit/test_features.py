from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kaldi import kaldi_fbank
from voices import speech

from voxloom.features import NUM_MEL, OnlineFbank, fbank

quick = settings(max_examples=40, deadline=None, database=None, derandomize=True)
EPSILON = 1.1920929e-07  # where the logarithm is cut
VOICE = speech(1.2, seed=7)


@quick
@given(length=st.integers(0, len(VOICE)), cuts=st.lists(st.integers(0, len(VOICE)), max_size=12))
def test_streaming_equals_offline_bit_for_bit(length: int, cuts: list[int]) -> None:
    samples = VOICE[:length]
    edges = [0, *sorted(min(cut, length) for cut in cuts), length]
    online = OnlineFbank()
    frames = [online.push(samples[a:b]) for a, b in pairwise(edges)]
    assert np.array_equal(np.concatenate([*frames, online.finish()]), fbank(samples))


@pytest.mark.parametrize("chunk", [1, 160, 399, 4001])
def test_streaming_in_equal_chunks(chunk: int) -> None:
    online = OnlineFbank()
    frames = [online.push(VOICE[at : at + chunk]) for at in range(0, len(VOICE), chunk)]
    assert np.array_equal(np.concatenate([*frames, online.finish()]), fbank(VOICE))


@pytest.mark.parametrize("length", [0, 1, 79, 80, 239, 240, 400, 16000, 16079])
def test_frames_and_their_number(length: int) -> None:
    frames = fbank(VOICE[:length])
    assert frames.shape == ((length + 80) // 160, NUM_MEL)
    assert frames.dtype == np.float32
    assert np.isfinite(frames).all()


def test_a_frame_comes_as_soon_as_its_window_is_full() -> None:
    online = OnlineFbank()
    assert len(online.push(VOICE[:279])) == 0
    assert len(online.push(VOICE[279:280])) == 1


def test_the_contract_of_sherpa_onnx() -> None:
    """Against the definition: pre-emphasis, povey window, power spectrum, HTK mel triangles, log."""
    frames = fbank(VOICE)
    middle = 40
    start = middle * 160 + 80 - 200
    window = VOICE[start : start + 400].astype(np.float64)
    window -= window.mean()
    window = window - 0.97 * np.concatenate([window[:1], window[:-1]])
    window *= (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 399)) ** 0.85
    power = np.abs(np.fft.rfft(window, 512)) ** 2
    assert np.allclose(frames[middle], np.log(np.maximum(_mel_80() @ power[:256], EPSILON)), atol=2e-3)


@pytest.mark.parametrize("length", [1, 90, 279, 280, 281, 1000, len(VOICE)])
@pytest.mark.parametrize("gain", [1.0, 1e-3])
def test_the_frames_of_kaldi(length: int, gain: float) -> None:
    """kaldi-native-fbank is what sherpa-onnx computes its features with."""
    samples = np.float32(gain) * VOICE[:length]
    assert np.allclose(fbank(samples), kaldi_fbank(samples), atol=2e-3)


def test_silence_is_finite_and_low() -> None:
    assert np.allclose(fbank(np.zeros(1600, np.float32)), np.log(EPSILON), atol=1e-3)


def _mel_80() -> np.ndarray:
    def mel(hz: np.ndarray | float) -> np.ndarray:
        return 1127 * np.log(1 + np.asarray(hz) / 700)

    edges = np.linspace(mel(20), mel(8000 - 400), NUM_MEL + 2)
    bins = mel(np.arange(256) * 16000 / 512)
    rising = (bins - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    return np.maximum(0, np.minimum(rising, falling))
