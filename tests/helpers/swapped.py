"""Real speech with some transcripts swapped: each of a few clips gets the text of the next one."""

import csv
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from services.trainer.clips import Clip, Clips
from voxloom import audio
from voxloom.manifest import Utterance
from voxloom.text import normalize

AN4 = Path(__file__).parents[2] / "examples" / "an4"


def read_an4(keep: Callable[[str], bool]) -> Clips:
    """The training clips of AN4 whose text (in capitals) is to be kept."""
    with (AN4 / "manifest.tsv").open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    clips, samples, start = list[Clip](), list[np.ndarray](), 0
    for row in (row for row in rows if row["split"] == "train" and keep(row["text"])):
        pcm = np.rint(audio.decode((AN4 / row["path"]).read_bytes()).samples * 32767).astype(np.int16)
        clips.append(Clip(_utterance(row, len(pcm)), start, len(pcm)))
        samples.append(pcm)
        start += len(pcm)
    return Clips(clips, [np.concatenate(samples)])


def _utterance(row: dict[str, str], num_samples: int) -> Utterance:
    name = Path(row["path"]).stem
    return Utterance(
        utterance=name,
        audio_key=f"raw/imported/{row['speaker']}/{name}.wav",
        text=normalize(row["text"], "en"),
        speaker=row["speaker"],
        language="en",
        source="imported",
        corpus="an4",
        duration_s=num_samples / audio.SAMPLE_RATE_HZ,
        audio_sha256="",
        split="train",
    )


def swap(clips: Clips, share: float, seed: int) -> set[str]:
    """Swaps the texts of that share of the clips in place; returns ids of those whose text is now wrong."""
    random_ = random.Random(seed)
    chosen = random_.sample(range(len(clips.clips)), round(share * len(clips.clips)))
    texts = [clips.clips[index].row.text for index in chosen]
    wrong = set()
    for index, was, text in zip(chosen, texts, texts[1:] + texts[:1], strict=True):
        clip = clips.clips[index]
        clips.clips[index] = replace(clip, row=clip.row.model_copy(update={"text": text}))
        wrong |= {clip.row.utterance} if text != was else set()
    return wrong
