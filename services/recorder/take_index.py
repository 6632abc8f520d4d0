"""All takes as tables on disk, where a filter over many of them is one statement."""

import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Literal

from voxloom import keys
from voxloom.best_take import Standing, best, prompt_of, standing
from voxloom.manifest import RawUtterance
from voxloom.reviews import Review, Reviews
from voxloom.scratch import open_scratch
from voxloom.storage import ObjectInfo

_SCHEMA = """
CREATE TABLE takes (
  key TEXT PRIMARY KEY, etag TEXT NOT NULL, speaker TEXT NOT NULL, name TEXT, utterance TEXT NOT NULL,
  created_at TEXT, prompt_list TEXT, prompt_id TEXT,
  prompt TEXT,                -- `best_take.prompt_of`
  folded TEXT,                -- the text in lower case
  checks TEXT,                -- those that failed, a blank around each
  duration_s REAL, faults INTEGER, clipped REAL, snr_db REAL,
  corrected_from TEXT         -- the utterance that it replaced
);
CREATE INDEX by_time ON takes (created_at DESC, speaker, utterance);
CREATE INDEX by_speaker ON takes (speaker, created_at DESC, utterance);
CREATE INDEX by_utterance ON takes (utterance);
CREATE INDEX by_corrected ON takes (corrected_from) WHERE corrected_from <> '';
CREATE INDEX by_prompt ON takes (speaker, prompt);
CREATE TABLE records (key TEXT PRIMARY KEY, record TEXT);  -- apart, so that a look at all takes reads little
CREATE TABLE unreadable (key TEXT PRIMARY KEY, etag TEXT NOT NULL);
CREATE TABLE documents (key TEXT PRIMARY KEY, etag TEXT NOT NULL, speaker TEXT);  -- reviews that were read
CREATE TABLE reviews (
  speaker TEXT, utterance TEXT, review TEXT, verdict TEXT, PRIMARY KEY (speaker, utterance)
);
CREATE TABLE chosen (speaker TEXT, prompt TEXT, utterance TEXT, PRIMARY KEY (speaker, prompt));
CREATE TABLE listed (key TEXT PRIMARY KEY, etag TEXT NOT NULL);
CREATE TABLE touched (key TEXT PRIMARY KEY);  -- written by this process since the listing began
"""
_SAME = "SELECT 1 FROM {} AS known WHERE known.key = listed.key AND known.etag = listed.etag"
_VERDICT = "(SELECT verdict FROM reviews AS r WHERE r.speaker = t.speaker AND r.utterance = t.utterance)"
_RIVALS = (
    "SELECT utterance, EXISTS (SELECT 1 FROM chosen AS c WHERE c.speaker = t.speaker AND c.prompt = t.prompt "
    f"AND c.utterance = t.utterance), {_VERDICT} IS 'accepted', faults, clipped, snr_db, created_at "
    f"FROM takes AS t WHERE speaker = ? AND prompt = ? AND {_VERDICT} IS NOT 'rejected'"
)
Place = tuple[str, str, str]  # when it was made, speaker, utterance: the order of pages


@dataclass(frozen=True)
class Asked:
    """Which takes; what is empty asks for any."""

    speakers: tuple[str, ...] = ()  # one of these ids
    prompt_list: str = ""
    prompt_id: str = ""
    words: tuple[str, ...] = ()  # all of them, in any order
    verdict: Literal["", "open", "accepted", "rejected"] = ""
    check: str = ""  # that failed and was overruled; "any"


@dataclass(frozen=True)
class Listed:
    """A take, and what is thought of it."""

    record: RawUtterance
    review: Review | None
    chosen: bool
    best: bool  # datasets have it

    @property
    def place(self) -> Place:
        return self.record.created_at, self.record.speaker, self.record.utterance


@dataclass(frozen=True)
class Recorded:
    """What a speaker has recorded."""

    speaker: str
    name: str  # of the latest take
    takes: int
    minutes: float


class TakeIndex:
    """Used by one thread at a time."""

    def __init__(self) -> None:
        self._db = open_scratch(_SCHEMA, cache_mib=32)

    def close(self) -> None:
        self._db.close()

    def page(self, asked: Asked, after: Place | None, limit: int) -> list[Listed]:
        """The newest first."""
        where, values = _where(asked)
        if after:
            where += " AND (created_at < ? OR (created_at = ? AND (speaker, utterance) > (?, ?)))"
            values += [after[0], *after]
        rows = self._each(
            "SELECT record, prompt, (SELECT review FROM reviews AS r WHERE r.speaker = t.speaker AND "
            "r.utterance = t.utterance) FROM takes AS t JOIN records USING (key) "
            f"WHERE {where} ORDER BY created_at DESC, speaker, utterance LIMIT ?",
            *(*values, limit),
        )
        return [self._listed(*row) for row in rows]

    def total(self, asked: Asked) -> tuple[int, float]:
        """How many, and their minutes."""
        where, values = _where(asked)
        counted = f"SELECT count(*), total(duration_s) / 60 FROM takes AS t WHERE {where}"
        number, minutes = next(self._each(counted, *values))
        return number, minutes

    def by_speaker(self) -> list[Recorded]:
        rows = self._each(
            "SELECT speaker, name, count(*), total(duration_s) / 60, max(created_at) FROM takes "
            "GROUP BY speaker ORDER BY speaker"
        )
        return [Recorded(*values) for *values, _ in rows]

    def speaker_of(self, utterance: str) -> str:
        """Also of one that was corrected since; "" where no take has or had this id."""
        found = self._each(
            "SELECT speaker FROM takes WHERE utterance = ? UNION ALL "
            "SELECT speaker FROM takes WHERE corrected_from = ? AND corrected_from <> '' LIMIT 1",
            *(utterance, utterance),
        )
        return next((speaker for (speaker,) in found), "")

    def put(self, key: str, etag: str, take: RawUtterance) -> None:
        stands = standing(take, chosen=False, accepted=False)
        values = (
            *(key, etag, take.speaker, take.speaker_name, take.utterance, take.created_at),
            *(take.prompt_list, take.prompt_id, prompt_of(take), fold(take.text)),
            "".join(f" {check} " for check in take.accepted_anyway),
            *(take.levels.duration_s, stands.faults, stands.clipped_fraction, stands.snr_db),
            take.corrected_from,
        )
        self._db.execute(f"INSERT OR REPLACE INTO takes VALUES ({', '.join('?' * len(values))})", values)
        self._db.execute("DELETE FROM unreadable WHERE key = ?", (key,))
        record = take.model_dump_json(exclude={"fingerprint"})
        self._db.execute("INSERT OR REPLACE INTO records VALUES (?, ?)", (key, record))

    def put_unreadable(self, key: str, etag: str) -> None:
        self.drop(key)
        self._db.execute("INSERT OR REPLACE INTO unreadable VALUES (?, ?)", (key, etag))

    def drop(self, key: str) -> None:
        for table in ("takes", "records", "unreadable"):
            self._db.execute(f"DELETE FROM {table} WHERE key = ?", (key,))

    def put_reviews(self, key: str, etag: str, reviews: Reviews) -> None:
        """In place of what was known of this speaker."""
        speaker = reviews.speaker
        for table in ("reviews", "chosen"):
            self._db.execute(f"DELETE FROM {table} WHERE speaker = ?", (speaker,))
        self._db.executemany(
            "INSERT INTO reviews VALUES (?, ?, ?, ?)",
            (
                (speaker, name, review.model_dump_json(), review.verdict)
                for name, review in reviews.takes.items()
            ),
        )
        of_prompts = ((speaker, prompt, utterance) for prompt, utterance in reviews.chosen.items())
        self._db.executemany("INSERT INTO chosen VALUES (?, ?, ?)", of_prompts)
        self._db.execute("INSERT OR REPLACE INTO documents VALUES (?, ?, ?)", (key, etag, speaker))

    def begin_listing(self) -> None:
        for table in ("listed", "touched"):
            self._db.execute(f"DELETE FROM {table}")

    def touch(self, key: str) -> None:
        self._db.execute("INSERT OR IGNORE INTO touched VALUES (?)", (key,))

    def is_touched(self, key: str) -> bool:
        return next(self._each("SELECT 1 FROM touched WHERE key = ?", key), None) is not None

    def note(self, infos: Iterable[ObjectInfo]) -> None:
        """What the listing found."""
        rows = ((info.key, info.etag) for info in infos)
        self._db.executemany("INSERT OR REPLACE INTO listed VALUES (?, ?)", rows)

    def end_listing(self) -> Iterator[str]:
        """Drops what is gone; afterwards `unread` are what has to be read. Pauses after each step, so that
        pages can be looked at in between."""
        gone = "key NOT IN (SELECT key FROM listed) AND key NOT IN (SELECT key FROM touched)"
        of_gone = f"SELECT speaker FROM documents WHERE {gone}"
        for table in ("reviews", "chosen"):
            self._db.execute(f"DELETE FROM {table} WHERE speaker IN ({of_gone})")
            yield table
        for table in ("takes", "records", "unreadable", "documents"):
            self._db.execute(f"DELETE FROM {table} WHERE {gone}")
            yield table
        self._db.execute("DELETE FROM listed WHERE key IN (SELECT key FROM touched)")
        for table in ("takes", "unreadable", "documents"):
            self._db.execute(f"DELETE FROM listed WHERE EXISTS ({_SAME.format(table)})")
            yield table

    def unread(self, limit: int) -> list[tuple[str, str]]:
        """Keys and etags, each once."""
        rows = list(self._each("SELECT key, etag FROM listed LIMIT ?", limit))
        self._db.executemany("DELETE FROM listed WHERE key = ?", ((key,) for key, _ in rows))
        return rows

    def _listed(self, record: str, prompt: str, review: str | None) -> Listed:
        take = RawUtterance.model_validate_json(record)
        found = Review.model_validate_json(review) if review else None
        rejected = found is not None and found.verdict == "rejected"
        if not prompt:
            return Listed(take, found, chosen=False, best=not rejected)
        rivals = self._rivals(take.speaker, prompt)
        stands = next((each for each in rivals if each.utterance == take.utterance), None)
        return Listed(
            record=take,
            review=found,
            chosen=stands is not None and stands.chosen,
            best=stands is not None and best(rivals) == stands,
        )

    def _rivals(self, speaker: str, prompt: str) -> list[Standing]:
        return [
            Standing(name, bool(chosen), bool(accepted), *more)
            for name, chosen, accepted, *more in self._each(_RIVALS, speaker, prompt)
        ]

    def _each(self, sql: str, *values: Any) -> Iterator[Any]:
        with closing(self._db.execute(sql, values)) as rows:
            yield from rows


def fold(text: str) -> str:
    """Upper and lower case alike."""
    return unicodedata.normalize("NFC", text).casefold()


def is_reviews(key: str) -> bool:
    return key.startswith(keys.REVIEWS)


def _where(asked: Asked) -> tuple[str, list[Any]]:
    parts, values = ["1"], list[Any]()
    if asked.speakers:
        parts.append(f"speaker IN ({', '.join('?' * len(asked.speakers))})")
        values += asked.speakers
    for column in ("prompt_list", "prompt_id"):
        if wanted := getattr(asked, column):
            parts.append(f"{column} = ?")
            values.append(wanted)
    for word in asked.words:
        parts.append("instr(folded, ?) > 0")
        values.append(word)
    if asked.verdict:
        parts.append(f"{_VERDICT} IS ?")
        values.append(None if asked.verdict == "open" else asked.verdict)
    if asked.check:
        parts.append("checks <> ''" if asked.check == "any" else "instr(checks, ?) > 0")
        values += [] if asked.check == "any" else [f" {asked.check} "]
    return " AND ".join(parts), values
