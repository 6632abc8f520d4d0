"""A private SQLite database for what is too much for memory and gone when its work is done."""

import sqlite3

CACHE_MIB = 64


def open_scratch(schema: str, cache_mib: int = CACHE_MIB) -> sqlite3.Connection:
    """Without a name: in memory while it is smaller than the cache, then in a temporary file that nobody else
    sees and that goes with the connection (SQLITE_TMPDIR says where). One transaction from beginning to end,
    which is never rolled back: whoever fails closes it. Used by one thread at a time."""
    db = sqlite3.connect("", isolation_level=None, check_same_thread=False)
    db.execute(f"PRAGMA cache_size = -{cache_mib * 1024}")
    db.execute("PRAGMA synchronous = OFF")
    db.execute("PRAGMA journal_mode = OFF")
    db.executescript(schema)
    db.execute("BEGIN")
    return db
