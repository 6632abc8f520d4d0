"""From a dataset's shards to length-bucketed batches, the same ones for the same seed.

Shapes: B utterances of a batch, T feature frames, F mel bins, U tokens.
"""

import io
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np
import numpy.typing as npt
import soundfile
import torch
from torch import Tensor

from services.trainer.augment import add_noise, change_speed, mask
from services.trainer.recipes import Recipe
from voxloom import keys
from voxloom.audio import SAMPLE_RATE_HZ
from voxloom.errors import BadInput
from voxloom.features import NUM_MEL, fbank
from voxloom.forgotten import read_mark
from voxloom.manifest import DatasetRecord, ShardRow, SplitName, Utterance
from voxloom.record import parse_model
from voxloom.storage import ObjectStore
from voxloom.tokenizer import CharTokenizer, ctc_frames_needed

_MAX_MEMBER_BYTES = 200 * 2**20
_CACHE_BYTES = 2 * 2**30  # of features kept in memory; above it they are computed anew each epoch
_FRAMES_QUANTUM = 40  # lengths are padded to multiples: each new shape costs the CPU kernels a set-up
_NOISE_STREAM = 7  # keeps the random numbers of noise apart from those of the batch order


@dataclass(frozen=True)
class Clip:
    """One utterance whose samples lie in the local sample file."""

    row: Utterance
    start: int  # index of its first sample
    num_samples: int

    @property
    def duration_s(self) -> float:
        return self.num_samples / SAMPLE_RATE_HZ


@dataclass
class Clips:
    """A split on local disk: 16-bit samples back to back in one file, read through memory mapping."""

    clips: list[Clip]
    samples: npt.NDArray[np.int16]

    def waveform(self, index: int) -> npt.NDArray[np.float32]:
        """Samples in [-1, 1] at 16 kHz."""
        clip = self.clips[index]
        samples = self.samples[clip.start : clip.start + clip.num_samples]
        return samples.astype(np.float32) / np.float32(32768)


@dataclass(frozen=True)
class Batch:
    """One step's input. Targets are padded with 0, the blank."""

    log_mel_BTF: Tensor  # (B, T, 80) float32
    lengths_B: Tensor  # (B) int64, in frames
    targets_BU: Tensor  # (B, U) int64
    target_lengths_B: Tensor  # (B) int64
    audio_s: float  # without padding


@dataclass(frozen=True)
class Draw:
    """One clip as an epoch hears it."""

    index: int
    speed: float


class Progress(Protocol):
    def __call__(self, done: int, total: int) -> None: ...


def load_split(
    store: ObjectStore, dataset: DatasetRecord, split: SplitName, folder: Path, progress: Progress
) -> Clips:
    """Streams a split's shards once and unpacks the samples into one local file."""
    summary = dataset.splits[split]
    clips: list[Clip] = []
    path = folder / f"{split}.int16"
    with path.open("wb") as out:
        for key in summary.shards:
            with store.open(key) as shard:
                for row, samples in read_shard(shard, key):
                    clips.append(Clip(row, out.tell() // 2, len(samples)))
                    out.write(samples.tobytes())
                    progress(len(clips), summary.utterances)
    mark = read_mark(store, keys.withdrawn(f"manifests/{dataset.dataset}"))
    withdrawn = len(mark.by_split.get(split, ())) if mark else 0
    if not summary.utterances - withdrawn <= len(clips) <= summary.utterances:
        raise BadInput(
            f"dataset {dataset.dataset}: the shards of {split} hold {len(clips)} utterances, dataset.json "
            f"says {summary.utterances}, {withdrawn} of them withdrawn; build the dataset again"
        )
    empty = not path.stat().st_size
    return Clips(clips, np.zeros(0, np.int16) if empty else np.memmap(path, np.int16, "r"))


def read_shard(stream: BinaryIO, key: str) -> Iterator[tuple[Utterance, npt.NDArray[np.int16]]]:
    """Pairs of row and samples of one shard tar: `<utterance>.flac` and `<utterance>.json`, in any order."""
    waiting: dict[str, bytes] = {}
    with tarfile.open(fileobj=stream, mode="r|") as tar:
        for member in tar:
            if not member.isfile() or member.size > _MAX_MEMBER_BYTES:
                raise BadInput(f"{key}: member {member.name[:100]!r} is not a file of a shard")
            stem, _, suffix = member.name.rpartition(".")
            content = tar.extractfile(member)
            waiting[suffix + stem] = content.read() if content else b""
            other = ("json" if suffix == "flac" else "flac") + stem
            if other in waiting:
                yield _parse_pair(waiting.pop("json" + stem), waiting.pop("flac" + stem), key)
    if waiting:
        raise BadInput(f"{key}: {len(waiting)} members have no partner, first {sorted(waiting)[0][:100]!r}")


def _parse_pair(row_json: bytes, flac: bytes, key: str) -> tuple[Utterance, npt.NDArray[np.int16]]:
    row = parse_model(f"a document in {key}", row_json, ShardRow)
    samples, rate_hz = soundfile.read(io.BytesIO(flac), dtype="int16")
    if rate_hz != SAMPLE_RATE_HZ or samples.ndim != 1:
        raise BadInput(f"{key}: {row.utterance} has {rate_hz} Hz, {samples.ndim} axes; expected 16 kHz mono")
    return row, samples


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

    def noisy(self, draw: Draw, random: np.random.Generator) -> npt.NDArray[np.float32]:
        """(T, 80), with the recipe's probability under noise."""
        if random.random() >= self.recipe.noise_probability:
            return self.clean(draw)
        waveform = change_speed(self.clips.waveform(draw.index), draw.speed)
        return fbank(add_noise(waveform, self.recipe.noise_snr_db, random))


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
    return Batch(log_mel_BTF, lengths_B, targets_BU, target_lengths_B, audio_s=int(lengths_B.sum()) / 100)


@dataclass(frozen=True)
class TrainingData:
    """Everything an epoch needs; `batches` is a pure function of seed and epoch."""

    features: Features
    targets: list[list[int]]
    frames_needed: list[int]  # by CTC, for each target
    recipe: Recipe
    seed: int

    def batches(self, epoch: int) -> list[list[Draw]]:
        """Draws grouped by length: batches of at most `batch_s` padded seconds, in random order."""
        random = np.random.default_rng([self.seed, epoch])
        clips = self.features.clips.clips
        speeds = random.choice(self.recipe.speeds, len(clips))
        draws = [Draw(index, self._feasible(index, float(speed))) for index, speed in enumerate(speeds)]
        length_s = np.array([clips[draw.index].duration_s / draw.speed for draw in draws])
        order = np.argsort(length_s * random.uniform(0.9, 1.1, len(draws)))
        groups = list(group_by_length([draws[i] for i in order], length_s[order], self.recipe.batch_s))
        return [groups[i] for i in random.permutation(len(groups))]

    def load(self, draws: list[Draw], step: int, masked: bool) -> Batch:
        """The batch of one step; its noise and its masks depend on seed and step alone."""
        random = np.random.default_rng([self.seed, _NOISE_STREAM, step])
        features = [self.features.noisy(draw, random) for draw in draws]
        batch = collate(features, [self.targets[draw.index] for draw in draws])
        if not masked:
            return batch
        torch.manual_seed(self.seed * 1_000_003 + step)
        return replace(batch, log_mel_BTF=mask(batch.log_mel_BTF, self.recipe))

    def _feasible(self, index: int, speed: float) -> float:
        """Faster speech has fewer frames; where they would not hold the text, the natural speed is kept."""
        frames = encoder_frames(self.features.clips.clips[index].num_samples / speed)
        return speed if frames >= self.frames_needed[index] else 1.0


def group_by_length(
    draws: list[Draw], length_s: npt.NDArray[np.float64], batch_s: float
) -> Iterator[list[Draw]]:
    """Consecutive draws while longest times count is within `batch_s`; a longer clip makes its own batch."""
    group: list[Draw] = []
    longest_s = 0.0
    for draw, seconds in zip(draws, length_s, strict=True):
        if group and max(longest_s, seconds) * (len(group) + 1) > batch_s:
            yield group
            group, longest_s = [], 0.0
        group.append(draw)
        longest_s = max(longest_s, seconds)
    if group:
        yield group


def training_data(
    clips: Clips, tokenizer: CharTokenizer, recipe: Recipe, seed: int
) -> tuple[TrainingData, int]:
    """The clips that CTC can learn from, and how many it cannot (too long, or faster than its frames)."""
    kept = [clip for clip in clips.clips if _learnable(clip, tokenizer, recipe)]
    if not kept:
        raise BadInput(
            f"none of {len(clips.clips)} training clips can be learned from; see `voxloom dataset show`"
        )
    targets = [tokenizer.encode(clip.row.text) for clip in kept]
    features = Features(Clips(kept, clips.samples), recipe)
    needed = [ctc_frames_needed(ids) for ids in targets]
    return TrainingData(features, targets, needed, recipe, seed), len(clips.clips) - len(kept)


def _learnable(clip: Clip, tokenizer: CharTokenizer, recipe: Recipe) -> bool:
    needed = ctc_frames_needed(tokenizer.encode(clip.row.text))
    return clip.duration_s <= recipe.max_utterance_s and encoder_frames(clip.num_samples) >= needed


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
