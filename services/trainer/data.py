"""From clips to length-bucketed batches, the same ones for the same seed.

Shapes: B utterances of a batch, T feature frames, F mel bins, U tokens.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from services.trainer.augment import (
    Waveform,
    add_noise,
    add_room,
    change_speed,
    coloured_noises,
    mask,
    warp,
)
from services.trainer.clips import Clip, Clips
from services.trainer.feasible import why_not
from services.trainer.recipes import Recipe
from voxloom.errors import BadInput
from voxloom.features import NUM_MEL, fbank
from voxloom.tokenizer import Tokenizer, ctc_frames_needed

_CACHE_BYTES = 2 * 2**30  # of features kept in memory; above it they are computed anew each epoch
_FRAMES_QUANTUM = 40  # lengths are padded to multiples: each new shape costs the CPU kernels a set-up
OWN = "user_recorded"  # the source of recordings of the user's own voice
_NOISE_STREAM = 7  # keeps the random numbers of noise apart from those of the batch order


@dataclass(frozen=True)
class Batch:
    """One step's input. Targets are padded with 0, the blank."""

    log_mel_RBTF: Tensor  # (R, B, T, 80) float32: one view of the utterances, or two, masked differently
    lengths_B: Tensor  # (B) int64, in frames
    targets_BU: Tensor  # (B, U) int64
    target_lengths_B: Tensor  # (B) int64
    audio_s: float  # without padding


@dataclass(frozen=True)
class Draw:
    """One clip as an epoch hears it."""

    index: int
    speed: float
    max_tempo: float = field(default=1.0, compare=False)  # beyond it CTC has no frames for the text


Item = tuple[Draw, ...]  # clips that are heard one after the other as one
T = TypeVar("T")


def encoder_frames(num_samples: float) -> int:
    """Frames that CTC sees for so many samples: fbank every 10 ms, then two halvings that round up."""
    frames = (int(num_samples) + 80) // 160
    halved = (frames + 1) // 2
    return (halved + 1) // 2


@dataclass
class Features:
    """Log-mel of clips, with speed and noise; what has no noise is kept in memory while there is room."""

    clips: Clips
    recipe: Recipe
    noises: Sequence[Waveform] = ()
    _kept: dict[Draw, npt.NDArray[np.float16]] = field(default_factory=dict)
    _kept_bytes: int = 0

    def clean(self, draw: Draw) -> npt.NDArray[np.float32]:
        """(T, 80)"""
        if draw in self._kept:
            return self._kept[draw].astype(np.float32)
        log_mel_TF = fbank(change_speed(self.clips.waveform(draw.index), draw.speed)).astype(np.float16)
        if self._kept_bytes + log_mel_TF.nbytes <= _CACHE_BYTES:
            self._kept[draw] = log_mel_TF
            self._kept_bytes += log_mel_TF.nbytes
        return log_mel_TF.astype(np.float32)

    def augmented(self, draw: Draw, random: np.random.Generator) -> npt.NDArray[np.float32]:
        """(T, 80): in a room, under noise, at another tempo and from another vocal tract, by chance."""
        recipe = self.recipe
        in_room, in_noise = random.random(2) < (recipe.room_probability, recipe.noise_probability)
        if in_room or in_noise:
            waveform = change_speed(self.clips.waveform(draw.index), draw.speed)
            waveform = add_room(waveform, random) if in_room else waveform
            noisy = add_noise(waveform, self.noises, recipe.noise_snr_db, random) if in_noise else waveform
            log_mel_TF = fbank(noisy)
        else:
            log_mel_TF = self.clean(draw)
        tempo, tract = 1 + random.uniform(-1, 1, 2) * (recipe.tempo, recipe.tract)
        return warp(log_mel_TF, min(tempo, draw.max_tempo), tract)


def pad(features: Sequence[npt.NDArray[np.float32]]) -> tuple[Tensor, Tensor]:
    """log_mel_BTF (B, T, 80) padded with zeros to the longest, in steps of 0.4 s, and lengths_B (B)."""
    lengths_B = torch.tensor([len(log_mel_TF) for log_mel_TF in features])
    frames = -(-int(lengths_B.max()) // _FRAMES_QUANTUM) * _FRAMES_QUANTUM
    log_mel_BTF = torch.zeros(len(features), frames, NUM_MEL)
    for row, log_mel_TF in enumerate(features):
        log_mel_BTF[row, : len(log_mel_TF)] = torch.from_numpy(log_mel_TF)
    return log_mel_BTF, lengths_B


def collate(features: Sequence[npt.NDArray[np.float32]], targets: Sequence[list[int]]) -> Batch:
    """One batch of padded features and targets; see Batch for the shapes."""
    log_mel_BTF, lengths_B = pad(features)
    target_lengths_B = torch.tensor([len(ids) for ids in targets])
    targets_BU = torch.zeros(len(targets), int(target_lengths_B.max()), dtype=torch.int64)
    for row, ids in enumerate(targets):
        targets_BU[row, : len(ids)] = torch.tensor(ids)
    return Batch(
        log_mel_BTF[None], lengths_B, targets_BU, target_lengths_B, audio_s=int(lengths_B.sum()) / 100
    )


@dataclass(frozen=True)
class TrainingData:
    """Everything an epoch needs; `batches` is a pure function of seed and epoch."""

    features: Features
    targets: list[list[int]]
    frames_needed: list[int]  # by CTC, for each target
    recipe: Recipe
    seed: int
    between: Sequence[int] = ()  # tokens between two texts: a space

    def batches(self, epoch: int, easy: bool) -> list[list[Item]]:
        """Items grouped by length: batches of at most `batch_s` padded seconds, in random order.

        What is `easy` are clips one by one: from long texts CTC's alignments are learned slowly.
        """
        random = np.random.default_rng([self.seed, epoch])
        indices = random.permutation(self._repeated())
        speeds = random.choice(self.recipe.speeds, len(indices))
        draws = [self._draw(int(index), float(speed)) for index, speed in zip(indices, speeds, strict=True)]
        items = [(draw,) for draw in draws] if easy else list(self._joined(draws, random))
        length_s = np.array([sum(map(self._length_s, item)) for item in items])
        order = np.argsort(length_s * random.uniform(0.9, 1.1, len(items)))
        groups = list(group_by_length([items[i] for i in order], length_s[order], self.recipe.batch_s))
        return [groups[i] for i in random.permutation(len(groups))]

    def load(self, items: list[Item], step: int, easy: bool, one_view: bool = False) -> Batch:
        """The batch of one step; all that is random in it depends on seed and step alone.

        What is `easy` has no masks, and no second view to agree with.
        """
        random = np.random.default_rng([self.seed, _NOISE_STREAM, step])
        features = [
            np.concatenate([self.features.augmented(draw, random) for draw in item]) for item in items
        ]
        batch = collate(features, [self._target(item) for item in items])
        if easy:
            return batch
        torch.manual_seed(self.seed * 1_000_003 + step)
        views = 2 if self.recipe.consistency_weight and not one_view else 1
        log_mel_BTF = batch.log_mel_RBTF[0]
        return replace(
            batch, log_mel_RBTF=torch.stack([mask(log_mel_BTF, self.recipe) for _ in range(views)])
        )

    def _repeated(self) -> npt.NDArray[np.int64]:
        """Each clip once, own recordings as often as their share asks for: what is recognised in the end is
        that voice."""
        clips = self.features.clips.clips
        own = np.array([clip.row.source == OWN for clip in clips])
        seconds = np.array([clip.duration_s for clip in clips])
        own_s, other_s = seconds[own].sum(), seconds[~own].sum()
        share, repeats = self.recipe.own_share, 1
        if own_s and other_s:
            wanted = share / (1 - share) * other_s / own_s
            repeats = int(np.clip(round(wanted), 1, self.recipe.own_repeats))
        return np.repeat(np.arange(len(clips)), np.where(own, repeats, 1))

    def _draw(self, index: int, speed: float) -> Draw:
        """Faster speech has fewer frames; where they would not hold the text, it is not that fast."""
        num_samples, needed = self.features.clips.clips[index].num_samples, self.frames_needed[index]
        speed = speed if encoder_frames(num_samples / speed) >= needed else 1.0
        return Draw(index, speed, max(encoder_frames(num_samples / speed) - 1, 1) / needed)

    def _joined(self, draws: Iterable[Draw], random: np.random.Generator) -> Iterator[Item]:
        """Clips alone or, so that long audio works too, one after the other."""
        item: Item = ()
        length_s = 0.0
        for draw in draws:
            seconds = self._length_s(draw)
            joins = random.random() < self.recipe.concatenate
            if item and not (joins and length_s + seconds <= self.recipe.concatenated_s):
                yield item
                item, length_s = (), 0.0
            item, length_s = (*item, draw), length_s + seconds
        if item:
            yield item

    def _length_s(self, draw: Draw) -> float:
        return self.features.clips.clips[draw.index].duration_s / draw.speed

    def _target(self, item: Item) -> list[int]:
        first, *others = (self.targets[draw.index] for draw in item)
        return [*first, *(token for other in others for token in (*self.between, *other))]


def group_by_length(
    items: Sequence[T], length_s: npt.NDArray[np.float64], batch_s: float
) -> Iterator[list[T]]:
    """Consecutive items while longest times count is within `batch_s`; a longer one makes its own batch."""
    group: list[T] = []
    longest_s = 0.0
    for item, seconds in zip(items, length_s, strict=True):
        if group and max(longest_s, seconds) * (len(group) + 1) > batch_s:
            yield group
            group, longest_s = [], 0.0
        group.append(item)
        longest_s = max(longest_s, seconds)
    if group:
        yield group


def training_data(
    clips: Clips, tokenizer: Tokenizer, recipe: Recipe, seed: int, recorded: Sequence[Waveform] = ()
) -> tuple[TrainingData, int]:
    """The clips that CTC can learn from, and how many it cannot (too long, or faster than its frames).

    They are heard under the recorded noises and under computed ones.
    """
    kept = [clip for clip in clips.clips if not why_not(clip, tokenizer, recipe)]
    if not kept:
        raise BadInput(
            f"none of {len(clips.clips)} training clips can be learned from; see `voxloom dataset show`"
        )
    targets = [tokenizer.encode(clip.row.text) for clip in kept]
    features = Features(Clips(kept, clips.samples), recipe, [*recorded, *coloured_noises(seed)])
    needed = [ctc_frames_needed(ids) for ids in targets]
    between = tokenizer.encode(" ") if tokenizer.spells(" ") else []
    return TrainingData(features, targets, needed, recipe, seed, between), len(clips.clips) - len(kept)


def feature_statistics(data: TrainingData, sample: int = 2000) -> tuple[Tensor, Tensor]:
    """Mean and deviation per mel bin (80,) over up to `sample` training clips."""
    count = len(data.features.clips.clips)
    chosen = np.random.default_rng([data.seed]).permutation(count)[:sample]
    frames = np.concatenate([data.features.clean(Draw(int(index), 1.0)) for index in chosen]).astype(
        np.float64
    )
    return (
        torch.from_numpy(frames.mean(axis=0).astype(np.float32)),
        torch.from_numpy(frames.std(axis=0).clip(1e-3).astype(np.float32)),
    )


def evaluation_batches(features: Features) -> Iterator[tuple[list[Clip], Tensor, Tensor]]:
    """Every clip once at its natural speed, by length: clips, log_mel_BTF, lengths_B."""
    clips = features.clips.clips
    order = sorted(range(len(clips)), key=lambda index: clips[index].num_samples)
    length_s = np.array([clips[index].duration_s for index in order])
    for group in group_by_length([Draw(index, 1.0) for index in order], length_s, features.recipe.batch_s):
        yield [clips[draw.index] for draw in group], *pad([features.clean(draw) for draw in group])
