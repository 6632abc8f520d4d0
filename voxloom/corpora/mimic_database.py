"""mimicstudio.db of Mimic Recording Studio: who spoke which prompt. A file from outside, only read."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from voxloom.errors import BadInput

_PLACES = ("mimicstudio.db", "db/mimicstudio.db", "backend/db/mimicstudio.db")
_MAX_ROWS, _MAX_VALUE_BYTES, _MAX_S = 1_000_000, 100_000, 60.0
_STEPS = 10_000  # of the database's machine between two looks at the clock


@dataclass
class Prompts:
    speakers: dict[str, str] = field(default_factory=dict)  # uuid -> name
    texts: dict[tuple[str, str], str] = field(default_factory=dict)  # (uuid, audio id) -> prompt


def find_database(path: Path) -> Path | None:
    return next((path / place for place in _PLACES if (path / place).is_file()), None)


def read_database(path: Path) -> Prompts:
    """BadInput when the file is no such database, is damaged, or takes a minute to read."""
    found = Prompts()
    try:
        with closing(_open(path)) as database:
            for uuid, name in _rows(database, "usermodel", "uuid", "user_name"):
                found.speakers[uuid] = name or uuid
            for user, audio, prompt in _rows(database, "audiomodel", "user_id", "audio_id", "prompt"):
                found.texts[user, audio] = prompt.strip()
    except sqlite3.Error as error:
        raise BadInput(f"{path} cannot be read as Mimic's database: {error}; move it away") from error
    return found


def _open(path: Path) -> sqlite3.Connection:
    """Without locks, journals and writes; what the schema of the file could run is switched off."""
    database = sqlite3.connect(f"file:{quote(str(path.resolve()))}?mode=ro&immutable=1", uri=True)
    database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MAX_VALUE_BYTES)
    for pragma in ("trusted_schema = OFF", "query_only = ON", "cell_size_check = ON", "mmap_size = 0"):
        database.execute(f"PRAGMA {pragma}")
    end = time.monotonic() + _MAX_S
    database.set_progress_handler(lambda: int(time.monotonic() > end), _STEPS)
    return database


def _rows(database: sqlite3.Connection, table: str, *columns: str) -> Iterator[tuple[str, ...]]:
    """Strings only, of a real table: a view could compute for ever."""
    kind = database.execute("SELECT type FROM sqlite_master WHERE name = ?", (table,)).fetchone()
    if kind != ("table",):
        raise sqlite3.DatabaseError(f"it has no table {table}")
    # With its table in front: SQLite takes a quoted name that is no column for a string.
    named = ", ".join(f'"{table}"."{name}"' for name in columns)
    rows: Any = database.execute(f'SELECT {named} FROM "{table}" LIMIT {_MAX_ROWS}')
    for row in rows:
        if all(isinstance(value, str) for value in row):
            yield row
