"""Which clips a selection draws: bounds, balance, and that nothing but the wish and the clips decides."""

from collections import Counter

import pytest
from cv_releases import names, opened, outcome, release, row, table
from hypothesis import given, settings
from hypothesis import strategies as st

from voxloom.corpora.selection import Selection
from voxloom.errors import BadInput

SPEAKERS = st.lists(st.integers(0, 5), min_size=1, max_size=30)
SEEDS = st.integers(-3, 3)


def rows_of(speakers: list[int]) -> list[dict[str, str]]:
    return [row(number, f"s{speaker}") for number, speaker in enumerate(speakers)]


def delta(rows: list[dict[str, str]]) -> bytes:
    return release({"validated.tsv": table(rows)}, folder="cv-corpus-17.0-delta-2024-03-15/en")


@settings(max_examples=25)
@given(SPEAKERS, st.integers(1, 20), SEEDS, st.booleans())
def test_a_larger_wish_gives_a_superset(speakers: list[int], most: int, seed: int, balanced: bool) -> None:
    with opened(delta(rows_of(speakers))) as found:
        few = found.select(Selection(max_clips=most, seed=seed, balanced=balanced))
        smaller = names(few)
        assert len(smaller) == min(most, len(speakers))
        outcome(found, few)
        assert smaller <= names(found.select(Selection(max_clips=most + 3, seed=seed, balanced=balanced)))


@settings(max_examples=25)
@given(SPEAKERS, st.integers(1, 20), SEEDS, st.randoms())
def test_the_order_of_rows_does_not_matter(speakers: list[int], most: int, seed: int, random: object) -> None:
    rows = rows_of(speakers)
    wish = Selection(max_clips=most, max_speakers=3, max_clips_per_speaker=4, seed=seed)
    with opened(delta(rows)) as found:
        expected = names(found.select(wish))
    random.shuffle(rows)  # type: ignore[attr-defined]
    with opened(delta(rows)) as found:
        assert names(found.select(wish)) == expected


@settings(max_examples=25)
@given(SPEAKERS, st.integers(1, 20))
def test_each_speaker_gives_one_clip_before_any_gives_two(speakers: list[int], most: int) -> None:
    with opened(delta(rows_of(speakers))) as found:
        taken = Counter(entry.speaker for _, entry in found.select(Selection(max_clips=most)).entries())
    has = Counter(f"s{speaker}" for speaker in speakers)
    assert all(taken[one] >= min(has[one], max(taken.values()) - 1) for one in has)


@settings(max_examples=25)
@given(SPEAKERS, st.integers(1, 4), st.integers(1, 4))
def test_speakers_are_bounded(speakers: list[int], most: int, each: int) -> None:
    with opened(delta(rows_of(speakers))) as found:
        chosen = found.select(Selection(max_speakers=most, max_clips_per_speaker=each))
        taken = Counter(entry.speaker for _, entry in chosen.entries())
        outcome(found, chosen)
    assert len(taken) == min(most, len(set(speakers)))
    assert max(taken.values()) <= each


def test_the_draw_is_frozen() -> None:
    """Another draw would bring in other clips of a release that somebody has chosen from before."""
    with opened(delta(rows_of([0, 0, 0, 1, 1, 2, 2, 2, 3]))) as found:
        drawn = names(found.select(Selection(max_clips=4, seed=7)))
        unbalanced = names(found.select(Selection(max_clips=3, balanced=False)))
    assert sorted(drawn) == [f"common_voice_en_{number}.mp3" for number in (1, 3, 5, 8)]
    assert sorted(unbalanced) == [f"common_voice_en_{number}.mp3" for number in (5, 7, 8)]


def test_another_seed_draws_other_clips() -> None:
    with opened(delta(rows_of([0] * 40))) as found:
        drawn = {frozenset(names(found.select(Selection(max_clips=5, seed=seed)))) for seed in range(5)}
    assert len(drawn) == 5


def test_without_balance_who_recorded_much_gives_much() -> None:
    with opened(delta(rows_of([0] * 200 + list(range(1, 11))))) as found:
        for balanced, least, most in ((True, 1, 1), (False, 5, 10)):
            wish = Selection(max_clips=10, balanced=balanced)
            taken = Counter(entry.speaker for _, entry in found.select(wish).entries())
            assert least <= taken["s0"] <= most


PEOPLE = [
    row(0, gender="male", age="teens", accents="England English", up_votes="5"),
    row(1, gender="male_masculine", age="fourties", accents="Wales English,Cardiff", down_votes="1"),
    row(2, gender="female", age="sixties", accents="United States English"),
    row(3, gender="female_feminine", up_votes="2", down_votes="2"),
    row(4, gender="non-binary", age="teens"),
]


@pytest.mark.parametrize(
    ("wish", "expected", "rule"),
    [
        ({"genders": ["male"]}, {0, 1}, "gender"),
        ({"genders": ["female_feminine"]}, {2, 3}, "gender"),
        ({"genders": ["Non-Binary", "FEMALE"]}, {2, 3, 4}, "gender"),
        ({"ages": ["teens", "forties"]}, {0, 1, 4}, "age"),
        ({"accents": ["wales"]}, {1}, "accent"),
        ({"accents": ["english"]}, {0, 1, 2}, "accent"),
        ({"min_up_votes": 3}, {0}, "votes"),
        ({"max_down_votes": 0}, {0, 2, 4}, "votes"),
        ({"max_down_votes": 1}, {0, 1, 2, 4}, "votes"),
    ],
)
def test_filters_and_what_they_count(wish: dict[str, object], expected: set[int], rule: str) -> None:
    with opened(delta(PEOPLE)) as found:
        chosen = found.select(Selection.model_validate(wish))
        assert names(chosen) == {f"common_voice_en_{number}.mp3" for number in expected}
        assert outcome(found, chosen)[2] == {rule: 5 - len(expected)}


@pytest.mark.parametrize(
    ("wish", "match"),
    [
        ({"genders": ["femail"]}, r"no clip has gender 'femail'.*male \(1\)"),
        ({"ages": ["40"]}, "no clip has age '40'.*teens"),
        ({"accents": ["Mars"]}, "no clip has accents 'Mars'.*England English"),
    ],
)
def test_a_name_that_nobody_has_is_an_error_with_the_names_there_are(
    wish: dict[str, object], match: str
) -> None:
    with opened(delta(PEOPLE)) as found, pytest.raises(BadInput, match=match):
        found.select(Selection.model_validate(wish))


@pytest.mark.parametrize(
    ("wish", "test", "dev"),
    [
        ({}, 130, 110),
        ({"genders": ["female"], "min_up_votes": 9, "max_speakers": 1}, 130, 110),
        ({"max_clips": 20}, 100, 100),
        ({"max_clips": 420}, 105, 105),
        ({"max_clips": 20, "max_test_clips": 7}, 7, 7),
        ({"max_test_clips": 120}, 120, 110),
    ],
)
def test_the_held_out_sets_have_bounds_of_their_own(wish: dict[str, object], test: int, dev: int) -> None:
    rows = [row(number) for number in range(250)]
    tables = {"validated.tsv": table(rows), "test.tsv": table(rows[:130]), "dev.tsv": table(rows[130:240])}
    with opened(release(tables)) as found:
        chosen = found.select(Selection.model_validate(wish))
        outcome(found, chosen)
        assert (len(names(chosen, "test")), len(names(chosen, "dev"))) == (test, dev)
