"""A split of a dataset on local disk: its shards, fetched from the store once, several at a time."""

import errno
import io
import itertools
import tarfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np
import numpy.typing as npt
import soundfile

from voxloom import keys
from voxloom.audio import SAMPLE_RATE_HZ
from voxloom.errors import BadInput, Exhausted
from voxloom.forgotten import read_mark
from voxloom.manifest import DatasetRecord, ShardRow, SplitName, Utterance
from voxloom.record import parse_model
from voxloom.storage import ObjectStore
from voxloom.threads import ordered_map

PARALLEL = 4  # shards that are fetched at a time
_MAX_MEMBER_BYTES = 200 * 2**20
Samples = npt.NDArray[np.int16]
Window = npt.NDArray[np.int64]  # indices of clips that are at hand together
_NO_SAMPLES: Samples = np.zeros(0, np.int16)
NO_CLIPS: Window = np.zeros(0, np.int64)


@dataclass(frozen=True, slots=True)
class Clip:
    """One utterance, and where its samples are."""

    row: Utterance
    start: int  # index of its first sample among those of its shard
    num_samples: int
    shard: int = 0  # number of it in the split

    @property
    def duration_s(self) -> float:
        return self.num_samples / SAMPLE_RATE_HZ


@dataclass
class Clips:
    """A split whose samples are all at hand: 16 bits each, shard by shard, read through memory mapping.

    `StreamedClips` is one of which a part is at hand at a time. Whoever reads many clips takes them window by
    window, and tells with `expect` which ones come.
    """

    clips: list[Clip]
    samples: Sequence[Samples]

    def waveform(self, index: int) -> npt.NDArray[np.float32]:
        """Samples in [-1, 1] at 16 kHz."""
        clip = self.clips[index]
        samples = self.samples[clip.shard][clip.start : clip.start + clip.num_samples]
        return samples.astype(np.float32) / np.float32(32768)

    def windows(self, seed: int, epoch: int) -> list[Window]:
        """All clips, by what is at hand together, as an epoch hears them; one window at least."""
        return self.in_order()

    def in_order(self) -> list[Window]:
        """The same without chance."""
        return [np.arange(len(self.clips))]

    def expect(self, now: Window, then: Window) -> None:
        """Says which clips are read from now on, and which ones after them: these windows and no others are
        brought and kept at hand."""

    def close(self) -> None:
        """Fetches nothing any more."""


class Progress(Protocol):
    """May be called from several threads, one at a time. Raises when the work is to stop."""

    def __call__(self, done: int, total: int) -> None: ...


def load_split(
    store: ObjectStore, dataset: DatasetRecord, split: SplitName, folder: Path, progress: Progress
) -> Clips:
    """Unpacks the samples of a split's shards, several at a time, into a local file each."""
    summary, count, lock = dataset.splits[split], itertools.count(1), threading.Lock()

    def told() -> None:
        with lock:
            progress(next(count), summary.utterances)

    def unpack(numbered: tuple[int, str]) -> tuple[list[Clip], Samples]:
        number, key = numbered
        path, clips = folder / f"{split}-{number:05d}.int16", list[Clip]()
        with store.open(key) as shard, path.open("wb") as out:
            for row, samples in read_shard(shard, key):
                clips.append(Clip(row, out.tell() // 2, len(samples), number))
                with writing(path):
                    out.write(samples.tobytes())
                told()
            with writing(path):
                out.flush()
        return clips, np.memmap(path, np.int16, "r") if path.stat().st_size else _NO_SAMPLES

    with closing(ordered_map(unpack, enumerate(summary.shards), PARALLEL)) as shards:
        unpacked = list(shards)
    clips = [clip for each, _ in unpacked for clip in each]
    check_count(store, dataset, split, len(clips), "shards")
    return Clips(clips, [samples for _, samples in unpacked] or [_NO_SAMPLES])


def check_count(store: ObjectStore, dataset: DatasetRecord, split: SplitName, found: int, where: str) -> None:
    """BadInput unless these are all utterances of the split but for those that were withdrawn."""
    mark, expected = read_mark(store, keys.withdrawn(f"manifests/{dataset.dataset}")), dataset.splits[split]
    withdrawn = len(mark.by_split.get(split, ())) if mark else 0
    if not expected.utterances - withdrawn <= found <= expected.utterances:
        raise BadInput(
            f"dataset {dataset.dataset}: the {where} of {split} hold {found} utterances, dataset.json "
            f"says {expected.utterances}, {withdrawn} of them withdrawn; build the dataset again"
        )


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Says what a local file that cannot be written means for the training."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            why = f"the disk of {path.parent} is full"
        else:
            why = f"{path} cannot be written: {error.strerror or error}"
        raise Exhausted(
            f"{why}; the audio of a training lies there: free some space, set TMPDIR to a folder with more, "
            "or allow a new run less (VOXLOOM_TRAIN_CACHE_GB)"
        ) from error


def read_shard(stream: BinaryIO, key: str) -> Iterator[tuple[Utterance, Samples]]:
    """Pairs of row and samples of one shard tar: `<utterance>.flac` and `<utterance>.json`, in any order."""
    waiting: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=stream, mode="r|") as tar:
            for member in tar:
                check_member(member, key)
                stem, _, suffix = member.name.rpartition(".")
                content = tar.extractfile(member)
                waiting[suffix + stem] = content.read() if content else b""
                other = ("json" if suffix == "flac" else "flac") + stem
                if other in waiting:
                    yield _parse_pair(waiting.pop("json" + stem), waiting.pop("flac" + stem), key)
    except tarfile.TarError as error:
        raise damaged(key, error) from error
    if waiting:
        raise BadInput(f"{key}: {len(waiting)} members have no partner, first {sorted(waiting)[0][:100]!r}")


def check_member(member: tarfile.TarInfo, key: str) -> None:
    if not member.isfile() or member.size > _MAX_MEMBER_BYTES:
        raise BadInput(f"{key}: member {member.name[:100]!r} is not a file of a shard")


def damaged(key: str, error: Exception) -> BadInput:
    return BadInput(f"{key} is damaged ({error}); restore it from a backup, or build the dataset again")


def read_flac(flac: bytes, utterance: str, key: str) -> Samples:
    try:
        samples, rate_hz = soundfile.read(io.BytesIO(flac), dtype="int16")
    except soundfile.LibsndfileError as error:
        raise damaged(f"{utterance} in {key}", error) from error
    if rate_hz != SAMPLE_RATE_HZ or samples.ndim != 1:
        raise BadInput(f"{key}: {utterance} has {rate_hz} Hz, {samples.ndim} axes; expected 16 kHz mono")
    mono: Samples = samples
    return mono


def _parse_pair(row_json: bytes, flac: bytes, key: str) -> tuple[Utterance, Samples]:
    row = parse_model(f"a document in {key}", row_json, ShardRow)
    return row, read_flac(flac, row.utterance, key)
