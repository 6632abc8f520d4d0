"""Fingerprints of old records: computed once by whoever is first, and gone with what they were made of."""

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from ingest_corpora import clip, objects
from store_maker import Watched

from services.ingest.records import Drop, read_records
from services.ingest.snapshot import take_snapshot
from voxloom import audio, keys
from voxloom.fingerprint import VERSION, distance, fingerprint, is_fingerprint
from voxloom.manifest import AudioLevels, RawUtterance
from voxloom.storage import read_model, write_model

WAVS = [audio.encode_wav(audio.decode(clip(seed)).samples) for seed in range(3)]
SILENCE = audio.encode_wav(audio.decode(clip(0)).samples * 0)
PRINTS = [fingerprint(audio.decode(wav).samples) for wav in WAVS]
NEWER = f"{VERSION + 1:02x}{PRINTS[0][2:]}"


class Old(Watched):
    """A store of a release without fingerprints; `heard` lists the audio that was read."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.heard: list[str] = []

    def get(self, key: str) -> bytes:
        if key.endswith(".wav"):
            self.heard.append(key)
        return super().get(key)

    def add(self, name: str, wav: bytes, fingerprint: str = "", says: bytes | None = None) -> str:
        levels = AudioLevels(
            duration_s=1,
            peak_dbfs=-3,
            rms_dbfs=-20,
            clipped_fraction=0,
            source_sample_rate_hz=16000,
            source_channels=1,
        )
        raw = RawUtterance(
            utterance=name,
            source="imported",
            corpus="c",
            speaker="s",
            text=f"the words of {name}",
            audio_sha256=hashlib.sha256(says or wav).hexdigest(),
            levels=levels,
            created_at=name,
            fingerprint=fingerprint,
        )
        self.put(keys.raw_audio("imported", "s", name), wav)
        key = keys.raw_record("imported", "s", name)
        write_model(self, key, raw)
        return key

    def kept(self, key: str) -> str:
        return read_model(self, key, RawUtterance).fingerprint


@pytest.fixture
def store(tmp_path: Path) -> Old:
    return Old(tmp_path)


def found(store: Old) -> dict[str, str]:
    return {each.utterance: each.raw.fingerprint for each in read_records(store) if each.raw}


def test_audio_is_decoded_for_the_first_dataset_alone(store: Old) -> None:
    written = [store.add(f"u{number}", wav) for number, wav in enumerate(WAVS)]
    assert found(store) == {f"u{number}": each for number, each in enumerate(PRINTS)}
    assert len(store.heard) == 3
    assert [store.kept(key) for key in written] == PRINTS
    assert list(found(store).values()) == PRINTS
    assert len(store.heard) == 3


def test_a_recording_of_silence_is_not_listened_to_twice(store: Old) -> None:
    store.add("u", SILENCE)
    assert not is_fingerprint(found(store)["u"])
    found(store)
    assert len(store.heard) == 1


def test_all_else_in_the_record_stays(store: Old) -> None:
    key = store.add("u", WAVS[0])
    before = json.loads(store.get(key)) | {"of_a_later_release": [1, "ü"]}
    store.put(key, json.dumps(before).encode())
    found(store)
    assert json.loads(store.get(key)) == before | {"fingerprint": PRINTS[0]}


def test_what_is_deleted_meanwhile_stays_deleted(store: Old) -> None:
    key = store.add("u", WAVS[0])
    store.before_read = lambda read: store.delete(key) if read.endswith(".wav") else None
    assert len(list(read_records(store))) == 1
    assert key not in objects(store, "raw/")


def test_a_record_that_is_replaced_meanwhile_is_left_alone(store: Old) -> None:
    key = store.add("u", WAVS[0])

    def replace(read: str) -> None:
        if read.endswith(".wav"):
            store.before_read = lambda read: None
            store.add("u", WAVS[1])

    store.before_read = replace
    found(store)
    assert store.kept(key) == ""
    assert found(store) == {"u": PRINTS[1]}


def test_replicas_at_once_keep_the_same(store: Old) -> None:
    written = [store.add(f"u{number}", wav) for number, wav in enumerate(WAVS)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: found(store), range(4)))
    assert all(list(answer.values()) == PRINTS for answer in answers)
    assert [store.kept(key) for key in written] == PRINTS


@pytest.mark.parametrize(("wav", "says"), [(WAVS[1], WAVS[0]), (b"RIFF", None)])
def test_audio_that_is_not_what_its_record_says_gives_none(
    store: Old, wav: bytes, says: bytes | None
) -> None:
    key = store.add("u", wav, says=says)
    assert found(store) == {"u": ""}
    assert store.kept(key) == ""


def test_that_of_a_newer_release_stays_and_that_of_an_older_one_goes(store: Old) -> None:
    newer, older = store.add("a", WAVS[0], NEWER), store.add("b", WAVS[1], "00" + PRINTS[1][2:])
    assert found(store) == {"a": PRINTS[0], "b": PRINTS[1]}
    assert (store.kept(newer), store.kept(older)) == (NEWER, PRINTS[1])


def test_copies_are_found_by_what_was_kept(store: Old) -> None:
    samples = audio.decode(WAVS[0]).samples
    store.add("u0", WAVS[0])
    store.add("u1", audio.encode_wav(samples[300:] * 0.5))
    for _ in range(2):
        with take_snapshot(read_records(store)) as snapshot:
            assert snapshot.dropped == {"imported": {Drop.NEAR_DUPLICATE_AUDIO: 1}}
    assert len(store.heard) == 2
    assert distance(*found(store).values()) < 0.12
