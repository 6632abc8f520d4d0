"""Synthetic speech without an engine: who says what, what is refused, what a resumed run keeps."""

import json
import threading
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from voxloom.audio import decode, encode_wav
from voxloom.errors import BadInput
from voxloom.synthesis.engine import EngineFault, Settings, Voice, choose, fault
from voxloom.synthesis.espeak import accents_of, languages, variants
from voxloom.synthesis.make import file_name, make
from voxloom.synthesis.plan import Clip, plan
from voxloom.synthesis.scripts import foreign_letters
from voxloom.synthesis.sentences import gather, prompts, read_file

MANNERS = (Settings(), Settings(0.9), Settings(1.1))


def texts(number: int) -> list[str]:
    return [f"sentence number {index}" for index in range(number)]


def voices(number: int) -> list[Voice]:
    return [Voice(f"v{index}", "en") for index in range(number)]


@pytest.mark.parametrize(("num_texts", "num_voices"), [(6, 4), (4, 6), (5, 7), (3, 3), (1, 4), (4, 1)])
def test_every_voice_before_any_twice_and_every_clip_once(num_texts: int, num_voices: int) -> None:
    everything = num_texts * num_voices * len(MANNERS)
    clips = list(plan(texts(num_texts), voices(num_voices), MANNERS, everything, 0))
    assert len(set(clips)) == everything
    for name, size, of in (("voice", num_voices, everything), ("text", num_texts, everything)):
        for start in range(0, of, size):
            turn = {getattr(clip, name) for clip in clips[start : start + size]}
            assert len(turn) == size, (name, start)


def test_a_plan_is_its_seed_and_a_larger_count_gives_more_of_it() -> None:
    def asked(count: int, seed: int) -> list[Clip]:
        return list(plan(texts(50), voices(7), MANNERS, count, seed))

    assert asked(40, 1) == asked(40, 1) == asked(90, 1)[:40]
    assert asked(40, 1) != asked(40, 2)
    shuffled = list(plan(texts(50)[::-1], voices(7)[::-1], MANNERS, 40, 1))
    assert shuffled == asked(40, 1)
    assert len(Counter(clip.settings for clip in asked(90, 1))) == len(MANNERS)


@pytest.mark.parametrize("count", [0, 2 * 2 * 3 + 1])
def test_more_clips_than_there_can_be_are_refused(count: int) -> None:
    with pytest.raises(BadInput, match=r"2 sentences, 2 voices and 3 manners of speaking give 12"):
        list(plan(texts(2), voices(2), MANNERS, count, 0))


def test_sentences_are_kept_as_written_and_every_refusal_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "s.txt"
    path.write_bytes(
        "\ufeffe1\tDr. Smith paid $5.\r\nSay it.\n\nПривет, world\nx\ty\tz\n...\na [[b\nSay it.\n".encode()
        + b"caf\xe9\na\x07b\n"
        + b"w" * 1001
    )
    found = gather(read_file(path), "en")
    assert found.texts == ("Dr. Smith paid $5.", "Say it.")
    reasons = ("foreign_letters", "bad_line", "no_text", "markup", "not_utf8", "bad_text", "text_too_long")
    assert found.refused.counts == dict.fromkeys(reasons, 1)
    assert (found.read, found.refused.examples["not_utf8"].path) == (10, "s.txt:9")
    with pytest.raises(BadInput, match=r"7 of 10 sentences are refused .*s.txt:\d"):
        found.refused.check(found.read, 0.5, "sentences")


def test_the_prompts_are_all_sayable_english_and_no_other_language_gets_them() -> None:
    found = gather(prompts("en-GB"), "en-GB")
    assert (len(found.texts), found.read, found.refused.counts.total()) == (1852, 1852, 0)
    with pytest.raises(BadInput, match="--text"):
        list(prompts("cy"))


@pytest.mark.parametrize(
    ("text", "language", "foreign"),
    [
        ("Æsir naïve łódź 5 €", "en", ""),
        ("Привет мир", "en", "Приветм"),
        ("это COVID", "ru", "COVID"),
        ("東京タワーへ行こう々", "ja", ""),
        ("你好 ok", "zh-CN", "ok"),
        ("Dobar dan", "sr-Latn", ""),
        ("добар", "sr-Latn", "добар"),
        ("नमस्ते", "hi", ""),
        ("สวัสดี", "th", ""),
    ],
)
def test_letters_of_another_script_are_foreign(text: str, language: str, foreign: str) -> None:
    assert foreign_letters(text, language) == foreign


LISTING = """Pty Language       Age/Gender VoiceName          File                 Other Languages
 5  af              --/M      Afrikaans          gmw/af
 2  en-gb           --/M      English_(Great_Britain) gmw/en               (en 2)
 3  en-uk           --/M      english-mb-en1     mb/mb-en1            (en-gb 3)(en 2)
 2  en-us           --/M      English_(America)  gmw/en-US            (en 3)
 5  fa              --/M      Persian            ira/fa
 5  fa-latn         --/M      Persian_(Pinglish) ira/fa-Latn
 5  variant         70/F      female1            !v/f1
 5  cmn             --/M      Chinese_(Mandarin,_latin_as_English) sit/cmn              (zh-cmn 5)(zh 5)
"""


@pytest.mark.parametrize(
    ("language", "accents"),
    [
        ("en", ["en-gb", "en-us"]),
        ("en-US", ["en-us"]),
        ("en-AU", []),
        ("af-ZA", ["af"]),
        ("fa", ["fa"]),
        ("zh-CN", ["cmn"]),
        ("e", []),
    ],
)
def test_a_language_is_its_accents_and_never_another(language: str, accents: list[str]) -> None:
    assert accents_of(language, languages(LISTING)) == accents
    assert variants(LISTING) == {"f1"}


def test_an_unknown_voice_is_named_with_those_there_are() -> None:
    assert choose(voices(3), ("v2", "v0", "v2"), "e") == [voices(3)[2], voices(3)[0]]
    assert choose(voices(3), (), "e") == voices(3)
    with pytest.raises(BadInput, match=r"no voice 'v9'.*it has v0, v1, v2"):
        choose(voices(3), ("v9",), "e")


class Tones:
    """An engine of tones at 22 kHz: a text that begins with a reason goes wrong for that reason."""

    name, version, manners = "tones", "1", MANNERS

    def __init__(self) -> None:
        self.said: list[str] = []
        self._lock = threading.Lock()

    def voices(self, language: str) -> list[Voice]:
        return voices(2)

    def speak(self, text: str, voice: Voice, settings: Settings) -> bytes:
        with self._lock:
            self.said.append(text)
        if text.startswith("fails"):
            raise fault(self.name, voice, text, "no reason")
        loud = 0.0 if text.startswith("silent") else 0.3
        time_s = np.arange(16000) / 16000
        swell = np.clip(np.sin(2 * np.pi * 2 * time_s), 0, 1)
        return encode_wav((loud * np.sin(2 * np.pi * 200 * time_s) * swell).astype(np.float32))


def clips_of(sayings: list[str]) -> list[Clip]:
    return [Clip(text, voices(2)[0], Settings()) for text in sayings]


def nothing(done: int, total: int) -> None:
    pass


def test_a_folder_is_made_once_and_only_what_is_missing_or_damaged_is_said_again(tmp_path: Path) -> None:
    engine, clips = Tones(), clips_of(texts(5))
    refused = make(engine, clips, "en", tmp_path, 0.1, nothing)
    before = (tmp_path / "manifest.jsonl").read_bytes()
    rows = [json.loads(line) for line in before.splitlines()]
    assert [row["text"] for row in rows] == texts(5)
    assert refused.counts.total() == 0
    assert {row["details"]["voice"] for row in rows} == {"v0"}
    assert len(decode((tmp_path / rows[0]["key"]).read_bytes()).samples) == 16000
    damaged = tmp_path / rows[2]["key"]
    damaged.write_bytes(damaged.read_bytes()[:500])
    (tmp_path / rows[3]["key"]).unlink()
    engine.said.clear()
    make(engine, clips, "en", tmp_path, 0.1, nothing)
    assert sorted(engine.said) == ["sentence number 2", "sentence number 3"]
    assert (tmp_path / "manifest.jsonl").read_bytes() == before


def test_silence_and_faults_are_counted_and_too_many_end_the_work(tmp_path: Path) -> None:
    clips = clips_of([*texts(8), "silent one", "fails two"])
    refused = make(Tones(), clips, "en", tmp_path / "a", 0.2, nothing)
    assert refused.counts == {"silent": 1, "engine_failed": 1}
    assert "tones, voice v0, could not say 'fails two'" in refused.examples["engine_failed"].detail
    assert len((tmp_path / "a" / "manifest.jsonl").read_text().splitlines()) == 8

    engine, hopeless = Tones(), clips_of([f"fails {index}" for index in range(1000)])
    with pytest.raises(BadInput, match=r"101 of 1000 clips are refused.*nothing was sent.*could not say"):
        make(engine, hopeless, "en", tmp_path / "b", 0.1, nothing)
    assert len(engine.said) < 200
    assert not (tmp_path / "b" / "manifest.jsonl").exists()


def test_the_folder_of_another_corpus_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "manifest.jsonl").write_text('{"key": "a.wav", "text": "mine"}\n')
    with pytest.raises(BadInput, match="another corpus"):
        make(Tones(), clips_of(texts(1)), "en", tmp_path, 0.1, nothing)
    assert "mine" in (tmp_path / "manifest.jsonl").read_text()


def test_the_name_of_a_clip_never_changes() -> None:
    """It is part of the utterance's id: another name would bring every clip in anew."""
    clip = Clip("Glue the sheet.", Voice("en-us+f3", "en-us"), Settings(1.1, 0.85))
    assert file_name("espeak-ng", clip, "en") == "clips/ef814b9cdcc07d2037fc.flac"
    other = Clip("Glue the sheet.", Voice("en-us+f3", "en-us"), Settings(1.1, 1.0))
    assert file_name("espeak-ng", other, "en") != file_name("espeak-ng", clip, "en")


def test_a_fault_is_an_error_of_one_text() -> None:
    assert issubclass(EngineFault, Exception)
    assert str(fault("e", voices(1)[0], "x" * 200, "no")).count("x") < 80
