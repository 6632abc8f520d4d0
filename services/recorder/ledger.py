"""What each speaker has recorded: the records in the store, of which only new ones are read again."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field

from voxloom import keys
from voxloom.corpora.sentences import sentence_key
from voxloom.errors import BadInput, NotFound
from voxloom.manifest import RawUtterance
from voxloom.storage import ObjectStore, list_all, read_model
from voxloom.threads import ordered_map

SOURCE = "user_recorded"
_MAX_SPEAKERS, _MAX_TAKES = 64, 30_000  # in memory, but always the latest speaker's; a take is some 3 kB
_RECENT_S = 60.0
_READERS = 8  # small reads, mostly waits


@dataclass
class _Known:
    lock: threading.Lock = field(default_factory=threading.Lock)
    takes: dict[str, tuple[str, RawUtterance]] = field(default_factory=dict)  # key -> (etag, record)
    looked_at: float | None = None  # seconds


class Ledger:
    """The store is listed at every call, so that what others wrote or deleted is seen at once; a record whose
    etag is known is not read again. Can be called from many threads."""

    def __init__(self, store: ObjectStore, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[str, _Known] = {}

    def recent(self, speaker: str) -> list[RawUtterance]:
        """The takes as they were a minute ago, or now: for what need not be exact at every upload."""
        known = self._of(speaker)
        with known.lock:
            fresh = known.looked_at is not None and self._clock() - known.looked_at < _RECENT_S
            if fresh:
                return [record for _, (_, record) in sorted(known.takes.items())]
        return self.takes(speaker)

    def takes(self, speaker: str) -> list[RawUtterance]:
        """All takes of a speaker, by utterance. Records that cannot be read are no takes here; a dataset's
        report counts them."""
        known = self._of(speaker)
        with known.lock:
            there = dict(self._list(speaker))
            known.takes = {key: take for key, take in known.takes.items() if there.get(key) == take[0]}
            missing = [key for key in there if key not in known.takes]
            with closing(ordered_map(self._read, missing, _READERS)) as read:
                for key, record in zip(missing, read, strict=True):
                    if record is not None:
                        known.takes[key] = (there[key], record)
            known.looked_at = self._clock()
            return [record for _, (_, record) in sorted(known.takes.items())]

    def _list(self, speaker: str) -> Iterator[tuple[str, str]]:
        for info in list_all(self._store, f"{keys.RAW}{SOURCE}/{speaker}/"):
            if info.key.endswith(".json"):
                yield info.key, info.etag

    def _read(self, key: str) -> RawUtterance | None:
        with suppress(NotFound, BadInput):
            return read_model(self._store, key, RawUtterance)
        return None

    def _of(self, speaker: str) -> _Known:
        with self._lock:
            known = self._known.pop(speaker, None) or _Known()
            self._known[speaker] = known
            while len(self._known) > 1 and self._is_full():
                self._known.pop(next(iter(self._known)))
            return known

    def _is_full(self) -> bool:
        takes = sum(len(each.takes) for each in self._known.values())
        return len(self._known) > _MAX_SPEAKERS or takes > _MAX_TAKES


@dataclass(frozen=True)
class Said:
    """A speaker's takes, as prompts ask for them."""

    by_prompt: dict[tuple[str, str], list[RawUtterance]]  # (list, id)
    sentences: frozenset[str]  # keys of all that was said

    def takes_of(self, prompt_list: str, prompt_id: str) -> list[RawUtterance]:
        return self.by_prompt.get((prompt_list, prompt_id), [])

    def has(self, prompt_list: str, prompt_id: str, text: str) -> bool:
        """Whether the prompt was recorded: a take of it, or of the same sentence from elsewhere."""
        return (prompt_list, prompt_id) in self.by_prompt or sentence_key(text) in self.sentences


def said(takes: Iterable[RawUtterance]) -> Said:
    by_prompt: dict[tuple[str, str], list[RawUtterance]] = {}
    sentences = set()
    for take in takes:
        if take.prompt_list and take.prompt_id:
            by_prompt.setdefault((take.prompt_list, take.prompt_id), []).append(take)
        sentences.add(sentence_key(take.text))
    return Said(by_prompt, frozenset(sentences))
