"""A dataset's shards in the store: which rows of the manifest each one holds, and how one is fetched."""

import logging
import tarfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from services.trainer.clips import PARALLEL, check_count, check_member, damaged, writing
from services.trainer.fetching import Members
from voxloom import keys
from voxloom.errors import BadInput, NotFound, NotReady, Unavailable
from voxloom.forgotten import digest, read_mark
from voxloom.manifest import DatasetRecord, SplitName, Utterance, read_csv
from voxloom.storage import ObjectStore
from voxloom.threads import ordered_map

_CHUNK_BYTES = 1 << 20
_BROKEN_S = 10.0  # for so long what is gone or damaged is read again: some stores show new objects late
_MOST_PAUSE_S = 30.0
_WAKE_S = 0.2
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Patience:
    """How long a fetch outlasts a store that is away, and what it asks while it waits."""

    give_up_s: float
    check: Callable[[], None] = lambda: None  # raises when the training is to stop


@dataclass(frozen=True)
class Shards:
    """The shards of a split, and the utterances that each is to hold."""

    store: ObjectStore
    dataset: str
    split: SplitName
    keys: Sequence[str]
    names: Sequence[Sequence[str]]
    patience: Patience

    def fetch(self, shard: int, path: Path, closed: threading.Event) -> Members:
        """Writes a shard to a file as it is. A store that is away is waited for. BadInput for a shard that is
        gone, damaged or not what the manifest says, NotReady when some of it was withdrawn meanwhile."""
        began_s, pause_s = time.monotonic(), 1.0
        while True:
            try:
                return self._fetch(shard, path, closed)
            except (Unavailable, BadInput, NotFound) as error:
                allowed_s = self.patience.give_up_s
                allowed_s = allowed_s if isinstance(error, Unavailable) else min(allowed_s, _BROKEN_S)
                if time.monotonic() - began_s + pause_s > allowed_s:
                    raise _final(error, self.keys[shard]) from error
                _log.warning("fetches %s again in %.0f s: %s", self.keys[shard], pause_s, error)
            self._sleep(pause_s, closed)
            pause_s = min(2 * pause_s, _MOST_PAUSE_S)

    def _fetch(self, shard: int, path: Path, closed: threading.Event) -> Members:
        with self.store.open(self.keys[shard]) as source, path.open("wb") as out:
            while chunk := source.read(_CHUNK_BYTES):
                self._look(closed)
                with writing(path):
                    out.write(chunk)
            with writing(path):
                out.flush()
        members = _members(path, self.keys[shard])
        self._compare(members, shard)
        return members

    def _compare(self, members: Members, shard: int) -> None:
        key, expected = self.keys[shard], set(self.names[shard])
        if strange := sorted(members.keys() ^ expected):
            gone = _withdrawn(self.store, self.dataset, self.split)
            known = [name for name in strange if digest(name) in gone]
            if len(known) == len(strange):
                if members.keys() >= expected:  # not rewritten yet: what was withdrawn is not heard
                    return
                raise NotReady(
                    f"{len(known)} utterances of {key} were withdrawn while the training went on; it goes on "
                    "without them from its last checkpoint"
                )
            raise BadInput(
                f"{key} and the manifest differ in {len(strange)} utterances, first {strange[0][:100]!r}; "
                "build the dataset again"
            )

    def _sleep(self, seconds: float, closed: threading.Event) -> None:
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            self._look(closed)
            time.sleep(min(_WAKE_S, seconds))

    def _look(self, closed: threading.Event) -> None:
        self.patience.check()
        if closed.is_set():
            raise NotReady("nothing is fetched any more")


def list_shards(
    store: ObjectStore, dataset: DatasetRecord, split: SplitName, patience: Patience
) -> tuple[Shards, list[tuple[Utterance, int]]]:
    """The shards, and every row of the manifest with the number of its shard.

    Shards are cut from the manifest in its order, so the name of each one's first member tells where it
    begins: one short request a shard.
    """
    summary = dataset.splits[split]
    with store.open(keys.manifest(dataset.dataset, split)) as file:
        rows = list(read_csv(file))
    check_count(store, dataset, split, len(rows), "manifest")
    with closing(ordered_map(lambda key: _first(store, key, patience), summary.shards, PARALLEL)) as firsts:
        begins = _begins(rows, list(firsts), summary.shards)
    gone = _withdrawn(store, dataset.dataset, split)  # their manifest is rewritten last
    kept = [
        [row for row in rows[begin:end] if not (gone and digest(row.utterance) in gone)]
        for begin, end in pairwise([*begins, len(rows)])
    ]
    names = [[row.utterance for row in each] for each in kept]
    shards = Shards(store, dataset.dataset, split, summary.shards, names, patience)
    return shards, [(row, number) for number, each in enumerate(kept) for row in each]


def _first(store: ObjectStore, key: str, patience: Patience) -> str:
    """The first utterance in a shard; empty for one that lost all of them."""
    patience.check()
    try:
        with store.open(key) as shard, tarfile.open(fileobj=shard, mode="r|") as tar:
            member = tar.next()
    except (tarfile.TarError, NotFound) as error:
        raise _final(damaged(key, error) if isinstance(error, tarfile.TarError) else error, key) from error
    return member.name.rpartition(".")[0] if member else ""


def _begins(rows: Sequence[Utterance], firsts: Sequence[str], shards: Sequence[str]) -> list[int]:
    """The first row of each shard; BadInput when these do not follow each other in the manifest."""
    wanted = set(firsts)
    position = {row.utterance: number for number, row in enumerate(rows) if row.utterance in wanted}
    begins, end = [], len(rows)
    for first, key in zip(reversed(firsts), reversed(shards), strict=True):
        begin = position.get(first, -1) if first else end
        if not 0 <= begin <= end:
            raise BadInput(
                f"{key} begins with {first[:100]!r}, where no shard begins in the manifest; build the "
                "dataset again"
            )
        begins.append(begin)
        end = begin
    return [0, *reversed(begins[:-1])]


def _members(path: Path, key: str) -> Members:
    try:
        return dict(_listed(path, key))
    except tarfile.TarError as error:
        raise damaged(key, error) from error


def _listed(path: Path, key: str) -> Iterator[tuple[str, tuple[int, int]]]:
    with tarfile.open(path, mode="r:") as tar:
        for member in tar:
            check_member(member, key)
            stem, _, suffix = member.name.rpartition(".")
            if suffix == "flac":
                yield stem, (member.offset_data, member.size)


def _withdrawn(store: ObjectStore, dataset: str, split: SplitName) -> frozenset[str]:
    """Hashes of the utterances that are."""
    mark = read_mark(store, keys.withdrawn(f"manifests/{dataset}"))
    return frozenset(mark.by_split.get(split, ()) if mark else ())


def _final(error: Exception, key: str) -> Exception:
    """What ends the run, for a fault that stayed."""
    if isinstance(error, NotFound):
        return BadInput(f"{key} is gone; restore it from a backup, or build the dataset again: {error}")
    return error
