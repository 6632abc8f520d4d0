"""A split that is larger than the local disk: shards come window by window while the training goes on.

What is heard together with what is as random as in a split on disk within a window, and the windows are other
ones in each epoch. Lengths, texts and sources of all clips come from the manifest, audio from the shards.
"""

import os
import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from services.trainer.clips import Clip, Clips, Samples, Window, load_split, read_flac
from services.trainer.fetching import LocalShards
from services.trainer.progress import Progress
from services.trainer.shards import Patience, list_shards
from voxloom.audio import SAMPLE_RATE_HZ
from voxloom.errors import BadInput
from voxloom.manifest import DatasetRecord, SplitName
from voxloom.storage import ObjectStore, list_all

_SHARE = 0.8  # of the free disk that a training may fill
_BYTES_PER_H = 3600 * SAMPLE_RATE_HZ * 2  # of samples
_SHARD_STREAM = 11  # keeps the random numbers of the shards apart from those of the batches


@dataclass
class StreamedClips(Clips):
    """A split of which two windows of shards are at hand at a time, one that is read and one that comes."""

    local: LocalShards
    keys: list[str]  # of all shards
    window: int  # shards

    def waveform(self, index: int) -> npt.NDArray[np.float32]:
        clip = self.clips[index]
        name, key = clip.row.utterance, self.keys[clip.shard]
        samples: Samples = read_flac(self.local.read(clip.shard, name), name, key)
        if len(samples) != clip.num_samples:
            raise BadInput(
                f"{key}: {name} has {len(samples)} samples, the manifest says {clip.num_samples}; build the "
                "dataset again"
            )
        return samples.astype(np.float32) / np.float32(32768)

    def windows(self, seed: int, epoch: int) -> list[Window]:
        """The shards in an order of the epoch's own, cut into windows of about the same number of them."""
        order = np.random.default_rng([seed, epoch, _SHARD_STREAM, 1]).permutation(len(self.keys))
        return self._cut(order)

    def in_order(self) -> list[Window]:
        return self._cut(np.arange(len(self.keys)))

    def expect(self, now: Window, then: Window) -> None:
        shards = self._shards_N
        self.local.expect([*np.unique(shards[now]).tolist(), *np.unique(shards[then]).tolist()])

    def close(self) -> None:
        self.local.close()

    @cached_property
    def _shards_N(self) -> Window:
        return np.array([clip.shard for clip in self.clips], np.int64)

    def _cut(self, order: Window) -> list[Window]:
        shards_N, count = self._shards_N, -(-len(order) // self.window)
        number_of = np.zeros(len(order), np.int64)  # of the window that each shard is in
        for number, shards in enumerate(np.array_split(order, count)):
            number_of[shards] = number
        windows_N = number_of[shards_N]
        by_window = np.argsort(windows_N, kind="stable")  # within a window in the order of the manifest
        return np.split(by_window, np.searchsorted(windows_N[by_window], np.arange(1, count)))


def open_train(
    store: ObjectStore,
    dataset: DatasetRecord,
    window: int,
    folder: Path,
    progress: Progress,
    give_up_s: float,
) -> Clips:
    """The training split: unpacked on disk, or with a `window` in so many shards at a time."""
    if not window:
        return load_split(store, dataset, "train", folder, progress.loading)
    count = len(dataset.splits["train"].shards)
    progress.tell(f"streams the training audio: {window} of {count} shards at a time")
    return stream_split(store, dataset, "train", window, folder, Patience(give_up_s, progress.check))


def stream_split(
    store: ObjectStore,
    dataset: DatasetRecord,
    split: SplitName,
    window: int,
    folder: Path,
    patience: Patience,
) -> StreamedClips:
    """A split in windows of so many shards. Nothing is fetched yet."""
    shards, rows = list_shards(store, dataset, split, patience)
    clips = [Clip(row, 0, round(row.duration_s * SAMPLE_RATE_HZ), number) for row, number in rows]
    return StreamedClips(clips, (), LocalShards(shards.fetch, folder, split), list(shards.keys), window)


def choose_window(store: ObjectStore, dataset: DatasetRecord, folder: Path, cache_gb: float) -> int:
    """How many shards of train are at hand at a time; 0: all of it, unpacked, because it fits.

    `cache_gb`: disk that a process may take for it; 0: its part of what is free.
    """
    num_bytes = {name: split.hours * _BYTES_PER_H for name, split in dataset.splits.items()}
    allowed = cache_gb * 1e9
    if not cache_gb:
        free = shutil.disk_usage(folder).free / int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
        allowed = max(0.0, _SHARE * free - num_bytes["val"] - num_bytes["test"])
    if num_bytes["train"] <= allowed:
        return 0
    keys = set(dataset.splits["train"].shards)
    stored = list_all(store, f"manifests/{dataset.dataset}/shards/train-")
    sizes = [info.size for info in stored if info.key in keys] or [1]
    if sum(sizes) <= allowed:
        return len(keys)
    if window := int(allowed / 2 // max(sizes)):
        return window
    raise BadInput(
        f"the training audio takes {num_bytes['train'] / 1e9:.1f} GB of disk, {allowed / 1e9:.1f} GB "
        f"are allowed in {folder}; streaming takes {2 * max(sizes) / 1e9:.1f} GB: free some space, set "
        "TMPDIR to a folder with more, or raise VOXLOOM_TRAIN_CACHE_GB"
    )
