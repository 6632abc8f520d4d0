"""Scoring over gRPC: each test utterance is sent as a client would, and held against its transcript."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.text import Text

from voxloom.cli import streaming
from voxloom.cli.demo.corpus import Clip
from voxloom.cli.output import Meter, console
from voxloom.cli.transcribe import recognize
from voxloom.text import normalize
from voxloom.wer import Edits, align, bootstrap_interval, total, word_edits

LANGUAGE = "en"


@dataclass(frozen=True)
class Heard:
    """One utterance: what was said, what the model wrote, both normalised."""

    name: str
    reference: str
    hypothesis: str
    audio_s: float
    compute_s: float  # in the service; 0 for streams, which do not tell


@dataclass(frozen=True)
class Score:
    """Word errors over utterances, with the 95 % interval of a bootstrap over them."""

    utterances: int
    reference_words: int
    substitutions: int
    deletions: int
    insertions: int
    wer: float
    wer_low: float
    wer_high: float
    audio_s: float
    wall_s: float
    real_time_factor: float  # seconds of computing in the service per second of audio; 0 if not told

    def as_dict(self) -> dict[str, float]:
        return asdict(self)


def recognize_all(inference: Any, clips: Sequence[Clip]) -> tuple[list[Heard], Score]:
    """Each clip through Recognize, one after the other, as the file it is."""

    def one(clip: Clip) -> Heard:
        found = recognize(inference, clip.name, clip.path.read_bytes())
        return _heard(clip, found.text, found.audio_s, found.compute_s or 0.0)

    return _run(clips, one, "transcribing")


def stream_all(inference: Any, clips: Sequence[Clip]) -> tuple[list[Heard], Score]:
    """Each clip through StreamingRecognize in chunks of raw samples."""

    def one(clip: Clip) -> Heard:
        stream = streaming.of_bytes(clip.path.read_bytes())
        found = streaming.recognize_stream(inference, stream, lambda _: None, lambda _: None)
        return _heard(clip, found.text, found.audio_s, 0.0)

    return _run(clips, one, "streaming")


def _heard(clip: Clip, text: str, audio_s: float, compute_s: float) -> Heard:
    reference, hypothesis = normalize(clip.text, LANGUAGE), normalize(text, LANGUAGE)
    return Heard(clip.name, reference, hypothesis, audio_s, compute_s)


def _run(clips: Sequence[Clip], one: Callable[[Clip], Heard], label: str) -> tuple[list[Heard], Score]:
    began = time.monotonic()
    heard: list[Heard] = []
    with Meter(label) as meter:
        for number, clip in enumerate(clips, start=1):
            heard.append(one(clip))
            meter.update(number, len(clips), f"{number} of {len(clips)}")
    return heard, score(heard, time.monotonic() - began)


def score(heard: Sequence[Heard], wall_s: float) -> Score:
    """Corpus WER: all errors over all reference words."""
    edits = [word_edits(each.reference, each.hypothesis) for each in heard]
    counts = total(edits)
    low, high = bootstrap_interval(edits)
    audio_s = sum(each.audio_s for each in heard)
    return Score(
        utterances=len(heard),
        reference_words=counts.reference,
        substitutions=counts.substitutions,
        deletions=counts.deletions,
        insertions=counts.insertions,
        wer=counts.rate,
        wer_low=low,
        wer_high=high,
        audio_s=audio_s,
        wall_s=wall_s,
        real_time_factor=sum(each.compute_s for each in heard) / audio_s if audio_s else 0.0,
    )


def sample(heard: Sequence[Heard], number: int) -> list[Heard]:
    """Evenly spaced utterances, so that nobody picked the good ones."""
    step = max(1, len(heard) // number)
    return list(heard[::step][:number])


def show(heard: Sequence[Heard]) -> None:
    """Reference above hypothesis, word under word; errors in capitals, and red on a terminal."""
    for each in heard:
        said, written = Text("  said   "), Text("  heard  ")
        for op, reference, hypothesis in align(each.reference, each.hypothesis):
            wrong = op != "equal"
            left = reference.upper() if wrong else reference
            right = hypothesis.upper() if wrong else hypothesis
            width = max(len(left), len(right), 1)
            said.append(f"{left or '*' * width:<{width}} ", "red" if wrong else "")
            written.append(f"{right or '*' * width:<{width}} ", "red" if wrong else "")
        for line in (said, written):
            line.rstrip()
            console().print(line)


def save(heard: Sequence[Heard], path: Path) -> None:
    """utterance, reference, hypothesis, errors: so that the figures can be made again."""
    with open(path, "w", encoding="utf-8") as file:
        file.write("utterance\treference\thypothesis\terrors\twords\n")
        for each in heard:
            edits: Edits = word_edits(each.reference, each.hypothesis)
            fields = (each.name, each.reference, each.hypothesis, edits.errors, edits.reference)
            file.write("\t".join(map(str, fields)) + "\n")
