"""`voxloom cut`: long recordings to pieces of 5 to 16 s, with their part of the text where there is one."""

import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from voxloom.cli.output import Meter, clock, say, table
from voxloom.corpora.activity import by_energy
from voxloom.corpora.captions import read_text
from voxloom.corpora.cutting import Limits, Piece
from voxloom.corpora.listing import Part
from voxloom.corpora.parts import Recordings, name_of
from voxloom.corpora.recordings import Cutter, find_transcript
from voxloom.corpora.silero import detector, find_model
from voxloom.errors import BadInput, VoxloomError

_MANIFEST, _LEFT_OUT = "manifest.csv", "left-out.csv"
_COLUMNS = ("path", "text", "speaker", "language", "recording", "start_s", "end_s")


class Vad(StrEnum):
    energy = "energy"
    silero = "silero"


VadOption = Annotated[Vad, typer.Option("--vad", help="What finds the pauses: rules, or Silero's network.")]
VadModelOption = Annotated[
    Path | None, typer.Option("--vad-model", metavar="FILE", help="A silero_vad.onnx, for --vad silero.")
]


@dataclass(frozen=True)
class _Out:
    """Where pieces go, and what all of them share."""

    folder: Path
    speaker: str
    language: str


def cutter(limits: Limits, vad: Vad, model: Path | None) -> Cutter:
    """The one way to find pauses that was asked for; NotReady if it is not there, never another instead."""
    if not 0.5 <= limits.min_s < limits.max_s <= 35.0:
        raise BadInput(
            f"pieces of {limits.min_s:g} to {limits.max_s:g} s; expected 0.5 <= --min < --max <= 35"
        )
    return Cutter(limits, detector(model or find_model()) if vad is Vad.silero else by_energy)


def cut(
    recordings: Annotated[list[Path], typer.Argument(help="WAV, FLAC, MP3 or Ogg, of any length.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="A new folder for the pieces.")],
    transcript: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Of one recording: .srt, .vtt, TextGrid, Audacity labels, or its whole text as .txt. "
            "Left out: a file of the recording's name beside it.",
        ),
    ] = None,
    min_s: Annotated[float, typer.Option("--min", help="Seconds a piece should have.")] = 5.0,
    max_s: Annotated[float, typer.Option("--max", help="Seconds a piece has at most.")] = 16.0,
    vad: VadOption = Vad.energy,
    vad_model: VadModelOption = None,
    speaker: Annotated[str, typer.Option(help="Who speaks; the name of each recording if left out.")] = "",
    language: Annotated[str, typer.Option(help="BCP 47, for the manifest.")] = "",
) -> None:
    """Cut long recordings at pauses. Writes the pieces, a manifest.csv to import, and what was left out.

    Without a transcript the column `text` is empty: fill it in, then import the folder. A text without times
    is laid over the speech by its length alone; listen to some pieces before you train on them.

    \b
    Example:  voxloom cut talk.mp3 --out talk --transcript talk.srt
              voxloom cut chapter1.flac chapter2.flac --out book --speaker Ada && voxloom import book
    """
    _check(recordings, out, transcript)
    engine = cutter(Limits(min_s, max_s), vad, vad_model)
    todo = {path: _text(path, transcript) for path in recordings}
    out.mkdir(parents=True, exist_ok=True)
    left_out: list[tuple[Path, Piece]] = []
    rows: list[dict[str, Any]] = []
    for path, text in todo.items():
        pieces = _pieces(engine, path, text)
        left_out += [(path, piece) for piece in pieces if piece.fault]
        rows += _write(path, [piece for piece in pieces if not piece.fault], _Out(out, speaker, language))
    _write_left_out(out, left_out)
    _write_manifest(out, rows)
    _report(out, rows, left_out)


def _check(recordings: list[Path], out: Path, transcript: Path | None) -> None:
    """Before any work: what would fail or overwrite later."""
    if transcript is not None and len(recordings) > 1:
        raise typer.BadParameter("--transcript is of one recording; put the others' beside them")
    twice = [stem for stem, count in Counter(path.stem for path in recordings).items() if count > 1]
    if twice:
        raise typer.BadParameter(
            f"several recordings are called {twice[0]}; cut them into folders of their own"
        )
    for path in recordings:
        if not path.is_file():
            raise BadInput(f"{path} does not exist; expected a recording")
    if (out / _MANIFEST).exists():
        raise BadInput(f"{out / _MANIFEST} exists and may have been filled in by hand; name a new folder")


def _text(recording: Path, transcript: Path | None) -> str:
    found = transcript or find_transcript(recording)
    return read_text(found) if found else ""


def _pieces(engine: Cutter, path: Path, text: str) -> list[Piece]:
    with Recordings() as recordings:
        total_s = recordings.duration_s(path)
    with Meter(f"listening to {path.name}") as meter:
        return engine.pieces(
            path, text, lambda s: meter.update(s, total_s, f"{clock(s)} of {clock(total_s)}")
        )


def _write(path: Path, pieces: list[Piece], out: _Out) -> list[dict[str, Any]]:
    rows = []
    (out.folder / path.stem).mkdir(exist_ok=True)
    with Recordings() as recordings, Meter(f"writing {path.stem}") as meter:
        for number, piece in enumerate(pieces, start=1):
            part = Part(piece.start_s, piece.duration_s)
            name = name_of(f"{path.stem}/{path.name}", part, 0.0)
            (out.folder / name).write_bytes(recordings.flac(path, part))
            rows.append(_row(name, path, piece, out))
            meter.update(number, len(pieces))
    return rows


def _row(name: str, path: Path, piece: Piece, out: _Out) -> dict[str, Any]:
    values = (name, piece.text, out.speaker or path.stem, out.language, path.name, piece.start_s, piece.end_s)
    return dict(zip(_COLUMNS, values, strict=True))


def _write_manifest(out: Path, rows: list[dict[str, Any]]) -> None:
    with open(out / _MANIFEST, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, _COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _write_left_out(out: Path, left_out: list[tuple[Path, Piece]]) -> None:
    with open(out / _LEFT_OUT, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("recording", "start_s", "end_s", "reason", "text"))
        writer.writerows((p.name, each.start_s, each.end_s, each.fault, each.text) for p, each in left_out)


def _report(out: Path, rows: list[dict[str, Any]], left_out: list[tuple[Path, Piece]]) -> None:
    if left_out:
        say(f"left out, see {out / _LEFT_OUT}:")
        table(("pieces", "audio", "reason"), _reasons([piece for _, piece in left_out]))
    if not rows:
        raise VoxloomError(f"no piece could be cut; {out / _LEFT_OUT} says why")
    total_s = sum(row["end_s"] - row["start_s"] for row in rows)
    say(f"{len(rows)} pieces, {clock(total_s)} in all, in {out}", "green")
    empty = sum(not row["text"] for row in rows)
    say(f"fill in the column text of {out / _MANIFEST}, then: " * bool(empty) + f"voxloom import {out}")


def _reasons(pieces: list[Piece]) -> Iterator[tuple[object, ...]]:
    for reason, count in sorted(Counter(piece.fault for piece in pieces).items()):
        yield count, clock(sum(each.duration_s for each in pieces if each.fault == reason)), reason
