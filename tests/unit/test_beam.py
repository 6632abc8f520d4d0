import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import beam_reference
import numpy as np
import pytest
from beam_reference import LETTERS, PIECES, noise, spell
from hypothesis import given, settings
from hypothesis import strategies as st

from services.trainer.kneser_ney import estimate
from voxloom import beam
from voxloom.beam import BeamDecoder, make_decoder
from voxloom.decode import greedy
from voxloom.errors import BadInput
from voxloom.lm import Backoff, Decoding, LanguageModel, Weights, read_arpa
from voxloom.tokenizer import CharTokenizer, Tokenizer

quick = settings(max_examples=30, deadline=None, database=None, derandomize=True)
ARPA = estimate({"ab": 3, "a b": 1, "ab ca": 2, "ca ab": 1, "b": 2, "bc": 1}, 3)
LM, BACKOFF = read_arpa(ARPA), Backoff(ARPA)
OPEN = Weights(alpha=0.5, beta=0.5, unknown=-2.0, beam=1000)
CLOSED = Weights(alpha=0.8, beta=0.5, closed=True, beam=1000)
SERVED = beam.LETTER_LOG_PROB
WEIGHTS = [OPEN, Weights(alpha=1.3, beta=2.0, unknown=-5.0, beam=1000), CLOSED]


@pytest.fixture(scope="module")
def decoders() -> Iterator[dict[tuple[Tokenizer, Weights], BeamDecoder]]:
    """Nothing is given up on the way: exact, as the reference is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(beam, "LETTER_LOG_PROB", -30.0)
        patch.setattr(beam, "BEHIND", -1e9)
        yield {
            (tokenizer, weights): BeamDecoder(tokenizer, LM, weights)
            for tokenizer in (LETTERS, PIECES)
            for weights in WEIGHTS
        }


@pytest.mark.parametrize(("tokenizer", "most"), [(LETTERS, 4), (PIECES, 3)], ids=["characters", "pieces"])
@quick
@given(seed=st.integers(0, 10_000), frames=st.integers(0, 4), weights=st.sampled_from(WEIGHTS))
def test_against_the_definition(
    decoders: dict[tuple[Tokenizer, Weights], BeamDecoder],
    tokenizer: Tokenizer,
    most: int,
    seed: int,
    frames: int,
    weights: Weights,
) -> None:
    """In no more frames than have all their beginnings in a beam of 1000."""
    frames = min(frames, most)
    log_probs = noise(seed, frames, tokenizer=tokenizer)
    found = decoders[tokenizer, weights].decode(log_probs)
    assert found.text == beam_reference.decode(log_probs, tokenizer, BACKOFF, weights)
    assert found.text == " ".join(word.text for word in found.words)
    times = [time for word in found.words for time in (word.start_s, word.end_s)]
    assert times == sorted(times)
    assert all(0 <= word.confidence <= 1 and word.end_s <= frames * 0.04 for word in found.words)


def test_the_language_model_decides_between_what_sounds_alike() -> None:
    log_probs = spell("_a_c_", "_a_b_")
    assert greedy(log_probs, LETTERS).text == "ac"
    assert BeamDecoder(LETTERS, LM, OPEN).decode(log_probs).text == "ab"


def test_a_closed_vocabulary_gives_its_own_words_only() -> None:
    sure = spell("_b_b_ _c_a", "_b_b_ _c_a", share=0.0)
    assert BeamDecoder(LETTERS, LM, OPEN).decode(sure).text == "bb ca"
    assert BeamDecoder(LETTERS, LM, CLOSED).decode(sure).text == "ab ca"
    closed = BeamDecoder(LETTERS, LM, Weights(closed=True, beam=8))
    for seed in range(20):
        assert set(closed.decode(noise(seed, 20)).text.split()) <= LM.words


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("frames", ["", "_", "____", " ", " _ "])
def test_silence_stays_silence(weights: Weights, frames: str) -> None:
    """Also where a sentence without words is unlikely and unknown words are forbidden."""
    found = BeamDecoder(LETTERS, LM, weights).decode(spell(frames, frames, share=0.0))
    assert (found.text, found.words, found.confidence) == ("", [], 0.0)


def test_a_space_at_the_end_costs_nothing() -> None:
    decoder = BeamDecoder(LETTERS, LM, CLOSED)
    assert decoder.decode(spell("_a_b_ ", "_a_b_ ", 0.0)).text == "ab"
    assert decoder.decode(spell("_a_b_ ", "_a_b__", 0.5)).text == "ab"


def test_an_alphabet_without_a_space_is_single_words() -> None:
    letters = CharTokenizer.from_alphabet("abc")
    probabilities = np.full((4, 4), 1e-3)
    probabilities[[0, 1, 2, 3], [1, 0, 2, 0]] = 1
    assert BeamDecoder(letters, LM, OPEN).decode(np.log(probabilities).astype(np.float32)).text == "ab"


def test_pieces_are_spelled_as_the_network_heard_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """And as sure as it was, also where the usual spelling of the word is another one."""
    monkeypatch.setattr(beam, "LETTER_LOG_PROB", SERVED)
    probabilities = np.full((5, len(PIECES)), 1e-6)
    heard = ["▁ca", "", "▁a", "b", ""]  # ▁ab is a piece too
    for frame, (symbol, sure) in enumerate(zip(heard, (0.9, 0.9, 0.8, 0.6, 0.9), strict=True)):
        probabilities[frame, PIECES.symbols.index(symbol or "<blk>")] = sure
        probabilities[frame, 0] += 1 - sure
    log_probs = np.log(probabilities).astype(np.float32)
    for found in (BeamDecoder(PIECES, LM, CLOSED).decode(log_probs), greedy(log_probs, PIECES)):
        assert found.text == "ca ab"
        assert [(word.start_s, word.end_s) for word in found.words] == [(0, 0.04), (0.08, 0.16)]
        assert [word.confidence for word in found.words] == pytest.approx([0.9, 0.7], abs=1e-4)


def test_words_lie_where_they_were_heard() -> None:
    """Where the language model changes nothing, times and confidence are those of greedy decoding."""
    decoder = BeamDecoder(LETTERS, LM, Weights(alpha=0.01, beta=0.0, unknown=0.0, beam=64))
    clips = [noise(seed, 30, spread=8.0) for seed in range(40)]
    pairs = [(decoder.decode(clip), greedy(clip, LETTERS)) for clip in clips]
    same = [(found.words, expected.words) for found, expected in pairs if found.text == expected.text]
    assert len(same) >= 20
    words = [pair for found, expected in same for pair in zip(found, expected, strict=True)]
    apart_s = [abs(a.start_s - b.start_s) + abs(a.end_s - b.end_s) for a, b in words]
    assert np.mean(apart_s) < 0.01, "a few differ: two spaces in a row are one here"
    assert np.mean([abs(a.confidence - b.confidence) for a, b in words]) < 0.01


def test_many_threads_get_what_one_gets() -> None:
    decoder = BeamDecoder(LETTERS, LM, Weights(beam=8))
    clips = [noise(seed, 20) for seed in range(16)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(decoder.decode, clips)) == [decoder.decode(clip) for clip in clips]


def test_loading_keeps_the_log_clean(capfd: pytest.CaptureFixture[str]) -> None:
    with beam._without_progress():
        os.write(2, b"Reading /tmp/lm.arpa\n----5---10---15\nsomebody else's line\n")
    BeamDecoder(LETTERS, LM, OPEN)
    assert capfd.readouterr().err == "somebody else's line\n"


def test_what_fits_nothing_is_refused() -> None:
    decoder = BeamDecoder(LETTERS, LM, OPEN)
    with pytest.raises(BadInput, match="do not fit 5 tokens"):
        decoder.decode(np.zeros((5, 12), np.float32))
    with pytest.raises(BadInput, match="NaN"):
        decoder.decode(np.full((5, 5), np.nan, np.float32))
    with pytest.raises(BadInput, match="cannot load the language model"):
        BeamDecoder(LETTERS, LanguageModel(b"not an arpa", 1, frozenset(), (1,)), OPEN)


def test_the_bundle_says_which_decoder() -> None:
    log_probs = spell("_a_c_", "_a_b_")
    assert make_decoder(Decoding(weights=OPEN), LETTERS, LM)(log_probs).text == "ac"
    assert make_decoder(Decoding(decoder="beam", weights=OPEN), LETTERS, LM)(log_probs).text == "ab"
    for broken, lm in ((Decoding(decoder="beam"), LM), (Decoding(decoder="beam", weights=OPEN), None)):
        with pytest.raises(BadInput, match="with a language model"):
            make_decoder(broken, LETTERS, lm)
