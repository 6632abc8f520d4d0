"""The one function that takes a clip into the store."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from ingest_corpora import clip, raw_objects, spec
from voices import encoded, speech

from services.ingest.clips import Stored, store_clips
from services.ingest.corpus import ImportSpec
from services.ingest.rows import speaker_key, utterance_id
from voxloom import audio, keys
from voxloom.corpora.entry import Entry
from voxloom.corpora.refusal import Reason, Refusal
from voxloom.manifest import RawUtterance
from voxloom.storage import FolderStore, read_model

NOW = "2026-11-23T00:00:00+00:00"


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path)


def entry(**fields: str) -> Entry:
    return Entry(**({"path": "clips/a.wav", "text": "Hello, world!", "speaker": "Anna"} | fields))


def store_one(store: FolderStore, wanted: ImportSpec, item: Entry, data: bytes, now: str) -> Stored | Refusal:
    (outcome,) = store_clips(store, wanted, [(item, data)], now)
    return outcome


def test_ids_are_frozen() -> None:
    """Another id would import everything a second time; another speaker key would move splits."""
    assert utterance_id("village", "clips/a.wav") == "village-baae70e23e3a592e"
    assert utterance_id("Ynys Môn", "a.wav") == "ynys-mon-7edd4de9-ddac6ee35c19a399"
    assert speaker_key("an4", "an4-fash") == "an4-fash"
    assert speaker_key("village", "7") == "village-7"
    assert speaker_key("village", "") == "village-unknown"
    assert speaker_key("village", "Анна") == "village-17c1692e"
    assert keys.check_id(speaker_key("village", "../x")).startswith("village-x-")


def test_a_good_clip_is_stored_with_all_that_is_known(store: FolderStore) -> None:
    flac = encoded(speech(1.5, rate_hz=44100), "FLAC", rate_hz=44100)
    wanted = spec(keep_published_split=True)
    outcome = store_one(store, wanted, entry(split="dev", language="cy"), flac, NOW)
    assert outcome == Stored(utterance_id("village", "clips/a.wav"), 1.5, added=True)
    key = keys.raw_record("imported", speaker_key("village", "Anna"), outcome.utterance)
    record = read_model(store, key, RawUtterance)
    wav = store.get(keys.raw_audio("imported", record.speaker, record.utterance))
    assert record.audio_sha256 == hashlib.sha256(wav).hexdigest()
    assert (record.text, record.language, record.published_split) == ("Hello, world!", "cy", "val")
    assert (record.corpus, record.origin, record.speaker_name) == ("village", "clips/a.wav", "Anna")
    assert record.levels.source_sample_rate_hz == 44100
    assert len(audio.decode(wav).samples) == 24000


def test_a_second_time_nothing_is_added_and_no_audio_is_decoded(store: FolderStore) -> None:
    store_one(store, spec(), entry(), clip(1), NOW)
    before = raw_objects(store)
    again = store_one(store, spec(), entry(), b"never looked at", "later")
    assert again == Stored(utterance_id("village", "clips/a.wav"), 1.0, added=False)
    assert raw_objects(store) == before


def test_a_changed_text_is_refused_not_ignored(store: FolderStore) -> None:
    store_one(store, spec(), entry(), clip(1), NOW)
    refused = store_one(store, spec(), entry(text="Goodbye"), clip(1), NOW)
    assert isinstance(refused, Refusal)
    assert refused.reason == Reason.DIFFERS_FROM_STORED


@pytest.mark.parametrize("left_behind", [clip(1), b"half of something else"])
def test_audio_that_a_killed_import_left_is_made_good(store: FolderStore, left_behind: bytes) -> None:
    key = keys.raw_audio("imported", "village-unknown", utterance_id("village", "clips/a.wav"))
    store.put(key, left_behind)
    outcome = store_one(store, spec(), entry(speaker=""), clip(1), NOW)
    assert isinstance(outcome, Stored)
    record = read_model(store, key.replace(".wav", ".json"), RawUtterance)
    assert record.audio_sha256 == hashlib.sha256(store.get(key)).hexdigest()


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"text": ""}, Reason.NO_TEXT),
        ({"text": "... -- !?"}, Reason.NO_TEXT),
        ({"text": "nul\0inside"}, Reason.BAD_TEXT),
        ({"text": "half \ud800 pair"}, Reason.BAD_TEXT),
        ({"text": "word " * 500}, Reason.TEXT_TOO_LONG),
        ({"language": "english please"}, Reason.BAD_LANGUAGE),
        ({"language": "../en"}, Reason.BAD_LANGUAGE),
        ({"speaker": "x" * 201}, Reason.BAD_SPEAKER),
        ({"speaker": "a\nb"}, Reason.BAD_SPEAKER),
        ({"split": "other"}, Reason.UNKNOWN_SPLIT),
    ],
)
def test_what_a_corpus_says_is_checked(store: FolderStore, fields: dict[str, str], reason: Reason) -> None:
    refused = store_one(store, spec(keep_published_split=True), entry(**fields), clip(1), NOW)
    assert isinstance(refused, Refusal)
    assert refused.reason == reason
    assert refused.detail.isprintable()
    assert raw_objects(store) == {}


SPEECH = speech(1.0)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", Reason.UNREADABLE_AUDIO),
        (b"<html>not found</html>", Reason.UNREADABLE_AUDIO),
        (encoded(SPEECH, "WAV")[:9000], Reason.UNREADABLE_AUDIO),
        (encoded(SPEECH[:1600], "WAV"), audio.Fault.TOO_SHORT),
        (encoded(np.tile(SPEECH, 40), "FLAC"), audio.Fault.TOO_LONG),
        (encoded(SPEECH * 0, "WAV"), audio.Fault.SILENT),
        (encoded(np.clip(SPEECH * 100, -1, 1), "WAV"), audio.Fault.CLIPPED),
    ],
)
def test_audio_is_checked(store: FolderStore, data: bytes, reason: str) -> None:
    refused = store_one(store, spec(), entry(), data, NOW)
    assert isinstance(refused, Refusal)
    assert refused.reason == reason
    assert refused.detail
    assert raw_objects(store) == {}


def test_a_batch_is_like_one_clip_after_the_other(store: FolderStore, tmp_path: Path) -> None:
    batch = [
        (entry(), clip(1)),
        (entry(path="b.wav"), b"no audio"),
        (entry(), clip(2)),  # listed twice
        (entry(text="Goodbye"), clip(1)),  # and a third time, with another text
        (entry(path="c.wav"), clip(3)),
    ]
    alone = FolderStore(tmp_path / "alone")
    one_by_one = [store_one(alone, spec(), *each, NOW) for each in batch]
    assert store_clips(store, spec(), batch, NOW) == one_by_one
    assert raw_objects(store) == raw_objects(alone)
    kinds = [each.reason if isinstance(each, Refusal) else each.added for each in one_by_one]
    assert kinds == [True, Reason.UNREADABLE_AUDIO, False, Reason.DIFFERS_FROM_STORED, True]
