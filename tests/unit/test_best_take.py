"""Of several takes of a prompt one is used: by one rule, in the recorder's list and in datasets."""

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ingest.records import Drop, Found
from services.ingest.reviewed import Reviewer
from services.ingest.snapshot import take_snapshot
from services.recorder.take_index import Asked, TakeIndex
from voxloom.best_take import Standing, best, prompt_of
from voxloom.manifest import AudioLevels, RawUtterance, TakeQuality
from voxloom.reviews import Review, Reviews

GOOD = {
    "chosen": False,
    "accepted": False,
    "faults": 0,
    "clipped_fraction": 0.0,
    "snr_db": 30.0,
    "created_at": "2026-01-01",
}


def standing(utterance: str, **fields: Any) -> Standing:
    return Standing(utterance=utterance, **(GOOD | fields))


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ({"chosen": True, "faults": 3, "snr_db": 5.0}, {}),
        ({"chosen": True}, {"accepted": True}),
        ({"accepted": True, "faults": 3, "snr_db": 5.0, "created_at": "2025"}, {}),
        ({"snr_db": 13.0}, {"faults": 1, "snr_db": 40.0}),
        ({"snr_db": 20.0}, {"clipped_fraction": 0.01, "snr_db": 35.0}),
        ({"snr_db": 31.0}, {"created_at": "2026-02-01"}),
        ({"created_at": "2026-02-01"}, {}),
        ({"created_at": "2026-02-01", "snr_db": 41.0}, {"snr_db": 55.0}),  # nobody hears that
        ({"created_at": "2026-02-01", "clipped_fraction": 0.0003}, {}),
    ],
)
def test_the_better_take_wins_in_either_order(better: dict[str, Any], worse: dict[str, Any]) -> None:
    takes = standing("a", **better), standing("b", **worse)
    assert best(takes).utterance == best(reversed(takes)).utterance == "a"


def take(number: int, **fields: Any) -> RawUtterance:
    measured = dict.fromkeys(set(TakeQuality.model_fields) - {"voice"}, 0.0) | {
        "snr_db": fields.pop("snr_db", 30.0)
    }
    levels = AudioLevels(
        duration_s=5.0,
        peak_dbfs=-3,
        rms_dbfs=-20,
        clipped_fraction=fields.pop("clipped_fraction", 0.0),
        source_sample_rate_hz=16000,
        source_channels=1,
    )
    values = {
        "speaker": "ada",
        "text": "One fish.",
        "prompt_list": "fish",
        "prompt_id": "p1",
        "created_at": f"{number:06d}",
    } | fields
    return RawUtterance(
        utterance=f"u{number:03d}",
        source="user_recorded",
        corpus="own",
        speaker_name="x",
        audio_sha256=str(number),
        levels=levels,
        quality=TakeQuality(**measured),
        **values,
    )


def reviews_of(
    takes: list[RawUtterance], rejected: set[str], chosen: set[str], accepted: frozenset[str] = frozenset()
) -> dict[str, Reviews]:
    """What is both is rejected."""
    judged = dict.fromkeys(accepted, "accepted") | dict.fromkeys(rejected, "rejected")
    by_speaker = {}
    for name in {each.speaker for each in takes}:
        own = [each for each in takes if each.speaker == name]
        verdicts = {each.utterance: judged[each.utterance] for each in own if each.utterance in judged}
        by_speaker[name] = Reviews(
            speaker=name,
            takes={key: Review(verdict=verdict, at="") for key, verdict in verdicts.items()},  # type: ignore[arg-type]
            chosen={prompt_of(each): each.utterance for each in own if each.utterance in chosen},
        )
    return by_speaker


def in_dataset(takes: list[RawUtterance], reviews: dict[str, Reviews]) -> tuple[set[str], dict[str, int]]:
    found = [Found(each.utterance, each.source, each) for each in takes]
    with take_snapshot(found, reviewer=Reviewer(reviews.__getitem__)) as snapshot:
        return {row.utterance for row in snapshot.rows()}, snapshot.dropped_by_reason


def in_list(takes: list[RawUtterance], reviews: dict[str, Reviews]) -> set[str]:
    index = TakeIndex()
    try:
        for each in takes:
            index.put(f"raw/{each.speaker}/{each.utterance}", "1", each)
        for name, each_reviews in reviews.items():
            index.put_reviews(f"reviews/{name}", "1", each_reviews)
        return {each.record.utterance for each in index.page(Asked(), None, 1000) if each.best}
    finally:
        index.close()


numbers = itertools.count()
some_takes = st.lists(
    st.builds(
        lambda **fields: take(next(numbers) % 1000, **fields),
        speaker=st.sampled_from(["ada", "bob"]),
        text=st.sampled_from(["One fish.", "one FISH", "Two fish.", "Red fish."]),
        prompt_list=st.sampled_from(["", "fish", "other"]),
        snr_db=st.sampled_from([10.0, 20.2, 20.4, 50.0]),
        clipped_fraction=st.sampled_from([0.0, 0.0001, 0.01]),
        accepted_anyway=st.sampled_from([[], ["noisy"], ["noisy", "too_fast"]]),
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=40, deadline=None)
@given(some_takes, st.data())
def test_what_the_list_calls_best_is_what_datasets_have(takes: list[RawUtterance], data: Any) -> None:
    names = st.sets(st.sampled_from([each.utterance for each in takes]))
    rejected = data.draw(names)
    accepted = data.draw(names) - rejected
    reviews = reviews_of(takes, rejected, data.draw(names), frozenset(accepted))
    kept, dropped = in_dataset(takes, reviews)
    assert in_list(takes, reviews) == kept
    assert dropped.get(Drop.REJECTED, 0) == len(rejected)
    assert len(kept) + sum(dropped.values()) == len(takes)
    assert not kept & rejected
    chosen = {each for found in reviews.values() for each in found.chosen.values()} - rejected
    beaten = {prompt_of(each) + each.speaker for each in takes if each.utterance in accepted - kept}
    for each in takes:
        if each.utterance in kept - accepted - chosen:
            assert not prompt_of(each) or prompt_of(each) + each.speaker not in beaten
    one_of_each = [
        (each.speaker, prompt_of(each)) for each in takes if each.utterance in kept and prompt_of(each)
    ]
    assert len(one_of_each) == len(set(one_of_each))


def test_a_sentence_read_from_no_list_is_used_each_time() -> None:
    takes = [take(number, prompt_list="", prompt_id="") for number in range(3)]
    assert in_dataset(takes, reviews_of(takes, set(), set())) == ({"u000", "u001", "u002"}, {})


def test_other_sentences_under_the_same_id_are_other_prompts() -> None:
    takes = [take(0), take(1, text="Two fish."), take(2, text="one fish"), take(3, language="cy")]
    kept, dropped = in_dataset(takes, reviews_of(takes, set(), set()))
    assert (kept, dropped) == ({"u001", "u002", "u003"}, {Drop.BETTER_TAKE: 1})


def test_a_take_that_cannot_be_used_stands_in_for_no_other() -> None:
    takes = [take(0), take(1, created_at="9")]
    found = [Found(each.utterance, each.source, each) for each in takes]
    with take_snapshot(found, damaged=frozenset({"u001"})) as snapshot:
        assert [row.utterance for row in snapshot.rows()] == ["u000"]
    # Rejected for its words, and stored again with others: the same audio, stored later.
    wrong, right = take(0), take(1, text="Two fish.", created_at="9")
    same_audio = [wrong, right.model_copy(update={"audio_sha256": "0"})]
    assert in_dataset(same_audio, reviews_of(same_audio, {"u000"}, set()))[0] == {"u001"}
