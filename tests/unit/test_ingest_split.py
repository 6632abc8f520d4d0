"""Law 7: assignments are permanent. The literal values in here must never change."""

import itertools
from collections import Counter

import pytest

from services.ingest.split import (
    OTHER,
    OWN,
    Shares,
    assign,
    point,
    sentence_key,
    why,
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


def test_why_names_what_decided() -> None:
    assert why("tts_generated", None, True, "train") == "synthetic speech is always trained on"
    assert why("imported", "test", True, "test") == "published split"
    assert why("imported", "train", True, "val") == "val carved out of published train by hash"
    assert why("user_recorded", None, True, "val") == "hash of the sentence"
    assert why("imported", None, False, "val") == "hash of the sentence"
    assert why("imported", None, True, "val") == "hash of the speaker"
