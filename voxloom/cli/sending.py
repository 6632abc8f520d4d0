"""A take on its way to the recorder."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from voxloom.cli.feed import upload
from voxloom.errors import BadInput
from voxloom.v1 import recorder_pb2

CHUNK_BYTES = 32 * 1024
MAX_TAKE_BYTES = 256 * 1024 * 1024
TAKE_TIMEOUT_S = 120.0


def read_audio(file: str) -> bytes:
    """The bytes of a file or of standard input; BadInput says which file and why."""
    try:
        audio = sys.stdin.buffer.read(MAX_TAKE_BYTES + 1) if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise BadInput(f"{file} cannot be read: {error.strerror or error}") from error
    if len(audio) > MAX_TAKE_BYTES:
        raise BadInput(f"{file} is larger than {MAX_TAKE_BYTES >> 20} MiB; cut it into shorter pieces")
    return audio


def send_take(recorder: Any, take: recorder_pb2.Take, audio: bytes) -> recorder_pb2.UploadTakeResponse:
    """Uploads one take in chunks."""
    stored: recorder_pb2.UploadTakeResponse = upload(
        recorder.UploadTake, messages_of(take, audio), TAKE_TIMEOUT_S
    )
    return stored


def messages_of(take: recorder_pb2.Take, audio: bytes) -> Iterator[recorder_pb2.UploadTakeRequest]:
    take.audio_bytes = len(audio)
    yield recorder_pb2.UploadTakeRequest(take=take)
    for start in range(0, len(audio), CHUNK_BYTES):
        yield recorder_pb2.UploadTakeRequest(audio=audio[start : start + CHUNK_BYTES])
