"""Long recordings are cut in pauses and nowhere else, in bounds, with the text that belongs to each piece."""

import math
import re
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
from voices import hiss, speech

from voxloom.audio import Samples
from voxloom.corpora import captions
from voxloom.corpora.activity import by_energy
from voxloom.corpora.clauses import split, weight
from voxloom.corpora.cutting import Limits, Piece, Unit, cut, stretches
from voxloom.corpora.recordings import Cutter
from voxloom.errors import BadInput, NotReady

LIMITS = Limits(5.0, 16.0)


def recording(
    spans: list[float], pause_s: float = 0.6, floor: float = 0.0005
) -> tuple[Samples, list[tuple[float, float]]]:
    """Voice of the given seconds with pauses between, over faint hiss; and where the voice is."""
    parts, truth, at = [np.zeros(round(pause_s * 16000), np.float32)], [], pause_s
    for seed, seconds in enumerate(spans):
        voice = voiced(seconds, seed)
        truth.append((at, at + len(voice) / 16000))
        parts += [voice, np.zeros(round(pause_s * 16000), np.float32)]
        at = truth[-1][1] + pause_s
    whole = np.concatenate(parts)
    return whole + hiss(len(whole) / 16000, floor)[: len(whole)], truth


@cache
def syllable(kind: int) -> Samples:
    return speech(0.5, seed=kind)[:3600] * np.float32(0.7 + kind % 4 / 10)


def voiced(seconds: float, seed: int) -> Samples:
    """Syllables without the half-second gaps of `voices.speech`."""
    syllables = [syllable((7 * seed + 3 * k) % 12) for k in range(math.ceil(seconds / 0.225))]
    return np.concatenate(syllables)[: round(seconds * 16000)]


def spans_of(samples: Samples) -> list[tuple[float, float]]:
    return [(unit.start_s, unit.end_s) for unit in stretches(by_energy([samples]))]


@pytest.mark.parametrize("gain", [1.0, 0.05])
def test_speech_is_found_where_it_is_however_loud(gain: float) -> None:
    samples, truth = recording([2.0, 3.0, 1.5, 4.0])
    found = spans_of(samples * np.float32(gain))
    assert len(found) == len(truth)
    np.testing.assert_allclose(found, truth, atol=0.12)


def test_steady_noise_is_no_speech() -> None:
    time_s = np.arange(20 * 16000) / 16000
    hum = (0.1 * np.sin(2 * np.pi * 300 * time_s)).astype(np.float32)
    assert spans_of(hiss(20, 0.1)) == []
    assert spans_of(hum + hiss(20, 0.001)) == []
    assert spans_of(np.zeros(16000, np.float32)) == []
    assert spans_of(np.zeros(0, np.float32)) == []


def test_a_fan_that_starts_midway_hides_pauses_for_twenty_seconds_only() -> None:
    samples, truth = recording([3.0] * 20)
    half = len(samples) // 2
    samples[half:] += hiss(len(samples) / 16000, 0.01)[: len(samples) - half]
    found = spans_of(samples)
    pauses = [(a[1], b[0]) for a, b in pairwise(truth)]
    for start, end in pauses:
        seen = any(f[1] < (start + end) / 2 < g[0] for f, g in pairwise(found))
        assert seen or half / 16000 <= end <= half / 16000 + 20


def test_blocks_of_any_size_give_the_same() -> None:
    samples, _ = recording([2.0, 3.0, 26.0])
    whole = by_energy([samples])
    pieces = by_energy(samples[k : k + 7001] for k in range(0, len(samples), 7001))
    np.testing.assert_array_equal(whole.speech, pieces.speech)


def test_pieces_keep_their_bounds_and_never_end_in_speech() -> None:
    random = np.random.default_rng(0)
    samples, truth = recording(list(random.uniform(0.5, 6.0, 20)))
    activity = by_energy([samples])
    pieces = cut(stretches(activity), LIMITS, activity.duration_s)
    assert all(not p.fault and p.duration_s <= LIMITS.max_s for p in pieces)
    assert sum(p.duration_s < LIMITS.min_s for p in pieces) <= 1
    for piece in pieces:
        for edge in (piece.start_s, piece.end_s):
            assert not any(start + 0.1 < edge < end - 0.1 for start, end in truth)
    assert all(a.end_s <= b.start_s for a, b in pairwise(pieces))
    assert sum(sum(p.start_s < (a + b) / 2 < p.end_s for p in pieces) for a, b in truth) == len(truth)


def test_speech_without_a_pause_is_counted_and_left_out() -> None:
    samples, truth = recording([6.0, 25.0, 6.0])
    pieces = Cutter(LIMITS).pieces_of([samples], "")
    assert [p.fault for p in pieces] == ["", "no_pause", ""]
    assert (pieces[1].start_s, pieces[1].end_s) == pytest.approx(truth[1], abs=0.3)


def test_a_recording_of_nothing_is_counted() -> None:
    assert [p.fault for p in Cutter().pieces_of([hiss(3, 0.001)], "some text.")] == ["no_speech"]


def test_long_deep_pauses_are_preferred() -> None:
    units = [Unit(5.0 * k, 5.0 * k + 4.8, cut_cost=cost) for k, cost in enumerate([2.5, 0.1, 2.5, 0.1])]
    assert [(p.start_s, p.end_s) for p in cut(units, LIMITS, 20.0)] == [(0.0, 9.9), (9.9, 20.0)]


SENTENCES = [
    "The little ship left the harbour at dawn.",
    "Nobody waved.",
    "An old man, who had been a sailor, looked up.",
    "It was cold.",
    "He said that the wind would turn before the evening came.",
    "They laughed at him, and went home.",
]


def test_a_text_without_times_is_laid_over_its_speech() -> None:
    sentences = SENTENCES * 4
    samples, truth = recording([weight(each) / 14 for each in sentences], pause_s=0.5)
    pieces = Cutter(LIMITS).pieces_of([samples], " ".join(sentences))
    kept = [p for p in pieces if not p.fault]
    assert sum(p.duration_s for p in kept) > 0.9 * truth[-1][1]
    for piece in kept:
        inside = [
            s for s, (a, b) in zip(sentences, truth, strict=True) if piece.start_s < (a + b) / 2 < piece.end_s
        ]
        assert piece.text == " ".join(inside)


def test_speech_that_is_not_in_the_text_spoils_only_its_neighbourhood() -> None:
    sentences = SENTENCES * 6
    times = [weight(each) / 14 for each in sentences]
    samples, truth = recording([*times[:18], 9.0, *times[18:]], pause_s=0.5)
    said = [*sentences[:18], "", *sentences[18:]]
    kept = [p for p in Cutter(LIMITS).pieces_of([samples], " ".join(sentences)) if not p.fault]
    wrong = [p for p in kept if p.text != " ".join(filter(None, _inside(p, said, truth)))]
    assert len(wrong) <= 1 < len(kept)


def _inside(piece: Piece, said: list[str], truth: list[tuple[float, float]]) -> Iterator[str]:
    return (s for s, (a, b) in zip(said, truth, strict=True) if piece.start_s < (a + b) / 2 < piece.end_s)


def test_text_at_an_implausible_rate_is_left_out() -> None:
    spans = [6.0] * 8
    samples, truth = recording(spans, pause_s=2.0)
    texts = ["word " * 14] * 8
    texts[3] = "word " * 60
    labels = "\n".join(f"{a}\t{b}\t{text}" for (a, b), text in zip(truth, texts, strict=True))
    faults = [p.fault for p in Cutter(LIMITS).pieces_of([samples], labels)]
    assert faults == ["", "", "", "implausible_rate", "", "", "", ""]


TIMED = {
    "srt": "1\n00:00:01,000 --> 00:00:02,500\n<i>Hello</i>\nthere &amp; you\n\n2\n"
    "00:01:00,5 --> 00:01:01,000\nbye\n",
    "vtt": "WEBVTT\n\nNOTE x\n\nid\n00:01.000 --> 00:02.500 align:left\nHello there & you\n\n"
    "01:00.500 --> 01:01.000\nbye\n",
    "labels": "1.0\t2.5\tHello there & you\n\\\t100\t200\n60.5\t61,0\tbye\n",
    "TextGrid": 'File type = "ooTextFile"\nObject class = "TextGrid"\n intervals [1]:\n xmin = 1.0\n'
    " xmax = 2.5\n"
    ' text = "Hello there & you"\n intervals [2]:\n xmin = 2.5\n xmax = 60.5\n text = ""\n'
    ' intervals [3]:\n xmin = 60.5\n xmax = 61\n text = "bye"\n',
}


@pytest.mark.parametrize("kind", TIMED)
def test_every_timed_format_says_the_same(kind: str) -> None:
    found = [(c.start_s, c.end_s, c.text) for c in captions.parse(TIMED[kind])]
    assert found == [(1.0, 2.5, "Hello there & you"), (60.5, 61.0, "bye")]


def test_a_text_with_numbers_in_it_is_not_timed() -> None:
    assert captions.parse("In 1969\tsomeone walked\ton the moon.\n12\t13") == []


def test_captions_are_put_together_and_their_edges_moved_into_pauses() -> None:
    samples, truth = recording([2.5] * 9, pause_s=0.4)
    lines = [f"{a + 0.2}\t{b + 0.2}\tc{k}" for k, (a, b) in enumerate(truth)]  # late, as live captions are
    pieces = Cutter(LIMITS).pieces_of([samples], "\n".join(lines))
    assert re.findall(r"c\d", " ".join(p.text for p in pieces)) == [f"c{k}" for k in range(9)]
    assert all(p.duration_s <= LIMITS.max_s for p in pieces)
    for piece in pieces[:-1]:
        assert not any(a + 0.1 < piece.end_s < b - 0.1 for a, b in truth)


def test_captions_far_apart_are_never_put_together() -> None:
    samples, truth = recording([3.0, 3.0, 3.0], pause_s=0.5)
    first, _, last = truth  # nobody wrote down what is said between
    labels = f"{first[0]}\t{first[1]}\tone\n{last[0]}\t{last[1]}\tthree"
    assert [p.text for p in Cutter(LIMITS).pieces_of([samples], labels)] == ["one", "three"]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Dr. No came, saw. Left!", ["Dr. No came,", "saw.", "Left!"]),
        ("你好。再见！", ["你好。", "再见！"]),
        ("no stop at all", ["no stop at all"]),
        ("a line\nanother line", ["a line", "another line"]),
        ("He said “Go.” She\nwent. So did I.", ["He said “Go.”", "She went.", "So did I."]),
        ("...", []),
    ],
)
def test_clauses(text: str, wanted: list[str]) -> None:
    assert [clause.text for clause in split(text)] == wanted


def test_silero_is_asked_for_by_name_and_never_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from importlib.metadata import PackageNotFoundError

    from voxloom.corpora import silero

    def missing(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.distribution", missing)
    with pytest.raises(NotReady, match="pip install --no-deps silero-vad"):
        silero.find_model()
    (tmp_path / "x.onnx").write_bytes(b"no model")
    with pytest.raises(BadInput, match="cannot be read as an ONNX model"):
        silero.detector(tmp_path / "x.onnx")


def test_a_file_is_heard_as_its_samples_are(tmp_path: Path) -> None:
    samples, _ = recording([2.0, 3.0, 4.0])
    soundfile.write(tmp_path / "a.wav", samples, 16000, subtype="FLOAT")
    assert Cutter().pieces(tmp_path / "a.wav", "") == Cutter().pieces_of([samples], "")
