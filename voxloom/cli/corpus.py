"""Which files of a corpus on disk are sent: those its manifest names, and none from outside its folder."""

import csv
import json
import os
import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal

from voxloom.corpora.listing import AUDIO_SUFFIXES, Part
from voxloom.errors import BadInput

Format = Literal["folder", "csv", "jsonl"]
Row = dict[str, str]
Keep = Callable[[Row], bool]

MANIFEST_NAMES = ("manifest.csv", "manifest.tsv", "manifest.jsonl")


@dataclass(frozen=True)
class Source:
    """Where a file that is sent comes from: a real file, or a part of it."""

    file: Path  # resolved
    part: Part | None = None


@dataclass(frozen=True)
class Corpus:
    """What will be sent: the manifest first, then each file once, in a fixed order."""

    format: Format
    root: Path  # resolved
    manifest_name: str  # "" for a plain folder
    manifest: bytes
    names: tuple[str, ...]  # files relative to root, with forward slashes
    missing: int  # named by the manifest, not on disk; the import counts them as refused
    total_bytes: int  # about, where parts are cut on the way
    sources: Mapping[str, Source] = field(default_factory=dict)  # of names that are no files below root
    notes: tuple[str, ...] = ()  # what to tell before it is sent


def read_corpus(path: Path) -> Corpus:
    """The corpus at a folder or at a .csv, .tsv or .jsonl manifest; BadInput if there is none."""
    if path.is_dir():
        return _read_directory(path)
    if not path.is_file():
        raise BadInput(f"{path} does not exist; give a folder, a .csv, .tsv or .jsonl manifest, or a .tar")
    return read_manifest(path)


def _read_directory(root: Path) -> Corpus:
    found = [root / name for name in MANIFEST_NAMES if (root / name).is_file()]
    if len(found) > 1:
        names = " and ".join(each.name for each in found)
        raise BadInput(f"{root} has {names}; give the path of the one to import")
    return read_manifest(found[0]) if found else _read_folder(root)


def _read_folder(root: Path) -> Corpus:
    """Audio with its .txt beside it; audio without one is sent too, to be counted as refused."""
    names: list[str] = []
    for folder, subfolders, files in os.walk(root):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        below = Path(folder).relative_to(root)
        for name in sorted(files):
            stem, suffix = os.path.splitext(name)
            if suffix.lower() in AUDIO_SUFFIXES and not name.startswith("."):
                pair = [f"{stem}.txt", name] if f"{stem}.txt" in files else [name]
                names += [(below / each).as_posix() for each in pair]
    if not names:
        raise BadInput(
            f"{root} has no audio; expected {', '.join(sorted(AUDIO_SUFFIXES))} with a .txt of the same "
            f"name beside each, or one of {', '.join(MANIFEST_NAMES)}"
        )
    return _corpus("folder", root, "", b"", dict.fromkeys(names, str(root)))


def read_manifest(path: Path, keep: Keep | None = None) -> Corpus:
    """The corpus that a manifest names; with `keep`, only of the rows that it wants.

    A row that cannot be read is sent as it is: the import refuses and counts it.
    """
    suffix = path.suffix.lower()
    parsers: dict[str, Callable[[Path, bytes], RowParser]] = {
        ".csv": _table_parser,
        ".tsv": _table_parser,
        ".jsonl": _json_parser,
    }
    if suffix not in parsers:
        found = suffix or "no ending"
        raise BadInput(f"{path} is no corpus: found {found}; expected a folder, .csv, .tsv, .jsonl or .tar")
    lines = path.read_bytes().splitlines(keepends=True)
    parser = parsers[suffix](path, lines[0] if lines else b"")
    sent: list[bytes] = []
    named: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        row = parser.parse(line) if number > parser.header_lines else None
        if row is not None and keep is not None and not keep(row):
            continue
        sent.append(line)
        if row is not None and row["path"]:
            named.setdefault(row["path"].removeprefix("./"), f"{path}:{number}")
    if not named:
        raise BadInput(f"{path} names no files; expected a line for each utterance")
    fmt: Format = "jsonl" if suffix == ".jsonl" else "csv"
    return _corpus(fmt, path.parent, f"manifest{suffix}", b"".join(sent), named)


@dataclass(frozen=True)
class RowParser:
    """How the lines after the header become rows; None for one that cannot be read."""

    header_lines: int
    parse: Callable[[bytes], Row | None]


def _table_parser(path: Path, header: bytes) -> RowParser:
    split = _split_tabs if path.suffix.lower() == ".tsv" else _split_commas
    columns = [column.strip().lower() for column in split(header.removeprefix(b"\xef\xbb\xbf")) or ()]
    if "path" not in columns or "text" not in columns:
        found = ", ".join(columns)[:200] or "none"
        raise BadInput(f"{path} has the columns {found}; expected a header with at least path and text")

    def parse(line: bytes) -> Row | None:
        fields = split(line)
        whole = fields is not None and len(fields) == len(columns)
        return dict(zip(columns, fields or (), strict=True)) if whole else None

    return RowParser(1, parse)


def _split_tabs(line: bytes) -> list[str] | None:
    try:
        return line.decode().rstrip("\r\n").split("\t")
    except UnicodeDecodeError:
        return None


def _split_commas(line: bytes) -> list[str] | None:
    try:
        return next(csv.reader([line.decode().rstrip("\r\n")], strict=True), None)
    except (UnicodeDecodeError, csv.Error):
        return None


def _json_parser(path: Path, first: bytes) -> RowParser:
    return RowParser(0, _json_row)


def _json_row(line: bytes) -> Row | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(row, dict):
        return None
    found = row.get("key") or row.get("audio_filepath")
    return {**{k: str(v) for k, v in row.items()}, "path": found} if isinstance(found, str) else None


def _corpus(fmt: Format, root: Path, manifest_name: str, manifest: bytes, named: dict[str, str]) -> Corpus:
    """Checks each name against the folder and adds up the sizes. `named` is name -> where it is named."""
    real_root = root.resolve()
    present: list[str] = []
    total = len(manifest)
    for name, where in named.items():
        path = inside(real_root, name, where)
        if path is not None:
            present.append(name)
            total += path.stat().st_size
    if not present:
        raise BadInput(
            f"none of the {len(named)} files that are named lie in {root}; paths are relative to it"
        )
    missing = len(named) - len(present)
    return Corpus(fmt, real_root, manifest_name, manifest, tuple(present), missing, total)


def inside(root: Path, name: str, where: str) -> Path | None:
    """The real file of a name within the resolved root, None if there is none; BadInput if it leads out."""
    pure = PurePosixPath(name)
    if not name or "\0" in name or pure.is_absolute() or ".." in pure.parts:
        raise _leads_out(root, name, where)
    path = (root / pure).resolve()
    if not path.is_relative_to(root):
        raise _leads_out(root, name, where)
    return path if path.is_file() else None


def _leads_out(root: Path, name: str, where: str) -> BadInput:
    return BadInput(
        f"{where}: the path {name[:200]!r} leads out of the corpus folder {root}, nothing was sent; "
        "use paths relative to the manifest, to real files below its folder"
    )


def format_of_tar(path: Path) -> Format:
    """What a ready-made tar holds, from its member names; BadInput if it cannot be read."""
    try:
        for name in _member_names(path):
            if name in MANIFEST_NAMES:
                return "jsonl" if name.endswith(".jsonl") else "csv"
    except (tarfile.TarError, OSError, EOFError, ValueError) as error:
        raise BadInput(f"{path} cannot be read as a tar: {error}") from error
    return "folder"


def _member_names(path: Path) -> Iterator[str]:
    with tarfile.open(path, "r:*") as archive:
        for member in archive:
            yield PurePosixPath(member.name).name
