"""From clips to batches: what is random in one depends on the seed, the step and the row alone, so that each
rank computes its own rows and no others.

Shapes: R views, B utterances of a batch, T feature frames, F mel bins, U tokens.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from services.trainer.augment import (
    Waveform,
    add_noise,
    add_room,
    change_speed,
    changed_length,
    coloured_noises,
    mask,
    warp,
    warped_frames,
)
from services.trainer.clips import NO_CLIPS, Clip, Clips
from services.trainer.feasible import why_not
from services.trainer.planning import Draw, Item, Plan, Planner, group_by_length
from services.trainer.recipes import Recipe
from voxloom.errors import BadInput
from voxloom.features import NUM_MEL, fbank, num_frames
from voxloom.tokenizer import Tokenizer, ctc_frames_needed

_CACHE_BYTES = 2 * 2**30  # of features kept in memory; above it they are computed anew each epoch
_FRAMES_QUANTUM = 40  # lengths are padded to multiples: each new shape costs the CPU kernels a set-up
_NOISE_STREAM = 7  # keeps the random numbers of noise apart from those of the batch order
_ALL = slice(None)
Warp = tuple[float, float]  # factors of tempo and of the vocal tract


@dataclass(frozen=True)
class Batch:
    """One step's input, or some of its rows. Targets are padded with 0, the blank; B may be 0."""

    log_mel_RBTF: Tensor  # (R, B, T, 80) float32: one view of the utterances, or two, masked differently
    lengths_B: Tensor  # (B) int64, in frames
    targets_BU: Tensor  # (B, U) int64
    target_lengths_B: Tensor  # (B) int64
    audio_s: float  # of the whole batch, without padding
    whole: int = 0  # utterances of the whole batch, of which other ranks hold some; 0: all are here

    @property
    def utterances(self) -> int:
        """Of the whole batch."""
        return self.whole or len(self.lengths_B)


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

    def augmented(
        self, draw: Draw, tempo: float, tract: float, random: np.random.Generator
    ) -> npt.NDArray[np.float32]:
        """(`num_frames`, 80): at a tempo and from a vocal tract; by chance in a room and under noise."""
        recipe = self.recipe
        in_room, in_noise = random.random(2) < (recipe.room_probability, recipe.noise_probability)
        if in_room or in_noise:
            waveform = change_speed(self.clips.waveform(draw.index), draw.speed)
            waveform = add_room(waveform, random) if in_room else waveform
            noisy = add_noise(waveform, self.noises, recipe.noise_snr_db, random) if in_noise else waveform
            log_mel_TF = fbank(noisy)
        else:
            log_mel_TF = self.clean(draw)
        return warp(log_mel_TF, tempo, tract)

    def num_frames(self, draw: Draw, tempo: float) -> int:
        """Of `augmented`, without computing it."""
        num_samples = changed_length(self.clips.clips[draw.index].num_samples, draw.speed)
        return warped_frames(num_frames(num_samples), tempo)


def padded(frames: int) -> int:
    """The frames of a batch whose longest utterance has so many: in steps of 0.4 s."""
    return -(-frames // _FRAMES_QUANTUM) * _FRAMES_QUANTUM


def pad(features: Sequence[npt.NDArray[np.float32]], frames: int = 0) -> tuple[Tensor, Tensor]:
    """log_mel_BTF (B, T, 80) with zeros after each, T at least `frames` and no less than the longest needs;
    and lengths_B (B)."""
    lengths_B = torch.tensor([len(log_mel_TF) for log_mel_TF in features], dtype=torch.int64)
    longest = max(map(len, features), default=0)
    log_mel_BTF = torch.zeros(len(features), padded(max(longest, frames)), NUM_MEL)
    for row, log_mel_TF in enumerate(features):
        log_mel_BTF[row, : len(log_mel_TF)] = torch.from_numpy(log_mel_TF)
    return log_mel_BTF, lengths_B


def pad_targets(targets: Sequence[list[int]]) -> tuple[Tensor, Tensor]:
    """targets_BU and target_lengths_B; see Batch."""
    lengths_B = torch.tensor([len(ids) for ids in targets])
    targets_BU = torch.zeros(len(targets), int(lengths_B.max()), dtype=torch.int64)
    for row, ids in enumerate(targets):
        targets_BU[row, : len(ids)] = torch.tensor(ids)
    return targets_BU, lengths_B


@dataclass(frozen=True)
class TrainingData:
    """Everything an epoch needs; `plan` is a pure function of seed and epoch."""

    features: Features
    targets: list[list[int]]
    planner: Planner
    recipe: Recipe
    seed: int
    between: Sequence[int] = ()  # tokens between two texts: a space

    def plan(self, epoch: int, easy: bool) -> Plan:
        """See `Planner.plan`."""
        return self.planner.plan(epoch, easy)

    def batches(self, epoch: int, easy: bool) -> list[list[Item]]:
        return self.plan(epoch, easy).batches

    def load(
        self, items: list[Item], step: int, easy: bool, one_view: bool = False, rows: slice = _ALL
    ) -> Batch:
        """The batch of one step, or some of its rows; all that is random in a row depends on seed, step and
        row alone, and so does its padding. What is `easy` has no masks, and no second view to agree with.
        """
        warps, mine = self._warps(items, step), range(len(items))[rows]
        randoms = [np.random.default_rng([self.seed, _NOISE_STREAM, step, 1 + row]) for row in mine]
        features = [
            self._augmented(items[row], warps[row], random) for row, random in zip(mine, randoms, strict=True)
        ]
        batch = self._outline(items, warps, easy or one_view, rows)
        log_mel_BTF, lengths_B = pad(features, batch.log_mel_RBTF.shape[2])
        if not torch.equal(lengths_B, batch.lengths_B):
            raise AssertionError(f"step {step}: lengths {lengths_B} were foretold as {batch.lengths_B}")
        views = [
            log_mel_BTF if easy else mask(log_mel_BTF, lengths_B, randoms, self.recipe)
            for _ in batch.log_mel_RBTF
        ]
        return replace(batch, log_mel_RBTF=torch.stack(views))

    def blank(
        self, items: list[Item], step: int, easy: bool, one_view: bool = False, rows: slice = _ALL
    ) -> Batch:
        """The batch of one step but for what is heard, which is zeros: no audio is read for it."""
        return self._outline(items, self._warps(items, step), easy or one_view, rows)

    def _outline(self, items: list[Item], warps: list[list[Warp]], one_view: bool, rows: slice) -> Batch:
        frames = [
            sum(self.features.num_frames(draw, tempo) for draw, (tempo, _) in zip(item, warp, strict=True))
            for item, warp in zip(items, warps, strict=True)
        ]
        views = 2 if self.recipe.consistency_weight and not one_view else 1
        lengths_B = torch.tensor(frames)[rows]
        targets_BU, target_lengths_B = pad_targets([self._target(item) for item in items])
        return Batch(
            torch.zeros(1, 1, 1, 1).expand(views, len(lengths_B), padded(max(frames)), NUM_MEL),
            lengths_B,
            targets_BU[rows],
            target_lengths_B[rows],
            audio_s=sum(frames) / 100,
            whole=len(items),
        )

    def _augmented(
        self, item: Item, warps: list[Warp], random: np.random.Generator
    ) -> npt.NDArray[np.float32]:
        heard = zip(item, warps, strict=True)
        return np.concatenate([self.features.augmented(draw, *warp, random) for draw, warp in heard])

    def _warps(self, items: list[Item], step: int) -> list[list[Warp]]:
        """Tempo and tract of each draw of each row. They are drawn for all rows at once, for on them depends
        how long each is, and how far the others are padded."""
        random = np.random.default_rng([self.seed, _NOISE_STREAM, step])
        changes = iter(random.uniform(-1, 1, (sum(map(len, items)), 2)).tolist())
        recipe = self.recipe
        return [
            [
                (min(1 + tempo * recipe.tempo, draw.max_tempo), 1 + tract * recipe.tract)
                for draw, (tempo, tract) in zip(item, changes, strict=False)
            ]
            for item in items
        ]

    def _target(self, item: Item) -> list[int]:
        first, *others = (self.targets[draw.index] for draw in item)
        return [*first, *(token for other in others for token in (*self.between, *other))]


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
    heard = replace(clips, clips=kept)
    features = Features(heard, recipe, [*recorded, *coloured_noises(seed)])
    needed = [ctc_frames_needed(ids) for ids in targets]
    between = tokenizer.encode(" ") if tokenizer.spells(" ") else []
    planner = Planner(heard, needed, recipe, seed)
    return TrainingData(features, targets, planner, recipe, seed, between), len(clips.clips) - len(kept)


def feature_statistics(data: TrainingData, sample: int = 2000) -> tuple[Tensor, Tensor]:
    """Mean and deviation per mel bin (80,) over up to `sample` clips of the first epoch's first window."""
    clips = data.features.clips
    window = clips.windows(data.seed, 0)[0]
    clips.expect(window, NO_CLIPS)
    chosen = window[np.random.default_rng([data.seed]).permutation(len(window))[:sample]]
    frames = np.concatenate([data.features.clean(Draw(int(index), 1.0)) for index in chosen]).astype(
        np.float64
    )
    return (
        torch.from_numpy(frames.mean(axis=0).astype(np.float32)),
        torch.from_numpy(frames.std(axis=0).clip(1e-3).astype(np.float32)),
    )


def evaluation_batches(features: Features) -> Iterator[tuple[list[Clip], Tensor, Tensor]]:
    """Every clip once at its natural speed, by length: clips, log_mel_BTF, lengths_B."""
    split, clips = features.clips, features.clips.clips
    for window, then in pairwise([*split.in_order(), NO_CLIPS]):
        split.expect(window, then)
        order = sorted(window.tolist(), key=lambda index: clips[index].num_samples)
        length_s = np.array([clips[index].duration_s for index in order])
        draws = [Draw(index, 1.0) for index in order]
        for group in group_by_length(draws, length_s, features.recipe.batch_s):
            yield [clips[draw.index] for draw in group], *pad([features.clean(draw) for draw in group])
