"""`voxloom dataset export`: a dataset as files that other trainers read."""

import errno
import json
import os
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import soundfile
import typer

from voxloom import keys
from voxloom.cli.connect import CALL_TIMEOUT_S, DataOption, client
from voxloom.cli.output import Meter, say
from voxloom.corpora.shard_stream import Clip, Container, clips, encoded, rows
from voxloom.corpora.writers import LAYOUTS, Placed
from voxloom.errors import BadInput, VoxloomError
from voxloom.manifest import SPLITS, Utterance
from voxloom.v1 import ingest_pb2

EXPORT_TIMEOUT_S = 24 * 3600.0
_CLAIM = "export.json"


class FormatName(StrEnum):
    """Of `writers.LAYOUTS`; spelled out so that types know them."""

    csv = "csv"
    jsonl = "jsonl"
    nemo = "nemo"
    coqui = "coqui"
    ljspeech = "ljspeech"
    lhotse = "lhotse"


class Which(StrEnum):
    train = "train"
    val = "val"
    test = "test"
    all = "all"


@dataclass(frozen=True)
class Export:
    """What a folder holds; the same wish goes on where it was broken off, another one is refused."""

    dataset: str
    format: str
    split: str
    audio: str


def export(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="A folder for it.")],
    dataset: Annotated[str, typer.Argument(help="Its id; the newest if left out.")] = "",
    fmt: Annotated[FormatName, typer.Option("--format", help="Of the manifests.")] = FormatName.csv,
    split: Annotated[Which, typer.Option(help="Which part of it.")] = Which.all,
    audio: Annotated[Container, typer.Option(help="What the audio files are.")] = Container.flac,
    data: DataOption = None,
) -> None:
    """Write a dataset as audio files and manifests. Started again, it keeps the files that are there.

    \b
    Example:  voxloom dataset export --format lhotse --out exported
              voxloom dataset export --format ljspeech --split train --audio wav --out lj
    """
    with client("ingest", data) as ingest:
        asked = ingest_pb2.GetDatasetRequest(dataset=dataset)
        found = ingest.GetDataset(asked, timeout=CALL_TIMEOUT_S)
        wish = Export(found.id, fmt.value, split.value, audio.value)
        try:
            placed = run(ingest, wish, out)
        except OSError as error:
            raise _explain(error, out) from error
    say(f"{len(placed)} utterances of {found.id} as {fmt.value} in {out}", "green")


def run(ingest: Any, wish: Export, out: Path) -> list[Placed]:
    """Audio first, manifests last: a folder with manifests is whole."""
    _claim(out, wish)
    layout, container = LAYOUTS[wish.format], Container(wish.audio)
    placed: list[Placed] = []
    for split in SPLITS if wish.split == "all" else [wish.split]:
        asked = ingest_pb2.ReadManifestRequest(dataset=wish.dataset, split=split)
        listed = list(rows(ingest.ReadManifest(asked, timeout=EXPORT_TIMEOUT_S)))
        paths = {row.utterance: layout.path(row, container) for row in map(_checked, listed)}
        _write_audio(ingest, wish, split, out, paths)
        placed += [_placed(row, out, paths[row.utterance]) for row in listed]
    for name, content in layout.manifests(out, placed).items():
        _write(out / name, content)
    return placed


def _checked(row: Utterance) -> Utterance:
    """Ids become names of files here."""
    keys.check_id(row.utterance, "utterance")
    return row


def _claim(out: Path, wish: Export) -> None:
    marker = out / _CLAIM
    if marker.is_file():
        if marker.read_text(encoding="utf-8").strip() != json.dumps(asdict(wish)):
            raise BadInput(f"{out} holds another export ({marker}); name another folder")
    elif out.is_dir() and any(out.iterdir()):
        raise BadInput(f"{out} is not empty and no export; name another folder")
    _write(marker, (json.dumps(asdict(wish)) + "\n").encode())


def _write_audio(ingest: Any, wish: Export, split: str, out: Path, paths: dict[str, str]) -> None:
    """Nothing is fetched where all files are there; else the shards are read for what is missing."""
    missing = {utterance for utterance, path in paths.items() if not (out / path).is_file()}
    if not missing:
        return
    asked = ingest_pb2.ReadShardsRequest(dataset=wish.dataset, split=split)
    with Meter(f"exporting {split}") as meter:
        for number, clip in enumerate(clips(ingest.ReadShards(asked, timeout=EXPORT_TIMEOUT_S)), start=1):
            meter.update(number, len(paths), f"{number} of {len(paths)}")
            if clip.row.utterance in missing:
                _write_clip(clip, Container(wish.audio), out / paths[clip.row.utterance])
                missing.remove(clip.row.utterance)
    if missing:
        raise VoxloomError(
            f"the shards of {wish.dataset} lack {len(missing)} utterances of {split} ({min(missing)}, ...); "
            "build the dataset again: voxloom dataset build"
        )


def _write_clip(clip: Clip, container: Container, path: Path) -> None:
    _write(path, encoded(clip, container))


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all, so that what is there can be kept."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    try:
        part.write_bytes(content)
        os.replace(part, path)
    except OSError:
        part.unlink(missing_ok=True)
        raise


def _placed(row: Utterance, out: Path, path: str) -> Placed:
    return Placed(row, path, soundfile.info(out / path).frames, (out / path).stat().st_size)


def _explain(error: OSError, out: Path) -> VoxloomError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return VoxloomError(
            f"the disk of {out} is full; make room and run the same command again: it goes on"
        )
    return VoxloomError(f"{out} cannot be written: {error}")
