import kaldialign
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voxloom.errors import BadInput
from voxloom.wer import Edits, align, bootstrap_interval, char_edits, paired_bootstrap, total, word_edits

quick = settings(max_examples=80, deadline=None, database=None, derandomize=True)
WORDS = st.lists(st.sampled_from(["a", "b", "c", "d", "e"]), max_size=12).map(" ".join)


def corpus(utterances: int, error_share: float, seed: int) -> tuple[list[str], list[str]]:
    """References of 3 to 12 words, and hypotheses with a share of the words wrong, dropped or doubled."""
    random = np.random.default_rng(seed)
    references, hypotheses = [], []
    lengths = np.random.default_rng(99).integers(3, 13, utterances)
    for index, length in enumerate(lengths):
        words = [f"w{index % 7}{n}" for n in range(length)]
        heard = [choice for word in words for choice in _hear(word, random, error_share)]
        references.append(" ".join(words))
        hypotheses.append(" ".join(heard))
    return references, hypotheses


def _hear(word: str, random: np.random.Generator, error_share: float) -> list[str]:
    if random.random() >= error_share:
        return [word]
    return [["x"], [], [word, "x"]][random.integers(3)]


def edits_of(references: list[str], hypotheses: list[str]) -> list[Edits]:
    return [word_edits(ref, hyp) for ref, hyp in zip(references, hypotheses, strict=True)]


@pytest.mark.parametrize(
    ("reference", "hypothesis", "wanted"),
    [
        ("a b c", "a b c", Edits(0, 0, 0, 3)),
        ("a b c", "a x c d", Edits(1, 0, 1, 3)),
        ("a b c", "", Edits(0, 3, 0, 3)),
        ("", "a b", Edits(0, 0, 2, 0)),
        ("", "", Edits(0, 0, 0, 0)),
        ("  a   b ", "a b", Edits(0, 0, 0, 2)),
    ],
)
def test_word_edits(reference: str, hypothesis: str, wanted: Edits) -> None:
    assert word_edits(reference, hypothesis) == wanted


def test_char_edits_count_spaces_and_any_script() -> None:
    assert char_edits("ab cd", "abcd") == Edits(0, 1, 0, 5)
    assert char_edits("你好世界", "你好") == Edits(0, 2, 0, 4)
    assert char_edits("", "ab") == Edits(0, 0, 2, 0)


@quick
@given(reference=WORDS, hypothesis=WORDS)
def test_counts_equal_those_of_kaldi(reference: str, hypothesis: str) -> None:
    ours = word_edits(reference, hypothesis)
    theirs = kaldialign.edit_distance(reference.split(), hypothesis.split())
    assert ours.errors == theirs["total"]
    assert ours.reference == len(reference.split())


@quick
@given(reference=WORDS, hypothesis=WORDS)
def test_the_alignment_spells_both_sides_and_counts_the_same(reference: str, hypothesis: str) -> None:
    pairs = align(reference, hypothesis)
    assert [left for op, left, _ in pairs if op != "insert"] == reference.split()
    assert [right for op, _, right in pairs if op != "delete"] == hypothesis.split()
    assert sum(op != "equal" for op, _, _ in pairs) == word_edits(reference, hypothesis).errors
    assert all((left == right) == (op == "equal") for op, left, right in pairs)


def test_the_total_is_over_the_corpus_not_a_mean_of_rates() -> None:
    assert total([Edits(1, 0, 0, 1), Edits(0, 0, 0, 99)]).rate == 0.01
    assert total([]) == Edits()


def test_rates_without_a_reference() -> None:
    assert Edits(insertions=2).rate == float("inf")
    assert Edits().rate == 0.0
    assert total([word_edits("", "a"), word_edits("a b", "a b")]).rate == 0.5


def test_the_interval_agrees_with_kaldis() -> None:
    references, hypotheses = corpus(120, 0.2, seed=1)
    low, high = bootstrap_interval(edits_of(references, hypotheses), replications=4000)
    theirs = kaldialign.bootstrap_wer_ci(
        [r.split() for r in references], [h.split() for h in hypotheses], replications=4000
    )
    assert low == pytest.approx(theirs["ci95min"], abs=0.005)
    assert high == pytest.approx(theirs["ci95max"], abs=0.005)
    assert low < total(edits_of(references, hypotheses)).rate < high


@pytest.mark.parametrize(("share_a", "share_b"), [(0.2, 0.2), (0.2, 0.17), (0.2, 0.1), (0.1, 0.2)])
def test_the_paired_comparison_agrees_with_kaldis(share_a: float, share_b: float) -> None:
    references, first = corpus(120, share_a, seed=2)
    _, second = corpus(120, share_b, seed=3)
    ours = paired_bootstrap(edits_of(references, first), edits_of(references, second), replications=4000)
    split = [[line.split() for line in lines] for lines in (references, first, second)]
    theirs = kaldialign.bootstrap_wer_ci(*split, replications=4000)
    assert ours.p_better == pytest.approx(theirs["p_s2_improv_over_s1"], abs=0.03)
    assert ours.delta == pytest.approx(
        total(edits_of(references, second)).rate - total(edits_of(references, first)).rate
    )
    assert ours.low <= ours.delta <= ours.high


def test_the_same_errors_on_both_sides_do_not_blur_the_difference() -> None:
    """Two models that differ in one word only: far apart as two scores, certain as a pair."""
    references, hypotheses = corpus(200, 0.3, seed=4)
    a = edits_of(references, hypotheses)
    b = [Edits(max(e.substitutions - 1, 0), e.deletions, e.insertions, e.reference) for e in a]
    low, high = bootstrap_interval(a)
    paired = paired_bootstrap(a, b)
    assert paired.high - paired.low < high - low
    assert paired.high < 0
    assert paired.p_better == 1.0


def test_a_model_against_itself_is_no_better() -> None:
    edits = edits_of(*corpus(50, 0.2, seed=5))
    paired = paired_bootstrap(edits, edits)
    assert (paired.delta, paired.low, paired.high, paired.p_better) == (0.0, 0.0, 0.0, 0.0)


def test_a_seed_gives_the_same_figures() -> None:
    edits = edits_of(*corpus(50, 0.2, seed=6))
    assert bootstrap_interval(edits, seed=3) == bootstrap_interval(edits, seed=3)
    assert bootstrap_interval(edits, seed=3) != bootstrap_interval(edits, seed=4)


def test_memory_stays_bounded_on_a_large_test_set() -> None:
    edits = [Edits(1, 0, 0, 10)] * 30_000
    assert bootstrap_interval(edits, replications=100) == pytest.approx((0.1, 0.1))


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(BadInput, match="empty"):
        bootstrap_interval([])
    with pytest.raises(BadInput, match="different references"):
        paired_bootstrap([Edits(0, 0, 0, 3)], [Edits(0, 0, 0, 4)])
