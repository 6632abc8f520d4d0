"""The tables of a Common Voice release, of any version: lines become rows, columns are known by name."""

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass

from voxloom.corpora.archive import ArchiveLimits, File, unsafe
from voxloom.corpora.refusal import Reason
from voxloom.errors import BadInput

CLIP_TABLES = ("validated.tsv", "train.tsv", "dev.tsv", "test.tsv")
COUNTED_TABLES = {"invalidated.tsv": "invalidated", "other.tsv": "not_validated"}  # and the rule that counts
DURATION_TABLES = ("clip_durations.tsv", "times.txt")
REPORTED = "reported.tsv"
TABLES = frozenset({*CLIP_TABLES, *COUNTED_TABLES, *DURATION_TABLES, REPORTED})

_OTHER_NAMES = {"accent": "accents", "filename": "clip", "sentence_domain": "domain"}
_DETAILS = (
    "up_votes",
    "down_votes",
    "age",
    "gender",
    "accents",
    "variant",
    "sentence_id",
    "domain",
    "segment",
)
_MAX_DETAIL = 300  # characters
_MAX_NUMBER = re.compile(r"\d{1,9}")
_OF_LOCALE = re.compile(r"common_voice_([A-Za-z0-9-]{2,35})_\d+\.")
_AUDIO = (".mp3", ".wav", ".flac", ".ogg", ".opus")

Fields = dict[str, str]


class BadRow(Exception):
    """One row that cannot be used."""

    def __init__(self, path: str, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.path, self.reason, self.detail = path, reason, detail


@dataclass(frozen=True)
class Row:
    """One clip, as a table describes it."""

    name: str  # of the file in clips/
    sentence: str
    speaker: str  # "" where it is not known
    locale: str  # of the row, or of the file name; "" where neither tells
    up_votes: int
    down_votes: int
    age: str
    gender: str
    accents: str
    details: Fields  # all that was given of it


def rows(table: File, limits: ArchiveLimits) -> Iterator[Row | BadRow]:
    """The rows of a table of clips; BadInput when its header lacks a column that is needed."""
    for where, fields in _fields(table, ("path", "sentence")):
        try:
            yield _row(where, fields, limits)
        except BadRow as bad:
            yield bad


def count(table: File) -> int:
    """How many rows there are, whatever they hold."""
    return max(0, sum(line is None or bool(line) for line in table.lines()) - 1)


def durations(table: File) -> Iterator[tuple[str, int]]:
    """(file name of a clip, milliseconds); what cannot be read gives a clip without a length."""
    for _, fields in _fields(table, ()):
        if isinstance(fields, BadRow):
            continue
        length = next((value for name, value in fields.items() if name.startswith("duration")), "")
        name = clip_name(fields.get("clip", fields.get("path", "")))
        if name and _MAX_NUMBER.fullmatch(length):
            yield name, int(length)


def reports(table: File) -> Iterator[tuple[str, str]]:
    """(sentence, why somebody reported it)."""
    for _, fields in _fields(table, ()):
        if not isinstance(fields, BadRow) and fields.get("sentence") and fields.get("reason"):
            yield fields["sentence"], fields["reason"][:_MAX_DETAIL]


def clip_name(path: str) -> str:
    """The file name of a clip; some old releases leave the ending out, some name the folder."""
    name = path.removeprefix("clips/")
    return name if not name or name.lower().endswith(_AUDIO) else f"{name}.mp3"


def _fields(table: File, needed: tuple[str, ...]) -> Iterator[tuple[str, Fields | BadRow]]:
    """(where, fields by column) of each row after the header; there are no quotes in these tables."""
    columns: list[str] | None = None
    for number, line in enumerate(table.lines(), start=1):
        where = f"{posixpath.basename(table.path)}:{number}"
        if columns is None:
            columns = _columns(table.path, line, needed)
        elif line != b"":
            yield where, _split(where, line, columns)


def _columns(name: str, line: bytes | None, needed: tuple[str, ...]) -> list[str]:
    text = (line or b"").decode("utf-8-sig", errors="replace")
    given = [column.strip().lower() for column in text.split("\t")]
    columns = [_OTHER_NAMES.get(column, column) for column in given]
    missing = [column for column in needed if column not in columns]
    if missing or len(set(columns)) < len(columns):
        fault = f"{' and '.join(missing)} missing" if missing else "one of them twice"
        raise BadInput(
            f"{name} has the columns {', '.join(columns)[:300]!r}: {fault}; expected a table of a Common "
            "Voice release, with client_id, path, sentence and others in its first line"
        )
    return columns


def _split(where: str, line: bytes | None, columns: list[str]) -> Fields | BadRow:
    if line is None:
        return BadRow(where, Reason.BAD_ROW, "the line is longer than 64 KiB")
    if b"\0" in line:
        return BadRow(where, Reason.BAD_ROW, "a NUL byte in it")
    try:
        fields = line.decode().split("\t")
    except UnicodeDecodeError:
        return BadRow(where, Reason.BAD_ROW, "is not UTF-8")
    if len(fields) != len(columns):
        return BadRow(where, Reason.BAD_ROW, f"found {len(fields)} fields, expected {len(columns)}")
    return dict(zip(columns, fields, strict=True))


def _row(where: str, fields: Fields | BadRow, limits: ArchiveLimits) -> Row:
    if isinstance(fields, BadRow):
        raise fields
    name = clip_name(fields["path"].strip())
    if not name:
        raise BadRow(where, Reason.BAD_ROW, "the path is empty")
    if fault := "names a folder" if "/" in name else unsafe(name, limits):
        raise BadRow(name, Reason.UNSAFE_PATH, fault)
    of_locale = _OF_LOCALE.match(name)
    return Row(
        name=name,
        sentence=fields["sentence"].strip(),
        speaker=fields.get("client_id", "").strip(),
        locale=fields.get("locale", "").strip() or (of_locale[1] if of_locale else ""),
        up_votes=_number(where, "up_votes", fields),
        down_votes=_number(where, "down_votes", fields),
        age=fields.get("age", "").strip(),
        gender=fields.get("gender", "").strip(),
        accents=fields.get("accents", "").strip(),
        details={key: fields[key].strip()[:_MAX_DETAIL] for key in _DETAILS if fields.get(key, "").strip()},
    )


def _number(where: str, name: str, fields: Fields) -> int:
    text = fields.get(name, "").strip()
    if text and not _MAX_NUMBER.fullmatch(text):
        raise BadRow(where, Reason.BAD_ROW, f"{name} is {text[:40]!r}, expected a number")
    return int(text or 0)
