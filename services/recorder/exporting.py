"""Takes as a zip archive, made while it is sent: audio first, then the table of what is in it."""

import csv
import io
import json
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Any

from services.recorder.ledger import SOURCE
from services.recorder.take_index import Listed
from voxloom import keys
from voxloom.errors import NotFound
from voxloom.manifest import RawUtterance
from voxloom.storage import ObjectStore
from voxloom.text import normalize

PART_BYTES = 64 * 1024
_IN_MEMORY = 1 << 20  # bytes of the table; beyond that it lies on disk until the audio is out
_EPOCH = (1980, 1, 1, 0, 0, 0)  # of ZIP
_COLUMNS = (
    *("path", "text", "speaker", "language", "duration_s", "utterance", "speaker_name", "created_at"),
    *("prompt_list", "prompt_id", "verdict", "reason", "best", "chosen", "accepted_anyway"),
    *("loudness_lufs", "snr_db", "audio_sha256"),
)


@dataclass(frozen=True)
class Table:
    """How the takes of an archive are written down, a line each."""

    name: str
    header: str
    line: Callable[[Listed], str]


def archive(store: ObjectStore, takes: Iterable[Listed], table: Table) -> Iterator[bytes]:
    """Parts of 64 kB at most; in memory is one take and a list of names. A take that was deleted since it was
    listed is left out, and named in left_out.txt."""
    sink = _Sink()
    with (
        tempfile.SpooledTemporaryFile(_IN_MEMORY) as lines,
        tempfile.SpooledTemporaryFile(_IN_MEMORY) as gone,
    ):
        lines.write(table.header.encode())
        with zipfile.ZipFile(sink, "w") as out:
            for take in takes:
                try:
                    _add_audio(out, store, take.record)
                    lines.write(table.line(take).encode())
                except NotFound:
                    gone.write(f"{take.record.utterance}: deleted while this was made\n".encode())
                yield from sink.parts()
            for name, content in ((table.name, lines), ("left_out.txt", gone)):
                yield from _add_table(out, sink, name, content)
        yield from sink.parts(last=True)


def csv_line(take: Listed) -> str:
    row = _row(take)
    return _csv([row[column] for column in _COLUMNS])


def jsonl_line(take: Listed) -> str:
    row = _row(take)
    named = {"audio_filepath": row["path"], "duration": row["duration_s"], **row}
    return json.dumps({name: named[name] for name in named if name != "path"}, ensure_ascii=False) + "\n"


def ljspeech_line(take: Listed) -> str:
    """The format knows no other fields, and no `|` in a text."""
    raw = take.record
    text = raw.text.replace("|", " ")
    return f"{raw.utterance}|{text}|{normalize(raw.text, raw.language) or text}\n"


def _csv(fields: Iterable[object]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(fields)
    return out.getvalue()


CSV = Table("takes.csv", _csv(_COLUMNS), csv_line)
JSONL = Table("takes.jsonl", "", jsonl_line)
LJSPEECH = Table("metadata.csv", "", ljspeech_line)


def _path(take: RawUtterance) -> str:
    return f"wavs/{take.utterance}.wav"


def _row(take: Listed) -> dict[str, Any]:
    raw, review, quality = take.record, take.review, take.record.quality
    return {
        "path": _path(raw),
        "text": raw.text,
        "speaker": raw.speaker,
        "language": raw.language,
        "duration_s": round(raw.levels.duration_s, 3),
        "utterance": raw.utterance,
        "speaker_name": raw.speaker_name,
        "created_at": raw.created_at,
        "prompt_list": raw.prompt_list,
        "prompt_id": raw.prompt_id,
        "verdict": review.verdict if review else "",
        "reason": review.reason if review else "",
        "best": str(take.best).lower(),
        "chosen": str(take.chosen).lower(),
        "accepted_anyway": " ".join(raw.accepted_anyway),
        "loudness_lufs": round(quality.loudness_lufs, 1) if quality else "",
        "snr_db": round(quality.snr_db, 1) if quality else "",
        "audio_sha256": raw.audio_sha256,
    }


def _add_audio(out: zipfile.ZipFile, store: ObjectStore, take: RawUtterance) -> None:
    """Stored as it is: speech hardly shrinks by DEFLATE."""
    wav = store.get(keys.raw_audio(SOURCE, take.speaker, take.utterance))
    out.writestr(zipfile.ZipInfo(_path(take), _zip_time(take.created_at)), wav)


def _add_table(out: zipfile.ZipFile, sink: "_Sink", name: str, content: IO[bytes]) -> Iterator[bytes]:
    """Nothing of an empty one, but for the table of takes."""
    size = content.tell()
    if not size and name == "left_out.txt":
        return
    content.seek(0)
    info = zipfile.ZipInfo(name)
    info.compress_type, info.file_size = zipfile.ZIP_DEFLATED, size
    with out.open(info, "w") as member:
        while part := content.read(PART_BYTES):
            member.write(part)
            yield from sink.parts()


def _zip_time(created_at: str) -> tuple[int, int, int, int, int, int]:
    try:
        at = datetime.fromisoformat(created_at)
    except ValueError:
        return _EPOCH
    return max((at.year, at.month, at.day, at.hour, at.minute, at.second), _EPOCH)


class _Sink(io.RawIOBase):
    """What ZipFile writes to: keeps it until it is sent."""

    def __init__(self) -> None:
        super().__init__()
        self._waiting = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._waiting += data
        return len(data)

    def parts(self, last: bool = False) -> Iterator[bytes]:
        """Whole parts, and at the end the rest."""
        while len(self._waiting) >= PART_BYTES or (last and self._waiting):
            yield bytes(self._waiting[:PART_BYTES])
            del self._waiting[:PART_BYTES]
