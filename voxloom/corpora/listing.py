"""What a reader makes of a corpus on disk: rows that name files or parts of them, and rows it cannot use."""

import gzip
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from voxloom.errors import BadInput

AUDIO_SUFFIXES = frozenset({".wav", ".flac", ".mp3", ".ogg", ".oga", ".opus"})
MAX_ROWS = 2_000_000
_MAX_LINE_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Part:
    """A stretch of a longer recording."""

    start_s: float
    duration_s: float | None = None  # None: to the end
    channel: int | None = None  # counted from 0; None: all of them


@dataclass(frozen=True)
class Row:
    """One clip as the corpus describes it; nothing is checked yet."""

    path: str  # relative to the listing's folder, or absolute
    text: str
    speaker: str = ""
    split: str = ""
    language: str = ""
    details: Mapping[str, str] = field(default_factory=dict)  # kept as lineage
    part: Part | None = None


@dataclass(frozen=True)
class BadRow:
    """A row that cannot be used. It is sent so that the import counts it, never left out."""

    where: str  # metadata.csv:7
    why: str


@dataclass
class Listing:
    """A whole corpus, in the order in which it lists its clips."""

    format: str
    folder: Path
    rows: list[Row | BadRow] = field(default_factory=list)
    unnamed: list[str] = field(default_factory=list)  # audio that nothing speaks of: sent, to be counted
    notes: list[str] = field(default_factory=list)  # what people should know before it is sent


def read_lines(path: Path) -> Iterator[tuple[str, str | None]]:
    """(metadata.csv:7, its text) of each line that is not blank, gunzipped; None: too long, or not UTF-8.

    BadInput for a damaged gzip file and for more than MAX_ROWS lines.
    """
    try:
        with _opened(path) as stream:
            for number, line in enumerate(_raw_lines(stream), start=1):
                if number > MAX_ROWS:
                    raise BadInput(f"{path} has more than {MAX_ROWS} lines; import it in parts")
                text = _decoded(line, first=number == 1)
                if text is None or text.strip():
                    yield f"{path.name}:{number}", text
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise BadInput(f"{path} cannot be unpacked ({error}); copy or write it anew") from error


def first_line(path: Path) -> str:
    """The first line that can be read, or ""."""
    return next((text for _, text in read_lines(path) if text), "")


def _opened(path: Path) -> IO[bytes]:
    return gzip.open(path, "rb") if path.suffix == ".gz" else open(path, "rb")  # type: ignore[return-value]


def _raw_lines(stream: IO[bytes]) -> Iterator[bytes | None]:
    while line := stream.readline(_MAX_LINE_BYTES):
        whole = line.endswith(b"\n") or len(line) < _MAX_LINE_BYTES
        yield line if whole else None
        while not whole and line and not line.endswith(b"\n"):
            line = stream.readline(_MAX_LINE_BYTES)


def _decoded(line: bytes | None, first: bool) -> str | None:
    try:
        return None if line is None else line.decode("utf-8-sig" if first else "utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        return None
