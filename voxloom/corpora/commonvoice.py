"""A Common Voice release as a corpus: its tables are read once, then clips of it are chosen by wish.

Every row of every table ends in exactly one of three: chosen, refused with a reason, not selected by a rule.
A clip that validated.tsv and a split table both name is one clip.
"""

import posixpath
import re
import sqlite3
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Self

from voxloom.corpora import commonvoice_tables as tables
from voxloom.corpora.archive import ArchiveLimits, File
from voxloom.corpora.commonvoice_choice import Chosen
from voxloom.corpora.commonvoice_db import BITS, Filler, open_database, room
from voxloom.corpora.commonvoice_tables import BadRow
from voxloom.corpora.refusal import Refusal
from voxloom.corpora.selection import Selection
from voxloom.errors import BadInput

_RELEASE = re.compile(r"cv-corpus-(\d+(?:\.\d+)*)(-delta)?(?:-\d{4}-\d{2}-\d{2})?")
_LOCALE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_MAX_MEMBERS = 10_000_000
_MAX_TABLE_BYTES = 8 * 2**30


def release_limits(limits: ArchiveLimits) -> ArchiveLimits:
    """What a release may have: the English one has some three million clips, and tables of gigabytes."""
    return replace(
        limits,
        max_members=max(limits.max_members, _MAX_MEMBERS),
        max_table_bytes=max(limits.max_table_bytes, _MAX_TABLE_BYTES),
    )


@dataclass(frozen=True)
class Label:
    """What a path tells of the release in it; each "" if it does not."""

    name: str = ""  # cv-corpus-17.0-delta-2024-03-15-en
    version: str = ""
    locale: str = ""


def label_of(path: str) -> Label:
    """Of a folder inside an archive, or of the place of an archive or an unpacked release."""
    clean = PurePath(re.sub(r"\.(tar|tar\.gz|tgz)$", "", path, flags=re.IGNORECASE))
    for number, part in enumerate(clean.parts):
        if found := _RELEASE.match(part):
            rest = part[found.end() :].removeprefix("-") or "".join(clean.parts[number + 1 : number + 2])
            locale = rest if _LOCALE.fullmatch(rest) else ""
            return Label("-".join(filter(None, (found[0], locale))), found[1], locale)
    return Label()


class Release:
    """The rows of a release, on disk where they are many. Close it, or use it in a `with`."""

    def __init__(self, db: sqlite3.Connection, folder: str, label: Label, counted: Counter[str]) -> None:
        self._db = db
        self._counted = counted  # rows of tables that are not read, by rule
        self.folder = folder  # of the tables, in the archive
        self.name = label.name
        self.version = label.version
        self.locale = label.locale

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._db.close()

    @property
    def num_rows(self) -> int:
        """Every row of every table, a clip that several tables name once."""
        counted = "SELECT (SELECT count(*) FROM clips) + (SELECT count(*) FROM refusals)"
        return int(self._db.execute(counted).fetchone()[0]) + self._counted.total()

    @property
    def has_durations(self) -> bool:
        return self._db.execute("SELECT 1 FROM durations LIMIT 1").fetchone() is not None

    def select(self, selection: Selection) -> Chosen:
        """The clips that are wanted; BadInput for a wish that this release cannot fulfil. A later call ends
        what an earlier one gave."""
        if selection.max_hours and not self.has_durations:
            raise BadInput(
                f"{self.name} has no clip_durations.tsv (releases since 16.1 have); without their lengths "
                "hours of clips cannot be counted: bound the number of clips instead, with --max-clips"
            )
        with room():
            return Chosen(self._db, self.name, self.locale, self.folder, self._counted, selection)


def read_release(
    members: Iterator[File | Refusal], limits: ArchiveLimits, *, name: str = "", language: str = ""
) -> Release:
    """Reads the tables and passes over the audio; BadInput if there is no release, or a table is refused.

    `name` and `language` are for releases that do not tell: those before 5.0, and unpacked folders that
    were renamed.
    """
    db = open_database()
    try:
        with room():
            return _read(db, members, limits, name, language)
    except BaseException:
        db.close()
        raise


def _read(
    db: sqlite3.Connection, members: Iterator[File | Refusal], limits: ArchiveLimits, name: str, language: str
) -> Release:
    filler, counted, folders = Filler(db), Counter[str](), set[str]()
    for member in members:
        if posixpath.basename(member.path) not in tables.TABLES or _is_clip(member.path):
            continue
        folders.add(posixpath.dirname(member.path))
        _check_table(member, folders)
        if isinstance(member, File):
            _read_table(db, filler, counted, member, limits)
    if not db.execute("SELECT 1 FROM clips LIMIT 1").fetchone():
        raise BadInput(
            "found no clips of Common Voice; expected a release as it is published, with validated.tsv and "
            "clips/ in a folder like cv-corpus-17.0-2024-03-15/en: its .tar.gz, or unpacked"
        )
    return _released(db, filler, counted, folders.pop(), Label(name, "", language))


def _released(
    db: sqlite3.Connection, filler: Filler, counted: Counter[str], folder: str, hint: Label
) -> Release:
    """Its locale is what most rows say, whatever folders are called."""
    inside, outside = label_of(folder), label_of(hint.name)
    locale = filler.locale() or inside.locale or outside.locale or hint.locale
    filler.settle(locale)
    told = inside if inside.name else outside
    base = told.name.removesuffix(f"-{told.locale}") if told.locale else told.name
    name = hint.name if hint.name and not base else "-".join(filter(None, (base or "commonvoice", locale)))
    return Release(db, folder, Label(name, told.version, locale), counted)


def _is_clip(path: str) -> bool:
    return posixpath.basename(posixpath.dirname(path)) == "clips"


def _check_table(member: File | Refusal, folders: set[str]) -> None:
    if isinstance(member, Refusal) and member.reason != "duplicate_path":  # that one is told by the import
        raise BadInput(
            f"{member.path} cannot be read: {member.reason}, {member.detail}; get the release anew"
        )
    if len(folders) > 1:
        raise BadInput(
            f"found tables in {' and in '.join(sorted(folders))}; expected one language of one release: "
            "import them one after the other"
        )


def _read_table(
    db: sqlite3.Connection, filler: Filler, counted: Counter[str], file: File, limits: ArchiveLimits
) -> None:
    name = posixpath.basename(file.path)
    if name in tables.COUNTED_TABLES:
        counted[tables.COUNTED_TABLES[name]] += tables.count(file)
    elif name in tables.DURATION_TABLES:
        db.executemany("INSERT OR IGNORE INTO durations VALUES (?, ?)", tables.durations(file))
    elif name == tables.REPORTED:
        db.executemany("INSERT OR IGNORE INTO reports VALUES (?, ?)", tables.reports(file))
    else:
        for row in tables.rows(file, limits):
            if isinstance(row, BadRow):
                filler.refuse(row)
            else:
                filler.add(BITS[name], row)
