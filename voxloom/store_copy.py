"""Copies a store, object by object and in bounded memory, so that the copy is whole at every moment.

A record is read before what it names and written after it: what it names was there when it was read, and is
there when it is written. So a copy that breaks off, or is made while services work, is an older store and not
a broken one. Doing it again copies what is new.
"""

import hashlib
import heapq
import posixpath
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import groupby
from typing import BinaryIO

from pydantic_core import from_json

from voxloom import keys
from voxloom.errors import BadInput, NotFound, Unavailable
from voxloom.storage import ObjectInfo, ObjectStore, list_all
from voxloom.threads import ordered_map

THREADS = 4  # on S3 most of a copy is waiting; each may hold a part of an upload
_RECORDS = (
    "latest.json",
    "export.json",
    "run.json",
    "dataset.json",
    "bundle.json",
    "decision.json",
    "withdrawn.json",
)  # in order
_MAX_RECORD_BYTES = 16 << 20
_BLOCK_BYTES = 1 << 20
_TRIES = 4
_GROWING = "/metrics.jsonl"
_LATEST, _BEST = "/latest.json", "/best.safetensors"


@dataclass(frozen=True)
class Entry:
    """One key, and what lies there at both ends."""

    key: str
    source: ObjectInfo | None
    target: ObjectInfo | None


@dataclass
class Outcome:
    """What a copy did; `damaged` differ though they should be equal, `unsettled` changed at each try."""

    copied: int = 0
    copied_bytes: int = 0
    kept: int = 0
    vanished: int = 0
    deleted: int = 0
    withdrawn: int = 0  # recordings that are not copied, for they were withdrawn
    unsettled: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)


def merged(source: ObjectStore, target: ObjectStore, prefix: str) -> Iterator[Entry]:
    """The keys of both, in order."""
    here = ((info.key, 0, info) for info in list_all(source, prefix))
    there = ((info.key, 1, info) for info in list_all(target, prefix))
    for key, found in groupby(heapq.merge(here, there), key=lambda each: each[0]):
        sides = {side: info for _, side, info in found}
        yield Entry(key, sides.get(0), sides.get(1))


def unit_of(key: str) -> str:
    """What is copied together: a record and all that it names. The keys of a unit are neighbours."""
    match key.split("/"):
        case ["raw", *_]:
            return posixpath.splitext(key)[0]
        case ["runs", run, "checkpoints" | "export" as part, _, *_]:
            return f"runs/{run}/{part}"
        case ["manifests" | "runs" | "models" as top, name, _, *_]:
            return f"{top}/{name}"
        case _:
            return key


def units(source: ObjectStore, target: ObjectStore, prefix: str) -> Iterator[tuple[str, list[Entry]]]:
    for unit, entries in groupby(merged(source, target, prefix), key=lambda entry: unit_of(entry.key)):
        yield unit, list(entries)


def latest_checkpoint(unit: str, latest: bytes) -> str:
    """The key of the checkpoint that latest.json is about; "" if it names none."""
    try:
        return keys.check_key(unit + "/" + from_json(latest)["name"])
    except (ValueError, KeyError, TypeError, BadInput):
        return ""


def all_checkpoints(unit: str, latest: bytes) -> set[str]:
    """The keys of all that latest.json names: earlier checkpoints, and the best weights."""
    try:
        document = from_json(latest)
        states = [document, *document.get("earlier", [])]
        names = [each["name"] for each in states]
        names += [best["name"] for each in states for best in each.get("counters", {}).get("best", [])]
        return {keys.check_key(f"{unit}/{name}") for name in names}
    except (ValueError, KeyError, TypeError, AttributeError, BadInput):
        return set()


class Copier:
    """One copy from source to target. With `verify` no size is trusted: both ends are read and compared.
    `leaves_out` is asked of each unit."""

    def __init__(
        self,
        source: ObjectStore,
        target: ObjectStore,
        *,
        verify: bool = False,
        progress: Callable[[int], None] = lambda num_bytes: None,
        leaves_out: Callable[[str, list[Entry]], bool] = lambda unit, entries: False,
    ) -> None:
        self._leaves_out = leaves_out
        self.outcome = Outcome()
        self.uploads: set[str] = set()  # those that were there when it began
        self._source, self._target, self._verify, self._progress = source, target, verify, progress
        self._lock = threading.Lock()

    def run(self) -> Outcome:
        """Jobs are listed first, read once the uploads are copied, which go when an import has ended, and
        written last: all that they name lies in between."""
        self.uploads = {info.key for info in list_all(self._source, "uploads/")}
        jobs = [info.key for info in list_all(self._source, "jobs/")]
        self._copy_below("uploads/")
        held = self._read_all([*jobs, keys.PRODUCTION])
        first = (keys.FORGOTTEN, keys.RAW, keys.IMPORT_REPORTS, keys.TEXTS, *keys.REWRITTEN)
        for prefix in (*first, "manifests/", "runs/", "models/"):
            self._copy_below(prefix)
        news = [key for key, data in held.items() if not self._is_there(key, data)]
        for key in news:
            self._put(key, held[key])
        self._count(kept=len(held) - len(news), seen=sum(len(data) for data in held.values()))
        return self.outcome

    def _read_all(self, wanted: Iterable[str]) -> dict[str, bytes]:
        """Some kB each: whoever looks at jobs has all of them in memory."""
        found = {}
        for key in wanted:
            try:
                found[key] = self._read(self._source.stat(key))
            except NotFound:
                continue
        return found

    def _copy_below(self, prefix: str) -> None:
        found = filter(self._is_wanted, units(self._source, self._target, prefix))
        with closing(ordered_map(self._copy_unit, found, THREADS)) as done:
            for _ in done:
                pass

    def _is_wanted(self, unit_entries: tuple[str, list[Entry]]) -> bool:
        if self._leaves_out(*unit_entries):
            self._count(seen=sum(entry.source.size for entry in unit_entries[1] if entry.source))
            return False
        return True

    def _copy_unit(self, unit_entries: tuple[str, list[Entry]]) -> None:
        unit, entries = unit_entries
        if unit == keys.PRODUCTION:
            return
        for _ in range(_TRIES):
            try:
                self._copy_once(unit, [entry for entry in entries if entry.source])
                return
            except NotFound:  # deleted, or replaced by a newer one, since it was listed
                self._count(vanished=1)
                entries = [
                    each for each in merged(self._source, self._target, unit) if unit_of(each.key) == unit
                ]
        with self._lock:
            self.outcome.unsettled.append(unit)

    def _copy_once(self, unit: str, entries: list[Entry]) -> None:
        named = [entry for entry in entries if _is_record(entry.key)]
        records = {entry.key: self._read(entry.source) for entry in named if entry.source}
        news = [entry.key for entry in sorted(named, key=_rank) if not self._has(entry, records[entry.key])]
        for entry in _members(unit, entries, records):
            self._copy_member(entry, trusted=not news or _is_named_by_content(entry.key))
        for key in news:
            self._put(key, records[key])
        self._count(kept=len(records) - len(news), seen=sum(len(data) for data in records.values()))

    def _copy_member(self, entry: Entry, trusted: bool) -> None:
        """`trusted`: the record is the same, or the name tells the content, so that the same size will do."""
        assert entry.source
        trusted = trusted and not entry.key.endswith(_GROWING) and not entry.key.startswith(keys.REWRITTEN)
        if self._verify and entry.key.endswith(_BEST):
            trusted = False  # it is written before the record that tells of it
        if entry.target is None or entry.target.size != entry.source.size:
            self._copy(entry.source)
        elif (trusted and not self._verify) or self._is_same(entry.key):
            self._count(kept=1, seen=entry.source.size)
        elif trusted:
            with self._lock:
                self.outcome.damaged.append(entry.key)
        else:
            self._copy(entry.source)

    def _copy(self, info: ObjectInfo) -> None:
        digest = hashlib.sha256()

        def passing(file: BinaryIO) -> Iterator[bytes]:
            while block := file.read(_BLOCK_BYTES):
                digest.update(block)
                self._count(copied_bytes=len(block), seen=len(block))
                yield block

        with self._source.open(info.key) as file:
            self._target.put_stream(info.key, passing(file))
        self._count(copied=1)
        if self._verify and _digest(self._target, info.key) != digest.digest():
            raise _misread(info.key)

    def _put(self, key: str, data: bytes) -> None:
        self._target.put(key, data)
        self._count(copied=1, copied_bytes=len(data))
        if self._verify and not self._is_there(key, data):
            raise _misread(key)

    def _read(self, info: ObjectInfo) -> bytes:
        if info.size > _MAX_RECORD_BYTES:
            raise BadInput(
                f"{info.key} has {info.size} bytes; expected a record, {_MAX_RECORD_BYTES} at most"
            )
        return self._source.get(info.key)

    def _has(self, entry: Entry, data: bytes) -> bool:
        same_size = entry.target is not None and entry.target.size == len(data)
        return same_size and self._is_there(entry.key, data)

    def _is_there(self, key: str, data: bytes) -> bool:
        try:
            return self._target.get(key) == data
        except NotFound:
            return False

    def _is_same(self, key: str) -> bool:
        return _digest(self._source, key) == _digest(self._target, key)

    def _count(self, *, seen: int = 0, **amounts: int) -> None:
        with self._lock:
            for name, amount in amounts.items():
                setattr(self.outcome, name, getattr(self.outcome, name) + amount)
            self._progress(seen)


def _members(unit: str, entries: list[Entry], records: dict[str, bytes]) -> list[Entry]:
    """What is no record. Of checkpoints those that a run can go on from: the others are being replaced."""
    found = [entry for entry in entries if entry.key not in records]
    latest = records.get(unit + _LATEST)
    named = latest_checkpoint(unit, latest) if latest else ""
    if not named:
        return found
    if named not in {entry.key for entry in found}:
        raise NotFound(f"there is no object {named}")
    wanted = all_checkpoints(unit, latest or b"") | {named, unit + _BEST}
    return [entry for entry in found if entry.key in wanted]


def _is_record(key: str) -> bool:
    return posixpath.basename(key) in _RECORDS or (key.startswith(keys.RAW) and key.endswith(".json"))


def _rank(entry: Entry) -> int:
    name = posixpath.basename(entry.key)
    return _RECORDS.index(name) if name in _RECORDS else 0


def _is_named_by_content(key: str) -> bool:
    """A dataset is named by the hash of its rows, a checkpoint by its step, an upload by chance."""
    return key.startswith(("manifests/", "uploads/")) or posixpath.basename(key).startswith("step-")


def _digest(store: ObjectStore, key: str) -> bytes:
    digest = hashlib.sha256()
    with store.open(key) as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.digest()


def _misread(key: str) -> Unavailable:
    return Unavailable(f"{key} does not read back as it was written; check the disk of the target")
