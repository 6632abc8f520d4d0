"""The frozen test set of a dataset: its utterances, and their audio as the raw store has it now."""

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from voxloom import audio, keys
from voxloom.audio import Samples
from voxloom.bundle import hash_bytes
from voxloom.errors import BadInput, NotFound
from voxloom.manifest import Utterance, read_csv
from voxloom.storage import ObjectStore

Heard = TypeVar("Heard")
_AT_ONCE = 32  # clips in memory


@dataclass(frozen=True)
class Excluded:
    """A test utterance that cannot be used, and in two words why."""

    reason: str


Progress = Callable[[int], None]  # utterances done; raises when the work is to stop


def read_utterances(store: ObjectStore, dataset: str, split: str = "test") -> list[Utterance]:
    """manifests/<dataset>/<split>.csv; NotFound when the dataset was deleted."""
    with store.open(keys.manifest(dataset, split)) as file:
        return list(read_csv(file))


def load_samples(store: ObjectStore, utterance: Utterance) -> Samples | Excluded:
    """The clip, unless it was withdrawn since the dataset was built, or is not what was put into it."""
    try:
        data = store.get(utterance.audio_key)
    except NotFound:
        return Excluded("audio deleted")
    if hash_bytes(data).sha256 != utterance.audio_sha256:
        return Excluded("audio changed")
    try:
        return audio.decode(data).samples
    except BadInput:
        return Excluded("audio unreadable")


def for_each(
    store: ObjectStore,
    utterances: Sequence[Utterance],
    hear: Callable[[Samples], Heard],
    threads: int,
    progress: Progress,
) -> tuple[list[tuple[Utterance, Heard]], Counter[str]]:
    """Calls `hear` on every usable clip, a bounded number in memory; the rest is counted by reason."""
    heard: list[tuple[Utterance, Heard]] = []
    excluded: Counter[str] = Counter()

    def one(utterance: Utterance) -> Heard | Excluded:
        samples = load_samples(store, utterance)
        return samples if isinstance(samples, Excluded) else hear(samples)

    with ThreadPoolExecutor(threads, thread_name_prefix="measure") as pool:
        for start in range(0, len(utterances), _AT_ONCE):
            batch = utterances[start : start + _AT_ONCE]
            for utterance, result in zip(batch, pool.map(one, batch), strict=True):
                if isinstance(result, Excluded):
                    excluded[result.reason] += 1
                else:
                    heard.append((utterance, result))
            progress(start + len(batch))
    return heard, excluded


def some_clips(store: ObjectStore, utterances: Sequence[Utterance], most: int) -> list[Samples]:
    """A few usable clips, from the shortest to the longest."""
    by_length = sorted(utterances, key=lambda each: (each.duration_s, each.utterance))
    step = max(len(by_length) / most, 1)
    chosen = (by_length[int(index * step)] for index in range(min(most, len(by_length))))
    loaded = (load_samples(store, each) for each in chosen)
    return [samples for samples in loaded if not isinstance(samples, Excluded)]
