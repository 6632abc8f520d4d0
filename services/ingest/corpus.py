"""Corpus readers: what each format says about its clips. Two passes over the tar: transcripts, then audio.

A reader turns the first pass into an `Index` of entries by path; the second pass is the same for all.
"""

import csv
import json
import posixpath
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from services.ingest.index import Index
from voxloom.corpora.archive import ArchiveLimits, File, unsafe
from voxloom.corpora.commonvoice import read_release, release_limits
from voxloom.corpora.entry import Entry
from voxloom.corpora.listing import AUDIO_SUFFIXES
from voxloom.corpora.refusal import Reason, Refusal
from voxloom.corpora.selection import Selection
from voxloom.errors import BadInput
from voxloom.record import Record

Format = Literal["folder", "csv", "jsonl", "commonvoice"]
Members = Iterator[File | Refusal]

MANIFESTS: dict[Format, tuple[str, ...]] = {
    "folder": (),
    "csv": ("manifest.csv", "manifest.tsv"),
    "jsonl": ("manifest.jsonl",),
    "commonvoice": (),
}
_MAX_TXT_BYTES = 64 * 1024
_MAX_DETAILS, _MAX_DETAIL = 40, 300  # fields of a row, characters of one
_NOT_TRANSCRIPTS = ("readme", "license", "licence", "copying", "notice")


class ImportSpec(Record):
    """What the client asked for; the spec of an import job."""

    corpus: str
    format: Format
    language: str = "en"
    keep_published_split: bool = False
    max_refused_fraction: float = 0.1
    source: str = "imported"
    selection: Selection = Selection()
    origin: str = ""  # where the service itself finds the archive; "" when it is uploaded
    upload: str = ""  # key of the tar

    @property
    def namespace(self) -> str:
        """What tells its ids from those of others. A clip of Common Voice has one name in all releases."""
        return "commonvoice" if self.format == "commonvoice" else self.corpus

    @property
    def keeps_split(self) -> bool:
        return self.keep_published_split or self.format == "commonvoice"


@dataclass(frozen=True)
class Found:
    """A clip in the archive, and where its bytes lie."""

    entry: Entry
    offset: int
    size: int  # bytes


def read_index(members: Members, spec: ImportSpec, limits: ArchiveLimits) -> Index:
    """The first pass; BadInput when there is no manifest or its header cannot be used."""
    if spec.format == "folder":
        return _read_sidecars(members)
    if spec.format == "commonvoice":
        return _read_release(members, spec, limits)
    for member in members:
        if isinstance(member, File) and posixpath.basename(member.path) in MANIFESTS[spec.format]:
            return _read_manifest(member, spec, limits)
    raise BadInput(
        f"the archive holds no {' or '.join(MANIFESTS[spec.format])}; put one beside the audio, "
        "or import it as a folder of audio with .txt files"
    )


def find_clips(members: Members, index: Index, spec: ImportSpec) -> Iterator[Found | Refusal]:
    """The second pass: each audio file with its entry, and all that does not fit together."""
    yield from index.refusals()
    manifests = 0
    for member in members:
        if isinstance(member, Refusal):
            yield member
        elif is_audio(member.path):
            if not index.ignores(member.path):
                yield _find(member, index)
        elif posixpath.basename(member.path) in MANIFESTS[spec.format]:
            manifests += 1
            if manifests > 1:
                yield Refusal.of(member.path, Reason.SECOND_MANIFEST, "only the first manifest is read")
    for entry in index.rest():
        yield Refusal.of(entry.path, Reason.AUDIO_MISSING, "the archive has no such audio file")


def is_audio(path: str) -> bool:
    return posixpath.splitext(path)[1].lower() in AUDIO_SUFFIXES


def _find(file: File, index: Index) -> Found | Refusal:
    path = index.relative(file.path)
    entry = index.take(file.path)
    if entry is None:
        return Refusal.of(path, Reason.NO_TRANSCRIPT, "no manifest row or .txt file speaks of it")
    return Found(replace(entry, path=path), file.offset, file.size)


# --- a folder of audio with .txt files ---


def _read_sidecars(members: Members) -> Index:
    index = Index()
    for member in members:
        if isinstance(member, File) and _is_transcript(member.path):
            _add_sidecar(index, member)
    return index


def _is_transcript(path: str) -> bool:
    stem, suffix = posixpath.splitext(posixpath.basename(path).lower())
    return suffix == ".txt" and stem not in _NOT_TRANSCRIPTS


def _add_sidecar(index: Index, file: File) -> None:
    stem = posixpath.splitext(file.path)[0]
    if file.size > _MAX_TXT_BYTES:
        index.refuse(
            file.path, Reason.TEXT_TOO_LONG, f"{file.size} bytes; at most {_MAX_TXT_BYTES} are allowed"
        )
        return
    text = _decoded(file.read())
    if text is None:
        index.refuse(file.path, Reason.BAD_TEXT, "is not UTF-8")
        return
    index.add(stem, Entry(stem, text.strip(), speaker=posixpath.basename(posixpath.dirname(stem))))


def _decoded(data: bytes) -> str | None:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None


# --- a release of Common Voice ---


def _read_release(members: Members, spec: ImportSpec, limits: ArchiveLimits) -> Index:
    """The clips that the selection wants; all others are counted by the rows of the tables."""
    release = read_release(members, release_limits(limits), name=spec.corpus, language=spec.language)
    chosen = release.select(spec.selection)
    index = Index(posixpath.join(chosen.folder, "clips"))
    index.keep(release)
    index.not_selected = chosen.not_selected
    for path, entry in chosen.entries():
        index.add(path, entry)
    for refusal in chosen.refusals():
        index.count(refusal)
    index.ignores = lambda path: not chosen.wants(path)
    return index


# --- manifest.csv, manifest.tsv, manifest.jsonl ---

ParseRow = Callable[[str], dict[str, Any]]  # ValueError says what is wrong with a row


def _read_manifest(file: File, spec: ImportSpec, limits: ArchiveLimits) -> Index:
    """Line by line, so that one broken row costs one row: a quoted field may not run over lines."""
    index, lines = Index(posixpath.dirname(file.path)), _decoded_lines(file)
    parse = _json_row if spec.format == "jsonl" else _table_parser(file.path, next(lines, (1, ""))[1], spec)
    for number, line in lines:
        if number > limits.max_members:
            raise BadInput(f"{file.path} has more than {limits.max_members} lines; import it in parts")
        where = f"{file.path}:{number}"
        try:
            _add_row(index, _whole(line, parse), limits)
        except (ValueError, csv.Error, RecursionError) as error:
            index.refuse(where, Reason.BAD_ROW, str(error))
    return index


def _decoded_lines(file: File) -> Iterator[tuple[int, str | None]]:
    """(line number, text), blank lines left out; None for a line that is too long or not UTF-8."""
    for number, line in enumerate(file.lines(), start=1):
        text = None if line is None else _decoded(line)
        if text is None or text.strip():
            yield number, text


def _whole(line: str | None, parse: ParseRow) -> dict[str, Any]:
    if line is None:
        raise ValueError("the line is longer than 64 KiB or not UTF-8")
    return parse(line)


def _add_row(index: Index, row: dict[str, Any], limits: ArchiveLimits) -> None:
    given = row["path"]
    path = posixpath.normpath(posixpath.join(index.folder, given)) if given else ""
    if fault := unsafe(path, limits):
        index.refuse(given, Reason.UNSAFE_PATH, fault)
        return
    entry = Entry(
        path=index.relative(path),
        text=row["text"].strip(),
        speaker=row.get("speaker", "").strip(),
        split=row.get("split", "").strip().lower(),
        language=row.get("language", "").strip(),
        details=_details(row.get("details")),
    )
    index.add(path, entry)


def _table_parser(name: str, header: str | None, spec: ImportSpec) -> ParseRow:
    """Columns are known by name, never by position. CSV has quotes, a TSV has none."""
    split = _split_tabs if name.endswith(".tsv") else _split_commas
    columns = [column.strip().lower() for column in _header_fields(name, header, split)]
    wanted = ["path", "text", *(["split"] if spec.keep_published_split else [])]
    missing = [column for column in wanted if column not in columns]
    if missing:
        raise BadInput(
            f"{name} has the columns {', '.join(columns)[:300] or 'none'}; {' and '.join(missing)} missing: "
            "expected a header with path,text[,speaker,split,language]"
        )

    def parse(line: str) -> dict[str, str]:
        fields = split(line)
        if len(fields) != len(columns):
            raise ValueError(f"found {len(fields)} fields, expected {len(columns)}")
        return {name: field for name, field in zip(columns, fields, strict=True) if name != "details"}

    return parse


def _header_fields(name: str, header: str | None, split: Callable[[str], list[str]]) -> list[str]:
    try:
        return split(header or "")
    except csv.Error as error:
        raise BadInput(f"{name} has a header that cannot be read: {error}") from error


def _split_tabs(line: str) -> list[str]:
    return line.split("\t")


def _split_commas(line: str) -> list[str]:
    return next(csv.reader([line], strict=True))


def _json_row(line: str) -> dict[str, Any]:
    row = json.loads(line)
    if not isinstance(row, dict):
        raise ValueError("expected an object with key (or audio_filepath) and text")  # noqa: TRY004
    path = row.get("key") or row.get("audio_filepath")
    if not isinstance(path, str) or not isinstance(row.get("text"), str):
        raise ValueError("expected the strings key (or audio_filepath) and text")  # noqa: TRY004
    optional = {name: "" if row.get(name) is None else row[name] for name in ("speaker", "split", "language")}
    if wrong := [name for name, value in optional.items() if not isinstance(value, str | int)]:
        raise ValueError(f"{wrong[0]} is not a string")
    strings = {name: str(value) for name, value in optional.items()}
    return {"path": path, "text": row["text"], "details": row.get("details"), **strings}


def _details(given: object) -> dict[str, str]:
    """Of a JSONL row: a flat object of strings and numbers, kept as strings."""
    if given is None:
        return {}
    if not isinstance(given, dict) or len(given) > _MAX_DETAILS:
        raise ValueError(f"details is not an object of at most {_MAX_DETAILS} fields")
    flat = {str(name): str(value) for name, value in given.items() if isinstance(value, str | int | float)}
    if len(flat) != len(given) or any(len(part) > _MAX_DETAIL for pair in flat.items() for part in pair):
        raise ValueError(f"details holds something else than strings and numbers of {_MAX_DETAIL} characters")
    if not all(part.isprintable() for pair in flat.items() for part in pair):
        raise ValueError("details holds control characters")
    return flat
