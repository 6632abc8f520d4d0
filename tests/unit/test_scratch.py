"""A scratch database: on disk when it grows, without a trace when it is closed."""

import os
import sqlite3
import threading
from pathlib import Path

import pytest

from voxloom.scratch import open_scratch

SCHEMA = "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT UNIQUE, c BLOB);"
MIB = 2**20


def open_files() -> int:
    """Bytes on disk in files of this process that have no name any more."""
    links = (Path("/proc/self/fd") / each for each in os.listdir("/proc/self/fd"))
    sizes = [link.stat().st_size for link in links if link.is_symlink() and _is_nameless(link)]
    return sum(sizes)


def _is_nameless(link: Path) -> bool:
    try:
        return link.readlink().name.endswith(" (deleted)")
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="tells open files by /proc")
def test_it_goes_to_disk_without_a_name_and_leaves_nothing() -> None:
    before = open_files()
    db = open_scratch(SCHEMA, cache_mib=1)
    db.execute("INSERT INTO t VALUES (1, 'small', NULL)")
    assert open_files() == before
    for number in range(2, 10):
        db.execute("INSERT INTO t VALUES (?, ?, zeroblob(?))", (number, f"b{number}", MIB))
    assert open_files() > before + 4 * MIB
    db.close()
    assert open_files() == before


def test_what_is_refused_leaves_all_else() -> None:
    db = open_scratch(SCHEMA)
    db.execute("INSERT INTO t VALUES (1, 'x', NULL)")
    assert db.execute("INSERT OR IGNORE INTO t VALUES (2, 'x', NULL)").rowcount == 0
    with pytest.raises(sqlite3.IntegrityError):
        db.execute("INSERT INTO t VALUES (3, 'x', NULL)")
    assert db.execute("SELECT * FROM t").fetchall() == [(1, "x", None)]
    assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    db.close()


def test_another_thread_may_go_on_with_it() -> None:
    db = open_scratch(SCHEMA)
    other = threading.Thread(target=db.execute, args=("INSERT INTO t VALUES (1, 'x', NULL)",))
    other.start()
    other.join()
    assert db.execute("SELECT count(*) FROM t").fetchone() == (1,)
    db.close()
