"""Corpora in one table: LJSpeech, Coqui's CSV, and a CSV or TSV with path and text."""

import csv
from collections.abc import Callable, Iterator
from pathlib import Path

from voxloom.corpora.listing import BadRow, Listing, Row, read_lines
from voxloom.errors import BadInput

SPLIT_OF_STEM = {"train": "train", "dev": "dev", "val": "dev", "valid": "dev", "test": "test"}
_LJ_FOLDERS = ("wavs", "wav", ".")
_LJ_SUFFIXES = (".wav", ".flac", "")
_KNOWN = ("path", "text", "speaker", "split", "language")
Fields = dict[str, str]


def read_ljspeech(path: Path) -> Listing:
    """`id|text` or `id|raw|normalised` without a header, audio in wavs/ or wav/; the last text is taken."""
    listing = Listing("ljspeech", path.parent)
    for where, line in read_lines(path):
        fields = (line or "").split("|")
        if len(fields) not in (2, 3) or not fields[0].strip():
            listing.rows.append(BadRow(where, f"{len(fields)} fields; expected id|text or id|raw|normalised"))
            continue
        name, text = fields[0].strip(), fields[-1].strip() or fields[1].strip()
        listing.rows.append(Row(_find_lj(path.parent, name), text, details={"id": name}))
    return listing


def _find_lj(root: Path, name: str) -> str:
    """The first place where the clip lies, or where it should be."""
    if name.startswith("/") or ".." in name.split("/") or "\0" in name:
        return name  # refused by its path, not looked for
    named = [f"{folder}/{name}{suffix}" for folder in _LJ_FOLDERS for suffix in _LJ_SUFFIXES]
    return next((each for each in named if (root / each).is_file()), named[0]).removeprefix("./")


def read_coqui(path: Path) -> Listing:
    """`wav_filename,wav_filesize,transcript`; of a folder its train.csv, dev.csv and test.csv."""
    files = coqui_files(path) if path.is_dir() else [path]
    listing = Listing("coqui", path if path.is_dir() else path.parent)
    for file in files:
        split = SPLIT_OF_STEM.get(file.stem.lower(), "")
        for where, row in _records(file, ("wav_filename", "transcript")):
            listing.rows.append(_coqui_row(row, split) if isinstance(row, dict) else BadRow(where, row))
    return listing


def coqui_files(folder: Path) -> list[Path]:
    """The CSVs of a folder that have Coqui's header."""
    found = (path for path in sorted(folder.glob("*.csv")) if path.stem.lower() in SPLIT_OF_STEM)
    return [path for path in found if "wav_filename" in columns_of(path)]


def _coqui_row(row: Fields, split: str) -> Row:
    return Row(row["wav_filename"], row["transcript"].strip(), row.get("speaker", ""), split)


def read_table(path: Path) -> Listing:
    """A CSV or TSV with a header of at least path and text; other columns are kept as lineage."""
    listing = Listing("csv", path.parent)
    for where, row in _records(path, ("path", "text")):
        listing.rows.append(_table_row(row) if isinstance(row, dict) else BadRow(where, row))
    return listing


def _table_row(row: Fields) -> Row:
    path, text, speaker, split, language = (row.get(name, "").strip() for name in _KNOWN)
    other = {name: value for name, value in row.items() if name not in _KNOWN and name and value}
    return Row(path, text, speaker, split, language, other)


def columns_of(path: Path) -> list[str]:
    """The header in lower case; [] when there is none that can be read."""
    line = next((text for _, text in read_lines(path)), None)
    try:
        return [name.strip().lower() for name in _splitter(path)(line or "")]
    except (csv.Error, StopIteration):
        return []


def _records(path: Path, wanted: tuple[str, ...]) -> Iterator[tuple[str, Fields | str]]:
    """(where, the row by column, or what is wrong with it), line by line: a bad quote costs one row."""
    columns, split = columns_of(path), _splitter(path)
    if missing := [name for name in wanted if name not in columns]:
        found = ", ".join(columns)[:200] or "none"
        raise BadInput(f"{path} has the columns {found}; expected a header with {' and '.join(missing)}")
    lines = read_lines(path)
    next(lines)
    for where, line in lines:
        yield where, _record(line, columns, split)


def _record(line: str | None, columns: list[str], split: Callable[[str], list[str]]) -> Fields | str:
    if line is None:
        return "too long, or not UTF-8"
    try:
        fields = split(line)
    except csv.Error as error:
        return str(error)
    if len(fields) != len(columns):
        return f"{len(fields)} fields; expected {len(columns)}"
    return dict(zip(columns, fields, strict=True))


def _splitter(path: Path) -> Callable[[str], list[str]]:
    return _split_tabs if path.suffix.lower() == ".tsv" else _split_commas


def _split_tabs(line: str) -> list[str]:
    return line.split("\t")


def _split_commas(line: str) -> list[str]:
    return next(csv.reader([line], strict=True), [])
