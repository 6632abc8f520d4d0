"""The search with hot words and several answers, held against the definition of what a text is worth."""

import beam_reference
import numpy as np
import pytest
from beam_reference import LETTERS, PIECES, noise
from hypothesis import given, settings
from hypothesis import strategies as st

from services.trainer.kneser_ney import estimate
from voxloom import prefix_search
from voxloom.beam import BeamDecoder
from voxloom.ctc_align import align
from voxloom.decode import greedy
from voxloom.errors import BadInput
from voxloom.hot_words import HotWords, read_hot_words
from voxloom.lm import Backoff, Weights, read_arpa
from voxloom.packed_lm import PackedLm
from voxloom.prefix_search import PrefixSearch
from voxloom.tokenizer import CharTokenizer, Tokenizer

quick = settings(max_examples=25, deadline=None, database=None, derandomize=True)
ARPA = estimate({"ab": 3, "a b": 1, "ab ca": 2, "ca ab": 1, "b": 2, "bc": 1}, 3)
LM, BACKOFF = read_arpa(ARPA), Backoff(ARPA)
OPEN = Weights(alpha=0.5, beta=0.5, unknown=-2.0, beam=1000)
CLOSED = Weights(alpha=0.8, beta=0.5, closed=True, beam=1000)
NONE = HotWords({})
PHRASES = [
    {},
    {"cb": 4.0},
    {"ab": 2.0, "a": 1.0},
    {"a b": 5.0, "b a": 3.0},
    {"c": 2.0, "cc": 1.5, "b c": 4.0},
]
texts = st.text("abc ", max_size=12)


@pytest.fixture
def exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is given up on the way, as in the reference."""
    monkeypatch.setattr(prefix_search, "LETTER_LOG_PROB", -30.0)
    monkeypatch.setattr(prefix_search, "BEHIND", -1e9)


def spell(frames: str, other: str, share: float = 0.3) -> np.ndarray:
    """Of probabilities that sum to 1."""
    log_probs = beam_reference.spell(frames, other, share)
    return log_probs - np.log(np.exp(log_probs).sum(axis=1, keepdims=True))


def by_definition(
    log_probs: np.ndarray, hot: HotWords, weights: Weights | None, tokenizer: Tokenizer
) -> list[str]:
    """All texts, best first; a hot word is as good as a known one."""
    add = np.logaddexp if weights else max
    sounds = beam_reference.text_log_probs(log_probs, tokenizer, add)
    worth = {text: sound + hot.worth(text) for text, sound in sounds.items()}
    if weights:
        for text in worth:
            worth[text] += beam_reference.language(text, BACKOFF, weights, known=hot.words)
    return sorted(worth, key=lambda text: (-worth[text], text))


@quick
@pytest.mark.usefixtures("exact")
@given(
    st.sampled_from([LETTERS, PIECES]),
    st.integers(0, 10_000),
    st.integers(0, 3),
    st.sampled_from(PHRASES),
    st.sampled_from([None, OPEN, CLOSED]),
)
def test_against_the_definition(
    tokenizer: Tokenizer, seed: int, frames: int, boosts: dict, weights: Weights | None
) -> None:
    log_probs, hot = noise(seed, frames, tokenizer=tokenizer), HotWords(boosts)
    search = PrefixSearch(tokenizer, LM if weights else None, weights)
    found = search.search(log_probs, hot, count=1 if weights is CLOSED else 4)
    expected = by_definition(log_probs, hot, weights, tokenizer)
    assert [each.text for each in found] == expected[: len(found)]
    for each in found:
        times = [time for word in each.words for time in (word.start_s, word.end_s)]
        assert times == sorted(times)
        assert all(0 <= word.confidence <= 1 and word.end_s <= frames * 0.04 for word in each.words)


@quick
@given(texts, st.sampled_from(PHRASES))
def test_the_automaton_gives_what_the_definition_does(text: str, boosts: dict) -> None:
    hot, words = HotWords(boosts), " ".join(text.split())
    state, total = hot.start, 0.0
    for character in f"{words} ":
        state = hot.step(state, character)
        total += hot.whole(state)
    assert total == pytest.approx(hot.worth(words))


def test_a_beginning_has_its_share_and_loses_it() -> None:
    hot = HotWords({"ab c": 8.0})
    states = [hot.start]
    for character in "ab cb":
        states.append(hot.step(states[-1], character))
    assert [hot.share(state) for state in states] == [0.0, 2.0, 4.0, 6.0, 8.0, 0.0]
    assert hot.whole(hot.step(states[4], " ")) == 8.0
    assert hot.whole(hot.step(states[5], " ")) == 0.0


def test_a_hot_word_is_heard_that_would_not_be_without_its_boost() -> None:
    log_probs = spell("_a_c_", "_a_b_")
    for search in (PrefixSearch(LETTERS), PrefixSearch(LETTERS, LM, OPEN), PrefixSearch(LETTERS, LM, CLOSED)):
        (plain,) = search.search(spell("_c_b_", "_c_a_", 0.6), NONE)
        (boosted,) = search.search(spell("_c_b_", "_c_a_", 0.6), HotWords({"cb": 6.0}))
        assert (plain.text, boosted.text) == ("ca", "cb")
    assert PrefixSearch(LETTERS).search(log_probs, HotWords({"b": 9.0}))[0].text == "ac", "not within a word"


def test_without_hot_words_it_hears_what_the_other_one_does() -> None:
    weights = Weights(beam=64)
    ours, theirs = PrefixSearch(LETTERS, LM, weights), BeamDecoder(LETTERS, LM, weights)
    clips = [noise(seed, 20, spread=8.0) for seed in range(30)]
    same = [ours.search(clip, NONE)[0].text == theirs.decode(clip).text for clip in clips]
    assert sum(same) >= 25, "the other one gives up histories on the way, and noise has texts of like worth"


def test_a_closed_vocabulary_gives_its_own_words_and_hot_ones() -> None:
    search = PrefixSearch(LETTERS, LM, Weights(closed=True, beam=8))
    heard = {word for seed in range(20) for word in search.search(noise(seed, 20), NONE)[0].text.split()}
    assert heard <= LM.words
    hot = HotWords({"cc": 5.0})
    heard = {word for seed in range(20) for word in search.search(noise(seed, 20), hot)[0].text.split()}
    assert heard <= LM.words | {"cc"}
    assert "cc" in heard


@quick
@given(st.integers(0, 10_000), st.integers(0, 20))
def test_without_anything_it_hears_what_greedy_decoding_does(seed: int, frames: int) -> None:
    log_probs = noise(seed, frames)
    (found,) = PrefixSearch(LETTERS).search(log_probs, NONE)
    expected = greedy(log_probs, LETTERS)
    assert found.text == expected.text
    assert [word.text for word in found.words] == [word.text for word in expected.words]


def test_answers_differ_and_grow_worse() -> None:
    found = PrefixSearch(LETTERS).search(spell("_a_c_ _b_", "_a_b_ _a_"), NONE, count=4)
    assert [each.text for each in found] == ["ac b", "ab b", "ac a", "ab a"]


@pytest.mark.parametrize("frames", ["", "_", "____", " ", " _ "])
def test_silence_stays_silence(frames: str) -> None:
    for search in (PrefixSearch(LETTERS), PrefixSearch(LETTERS, LM, CLOSED)):
        found = search.search(spell(frames, frames, share=0.0), HotWords({"ab": 3.0}))
        assert [each.text for each in found] == [""]


def test_packed_is_what_it_was_packed_from() -> None:
    packed = PackedLm(ARPA)
    for text in ("", "ab", "ab ca", "b b b b", "cc ab", "ab cc", "a b ca ab"):
        context, total, words = packed.start, 0.0, text.split()
        for word in words:
            total += packed.log10(word, context)
            context = packed.after(context, word)
        assert total + packed.end(context) == pytest.approx(sum(BACKOFF.sentence(text)), abs=1e-5)


@quick
@given(st.integers(0, 10_000), st.integers(1, 12))
def test_what_greedy_heard_lies_where_greedy_heard_it(seed: int, frames: int) -> None:
    log_probs = noise(seed, frames, spread=4.0)
    best = log_probs.argmax(axis=1)
    tokens = [int(token) for at, token in enumerate(best) if token and (not at or best[at - 1] != token)]
    places = align(log_probs, tokens)
    assert [int(best[place.start]) for place in places] == tokens
    assert all(
        set(best[place.start : place.end]) == {token} for place, token in zip(places, tokens, strict=True)
    )
    assert align(log_probs[:1], [1, 1]) == []


def test_phrases_are_read_as_texts_are() -> None:
    letters = CharTokenizer.from_alphabet(" abcdefghijklmnopqrstuvwxyz'")
    hot = read_hot_words([("Saint-Denis!", 0.0), ("saint denis", 2.0), ("Bob", 0.5)], "en", letters)
    assert hot.boosts == {"saint denis": 22.0, "bob": 1.5}
    for phrases, complaint in (
        ([("...", 1.0)], "is empty"),
        ([("a" * 101, 1.0)], "longer than 100"),
        ([("Škoda", 1.0)], "cannot write: š"),
        ([("bob", 11.0)], "is 11; expected up to 10"),
        ([("bob", -1.0)], "is -1"),
        ([("bob", float("nan"))], "is nan"),
        ([("bob", 1.0)] * 1001, "over 1000"),
    ):
        with pytest.raises(BadInput, match=complaint):
            read_hot_words(phrases, "en", letters)


def test_what_fits_nothing_is_refused() -> None:
    with pytest.raises(BadInput, match="do not fit 5 tokens"):
        PrefixSearch(LETTERS).search(np.zeros((5, 12), np.float32), NONE)
    with pytest.raises(BadInput, match="NaN"):
        PrefixSearch(LETTERS).search(np.full((5, 5), np.nan, np.float32), NONE)
    assert greedy(spell("_a_", "_a_"), LETTERS).text == "a"
