"""The rows of a release while it is read: in a scratch database."""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from voxloom.corpora.commonvoice_tables import BadRow, Row
from voxloom.corpora.refusal import Reason, Refusal
from voxloom.corpora.seen import hash_of
from voxloom.corpora.sentences import scripts_of, sentence_key
from voxloom.errors import Exhausted
from voxloom.scratch import open_scratch

VALIDATED, TRAIN, DEV, TEST = 1, 2, 4, 8  # bits: the tables that name a clip
BITS = {"validated.tsv": VALIDATED, "train.tsv": TRAIN, "dev.tsv": DEV, "test.tsv": TEST}
_NATIVE_SHARE = 0.05  # a script that one row in twenty uses belongs to the language
_SCHEMA = """
CREATE TABLE speakers (speaker INTEGER PRIMARY KEY, client_id TEXT UNIQUE);
CREATE TABLE clips (
  clip INTEGER PRIMARY KEY, name TEXT UNIQUE, speaker INTEGER, sentence TEXT, key INTEGER, locale TEXT,
  script TEXT, up_votes INTEGER, down_votes INTEGER, age TEXT, gender TEXT, accents TEXT, details TEXT,
  tables INTEGER, split TEXT DEFAULT '', fault TEXT, leak TEXT);
CREATE TABLE refusals (id INTEGER PRIMARY KEY, path TEXT, reason TEXT, detail TEXT);
CREATE TABLE durations (name TEXT PRIMARY KEY, ms INTEGER) WITHOUT ROWID;
CREATE TABLE reports (sentence TEXT PRIMARY KEY, reason TEXT) WITHOUT ROWID;
CREATE TABLE held_speakers (speaker INTEGER PRIMARY KEY);
CREATE TABLE held_sentences (key INTEGER PRIMARY KEY);
CREATE TABLE outcomes (clip INTEGER PRIMARY KEY, rule TEXT);
CREATE TABLE pool (
  clip INTEGER PRIMARY KEY, name TEXT, split TEXT, speaker INTEGER, speaker_place INTEGER, place INTEGER,
  turn INTEGER, ms INTEGER);
"""
_ADD = """
INSERT INTO clips (name, speaker, sentence, key, locale, script, up_votes, down_votes, age, gender, accents,
                   details, tables)
VALUES (?, (SELECT speaker FROM speakers WHERE client_id = ?), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (name) DO UPDATE SET tables = tables | excluded.tables WHERE tables & excluded.tables = 0
"""


def open_database() -> sqlite3.Connection:
    return open_scratch(_SCHEMA)


@contextmanager
def room() -> Iterator[None]:
    """Around work on the database: no room on disk is something a user can mend."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise Exhausted(
            f"the tables of the release cannot be sorted: {error}; a large release needs about 1.5 GB for a "
            "while: set SQLITE_TMPDIR to a folder on a disk with room"
        ) from error


class Filler:
    """Takes the rows as they are read; the order of the tables does not matter."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._rows_with: Counter[str] = Counter()  # rows that use a script; under "", those with any letter

    def add(self, bit: int, row: Row) -> None:
        """A clip that another table named too is one clip; named twice by one table it is refused once."""
        scripts = scripts_of(row.sentence)
        self._rows_with.update(["", *scripts] if scripts else ())
        self._db.execute("INSERT OR IGNORE INTO speakers (client_id) VALUES (?)", (row.speaker,))
        if self._db.execute(_ADD, (*_values(row, _main_script(scripts)), bit)).rowcount != 1:
            self.refuse(BadRow(row.name, Reason.DUPLICATE_ROW, "the first row was taken"))

    def refuse(self, bad: BadRow) -> None:
        refusal = Refusal.of(bad.path, bad.reason, bad.detail)
        values = (refusal.path, refusal.reason, refusal.detail)
        self._db.execute("INSERT INTO refusals (path, reason, detail) VALUES (?, ?, ?)", values)

    def locale(self) -> str:
        """That of most rows; "" where no row has one."""
        given = "SELECT locale FROM clips WHERE locale != ''"
        found = self._db.execute(f"{given} GROUP BY 1 ORDER BY count(*) DESC, locale LIMIT 1").fetchone()
        return str(found[0]) if found else ""

    def settle(self, locale: str) -> None:
        """Once all is read: the split of each clip, and what makes it unusable for training or at all."""
        self._find_wrong_languages(locale)
        db = self._db
        if not db.execute("SELECT 1 FROM clips WHERE tables & ? LIMIT 1", (TEST,)).fetchone():
            return  # a delta, or a language too small to have a test set: nothing is held out
        split = "CASE WHEN tables & ? THEN 'test' WHEN tables & ? THEN 'dev' ELSE 'train' END"
        db.execute(f"UPDATE clips SET split = {split}", (TEST, DEV))
        held_out = "FROM clips JOIN speakers USING (speaker) WHERE split != 'train'"
        db.execute(f"INSERT INTO held_speakers SELECT DISTINCT speaker {held_out} AND client_id != ''")
        db.execute(f"INSERT INTO held_sentences SELECT DISTINCT key {held_out} AND key IS NOT NULL")
        for column, held in (("key", "sentence"), ("speaker", "speaker")):  # who is both counts as the latter
            known = f"{column} IN (SELECT {column} FROM held_{held}s)"
            rule = f"{held}_in_dev_or_test"
            db.execute(f"UPDATE clips SET leak = ? WHERE split = 'train' AND {known}", (rule,))

    def _find_wrong_languages(self, locale: str) -> None:
        other = "UPDATE clips SET fault = 'its locale is ' || locale WHERE locale NOT IN ('', ?)"
        self._db.execute(other, (locale,))
        fair = _NATIVE_SHARE * self._rows_with[""]
        foreign = [script for script, number in self._rows_with.items() if script and number < fair]
        for script in foreign:
            fault = f"written in {script.title()}"
            self._db.execute("UPDATE clips SET fault = ? WHERE script = ? AND fault IS NULL", (fault, script))


def _values(row: Row, script: str) -> tuple[object, ...]:
    key = sentence_key(row.sentence)
    return (
        *(row.name, row.speaker, row.sentence, hash_of(key) if key else None, row.locale, script),
        *(row.up_votes, row.down_votes, row.age, row.gender, row.accents),
        json.dumps(row.details, ensure_ascii=False),
    )


def _main_script(scripts: Counter[str]) -> str:
    """The one of more than half of the letters, if there is one."""
    script, letters = max(scripts.items(), key=lambda item: item[1], default=("", 0))
    return script if 2 * letters > scripts.total() else ""
