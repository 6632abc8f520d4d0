from concurrent.futures import ThreadPoolExecutor

import beam_reference
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.trainer.kneser_ney import estimate
from voxloom import beam
from voxloom.beam import BeamDecoder, make_decoder
from voxloom.decode import greedy
from voxloom.errors import BadInput
from voxloom.lm import Backoff, Decoding, LanguageModel, Weights, read_arpa
from voxloom.tokenizer import CharTokenizer

quick = settings(max_examples=40, deadline=None, database=None, derandomize=True)
LETTERS = CharTokenizer.from_alphabet(" abc")
SENTENCES = {"ab": 3, "a b": 1, "ab ca": 2, "ca ab": 1, "b": 2, "bc": 1}
ARPA = estimate(SENTENCES, 3)
LM, BACKOFF = read_arpa(ARPA), Backoff(ARPA)
WEIGHTS = [
    Weights(alpha=0.5, beta=0.5, unknown=-2.0, beam=1000),
    Weights(alpha=1.3, beta=2.0, unknown=-5.0, beam=1000),
    Weights(alpha=0.8, beta=-1.0, closed=True, beam=1000),
]


@pytest.fixture(autouse=True)
def nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beam, "LETTER_LOG_PROB", -30.0)
    monkeypatch.setattr(beam, "BEHIND", -1e9)


def noise(seed: int, frames: int, letters: int = len(LETTERS), spread: float = 2.0) -> np.ndarray:
    scores = np.random.default_rng(seed).normal(0, spread, (frames, letters))
    return (scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))).astype(np.float32)


DECODERS = [BeamDecoder(LETTERS, LM, weights) for weights in WEIGHTS]


@quick
@given(st.integers(0, 10_000), st.integers(0, 5), st.sampled_from(range(len(WEIGHTS))))
def test_against_the_definition(seed: int, frames: int, which: int) -> None:
    log_probs = noise(seed, frames)
    found = DECODERS[which].decode(log_probs)
    assert found.text == beam_reference.decode(log_probs, LETTERS, BACKOFF, WEIGHTS[which])
    assert found.text == " ".join(word.text for word in found.words)
    times = [time for word in found.words for time in (word.start_s, word.end_s)]
    assert times == sorted(times)
    assert all(0 <= word.confidence <= 1 for word in found.words)
