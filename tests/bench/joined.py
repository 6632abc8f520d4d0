"""Long recordings of which it is known what is said where, made of short utterances."""

import random
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import soundfile

from voxloom import audio
from voxloom.audio import SAMPLE_RATE_HZ as RATE_HZ
from voxloom.audio import Samples
from voxloom.corpora.formats import detect, read
from voxloom.corpora.listing import Row

_HOP = 160  # samples, 10 ms


class Said(NamedTuple):
    path: Path
    text: str


class Span(NamedTuple):
    """A text and where in a recording it is said."""

    start_s: float
    end_s: float
    text: str


def utterances(corpus: Path, repeated: bool) -> Iterator[Said]:
    """In the order of the corpus, each as a sentence; `repeated`: shuffled again and again after that."""
    listing = read(corpus, detect(corpus).name)
    rows = [row for row in listing.rows if isinstance(row, Row) and row.text]
    said = [Said(listing.folder / row.path, sentence(row.text)) for row in rows]
    yield from said
    draw = random.Random(0)
    while repeated and said:
        yield from draw.sample(said, len(said))


def sentence(text: str) -> str:
    cased = " ".join((text.capitalize() if text.isupper() else text).split())
    return cased if cased[-1] in ".!?" else f"{cased}."


def recordings(
    corpus: Iterator[Said], pause_s: float, length_s: float, work: Path
) -> Iterator[tuple[Path, list[Span]]]:
    """Each with its text beside it. A last one that is not full is left out, unless it is the only one."""
    draw = random.Random(0)
    for index in count():
        path = work / f"recording-{index:02d}.wav"
        truth = join(corpus, path, pause_s, length_s, draw)
        if not truth or (index and soundfile.info(path).duration < length_s):
            return
        path.with_suffix(".txt").write_text(" ".join(each.text for each in truth), encoding="utf-8")
        yield path, truth


def join(
    corpus: Iterator[Said], path: Path, pause_s: float, length_s: float, draw: random.Random
) -> list[Span]:
    """Written utterance by utterance: the recording may be longer than memory should hold."""
    truth: list[Span] = []
    with soundfile.SoundFile(path, "w", RATE_HZ, 1, "PCM_16") as file:
        before_s = 0.0
        while file.tell() < length_s * RATE_HZ and (said := next(corpus, None)):
            after_s = pause_s * draw.uniform(1 / 3, 2 / 3)  # half of the pause is one's, half the next one's
            samples, begin, end = between(audio.decode(said.path.read_bytes()).samples, before_s, after_s)
            truth.append(Span((file.tell() + begin) / RATE_HZ, (file.tell() + end) / RATE_HZ, said.text))
            file.write(samples)
            before_s = pause_s * draw.uniform(1 / 3, 2 / 3)
    return truth


def between(samples: Samples, before_s: float, after_s: float) -> tuple[Samples, int, int]:
    """The voice with so much before and after it, of its own recording as far as that goes, else of noise as
    loud as its quietest moments; and where in that the voice is."""
    begin, end = voice(samples)
    before, after = round(before_s * RATE_HZ), round(after_s * RATE_HZ)
    noise = np.random.default_rng(end).standard_normal(before + after).astype(np.float32)
    noise *= np.float32(10 ** (np.percentile(levels(samples), 2) / 20))
    head, tail = samples[max(begin - before, 0) : begin], samples[end : end + after]
    parts = (noise[: before - len(head)], head, samples[begin:end], tail, noise[before + len(tail) :])
    return np.concatenate(parts), before, before + end - begin


def voice(samples: Samples) -> tuple[int, int]:
    """First and last sample that is louder than a quarter of the way from the quietest to the loudest, in dB;
    with a margin, for words begin and end quietly."""
    level = levels(samples)
    quiet, loud = np.percentile(level, [2, 98])
    heard = np.flatnonzero(level > quiet + (loud - quiet) / 4)
    margin = 3
    return max(int(heard[0]) - margin, 0) * _HOP, min((int(heard[-1]) + 1 + margin) * _HOP, len(samples))


def levels(samples: Samples) -> npt.NDArray[np.float32]:
    """Of frames of 10 ms, smoothed over three of them, in dB."""
    frames = samples[: len(samples) // _HOP * _HOP].reshape(-1, _HOP)
    power = np.convolve(np.mean(np.square(frames), axis=1), np.ones(3) / 3, "same")
    return 10 * np.log10(power + 1e-9)
