"""The recorder's domain: labels, checks, store and delete, leftovers."""

import hashlib
import io
import struct
import threading
import time
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.recorder.checked import StoredTake
from services.recorder.checks import Pcm16
from services.recorder.labels import Labels, check_labels, is_id, speaker_id
from services.recorder.sweep import PERIOD_S, Sweep
from services.recorder.takes import Takes
from voxloom import audio, keys
from voxloom.bus import Event, MemoryBus
from voxloom.errors import BadInput, Conflict, NotFound, Unavailable
from voxloom.fingerprint import is_fingerprint
from voxloom.manifest import RawUtterance
from voxloom.storage import FolderStore, list_all, read_model

LABELS = check_labels("go left at the bridge", "Ada Lovelace", "")


def speech(seconds: float = 2.0, rate_hz: int = 16000, level: float = 0.3) -> np.ndarray[Any, Any]:
    """Syllables of a buzz with pauses between: moves as speech does. int16."""
    time_s = np.arange(int(seconds * rate_hz)) / rate_hz
    buzz = sum(np.sin(2 * np.pi * 140 * k * time_s) / k for k in range(1, 12))
    return (level * 0.6 * buzz * np.sin(2 * np.pi * 2 * time_s) ** 2 * 32767).astype(np.int16)


def wav(samples: np.ndarray[Any, Any], rate_hz: int = 16000, channels: int = 1) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(samples.astype("<i2").tobytes())
    return out.getvalue()


class Recorder:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = FolderStore(folder)
        self.bus = MemoryBus()
        self.events: list[Event] = []
        self.tail = self.bus.tail(self.events.append)
        self.takes = Takes(self.store, self.bus, audio.Limits())

    def add(self, data: bytes, labels: Labels = LABELS, pcm16: Pcm16 | None = None) -> StoredTake:
        return self.takes.add(labels, data, pcm16)

    def stored(self) -> list[str]:
        return [info.key for info in list_all(self.store, "raw/")]

    def told(self, number: int) -> list[str]:
        """The kinds of so many events, sorted, for they may come in any order."""
        end_s = time.monotonic() + 10
        while len(self.events) < number and time.monotonic() < end_s:
            time.sleep(0.002)
        return sorted(str(event.WhichOneof("body")) for event in self.events)


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Recorder]:
    recorder = Recorder(tmp_path)
    yield recorder
    recorder.tail.close()
    recorder.bus.close()


class TestLabels:
    @pytest.mark.parametrize(
        "prompt",
        ["go left", "  links\n", "\ufeffà droite", "मेरा नाम", "向左走", "ซ้าย", "می‌خواهم", "it's 5 o'clock"],
    )
    def test_sentences_of_any_script_are_kept_as_given(self, prompt: str) -> None:
        assert check_labels(prompt, "Ada", "pt-BR").text == prompt.strip().strip("\ufeff")

    @pytest.mark.parametrize(
        ("prompt", "says"),
        [
            ("", "is empty"),
            (" \n\t ", "is empty"),
            ("1 2 3", "no letters"),
            ("...!?", "no letters"),
            ("a" * 1001, "1001 characters, at most 1000"),
            ("go\nleft", r"a control character \(U\+000A\) at place 3"),
            ("go\x00left", "U\\+0000"),
            ("go\u2028left", "a line break"),
            ("caf\ufffd", "send UTF-8"),
        ],
    )
    def test_a_prompt_that_cannot_be_read_aloud_is_refused(self, prompt: str, says: str) -> None:
        with pytest.raises(BadInput, match=says):
            check_labels(prompt, "Ada", "en")

    @pytest.mark.parametrize(
        ("speaker", "says"), [("", "is empty"), ("a" * 101, "100"), ("a\tb", "U\\+0009")]
    )
    def test_a_speaker_without_a_name_is_refused(self, speaker: str, says: str) -> None:
        with pytest.raises(BadInput, match=f"the speaker .*{says}"):
            check_labels("go", speaker, "en")

    @pytest.mark.parametrize("language", ["english!", "e", "../x", "en_US", "a" * 50, "en-"])
    def test_a_language_that_is_no_tag_is_refused(self, language: str) -> None:
        with pytest.raises(BadInput, match="BCP 47"):
            check_labels("go", "Ada", language)

    def test_accents_typed_on_different_systems_are_one_speaker(self) -> None:
        assert speaker_id("Jose\u0301") == speaker_id("Jos\u00e9 ") != speaker_id("Jose")

    @settings(max_examples=60)
    @given(prompt=st.text(max_size=50), speaker=st.text(max_size=120), language=st.text(max_size=8))
    def test_whatever_is_sent_gives_a_safe_key_or_bad_input(
        self, prompt: str, speaker: str, language: str
    ) -> None:
        try:
            labels = check_labels(prompt, speaker, language)
        except BadInput:
            return
        assert is_id(labels.speaker)
        assert keys.raw_record("user_recorded", labels.speaker, "u-1")
        assert labels.text == labels.text.strip() != ""


class TestAdd:
    def test_a_take_is_stored_as_16_khz_mono_with_its_record_and_told(self, recorder: Recorder) -> None:
        data = wav(speech())
        take = recorder.add(data)
        record = read_model(recorder.store, take.record_key, RawUtterance)
        stored = recorder.store.get(keys.raw_audio("user_recorded", record.speaker, record.utterance))
        assert record == take.record
        assert (record.text, record.speaker_name, record.language) == (
            "go left at the bridge",
            "Ada Lovelace",
            "en",
        )
        assert record.audio_sha256 == hashlib.sha256(stored).hexdigest()
        assert np.array_equal(np.frombuffer(stored[-64000:], "<i2"), speech())
        assert recorder.told(1) == ["recording_stored"]
        body = recorder.events[0].recording_stored
        assert (body.record_key, body.duration_s) == (take.record_key, 2.0)

    def test_the_same_take_again_changes_nothing_and_is_told_again(self, recorder: Recorder) -> None:
        first = recorder.add(wav(speech()))
        before = [(info.key, info.etag) for info in list_all(recorder.store, "raw/")]
        again = recorder.add(wav(speech()))
        raw = recorder.add(speech().tobytes(), pcm16=Pcm16(16000, 1))
        assert is_fingerprint(first.record.fingerprint)
        assert first.record == again.record == raw.record
        assert (first.already_stored, again.already_stored, raw.already_stored) == (False, True, True)
        assert [(info.key, info.etag) for info in list_all(recorder.store, "raw/")] == before
        assert recorder.told(3) == ["recording_stored"] * 3

    def test_another_voice_text_or_sound_is_another_take(self, recorder: Recorder) -> None:
        takes = [
            recorder.add(wav(speech())),
            recorder.add(wav(speech(2.1))),
            recorder.add(wav(speech()), check_labels("go right", "Ada Lovelace", "")),
            recorder.add(wav(speech()), check_labels("go left at the bridge", "Bob", "")),
        ]
        assert len({take.record.utterance for take in takes}) == 4
        assert len(recorder.stored()) == 8

    def test_another_language_for_a_stored_take_is_not_lost_silently(self, recorder: Recorder) -> None:
        recorder.add(wav(speech()))
        with pytest.raises(Conflict, match="delete it first"):
            recorder.add(wav(speech()), check_labels("go left at the bridge", "Ada Lovelace", "de"))

    @pytest.mark.parametrize("pcm", [False, True])
    def test_stereo_at_44_khz_is_converted(self, recorder: Recorder, pcm: bool) -> None:
        stereo = np.repeat(speech(2.0, 44100), 2)
        if pcm:
            take = recorder.add(stereo.tobytes(), pcm16=Pcm16(44100, 2))
        else:
            take = recorder.add(wav(stereo, 44100, 2))
        levels = take.record.levels
        assert levels.duration_s == pytest.approx(2.0, abs=0.01)
        assert (levels.source_sample_rate_hz, levels.source_channels) == (44100, 2)
        assert recorder.store.stat(take.record_key.replace(".json", ".wav")).size == pytest.approx(
            64044, abs=200
        )

    @pytest.mark.parametrize(
        ("data", "says"),
        [
            (b"", "no audio \\(0 bytes\\)"),
            (wav(speech())[:-20000], "truncated|cut short|seconds"),
            (wav(speech())[:30], "."),
            (b"<html>not a sound</html>" * 100, "."),
            (wav(np.zeros(32000)), "nobody is heard"),
            (wav(np.full(32000, 9000)), "nobody is heard"),
            (wav(np.clip(speech(level=1.0).astype(float) * 30, -32768, 32767)), "is clipped: "),
            (wav(speech(0.2)), "at least 0.3 s"),
            (wav(speech(36)), "longer than 35 s"),
            (wav(speech(0.5)), "too short for a prompt of 17 letters"),
        ],
        ids=["0", "truncated", "stub", "html", "silence", "dc", "clipped", "short", "long", "cut off"],
    )
    def test_a_bad_take_is_refused_and_nothing_is_stored(
        self, recorder: Recorder, data: bytes, says: str
    ) -> None:
        with pytest.raises(BadInput, match=says):
            recorder.add(data)
        assert recorder.stored() == []
        assert recorder.told(0) == []

    @pytest.mark.parametrize(
        ("pcm16", "says"),
        [
            (Pcm16(0, 1), "sample rate 0 Hz"),
            (Pcm16(-16000, 1), "sample rate -16000"),
            (Pcm16(16000, 1000), "1000 channels"),
            (Pcm16(16000, -1), "-1 channels"),
            (Pcm16(16000, 2), "whole number"),
            (Pcm16(100, 1), "longer than 35 s|sample rate"),
        ],
    )
    def test_raw_samples_of_an_impossible_shape_are_refused(
        self, recorder: Recorder, pcm16: Pcm16, says: str
    ) -> None:
        with pytest.raises(BadInput, match=says):
            recorder.add(speech().tobytes()[:-2], pcm16=pcm16)
        assert recorder.stored() == []

    def test_many_senders_of_one_take_store_it_once(self, recorder: Recorder) -> None:
        results: list[StoredTake] = []
        threads = [
            threading.Thread(target=lambda: results.append(recorder.add(wav(speech(1.0))))) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(take.already_stored for take in results) == [False] + [True] * 7
        assert len(recorder.stored()) == 2


class FailingStore:
    """A real store whose next calls of some names raise Unavailable."""

    def __init__(self, store: FolderStore, fail: Callable[[str, str], bool]) -> None:
        self._store = store
        self._fail = fail

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            if self._fail(name, args[0]):
                raise Unavailable("the disk is full")
            return getattr(self._store, name)(*args, **kwargs)

        return call


class TestStoreThatFails:
    @pytest.mark.parametrize("suffix", [".wav", ".json"])
    def test_nothing_half_stored_is_seen_and_sending_again_completes_it(
        self, recorder: Recorder, suffix: str
    ) -> None:
        broken = FailingStore(recorder.store, lambda name, key: name == "put" and key.endswith(suffix))
        with pytest.raises(Unavailable):
            Takes(broken, recorder.bus, audio.Limits()).add(LABELS, wav(speech()), None)  # type: ignore[arg-type]
        assert not [key for key in recorder.stored() if key.endswith(".json")]
        assert recorder.add(wav(speech())).already_stored is False
        assert len(recorder.stored()) == 2
        assert recorder.told(1) == ["recording_stored"]

    def test_a_delete_that_was_cut_off_is_finished_by_the_next(self, recorder: Recorder) -> None:
        take = recorder.add(wav(speech()))
        broken = FailingStore(recorder.store, lambda name, key: name == "delete" and key.endswith(".wav"))
        cut_off = Takes(broken, recorder.bus, audio.Limits())  # type: ignore[arg-type]
        with pytest.raises(Unavailable):
            cut_off.delete("Ada Lovelace", take.record.utterance)
        assert [key[-4:] for key in recorder.stored()] == [".wav"]
        recorder.takes.delete("Ada Lovelace", take.record.utterance)
        assert recorder.stored() == []
        assert recorder.told(3) == ["recording_deleted"] * 2 + ["recording_stored"]


class TestDelete:
    @pytest.mark.parametrize("by", ["id", "name"])
    def test_it_is_gone_told_and_the_second_time_not_found(self, recorder: Recorder, by: str) -> None:
        take = recorder.add(wav(speech()))
        other = recorder.add(wav(speech(2.5)))
        speaker = take.record.speaker if by == "id" else "Ada Lovelace"
        recorder.takes.delete(speaker, take.record.utterance)
        with pytest.raises(NotFound, match=take.record.utterance):
            recorder.takes.delete(speaker, take.record.utterance)
        assert recorder.stored() == [other.record_key, other.record_key.replace(".json", ".wav")]
        assert recorder.told(3) == ["recording_deleted", "recording_stored", "recording_stored"]
        assert take.record.speaker in [event.recording_deleted.speaker for event in recorder.events]

    @pytest.mark.parametrize("utterance", ["", "../x", "a/b", "*"])
    def test_an_id_that_is_no_id_is_refused(self, recorder: Recorder, utterance: str) -> None:
        with pytest.raises(BadInput):
            recorder.takes.delete("Ada", utterance)

    @pytest.mark.parametrize("speaker", ["", "../..", "nobody", "a/b", "\x00"])
    def test_a_speaker_that_is_not_there_is_not_found(self, recorder: Recorder, speaker: str) -> None:
        take = recorder.add(wav(speech()))
        with pytest.raises(NotFound):
            recorder.takes.delete(speaker, take.record.utterance)
        assert len(recorder.stored()) == 2

    def test_other_sources_cannot_be_deleted_here(self, recorder: Recorder) -> None:
        recorder.store.put("raw/imported/ada/u-1.json", b"{}")
        with pytest.raises(NotFound):
            recorder.takes.delete("ada", "u-1")
        assert recorder.stored() == ["raw/imported/ada/u-1.json"]


class TestSweep:
    def test_only_audio_left_behind_for_an_hour_is_removed(self, recorder: Recorder) -> None:
        now_s = [0.0]
        sweep = Sweep(recorder.store, recorder.takes, lambda: now_s[0])
        kept = recorder.add(wav(speech()))
        orphan = "raw/user_recorded/bob/u-" + "0" * 20 + ".wav"
        foreign = ["raw/user_recorded/bob/by-hand.wav", "raw/imported/bob/u-" + "0" * 20 + ".wav"]
        for key in (orphan, *foreign):
            recorder.store.put(key, b"RIFF")
        everything = recorder.stored()
        for now_s[0] in (0, 60, PERIOD_S - 1):
            sweep()
            assert recorder.stored() == everything
        now_s[0] = PERIOD_S
        sweep()
        assert orphan not in recorder.stored()
        assert {kept.record_key, *foreign} <= set(recorder.stored())

    def test_audio_that_was_sent_again_meanwhile_waits_its_own_hour(self, recorder: Recorder) -> None:
        now_s = [0.0]
        sweep = Sweep(recorder.store, recorder.takes, lambda: now_s[0])
        orphan = "raw/user_recorded/bob/u-" + "0" * 20 + ".wav"
        recorder.store.put(orphan, b"RIFF")
        sweep()
        recorder.store.put(orphan, b"RIFF")
        now_s[0] = PERIOD_S
        sweep()
        assert orphan in recorder.stored()

    def test_audio_whose_record_came_meanwhile_stays(self, recorder: Recorder) -> None:
        orphan = "raw/user_recorded/bob/u-" + "0" * 20
        for suffix in (".wav", ".json"):
            recorder.store.put(orphan + suffix, b"x")
        recorder.takes.remove_orphan(orphan + ".wav")
        assert len(recorder.stored()) == 2


def test_a_wav_that_lies_about_its_length_is_refused(recorder: Recorder) -> None:
    data = bytearray(wav(speech()))
    data[40:44] = struct.pack("<I", 10_000_000)
    with pytest.raises(BadInput):
        recorder.add(bytes(data))
    assert recorder.stored() == []
