"""Long audio is cut at its quietest, the same way however it arrives."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.inference.recognize import cut_up
from services.inference.segments import FRAMES_PER_S, LONGEST, SHORTEST, Segmenter, quietest
from voxloom.audio import SAMPLE_RATE_HZ
from voxloom.features import fbank


def noise(seconds: float, quiet_at_s: tuple[float, ...] = ()) -> np.ndarray:
    """Loud noise with a quarter of a second of near silence after each of the times."""
    samples = np.random.default_rng(0).normal(0, 0.1, round(seconds * SAMPLE_RATE_HZ))
    for at_s in quiet_at_s:
        start = round(at_s * SAMPLE_RATE_HZ)
        samples[start : start + SAMPLE_RATE_HZ // 4] *= 0.001
    return samples.astype(np.float32)


def test_short_audio_is_one_segment_with_the_features_of_training() -> None:
    samples = noise(3.0)
    (segment,) = cut_up(samples)
    assert segment.start == 0
    np.testing.assert_array_equal(segment.features_TF, fbank(samples))


def test_the_longest_clip_of_a_dataset_is_not_cut() -> None:
    assert len(list(cut_up(noise(35.0)))) == 1


def test_long_audio_is_cut_where_it_is_quiet() -> None:
    segments = list(cut_up(noise(70, quiet_at_s=(3, 24, 52))))
    assert [round(each.start / FRAMES_PER_S, 1) for each in segments] == [0.0, 24.1, 52.1]
    assert sum(len(each.features_TF) for each in segments) == 70 * FRAMES_PER_S
    assert all(left.end == right.start for left, right in pairwise(segments))


@pytest.mark.parametrize("level", [-8.0, 0.0, np.nan])
def test_a_cut_is_found_where_all_is_alike(level: float) -> None:
    frames = np.full((LONGEST, 80), level, np.float32)
    assert SHORTEST <= quietest(frames) < LONGEST


def test_silence_and_nothing() -> None:
    assert len(list(cut_up(np.zeros(SAMPLE_RATE_HZ, np.float32)))) == 1
    assert list(cut_up(np.zeros(0, np.float32))) == []


@settings(max_examples=4, deadline=None)
@given(st.lists(st.integers(1, 20 * SAMPLE_RATE_HZ), max_size=8))
def test_chunks_change_nothing(sizes: list[int]) -> None:
    samples = noise(40, quiet_at_s=(25, 31))
    segmenter, cuts, at = Segmenter(), [], 0
    for size in [*sizes, len(samples)]:
        segmenter.push(samples[at : at + size])
        at += size
        cuts += [segment.end for segment in segmenter.cut_long()]
    segmenter.finish()
    cuts += [segment.end for segment in segmenter.cut_long()]
    assert cuts == [segment.end for segment in cut_up(samples)][:-1]
    assert segmenter.open.end == 40 * FRAMES_PER_S
