"""Recordings that exist already: which prompt each is of, and how they come in."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from voxloom.cli.asking import SUFFIXES
from voxloom.cli.output import Meter
from voxloom.cli.sending import read_audio, send_take
from voxloom.errors import BadInput
from voxloom.v1 import recorder_pb2 as pb

METADATA = "metadata.csv"
_WAVS = ("", "wavs", "wav", "clips")  # below the folder
_MAX_METADATA_BYTES = 16 << 20
_TEXT_FIELDS = ("text", "sentence", "transcript", "transcription", "prompt")
_FILE_FIELDS = ("file", "path", "wav", "audio", "wav_filename", "file_name", "id")


@dataclass(frozen=True)
class Found:
    """A recording and what was said in it."""

    path: Path
    text: str
    prompt_id: str = ""  # empty: of no prompt of the list


@dataclass(frozen=True)
class Outcome:
    stored: int
    already: int  # recorded or sent before
    refused: list[tuple[str, str]]  # file, why
    findings: list[tuple[str, str]]  # file, what is not good about one that was stored


def find_takes(folder: Path, prompts: Sequence[pb.Prompt], in_order: bool) -> tuple[list[Found], list[str]]:
    """The recordings of a folder with their texts, and the names of files that belong to nothing."""
    if not folder.is_dir():
        raise BadInput(f"{folder} is no folder; expected recordings, named by the ids of prompts")
    if (folder / METADATA).is_file():
        return _by_metadata(folder, prompts)
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    if not files:
        raise BadInput(f"{folder} holds no recordings; expected {', '.join(sorted(SUFFIXES))}")
    if in_order:
        return _in_order(folder, files, prompts)
    by_id = {prompt.id: prompt for prompt in prompts}
    found = [Found(path, by_id[path.stem].text, path.stem) for path in files if path.stem in by_id]
    if not found:
        raise BadInput(
            f"no recording in {folder} is named by the id of a prompt (found {files[0].name}, expected such "
            f"as {prompts[0].id}.wav): rename them, add {METADATA} with lines id|text, or say --in-order"
        )
    return found, [path.name for path in files if path.stem not in by_id]


def _in_order(folder: Path, files: list[Path], prompts: Sequence[pb.Prompt]) -> tuple[list[Found], list[str]]:
    if len(files) > len(prompts):
        raise BadInput(f"{folder} holds {len(files)} recordings, the list only {len(prompts)} prompts")
    return [Found(path, each.text, each.id) for path, each in zip(files, prompts, strict=False)], []


def _by_metadata(folder: Path, prompts: Sequence[pb.Prompt]) -> tuple[list[Found], list[str]]:
    """LJSpeech's `id|text`, or a CSV with a header that names file and text."""
    ids = {prompt.id for prompt in prompts}
    found, lost = [], []
    for name, text in _rows(folder / METADATA):
        path = _audio_of(folder, name)
        if path is None or not text:
            lost.append(f"{name} ({'no such recording' if text else 'no text'})")
        else:
            found.append(Found(path, text, path.stem if path.stem in ids else ""))
    if not found:
        raise BadInput(
            f"{folder / METADATA} names no recording that is there; expected lines such as id|text, and "
            "id.wav beside it or in wavs/"
        )
    return found, lost


def _rows(path: Path) -> Iterator[tuple[str, str]]:
    if path.stat().st_size > _MAX_METADATA_BYTES:
        raise BadInput(f"{path} is larger than {_MAX_METADATA_BYTES >> 20} MiB; cut it into several folders")
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise BadInput(f"{path} is not UTF-8 (byte {error.start}); save it as UTF-8") from error
    header = next(csv.reader(lines[:1]), [])
    text = next((name for name in _TEXT_FIELDS if name in header), "")
    file = next((name for name in _FILE_FIELDS if name in header), "")
    if text and file:
        yield from ((row[file] or "", row[text] or "") for row in csv.DictReader(lines))
        return
    for line in filter(str.strip, lines):
        name, _, rest = line.partition("|")
        yield name.strip(), rest.partition("|")[0].strip()


def _audio_of(folder: Path, name: str) -> Path | None:
    """A path that leaves the folder is none."""
    root = folder.resolve()
    names = (
        [name] if Path(name).suffix.lower() in SUFFIXES else [f"{name}{each}" for each in sorted(SUFFIXES)]
    )
    for where in _WAVS:
        for each in names:
            path = root / where / each
            if path.resolve().is_relative_to(root) and path.is_file():
                return path
    return None


def send_all(recorder: Any, takes: Iterable[Found], base: pb.Take, recorded: set[str], total: int) -> Outcome:
    """Each take that is not there yet, with the checks; what is refused does not stop the others.

    `base`: what all takes have in common; `recorded`: prompts that have a take already.
    """
    stored = already = 0
    refused, findings = [], []
    with Meter("takes") as meter:
        for number, take in enumerate(takes, start=1):
            if take.prompt_id and take.prompt_id in recorded:
                already += 1
                continue
            try:
                answer = send_take(recorder, _message(base, take), read_audio(str(take.path)))
            except grpc.RpcError as error:
                if error.code() is not grpc.StatusCode.INVALID_ARGUMENT:
                    raise
                refused.append((take.path.name, error.details() or ""))
            else:
                already += answer.already_stored
                stored += not answer.already_stored
                findings += [(take.path.name, each.message) for each in answer.findings if not each.hint]
            meter.update(number, total, f"{stored} stored, {len(refused)} refused")
    return Outcome(stored, already, refused, findings)


def _message(base: pb.Take, take: Found) -> pb.Take:
    message = pb.Take()
    message.CopyFrom(base)
    message.prompt, message.prompt_id = take.text, take.prompt_id
    message.prompt_list = base.prompt_list if take.prompt_id else ""
    return message
