import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.trainer import kneser_ney
from services.trainer.kneser_ney import estimate
from voxloom import lm
from voxloom.errors import BadInput
from voxloom.lm import Backoff, perplexity, read_arpa

quick = settings(max_examples=12, deadline=None, database=None, derandomize=True)
TINY = {"stop now": 3, "go now": 2, "turn left": 1, "turn right": 1, "yes": 4}
sentences = st.dictionaries(
    st.lists(st.sampled_from("abcd"), max_size=6).map(" ".join), st.integers(1, 5), min_size=1, max_size=8
)


@quick
@given(sentences, st.integers(1, 4), st.integers(1, 3), st.lists(st.sampled_from("abcdx"), max_size=3))
def test_probabilities_sum_to_one(texts: dict[str, int], order: int, least: int, before: list[str]) -> None:
    model = Backoff(estimate(texts, order, [1, 1, least, least]))
    for context in (tuple(before), ("<s>", *before)):
        total = sum(10 ** model.log10(word, context) for word in model.words - {"<s>"})
        assert total == pytest.approx(1, abs=1e-4)


def test_one_sentence_by_hand() -> None:
    """No count occurs twice, so 0.5 is taken off each 1. Of 1-grams: a and </s> have (1 - 0.5) / 2 of their
    own, and what was taken, 0.5, is shared by a, </s> and <unk>. Of 2-grams: half is left to the 1-grams."""
    model = Backoff(estimate({"a": 1}, 2))
    unigram = 0.25 + 0.5 / 3
    assert 10 ** model.log10("a", ()) == pytest.approx(unigram, abs=1e-6)
    assert 10 ** model.log10("elsewhere", ()) == pytest.approx(0.5 / 3, abs=1e-6)
    assert 10 ** model.log10("a", ("<s>",)) == pytest.approx(0.5 + 0.5 * unigram, abs=1e-6)
    assert 10 ** model.log10("a", ("a",)) == pytest.approx(0.5 * unigram, abs=1e-6)
    assert perplexity(estimate({"a": 1}, 2), ["a"]) == pytest.approx(1 / (0.5 + 0.5 * unigram), abs=1e-5)


def test_discounts_follow_chen_and_goodman() -> None:
    """Four 1s, two 2s, a 3 and a 4: Y = 4 / 8, D1 = 1 - 2Y 2/4, D2 = 2 - 3Y 1/2, D3 = 3 - 4Y 1/1."""
    found = kneser_ney._discounts(np.array([1, 1, 1, 1, 2, 2, 3, 4.0]))
    assert found.tolist() == [0, 0.5, 1.25, 1.0]


def test_a_word_that_follows_many_is_likelier_anew_than_one_said_as_often_after_one() -> None:
    """What Kneser and Ney found: "francisco" comes after "san" only."""
    texts = {f"{word} now": 1 for word in ("stop", "go", "left", "right")} | {"san francisco": 4}
    model = Backoff(estimate(texts, 2))
    assert model.log10("now", ("elsewhere",)) > model.log10("francisco", ("elsewhere",)) + 0.3


def test_rare_ngrams_are_left_to_their_backoff() -> None:
    whole, pruned = (read_arpa(estimate(TINY, 3, least)) for least in ([], [1, 1, 2]))
    assert pruned.ngrams[:2] == whole.ngrams[:2]
    assert pruned.ngrams[2] == 5  # of stop now, go now and yes
    assert whole.ngrams[2] == 9
    assert pruned.words == {"stop", "now", "go", "turn", "left", "right", "yes"}


def test_times_said_matter() -> None:
    model = Backoff(estimate(TINY, 3))
    assert model.log10("yes", ("<s>",)) > model.log10("go", ("<s>",)) > model.log10("now", ("<s>",))
    assert math.isclose(
        sum(model.sentence("yes")), model.log10("yes", ("<s>",)) + model.log10("</s>", ("<s>", "yes"))
    )


ARPA = estimate(TINY, 2).decode()


@pytest.mark.parametrize(
    ("found", "put", "said"),
    [
        ("\\data\\", "\\date\\", "line 1 is"),
        ("ngram 2=", "ngram 2=9", r"expected a number, a tab and 2 words|expected an empty"),
        ("ngram 1=", "ngram 1=99999999999", "line 2 is .*expected ngram 1=NUMBER"),
        ("ngram 1=", "ngram 1=-", "line 2 is"),
        ("ngram 1=", "ngram 1=١", "line 2 is"),
        ("ngram 2=", "ngram 3=", "line 3 is"),
        ("<unk>", "unk", "no <unk> among"),
        ("\tyes\t", "\tyes\x03\t", "1 words"),
        ("\tyes\t", "\tye s\t", "1 words"),
        ("\tyes\t", "\tye\u00a0s\t", "1 words"),
        ("\\end\\", "", "expected"),
        ("-99.000000", "nan", "a logarithm"),
        ("-99.000000", "1e9", "a logarithm"),
        ("-99.000000", "-inf", "a logarithm"),
        ("-99.000000", "", "a logarithm"),
    ],
)
def test_what_is_no_arpa_is_refused_by_line(found: str, put: str, said: str) -> None:
    assert found in ARPA
    with pytest.raises(BadInput, match=said):
        read_arpa(ARPA.replace(found, put, 1).encode(), "lm.arpa")


@pytest.mark.parametrize("data", [b"", b"\\data\\\n\n\\end\\\n", b"\xff\xfe", b"\n" * 1000])
def test_what_is_nothing_like_it_is_refused(data: bytes) -> None:
    with pytest.raises(BadInput, match=r"lm\.arpa"):
        read_arpa(data, "lm.arpa")


def test_cut_off_anywhere_it_is_refused() -> None:
    data = ARPA.encode()
    for length in range(0, len(data) - 1, 7):
        with pytest.raises(BadInput):
            read_arpa(data[:length])


def test_an_oversized_one_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lm, "MAX_BYTES", 100)
    with pytest.raises(BadInput, match="at most 100: prune"):
        read_arpa(ARPA.encode())
