"""Removes audio that an upload left behind when it was cut off between its two writes."""

import re
import time
from collections.abc import Callable, Iterator

from services.recorder.ledger import SOURCE
from services.recorder.takes import Takes
from voxloom.keys import RAW
from voxloom.storage import ObjectInfo, ObjectStore, list_all

PERIOD_S = 3600.0
_OURS = re.compile(r".*/u-[0-9a-f]{20}\.wav")  # files that somebody else put there are not touched


class Sweep:
    """A WAV without record is removed when two looks, an hour apart, found it the same."""

    def __init__(self, store: ObjectStore, takes: Takes, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._takes = takes
        self._clock = clock
        self._next_s = clock()
        self._seen: dict[str, str] = {}

    def __call__(self) -> None:
        """Fast but once an hour, when it lists the own recordings."""
        if self._clock() < self._next_s:
            return
        seen, self._seen = self._seen, {info.key: info.etag for info in self._orphans()}
        for key, etag in self._seen.items():
            if seen.get(key) == etag:
                self._takes.remove_orphan(key)
        self._next_s = self._clock() + PERIOD_S

    def _orphans(self) -> Iterator[ObjectInfo]:
        """The keys come sorted, so a record stands right before its WAV."""
        previous = ""
        for info in list_all(self._store, f"{RAW}{SOURCE}/"):
            if _OURS.fullmatch(info.key) and previous != info.key.removesuffix(".wav") + ".json":
                yield info
            previous = info.key
