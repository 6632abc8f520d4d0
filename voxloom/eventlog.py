"""Events as JSON lines: the file that embedded mode keeps for watchers outside its process."""

import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from google.protobuf.json_format import MessageToDict

from voxloom.bus import kind_of
from voxloom.v1.events_pb2 import Event

MAX_BYTES = 16 << 20  # then the file becomes <name>.1 and a new one begins
_POLL_S = 0.2
_HEADER = ("time", "source", "subject", "id", "trace")


def as_dict(event: Event) -> dict[str, Any]:
    """{"kind", "time", "source", "subject", "id", "trace", "body"}."""
    header = MessageToDict(event.header, preserving_proto_field_name=True)
    body = MessageToDict(getattr(event, kind_of(event)), preserving_proto_field_name=True)
    return {"kind": kind_of(event), **{key: header.get(key, "") for key in _HEADER}, "body": body}


def describe(event: Event) -> str:
    """One sentence for people."""
    match kind := kind_of(event):
        case "recording_stored":
            stored = event.recording_stored
            return f"recording {stored.utterance} of {stored.speaker} stored, {stored.duration_s:.1f} s"
        case "corpus_imported":
            done = event.corpus_imported
            return f"corpus {done.corpus} imported: {done.utterances} utterances, {done.refused} refused"
        case "dataset_ready":
            ready = event.dataset_ready
            counts = (
                f"{ready.train_utterances} train, {ready.val_utterances} val, {ready.test_utterances} test"
            )
            return (
                f"dataset {ready.dataset} ready: {counts} utterances, {ready.train_hours:.2f} h to train on"
            )
        case "model_trained":
            trained = event.model_trained
            return f"run {trained.run} trained: val WER {100 * trained.val_wer:.1f} %"
        case "model_promoted":
            promoted = event.model_promoted
            return f"model {promoted.model} promoted: {'; '.join(promoted.reasons)}"
        case "model_rejected":
            rejected = event.model_rejected
            return f"model {rejected.model} rejected: {'; '.join(rejected.reasons)}"
        case "model_serving":
            return f"model {event.model_serving.model} is served"
        case "stage_failed":
            failed = event.stage_failed
            return f"{failed.stage} job {failed.job} failed after {failed.attempts} attempts: {failed.error}"
        case _:
            return f"{kind.replace('_', ' ')}: {event.header.subject}"


class EventLog:
    """Appends events to a file, a line each, in one write: a reader never sees half of two."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()

    def append(self, event: Event) -> None:
        line = json.dumps(as_dict(event), ensure_ascii=False) + "\n"
        with self._lock:
            if self._path.exists() and self._path.stat().st_size > MAX_BYTES:
                self._path.replace(self._path.with_name(self._path.name + ".1"))
            with open(self._path, "ab", buffering=0) as file:
                file.write(line.encode())


def follow(path: Path, *, past: bool = False, wait: bool = True) -> Iterator[dict[str, Any]]:
    """Events as they are appended, `past` ones first; a file that replaces it is read from its start."""
    inode = position = 0
    if not past and path.exists():
        found = path.stat()
        inode, position = found.st_ino, found.st_size
    while True:
        if path.exists():
            with open(path, "rb") as file:
                found = os.fstat(file.fileno())
                if found.st_ino != inode or found.st_size < position:
                    inode, position = found.st_ino, 0
                file.seek(position)
                for line in _whole_lines(file):
                    position += len(line)
                    yield from _parsed(line)
        if not wait:
            return
        time.sleep(_POLL_S)


def _whole_lines(file: IO[bytes]) -> Iterator[bytes]:
    """A last line that is still being written is left for the next look."""
    for line in file:
        if line.endswith(b"\n"):
            yield line


def _parsed(line: bytes) -> Iterator[dict[str, Any]]:
    """Nothing for a line that a crash cut short and the next event was appended to."""
    try:
        found = json.loads(line)
    except ValueError:
        return
    if isinstance(found, dict):
        yield found
