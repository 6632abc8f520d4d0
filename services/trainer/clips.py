"""A split of a dataset on local disk: its shards, streamed from the store once."""

import io
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np
import numpy.typing as npt
import soundfile

from voxloom import keys
from voxloom.audio import SAMPLE_RATE_HZ
from voxloom.errors import BadInput
from voxloom.forgotten import read_mark
from voxloom.manifest import DatasetRecord, ShardRow, SplitName, Utterance
from voxloom.record import parse_model
from voxloom.storage import ObjectStore

_MAX_MEMBER_BYTES = 200 * 2**20


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
