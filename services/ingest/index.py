"""What a corpus says of its clips, by path: on disk, so that millions of them need little memory."""

import json
import posixpath
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing
from dataclasses import asdict
from typing import Self

from voxloom.corpora.entry import Entry
from voxloom.corpora.refusal import Reason, Refusal
from voxloom.scratch import open_scratch

_SCHEMA = """
CREATE TABLE entries (id INTEGER PRIMARY KEY, key TEXT UNIQUE, entry TEXT);
CREATE TABLE refusals (id INTEGER PRIMARY KEY, path TEXT, reason TEXT, detail TEXT);
"""


class Index:
    """Entries by the audio's path in the archive (a sidecar's has no suffix), and the refusals so far, in a
    scratch database."""

    def __init__(self, folder: str = "") -> None:
        self.folder = folder  # of the manifest; paths of clips are relative to it
        self.not_selected: dict[str, int] = {}  # clips that nobody wants, by rule
        self.ignores: Callable[[str], bool] = lambda path: False  # audio that was counted by its row
        self._stack = ExitStack()
        self._db = open_scratch(_SCHEMA, cache_mib=32)
        self._stack.callback(self._db.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def keep(self, resource: AbstractContextManager[object]) -> None:
        """Closes it with the index."""
        self._stack.enter_context(resource)

    def __len__(self) -> int:
        """Entries that nobody took yet, and refusals."""
        counted = "SELECT (SELECT count(*) FROM entries) + (SELECT count(*) FROM refusals)"
        return int(self._db.execute(counted).fetchone()[0])

    def add(self, key: str, entry: Entry) -> None:
        row = (key, json.dumps(asdict(entry)))
        if not self._db.execute("INSERT OR IGNORE INTO entries (key, entry) VALUES (?, ?)", row).rowcount:
            self.refuse(entry.path, Reason.DUPLICATE_ROW, "the first row was taken")

    def refuse(self, path: str, reason: Reason, detail: str = "") -> None:
        self.count(Refusal.of(path, reason, detail))

    def count(self, refusal: Refusal) -> None:
        values = (refusal.path, refusal.reason, refusal.detail)
        self._db.execute("INSERT INTO refusals (path, reason, detail) VALUES (?, ?, ?)", values)

    def relative(self, path: str) -> str:
        return posixpath.relpath(path, self.folder or ".")

    def take(self, path: str) -> Entry | None:
        """The entry of an audio file, once."""
        return self._take(path) or self._take(posixpath.splitext(path)[0])

    def refusals(self) -> Iterator[Refusal]:
        with closing(self._db.execute("SELECT path, reason, detail FROM refusals ORDER BY id")) as rows:
            yield from (Refusal(*row) for row in rows)

    def rest(self) -> Iterator[Entry]:
        """Entries that nobody took, in their order."""
        with closing(self._db.execute("SELECT entry FROM entries ORDER BY id")) as rows:
            yield from (_entry(text) for (text,) in rows)

    def _take(self, key: str) -> Entry | None:
        taken = "DELETE FROM entries WHERE key = ? RETURNING entry"
        row = self._db.execute(taken, (key,)).fetchone() if _is_text(key) else None
        return _entry(row[0]) if row else None


def _entry(text: str) -> Entry:
    return Entry(**json.loads(text))


def _is_text(key: str) -> bool:
    """Names of members that are no UTF-8 hold lone surrogates, which no database takes."""
    return not any("\ud800" <= character <= "\udfff" for character in key)
