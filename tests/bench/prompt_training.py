"""Trains a recipe on a base and the takes of one reader, and hears their test sentences; for prompts.py."""

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from an4 import Texts, task_of, trained, utterance
from an4 import read as read_base

from services.trainer.clips import Clip, Clips
from services.trainer.data import Features
from services.trainer.evaluate import GREEDY, decoders
from services.trainer.language_model import list_heard
from services.trainer.recipes import named
from voxloom import audio
from voxloom.storage import FolderStore


def train(
    rows: Sequence[object],
    val: Sequence[object],
    test: Sequence[object],
    seed: int,
    options: argparse.Namespace,
) -> Texts:
    """References and greedy hypotheses of the test sentences. Rows have a path and a text."""
    torch.set_num_threads(1)
    base = read_base(options.base, "train")
    splits = {"train": _join(base, clips_of(rows)), "val": clips_of(val), "test": clips_of(test)}
    with tempfile.TemporaryDirectory() as scratch:
        task = task_of(splits, named(options.recipe), seed, options.train, options.threads)
        state, _ = trained(task, FolderStore(Path(scratch)))
        heard = list_heard(state.average, Features(splits["test"], task.recipe))
    decode = decoders(task.tokenizer)[GREEDY]
    return [(each.reference, decode(each.log_probs_SV)) for each in heard]


def clips_of(rows: Sequence[object]) -> Clips:
    clips, samples, start = [], [], 0
    for row in rows:
        pcm = np.rint(audio.decode(row.path.read_bytes()).samples * 32767).astype(np.int16)
        told = {"path": str(row.path), "text": row.text, "speaker": "reader", "split": "train"}
        clips.append(Clip(utterance(told, len(pcm)), start, len(pcm)))
        samples.append(pcm)
        start += len(pcm)
    return Clips(clips, [np.concatenate(samples)])


def _join(base: Clips, own: Clips) -> Clips:
    moved = [replace(clip, shard=clip.shard + len(base.samples)) for clip in own.clips]
    return Clips([*base.clips, *moved], [*base.samples, *own.samples])
