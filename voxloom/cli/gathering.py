"""A listing becomes what is sent: a manifest of our own, and the files that it names, whole or in part."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from voxloom.cli.corpus import Corpus, Source
from voxloom.corpora.listing import AUDIO_SUFFIXES, BadRow, Listing, Part, Row
from voxloom.corpora.parts import Recordings, name_of
from voxloom.corpora.refusal import printable
from voxloom.errors import BadInput

_WHOLE_S = 0.011  # a part that lacks less than this of its recording is the recording
_MAX_DETAILS, _MAX_DETAIL = 40, 300  # as the service takes them
_BYTES_PER_S = 20_000  # of a part, for the progress bar only


@dataclass
class _Gathered:
    lines: list[bytes] = field(default_factory=list)
    sources: dict[str, Source] = field(default_factory=dict)
    missing: int = 0
    outside: int = 0
    foreign: int = 0  # files that are no audio
    bad: list[str] = field(default_factory=list)


class Places:
    """Where files of a corpus may lie: below its folder, or below the folder that was named for its audio."""

    def __init__(self, folder: Path, audio_root: Path | None) -> None:
        roots = [folder] if audio_root is None else [folder, audio_root]
        self.roots = [root.resolve() for root in roots]

    def find(self, name: str) -> tuple[str, Path] | None:
        """(name for the tar, the real file); None if it is nowhere; ValueError if it leads out."""
        inside = [found for root in self.roots if (found := _below(root, name))]
        if not inside:
            raise ValueError(f"leads out of {' and '.join(map(str, self.roots))}")
        return next(((each, path) for each, path in inside if path.is_file()), None)


def _below(root: Path, name: str) -> tuple[str, Path] | None:
    """The name relative to the root and the file behind it, if neither leads out."""
    if not name or "\0" in name:
        return None
    lexical = Path(*_folded((root / name).parts))
    real = (root / name).resolve()
    if not lexical.is_relative_to(root) or not real.is_relative_to(root):
        return None
    return lexical.relative_to(root).as_posix(), real


def _folded(parts: tuple[str, ...]) -> list[str]:
    """Without `..`, by name alone: the name in the tar is the one that the manifest gives."""
    kept: list[str] = []
    for part in parts:
        if part != "..":
            kept.append(part)
        elif len(kept) > 1:
            kept.pop()
    return kept


def gather(listing: Listing, audio_root: Path | None = None) -> Corpus:
    """Each row is sent, also one that cannot be used, so that the import counts it under a reason.

    BadInput when no file at all is found.
    """
    places, found = Places(listing.folder, audio_root), _Gathered()
    with Recordings() as recordings:
        for row in _rows(listing):
            _add(found, row, places, recordings)
    if not found.sources:
        raise BadInput(_nothing(listing, found, places))
    manifest = b"".join(found.lines)
    sizes = sum(_size(source) for source in found.sources.values())
    return Corpus(
        format="jsonl",
        root=places.roots[0],
        manifest_name="manifest.jsonl",
        manifest=manifest,
        names=tuple(found.sources),
        missing=found.missing,
        total_bytes=len(manifest) + sizes,
        sources=found.sources,
        notes=tuple(_notes(listing, found)),
    )


def _rows(listing: Listing) -> Iterator[Row | BadRow | str]:
    yield from listing.rows
    yield from listing.unnamed


def _add(found: _Gathered, row: Row | BadRow | str, places: Places, recordings: Recordings) -> None:
    if isinstance(row, BadRow):
        _add_bad(found, row)
    elif isinstance(row, str):  # audio without a text: it is sent without a line, and refused by name
        if (place := _find(places, row)) is not None:
            found.sources[place[0]] = Source(place[1])
    else:
        _add_row(found, row, places, recordings)


def _find(places: Places, name: str) -> tuple[str, Path] | None:
    try:
        return places.find(name)
    except ValueError:
        return None


def _add_row(found: _Gathered, row: Row, places: Places, recordings: Recordings) -> None:
    try:
        place = places.find(row.path)
    except ValueError:
        found.outside += 1
        found.lines.append(_line(row, row.path))  # refused there as unsafe_path
        return
    if place is None:
        found.missing += 1
        found.lines.append(_line(row, row.path.removeprefix("./")))
        return
    name, file = place
    if file.suffix.lower() not in AUDIO_SUFFIXES:
        found.foreign += 1
        found.lines.append(
            _line(row, name)
        )  # counted there as audio_missing; no other file leaves this machine
        return
    try:
        name, source, row = _source(row, name, file, recordings)
    except BadInput as error:
        _add_bad(found, BadRow(row.path, str(error)))
        return
    if found.sources.setdefault(name, source).file != source.file:
        _add_bad(found, BadRow(row.path, "another file of this name lies below the other folder"))
    else:
        found.lines.append(_line(row, name))


def _source(row: Row, name: str, file: Path, recordings: Recordings) -> tuple[str, Source, Row]:
    """A part that is all of its recording is sent as it is; another one is named by its times."""
    part = row.part
    if part is None:
        return name, Source(file), row
    duration_s = recordings.duration_s(file)
    end_s = duration_s if part.duration_s is None else part.start_s + part.duration_s
    if part.start_s <= _WHOLE_S and end_s >= duration_s - _WHOLE_S and part.channel is None:
        return name, Source(file), row
    if part.start_s >= duration_s or end_s <= part.start_s:
        raise BadInput(f"from {part.start_s:g} s to {end_s:g} s of a recording of {duration_s:.3f} s")
    exact = Part(part.start_s, min(end_s, duration_s) - part.start_s, part.channel)
    lineage = {"recording": name, "start_s": f"{part.start_s:.4f}", "duration_s": f"{exact.duration_s:.4f}"}
    cut = replace(row, details={**row.details, **lineage})
    return name_of(name, exact, duration_s), Source(file, exact), cut


def _add_bad(found: _Gathered, row: BadRow) -> None:
    """A JSON string is no row: the import counts it as bad_manifest_row and keeps what it says."""
    said = printable(f"{row.where}: {row.why}", 500)
    found.bad.append(said)
    found.lines.append(json.dumps(said).encode() + b"\n")


def _line(row: Row, name: str) -> bytes:
    optional = {"speaker": row.speaker, "split": row.split, "language": row.language}
    details = {printable(k, _MAX_DETAIL): printable(v, _MAX_DETAIL) for k, v in row.details.items()}
    given = {key: value for key, value in optional.items() if value}
    whole = {"key": name, "text": row.text, **given}
    if details:
        whole["details"] = dict(list(details.items())[:_MAX_DETAILS])  # type: ignore[assignment]
    return json.dumps(whole).encode() + b"\n"


def _size(source: Source) -> int:
    if source.part is None:
        return source.file.stat().st_size
    return int((source.part.duration_s or 0.0) * _BYTES_PER_S)


def _nothing(listing: Listing, found: _Gathered, places: Places) -> str:
    rows = len(listing.rows)
    where = f"none of the {rows} clips that the {listing.format} corpus in {listing.folder} lists can be sent"
    if found.outside:
        roots = " or ".join(map(str, places.roots))
        return f"{where}: {found.outside} lie outside of {roots}; name their folder: --audio-root DIR"
    return f"{where}: {found.missing} files are missing, {len(found.bad)} rows cannot be used" + (
        f" ({found.bad[0]})" if found.bad else ""
    )


def _notes(listing: Listing, found: _Gathered) -> Iterator[str]:
    yield from listing.notes
    if found.bad:
        yield f"{len(found.bad)} rows cannot be used and will be counted as refused: {found.bad[0]}"
    if found.foreign:
        yield f"{found.foreign} rows name files that are no audio; they will be counted as audio_missing"
    if found.outside:
        yield f"{found.outside} rows name files outside of the corpus; they will be counted as unsafe_path"
