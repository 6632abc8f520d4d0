"""Law 7: assignments are permanent. The literal values in here must never change."""

import itertools
from collections import Counter

import pytest

from services.ingest.split import (
    OTHER,
    OWN,
    Placed,
    Shares,
    assign,
    leaks,
    overlapping_test_sentences,
    place,
    point,
    sentence_key,
)
from voxloom.manifest import AudioLevels, RawUtterance, SplitName

LEVELS = AudioLevels(
    duration_s=1,
    peak_dbfs=-3,
    rms_dbfs=-20,
    clipped_fraction=0,
    source_sample_rate_hz=16000,
    source_channels=1,
)
_ids = itertools.count()


def raw(text: str = "hello", **fields: object) -> RawUtterance:
    values = {"source": "imported", "corpus": "c", "speaker": "c-anna", "speaker_name": "anna"} | fields
    return RawUtterance(
        **{
            "utterance": f"u{next(_ids)}",
            "audio_sha256": "0",
            "created_at": "2026",
            "levels": LEVELS,
            **values,
        },  # type: ignore[arg-type]
        text=text,
    )


def placed(text: str, split: SplitName, corpus: str, *, published: bool = False) -> Placed:
    return Placed(raw(text, corpus=corpus, published_split=split if published else None), text, split)


def test_the_hash_is_frozen() -> None:
    assert point("sentence", "hello") == 0.7395616618450731
    assert point("speaker", "c-anna") == 0.25033854274079204
    assert (Shares(test=0.10, val=0.10), Shares(test=0.05, val=0.05)) == (OWN, OTHER)


def test_assignments_are_frozen() -> None:
    own = [assign(raw(f"prompt {i}", source="user_recorded"), has_val=False) for i in range(40)]
    other = [assign(raw(speaker=f"c-{i}"), has_val=False) for i in range(100)]
    assert _held_out(own) == FROZEN_OWN
    assert _held_out(other) == FROZEN_OTHER


FROZEN_OWN = {"val": [3, 6, 22, 34], "test": [13, 39]}
FROZEN_OTHER = {"val": [14, 16, 36, 57, 60], "test": [77, 87]}


def _held_out(splits: list[SplitName]) -> dict[str, list[int]]:
    return {name: [i for i, split in enumerate(splits) if split == name] for name in ("val", "test")}


def test_shares_are_about_what_they_say() -> None:
    own = Counter(assign(raw(f"own {i}", source="user_recorded"), has_val=False) for i in range(4000))
    other = Counter(assign(raw(speaker=f"c-{i}"), has_val=False) for i in range(4000))
    assert own["test"] / 4000 == pytest.approx(0.10, abs=0.02)
    assert own["val"] / 4000 == pytest.approx(0.10, abs=0.02)
    assert other["test"] / 4000 == pytest.approx(0.05, abs=0.015)
    assert other["val"] / 4000 == pytest.approx(0.05, abs=0.015)


@pytest.mark.parametrize(
    ("one", "other"),
    [("Don't stop!", "dont STOP"), ("Straße", "STRASSE"), ("ﬁne", "fine"), ("é", "e\u0301"), ("a b", "ab")],
)
def test_a_sentence_written_otherwise_is_the_same_sentence(one: str, other: str) -> None:
    assert sentence_key(one) == sentence_key(other)


def test_own_recordings_go_by_sentence_whoever_speaks() -> None:
    splits = {
        assign(raw("The Birch canoe.", source="user_recorded", speaker=speaker), has_val=False)
        for speaker in ("anna", "ben", "cleo")
    }
    assert len(splits) == 1


def test_other_corpora_go_by_speaker_whatever_is_said() -> None:
    assert len({assign(raw(f"text {i}"), has_val=False) for i in range(50)}) == 1


def test_without_a_named_speaker_the_sentence_decides() -> None:
    splits = Counter(
        assign(raw(f"text {i}", speaker="c-unknown", speaker_name=""), has_val=False) for i in range(400)
    )
    assert set(splits) == {"train", "val", "test"}


def test_synthetic_speech_always_trains() -> None:
    assert {
        assign(raw(f"t{i}", source="tts_generated", speaker=f"v{i}"), has_val=False) for i in range(200)
    } == {"train"}


def test_a_published_split_is_kept() -> None:
    for split in ("train", "val", "test"):
        assert assign(raw(published_split=split), has_val=True) == split


def test_val_is_carved_out_of_published_train_by_speaker_and_test_is_left_alone() -> None:
    speakers = [f"c-{i}" for i in range(400)]
    train = Counter(assign(raw(speaker=s, published_split="train"), has_val=False) for s in speakers)
    test = {assign(raw(speaker=s, published_split="test"), has_val=False) for s in speakers}
    assert set(train) == {"train", "val"}
    assert train["val"] / 400 == pytest.approx(0.05, abs=0.03)
    assert test == {"test"}


def test_place_carves_val_only_in_corpora_that_published_none() -> None:
    speakers = [f"x-{i}" for i in range(300)]
    rows = [(raw(corpus="with", speaker=s, published_split="train"), "t") for s in speakers]
    rows.append((raw(corpus="with", published_split="val"), "t"))
    rows += [(raw(corpus="without", speaker=s, published_split="train"), "t") for s in speakers]
    counts = Counter((each.raw.corpus, each.split) for each in place(rows))
    assert counts["with", "val"] == 1
    assert counts["without", "val"] > 5


def test_more_data_moves_nothing() -> None:
    few = [raw(f"sentence {i}", source="user_recorded") for i in range(50)]
    before = {each.raw.utterance: each.split for each in place([(r, r.text) for r in few])}
    many = few + [raw(f"later {i}", speaker=f"c-{i}") for i in range(50)]
    after = {each.raw.utterance: each.split for each in place([(r, r.text) for r in many])}
    assert before.items() <= after.items()


def test_a_sentence_of_val_or_test_is_trained_on_from_no_source() -> None:
    rows = [placed("yes", "test", "a"), placed("no", "val", "a")]
    leaking = [placed("yes", "train", "b"), placed("no", "train", "b"), placed("yes", "train", "a")]
    fine = [placed("maybe", "train", "b")]
    assert leaks([*rows, *leaking, *fine]) == {each.raw.utterance for each in leaking}


def test_a_kept_published_split_may_overlap_with_itself_only() -> None:
    rows = [
        placed("yes", "test", "an4", published=True),
        placed("yes", "train", "an4", published=True),
        placed("no", "val", "own"),
    ]
    other_corpus = placed("yes", "train", "own")
    held_out_elsewhere = placed("no", "train", "an4", published=True)
    assert leaks([*rows, other_corpus, held_out_elsewhere]) == {
        other_corpus.raw.utterance,
        held_out_elsewhere.raw.utterance,
    }


def test_overlaps_are_counted_in_test_utterances() -> None:
    rows = [placed("yes", "test", "an4"), placed("yes", "test", "an4"), placed("go", "test", "an4")]
    assert overlapping_test_sentences([*rows, placed("yes", "train", "an4"), placed("go", "val", "an4")]) == 2
