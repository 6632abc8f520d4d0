"""`voxloom import` of anything: which format lies there, read, cut if asked for, and gathered to be sent."""

from collections import Counter
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from voxloom.cli.corpus import Corpus, read_corpus
from voxloom.cli.gathering import Places, gather
from voxloom.cli.output import Meter, say
from voxloom.corpora import formats
from voxloom.corpora.captions import read_text
from voxloom.corpora.folders import TIMED_SUFFIXES
from voxloom.corpora.listing import BadRow, Listing, Part, Row
from voxloom.corpora.parts import Recordings
from voxloom.corpora.recordings import Cutter, find_transcript
from voxloom.errors import BadInput

LONG_S = 35.0  # the service refuses longer clips
_NATIVE = ("csv", "folder")  # sent with their own manifest, as they are


class FormatName(StrEnum):
    """Of `formats.FORMATS`; spelled out so that types know them."""

    auto = "auto"
    csv = "csv"
    lhotse = "lhotse"
    nemo = "nemo"
    jsonl = "jsonl"
    coqui = "coqui"
    ljspeech = "ljspeech"
    mimic = "mimic"
    piper = "piper"
    folder = "folder"


@dataclass(frozen=True)
class Reading:
    """How a corpus is to be read: what the command line says about it."""

    format: str = "auto"
    audio_root: Path | None = None
    cutter: Cutter | None = None  # None: long clips are sent as they are


def open_corpus(path: Path, reading: Reading | None = None) -> Corpus:
    """What will be sent; BadInput when there is nothing of the kind."""
    reading = reading or Reading()
    name = _name(path, reading)
    if not name or (name in _NATIVE and not reading.audio_root and not reading.cutter):
        return _native(path, name, reading)
    listing = formats.read(path, name)
    if reading.cutter:
        listing = cut_long(listing, reading, reading.cutter)
    return gather(listing, reading.audio_root)


def _name(path: Path, reading: Reading) -> str:
    """The format by name, "" for what only says what was expected."""
    if reading.format != "auto":
        return reading.format
    try:
        name = formats.detect(path).name if path.exists() else ""
    except BadInput:
        if path.is_dir():
            raise
        return ""
    if name and name not in _NATIVE:
        what = formats.FORMATS[name].what
        say(f"{path} is read as {name} ({what}); another format is named with --format")
    return name


def _native(path: Path, name: str, reading: Reading) -> Corpus:
    """A CSV whose paths are absolute is gathered like the other formats."""
    if name == "csv":
        listing = formats.read(path, name)
        if any(isinstance(row, Row) and row.path.startswith("/") for row in listing.rows):
            return gather(listing, reading.audio_root)
    return read_corpus(path)


def cut_long(listing: Listing, reading: Reading, cutter: Cutter) -> Listing:
    """Rows of whole files longer than 35 s become their pieces; pieces left out are rows that are counted."""
    places, rows = Places(listing.folder, reading.audio_root), list[Row | BadRow]()
    left_out: Counter[str] = Counter()
    with Recordings() as recordings, Meter("cutting") as meter:
        for number, row in enumerate(listing.rows):
            meter.update(number, len(listing.rows))
            file = _long_file(row, places, recordings)
            new = _cut(row, file, cutter) if file and isinstance(row, Row) else [row]
            left_out.update(each.why for each in new if isinstance(each, BadRow) and file)
            rows += new
    counts = ", ".join(f"{count} {reason}" for reason, count in sorted(left_out.items()))
    notes = [f"pieces of long clips left out, counted as bad_manifest_row: {counts}"] if counts else []
    return replace(listing, rows=rows, notes=[*listing.notes, *notes])


def _long_file(row: Row | BadRow, places: Places, recordings: Recordings) -> Path | None:
    if isinstance(row, BadRow) or row.part is not None:
        return None
    try:
        found = places.find(row.path)
        return found[1] if found and recordings.duration_s(found[1]) > LONG_S else None
    except (ValueError, BadInput):
        return None  # sent as it is, and refused for what is wrong with it


def _cut(row: Row, file: Path, cutter: Cutter) -> list[Row | BadRow]:
    beside = find_transcript(file)
    timed = beside is not None and beside.suffix in TIMED_SUFFIXES
    try:
        text = read_text(beside) if beside and timed else row.text
        if not text.strip():
            return [row]
        pieces = cutter.pieces(file, text)
    except BadInput as error:
        return [BadRow(row.path, str(error))]
    return [
        BadRow(f"{row.path} {piece.start_s:.1f}-{piece.end_s:.1f} s", piece.fault)
        if piece.fault
        else replace(row, text=piece.text, part=Part(piece.start_s, piece.duration_s))
        for piece in pieces
    ]
