"""Small made-up releases of Common Voice: tables as text, clips as a few bytes."""

import io
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from ingest_corpora import tar

from voxloom.corpora.archive import ArchiveLimits
from voxloom.corpora.commonvoice import Release, read_release, release_limits
from voxloom.corpora.commonvoice_choice import Chosen
from voxloom.corpora.members import from_stream

LIMITS = release_limits(ArchiveLimits())
FOLDER = "cv-corpus-17.0-2024-03-15/en"
COLUMNS = "client_id path sentence up_votes down_votes age gender accents locale"

Row = dict[str, str]


def row(number: int, speaker: str = "", sentence: str = "", **given: str) -> Row:
    """A clip of its own speaker and sentence, unless they are given."""
    names = {"client_id": speaker or f"speaker{number}", "path": f"common_voice_en_{number}.mp3"}
    said = {"sentence": sentence or f"Sentence {number}.", "locale": "en"}
    return names | said | {"up_votes": "2", "down_votes": "0"} | given


def table(rows: Iterable[Row], columns: str = COLUMNS) -> bytes:
    names = columns.split()
    lines = [names, *([each.get(name, "") for name in names] for each in rows)]
    return "".join("\t".join(line) + "\n" for line in lines).encode()


def release(tables: Mapping[str, bytes], clips: Iterable[str] = (), folder: str = FOLDER) -> bytes:
    """The tar: the clips first, as published ones have it."""
    inside = f"{folder}/" if folder else ""
    files = {f"{inside}clips/{name}": b"ID3" + name.encode() for name in clips}
    return tar(files | {inside + name: data for name, data in tables.items()})


@contextmanager
def opened(data: bytes, name: str = "", language: str = "") -> Iterator[Release]:
    with from_stream(io.BytesIO(data), LIMITS) as members:
        found = read_release(members, LIMITS, name=name, language=language)
    with found:
        yield found


def names(chosen: Chosen, *splits: str) -> set[str]:
    """The file names of the chosen clips, of some splits or of all."""
    return {entry.path for _, entry in chosen.entries() if not splits or entry.split in splits}


def outcome(found: Release, chosen: Chosen) -> tuple[int, Counter[str], dict[str, int]]:
    """(entries, refusals by reason, not selected by rule), which together are every row."""
    entries, refused = len(list(chosen.entries())), Counter(each.reason for each in chosen.refusals())
    assert entries + refused.total() + sum(chosen.not_selected.values()) == found.num_rows
    return entries, refused, chosen.not_selected
