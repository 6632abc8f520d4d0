"""All that is stored as one table on disk: where rules over millions of utterances are a few statements."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import Any, Self

from services.ingest.records import Drop, Found
from services.ingest.split import assign
from voxloom.best_take import Standing
from voxloom.fingerprint import bits_of, is_fingerprint, spread_of
from voxloom.manifest import RawUtterance
from voxloom.scratch import open_scratch
from voxloom.text import normalize
from voxloom.tokenizer import is_feasible

_SCHEMA = """
CREATE TABLE clips (
  id INTEGER PRIMARY KEY,
  utterance TEXT NOT NULL, source TEXT NOT NULL,
  corpus TEXT, language TEXT, speaker TEXT, named INTEGER, text TEXT,
  published TEXT,             -- split, if the corpus keeps its own
  split_with_val TEXT,        -- where it goes if the corpus published a val part
  split_without_val TEXT,     -- and if it did not
  duration_s REAL, peak_dbfs REAL, rms_dbfs REAL,
  audio_sha256 TEXT, created_at TEXT, origin TEXT, details TEXT,
  lottery INTEGER,            -- a fixed random number, for choosing some of many
  split TEXT,
  fate TEXT,                  -- why it is left out; NULL: it is in
  example TEXT                -- what the report says of it, where that is more than its id
);
CREATE TABLE prints (id INTEGER PRIMARY KEY, spread INTEGER, duration_s REAL, bits BLOB);
CREATE TABLE takes (        -- of prompts of a list
  clip INTEGER PRIMARY KEY, prompt TEXT, chosen INTEGER, accepted INTEGER,
  faults INTEGER, clipped REAL, snr_db REAL
);
CREATE TABLE refusals (utterance TEXT, source TEXT, reason TEXT, example TEXT);
"""
_INSERT = (
    "INSERT INTO clips (utterance, source, corpus, language, speaker, named, text, published, "
    "split_with_val, split_without_val, duration_s, peak_dbfs, rms_dbfs, audio_sha256, created_at, "
    f"origin, details, lottery, fate) VALUES ({', '.join('?' * 19)})"
)


class Catalogue:
    """In a scratch database. Used by one thread."""

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        self.db = open_scratch(_SCHEMA)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.db.close()

    def add(self, found: Found, damaged: frozenset[str] = frozenset()) -> int:
        """The id of its row. `damaged`: ids of audio found to be so."""
        if found.raw is None:
            return self._insert(found, (None,) * 16, found.fault)
        text = normalize(found.raw.text, found.raw.language)
        fault = found.fault or _fault(found.raw, text, damaged)
        number = self._insert(found, self._values(found.raw, text), fault)
        if fault is None and is_fingerprint(found.raw.fingerprint):
            print_ = found.raw.fingerprint
            values = (number, spread_of(print_), found.raw.levels.duration_s, bits_of(print_))
            self.db.execute("INSERT INTO prints VALUES (?, ?, ?, ?)", values)
        return number

    def add_take(self, clip: int, prompt: str, take: Standing) -> None:
        """A take that stands against others of its prompt; `clip` is its row."""
        measured = (take.faults, take.clipped_fraction, take.snr_db)
        values = (clip, prompt, take.chosen, take.accepted, *measured)
        self.db.execute("INSERT INTO takes VALUES (?, ?, ?, ?, ?, ?, ?)", values)

    def refuse(self, utterance: str, source: str, reason: str, example: str) -> None:
        """What an import refused; it counts unless the utterance came into the store another way."""
        self.db.execute("INSERT INTO refusals VALUES (?, ?, ?, ?)", (utterance, source, reason, example))

    def settle_refusals(self) -> None:
        """Once all records are in: leaves those that count."""
        stored = "utterance = '' OR utterance IN (SELECT utterance FROM clips)"
        self.db.execute(f"DELETE FROM refusals WHERE {stored}")

    def number(self, sql: str, *values: Any) -> int:
        return int(self.db.execute(sql, values).fetchone()[0] or 0)

    def each(self, sql: str, *values: Any) -> Iterator[Any]:
        with closing(self.db.execute(sql, values)) as rows:
            yield from rows

    def leave_out(self, reason: Drop, where: str, values: Iterable[Any] = ()) -> None:
        """Of those that are still in."""
        self.db.execute(f"UPDATE clips SET fate = '{reason}' WHERE fate IS NULL AND ({where})", tuple(values))

    def _insert(self, found: Found, values: tuple[Any, ...], fault: Drop | None) -> int:
        return int(self.db.execute(_INSERT, (found.utterance, found.source, *values, fault)).lastrowid or 0)

    def _values(self, raw: RawUtterance, text: str) -> tuple[Any, ...]:
        without_val = assign(raw, has_val=False)
        return (
            raw.corpus,
            raw.language,
            raw.speaker,
            raw.speaker_name != "",
            text,
            raw.published_split,
            assign(raw, has_val=True) if raw.published_split == "train" else without_val,
            without_val,
            raw.levels.duration_s,
            raw.levels.peak_dbfs,
            raw.levels.rms_dbfs,
            raw.audio_sha256,
            raw.created_at,
            raw.origin,
            json.dumps(raw.details, ensure_ascii=False) if raw.details else "{}",
            self._lottery(raw.utterance),
        )

    def _lottery(self, utterance: str) -> int:
        digest = hashlib.sha256(f"mix\0{self._seed}\0{utterance}".encode()).digest()
        return int.from_bytes(digest[:8]) >> 1  # SQLite's numbers are signed


def _fault(raw: RawUtterance, text: str, damaged: frozenset[str]) -> Drop | None:
    if raw.utterance in damaged:
        return Drop.AUDIO_DAMAGED
    if not text:
        return Drop.NO_TEXT
    return None if is_feasible(text, raw.levels.duration_s) else Drop.TOO_LONG_FOR_CTC
