import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voxloom.decode import greedy
from voxloom.errors import BadInput
from voxloom.tokenizer import CharTokenizer, PieceTokenizer

quick = settings(max_examples=60, deadline=None, database=None, derandomize=True)
ENGLISH = CharTokenizer.from_alphabet(" abcdeh'lo")


def path(tokenizer: CharTokenizer, frames: str, sure: float = 0.9) -> np.ndarray:
    """Log probabilities whose best path is `frames`, one character a frame, `_` for the blank."""
    blank_first = ["_", *(tokenizer.text_of(index) for index in range(1, len(tokenizer)))]
    probabilities = np.full((len(frames), len(tokenizer)), (1 - sure) / (len(tokenizer) - 1))
    for frame, character in enumerate(frames):
        probabilities[frame, blank_first.index(character)] = sure
    return np.log(probabilities).astype(np.float32)


@pytest.mark.parametrize(
    ("frames", "text"),
    [
        ("hel_lo", "hello"),
        ("hello", "helo"),
        ("hheel__l_oo", "hello"),
        ("a_b c_d", "ab cd"),
        ("  ab   c _ d  ", "ab c d"),
        ("____", ""),
        ("    ", ""),
        ("", ""),
        ("_a'b", "a'b"),
    ],
)
def test_repeats_collapse_and_blanks_go(frames: str, text: str) -> None:
    assert greedy(path(ENGLISH, frames), ENGLISH).text == text


def test_words_carry_times_of_their_frames() -> None:
    words = greedy(path(ENGLISH, "__aab__  cd__"), ENGLISH).words
    assert [(word.text, word.start_s, word.end_s) for word in words] == [
        ("ab", 0.08, 0.2),
        ("cd", 0.36, 0.44),
    ]
    assert greedy(path(ENGLISH, "_a"), ENGLISH, frame_s=0.08).words[0].end_s == 0.16


def test_confidence_is_the_mean_probability_of_the_characters() -> None:
    log_probs = np.concatenate([path(ENGLISH, "ab ", 0.8), path(ENGLISH, "c", 0.4)])
    hypothesis = greedy(log_probs, ENGLISH)
    assert [word.confidence for word in hypothesis.words] == pytest.approx([0.8, 0.4])
    assert hypothesis.confidence == pytest.approx((0.8 + 0.8 + 0.4) / 3)
    assert greedy(path(ENGLISH, "___"), ENGLISH).confidence == 0.0


def test_a_held_token_counts_by_its_surest_frame() -> None:
    log_probs = np.concatenate([path(ENGLISH, "a", 0.5), path(ENGLISH, "a", 0.95), path(ENGLISH, "a", 0.6)])
    assert greedy(log_probs, ENGLISH).confidence == pytest.approx(0.95)


PIECES = PieceTokenizer.from_pieces(["lo", "▁he", "▁hel"], " abcdehlo")


def heard(*frames: str, sure: float = 0.9) -> np.ndarray:
    """Log probs of tokens, the empty one for the blank."""
    probabilities = np.full((len(frames), len(PIECES)), (1 - sure) / (len(PIECES) - 1))
    for frame, symbol in enumerate(frames):
        probabilities[frame, PIECES.symbols.index(symbol or "<blk>")] = sure
    return np.log(probabilities).astype(np.float32)


def test_pieces_begin_words_where_they_are_marked() -> None:
    found = greedy(heard("", "▁hel", "▁hel", "", "lo", "▁a", "", "▁a", "b"), PIECES)
    assert found.text == "hello a ab"
    times = [(word.text, word.start_s, word.end_s) for word in found.words]
    assert times == [("hello", 0.04, 0.2), ("a", 0.2, 0.24), ("ab", 0.28, 0.36)]
    assert greedy(heard("lo", "", "▁he"), PIECES).text == "lo he"
    assert greedy(heard("", ""), PIECES).words == []


def test_a_piece_counts_for_each_of_its_characters() -> None:
    log_probs = np.concatenate([heard("▁hel", sure=0.9), heard("", "lo", sure=0.4)])
    found = greedy(log_probs, PIECES)
    assert found.words[0].confidence == pytest.approx((3 * 0.9 + 2 * 0.4) / 5)
    assert found.confidence == pytest.approx(found.words[0].confidence)


@pytest.mark.parametrize("text", ["你好世界", "สวัสดีครับ", "नमस्ते"])
def test_languages_without_spaces(text: str) -> None:
    tokenizer = CharTokenizer.from_alphabet(text)
    frames = "_".join(text)
    hypothesis = greedy(path(tokenizer, frames), tokenizer)
    assert hypothesis.text == text
    assert hypothesis.words[0].start_s == 0
    assert hypothesis.words[-1].end_s == pytest.approx(len(frames) * 0.04)


@quick
@given(st.lists(st.integers(0, len(ENGLISH) - 1), max_size=40), st.integers(0, 10))
def test_against_the_definition(best: list[int], seed: int) -> None:
    log_probs = np.random.default_rng(seed).uniform(-9, -1, (len(best), len(ENGLISH))).astype(np.float32)
    log_probs[np.arange(len(best)), best] = -0.1
    collapsed = ENGLISH.decode([token for token, _ in itertools.groupby(best)])
    hypothesis = greedy(log_probs, ENGLISH)
    assert hypothesis.text == " ".join(collapsed.split())
    assert hypothesis.text == " ".join(word.text for word in hypothesis.words)
    times = [time for word in hypothesis.words for time in (word.start_s, word.end_s)]
    assert times == sorted(times)
    assert all(0 <= word.confidence <= 1 and word.start_s < word.end_s for word in hypothesis.words)


def test_log_probs_of_another_vocabulary_are_refused() -> None:
    with pytest.raises(BadInput, match="do not fit 11 tokens"):
        greedy(np.zeros((5, 12), np.float32), ENGLISH)
