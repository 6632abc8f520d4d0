"""Confidence that is learned is right as often as it says, also where the raw one is far too sure."""

import numpy as np
import pytest

from services.trainer.tuning import Heard, calibrate
from voxloom.beam import make_decoder
from voxloom.confidence import LEAST_WORDS, Calibration, Checked, fit, reliability
from voxloom.decode import greedy
from voxloom.lm import Decoding
from voxloom.tokenizer import CharTokenizer
from voxloom.wer import right_words

LETTERS = CharTokenizer.from_alphabet(" abc")
SEVERE = Calibration(bias=-1.0, slope=0.5, letters=0.4, words=500, wrong=90, error_before=0.2, error=0.02)


def too_sure(count: int, seed: int) -> list[Checked]:
    """Words whose odds of being right are the third root of what their letters say."""
    draw = np.random.default_rng(seed)
    odds = draw.normal(4, 2, count)
    right = draw.random(count) < 1 / (1 + np.exp(-(odds / 3 - 0.5)))
    raw = 1 / (1 + np.exp(-odds))
    return [
        Checked(float(p), int(n), bool(r))
        for p, n, r in zip(raw, draw.integers(1, 9, count), right, strict=True)
    ]


def calibrated(words: list[Checked], found: Calibration) -> list[Checked]:
    return [Checked(found.probability(w.confidence, w.letters), w.letters, w.right) for w in words]


def test_what_is_learned_from_some_words_holds_of_others() -> None:
    found = fit(too_sure(2000, seed=1))
    others = too_sure(5000, seed=2)
    before, after = reliability(others).error, reliability(calibrated(others, found)).error
    assert before > 0.15
    assert after < 0.03
    assert (found.words, found.slope < 0.5) == (2000, True)
    assert found.wrong == sum(not word.right for word in too_sure(2000, seed=1))
    assert found.error < found.error_before == pytest.approx(before, abs=0.03)


def test_surer_letters_never_make_a_word_less_sure() -> None:
    upside_down = [Checked(word.confidence, word.letters, not word.right) for word in too_sure(300, seed=3)]
    for words in (too_sure(300, seed=3), upside_down):
        found = fit(words)
        chances = [found.probability(raw, 4) for raw in np.linspace(0, 1, 50)]
        assert chances == sorted(chances)
        assert all(0 < chance < 1 for chance in chances)


def test_words_that_are_all_right_or_all_wrong_are_no_reason_to_be_certain() -> None:
    for right in (True, False):
        found = fit([Checked(0.9, 4, right)] * 200)
        assert abs(found.probability(0.9, 4) - right) < 0.02
        assert 0 < found.probability(0.9, 4) < 1


def test_too_few_words_teach_nothing() -> None:
    assert fit(too_sure(LEAST_WORDS - 1, seed=1)) is None
    assert fit([]) is None
    assert reliability([]).error == 0.0


def test_val_teaches_what_is_served() -> None:
    """Half of the words are said otherwise than they sound; the decoder finds out how often it errs."""
    sounds = np.full((4, len(LETTERS)), 0.01)
    sounds[[0, 1, 2, 3], [2, 0, 3, 0]] = 0.96
    heard = [Heard("ab" if said % 2 else "ac", np.log(sounds).astype(np.float32)) for said in range(200)]
    found = calibrate(heard, LETTERS, None, Decoding())
    assert (found.words, found.wrong) == (200, 100)
    assert found.error < 0.02 < found.error_before
    assert calibrate(heard[:50], LETTERS, None, Decoding()) is None


def test_bins_hold_every_word_once() -> None:
    words = [
        Checked(confidence, 3, right)
        for confidence, right in ((0.0, False), (0.05, True), (0.95, True), (1.0, True))
    ]
    found = reliability(words)
    assert [(each.words, each.right) for each in found.bins] == [(2, 0.5), (2, 1.0)]
    assert found.error == pytest.approx((2 * 0.475 + 2 * 0.025) / 4)


def test_a_decoder_says_what_was_learned() -> None:
    log_probs = np.log(
        np.array([[0.1, 0.1, 0.7, 0.05, 0.05], [0.05, 0.8, 0.05, 0.05, 0.05], [0.1, 0.1, 0.1, 0.6, 0.1]])
    )
    log_probs = log_probs.astype(np.float32)
    raw = greedy(log_probs, LETTERS)
    found = make_decoder(Decoding(confidence=SEVERE), LETTERS, None)(log_probs)
    assert found.text == raw.text == "a b"
    expected = [SEVERE.probability(word.confidence, 1) for word in raw.words]
    assert [word.confidence for word in found.words] == pytest.approx(expected)
    assert found.confidence == pytest.approx(np.mean([word.confidence for word in found.words]))
    assert make_decoder(Decoding(), LETTERS, None)(log_probs) == raw


def test_a_record_without_one_is_read() -> None:
    assert Decoding.model_validate_json('{"decoder": "greedy"}').confidence is None
    kept = Decoding(confidence=SEVERE)
    assert Decoding.model_validate_json(kept.model_dump_json()) == kept


@pytest.mark.parametrize(
    ("reference", "hypothesis", "right"),
    [
        ("a b c", "a b c", [True, True, True]),
        ("a b c", "a x c", [True, False, True]),
        ("a b c", "b c", [True, True]),
        ("a b", "a x b y", [True, False, True, False]),
        ("", "a", [False]),
        ("a", "", []),
    ],
)
def test_words_that_are_right(reference: str, hypothesis: str, right: list[bool]) -> None:
    assert right_words(reference, hypothesis) == right
