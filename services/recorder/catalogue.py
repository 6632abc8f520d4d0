"""All takes of all speakers, to be filtered and paged through."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from itertools import chain, islice

from services.recorder.ledger import SOURCE
from services.recorder.take_index import Asked, Listed, Place, Recorded, TakeIndex, is_reviews
from voxloom import keys
from voxloom.errors import BadInput, NotFound, Unavailable, VoxloomError
from voxloom.manifest import RawUtterance
from voxloom.reviews import Reviews
from voxloom.storage import ObjectStore, list_all, parse_model
from voxloom.threads import ordered_map

FRESH_S = 2.0
PATIENCE_S = 60.0
_BREATHS = 5  # times what a listing takes, until the next
_READERS = 8  # small reads, mostly waits
_BATCH = 1000
_EXPORT_PAGE = 200
_log = logging.getLogger(__name__)
Document = RawUtterance | Reviews


class Catalogue:
    """An index of the store, on disk, whatever its size. Can be called from many threads.

    What this process writes is in it at once. For what others write the store is listed: behind the back of
    a call that finds the last look over FRESH_S ago (or five times what that took), before the answer when it
    was over PATIENCE_S ago or there was none. A record is read once, so the first look takes longest.
    """

    def __init__(self, store: ObjectStore, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._lock = threading.Lock()  # of the index
        self._looking = threading.Lock()
        self._index: TakeIndex | None = None  # made at the first look
        self._looked_at: float | None = None
        self._pause_s = 0.0
        self._behind: threading.Thread | None = None
        self._closing = False

    def page(self, asked: Asked, after: Place | None, limit: int) -> list[Listed]:
        """The newest first, from behind `after`."""
        with self._fresh() as index:
            return index.page(asked, after, limit)

    def total(self, asked: Asked) -> tuple[int, float]:
        """How many there are, and their minutes."""
        with self._fresh() as index:
            return index.total(asked)

    def each(self, asked: Asked) -> Iterator[Listed]:
        """All of them, a page at a time in memory."""
        after = None
        while page := self.page(asked, after, _EXPORT_PAGE):
            yield from page
            after = page[-1].place

    def by_speaker(self) -> list[Recorded]:
        with self._fresh() as index:
            return index.by_speaker()

    def speaker_of(self, utterance: str) -> str:
        """The speaker of a take; "" where there is none."""
        with self._fresh() as index:
            return index.speaker_of(utterance)

    def stored(self, key: str, etag: str, take: RawUtterance) -> None:
        """Tells of a record that was written."""
        with self._own(key) as index:
            if index:
                index.put(key, etag, take)

    def deleted(self, key: str) -> None:
        """Tells of a record that is gone."""
        with self._own(key) as index:
            if index:
                index.drop(key)

    def reviewed(self, reviews: Reviews) -> None:
        """Tells of reviews that were written; their etag is learned at the next look."""
        key = keys.reviews(reviews.speaker)
        with self._own(key) as index:
            if index:
                index.put_reviews(key, "", reviews)

    def close(self) -> None:
        self._closing = True
        with self._looking, self._lock:
            if self._index:
                self._index.close()
            self._index = None

    @contextmanager
    def _own(self, key: str) -> Iterator[TakeIndex | None]:
        """The index, told that a look under way may know less of this key than it does."""
        with self._lock:
            if self._index:
                self._index.touch(key)
            yield self._index

    @contextmanager
    def _fresh(self) -> Iterator[TakeIndex]:
        age_s = self._age_s()
        if age_s is None or age_s > PATIENCE_S:
            self._look()
        elif age_s > max(FRESH_S, self._pause_s):
            self._look_behind()
        with self._lock:
            self._check_open()
            assert self._index
            yield self._index

    def _check_open(self) -> None:
        if self._closing:
            raise Unavailable("the recorder is stopping; ask again in a moment")

    def _age_s(self) -> float | None:
        looked_at = self._looked_at
        return None if looked_at is None else self._clock() - looked_at

    def _look_behind(self) -> None:
        with self._lock:
            if self._behind is None or not self._behind.is_alive():
                self._behind = threading.Thread(target=self._try_to_look, name="catalogue", daemon=True)
                self._behind.start()

    def _try_to_look(self) -> None:
        try:
            self._look()
        except VoxloomError as error:
            _log.warning("the list of takes is as it was: %s", error)

    def _look(self) -> None:
        """Nothing to do where another thread has looked while this one waited for its turn."""
        asked_at = self._clock()
        with self._looking:
            if self._looked_at is not None and self._looked_at >= asked_at:
                return
            self._check_open()
            began = self._clock()
            with self._lock:
                index = self._index = self._index or TakeIndex()
                index.begin_listing()
            self._list(index)
            self._pause_s = _BREATHS * (self._clock() - began)
            self._read_new(index)
            self._looked_at = began

    def _list(self, index: TakeIndex) -> None:
        found = chain(list_all(self._store, f"{keys.RAW}{SOURCE}/"), list_all(self._store, keys.REVIEWS))
        documents = (info for info in found if info.key.endswith(".json"))
        while batch := list(islice(documents, _BATCH)):
            self._check_open()
            with self._lock:
                index.note(batch)
        steps, going = index.end_listing(), True
        while going:
            with self._lock:
                going = next(steps, None) is not None

    def _read_new(self, index: TakeIndex) -> None:
        while batch := self._unread(index):
            self._check_open()
            with closing(ordered_map(lambda each: self._read(each[0]), batch, _READERS)) as read:
                found = list(read)
            with self._lock:
                for (key, etag), document in zip(batch, found, strict=True):
                    if not index.is_touched(key):
                        _put(index, key, etag, document)

    def _unread(self, index: TakeIndex) -> list[tuple[str, str]]:
        with self._lock:
            return index.unread(_BATCH)

    def _read(self, key: str) -> Document | None:
        """None of what cannot be read: no take here; a dataset's report counts it."""
        with suppress(NotFound, BadInput):
            data = self._store.get(key)
            return (
                parse_model(key, data, Reviews) if is_reviews(key) else parse_model(key, data, RawUtterance)
            )
        return None


def _put(index: TakeIndex, key: str, etag: str, document: Document | None) -> None:
    if isinstance(document, RawUtterance):
        index.put(key, etag, document)
    elif isinstance(document, Reviews):
        index.put_reviews(key, etag, document)
    else:
        index.put_unreadable(key, etag)
