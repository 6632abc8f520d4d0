"""`voxloom record`: one take of one sentence, through the recorder."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from voxloom.cli.connect import DataOption, client
from voxloom.cli.feed import upload
from voxloom.cli.output import say
from voxloom.errors import BadInput
from voxloom.v1 import recorder_pb2

CHUNK_BYTES = 32 * 1024
MAX_TAKE_BYTES = 256 * 1024 * 1024
TAKE_TIMEOUT_S = 120.0


def record(
    file: Annotated[
        str, typer.Argument(help="WAV, FLAC, Ogg or MP3 of one sentence; - reads standard input.")
    ],
    text: Annotated[str, typer.Option(help="The sentence that was read aloud.")],
    speaker: Annotated[str, typer.Option(help="Who read it; any name.")],
    language: Annotated[str, typer.Option(help="BCP 47.")] = "en",
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse it for any fault that a second take would mend.")
    ] = False,
    accept_anyway: Annotated[
        bool, typer.Option("--accept-anyway", help="Store it whatever the checks say, if speech is in it.")
    ] = False,
    data: DataOption = None,
) -> None:
    """Store a recording of your own: checked, and learned from at the next retraining.

    \b
    Example:  voxloom record take.wav --text "go left at the bridge" --speaker Ada
              arecord -d 4 -f S16_LE -r 16000 | voxloom record - --text "stop" --speaker Ada
    """
    take = recorder_pb2.Take(
        prompt=text, speaker=speaker, language=language, faults=_policy(strict, accept_anyway)
    )
    with client("recorder", data) as recorder:
        stored = send_take(recorder, take, read_audio(file))
    checks = stored.checks
    again = ", the same take was there before" if stored.already_stored else ""
    say(f"stored {stored.utterance} of {stored.speaker}{again}")
    measured = f"{stored.quality.loudness_lufs:.0f} LUFS, {stored.quality.snr_db:.0f} dB above the noise"
    say(f"{checks.duration_s:.1f} s, peak {checks.peak_dbfs:.0f} dBFS, {measured}")
    for finding in stored.findings:
        say(f"{finding.check}: {finding.message}", "yellow")


def _policy(strict: bool, accept_anyway: bool) -> recorder_pb2.FaultPolicy:
    if strict and accept_anyway:
        raise BadInput("--strict and --accept-anyway exclude each other; give one of them")
    if strict:
        return recorder_pb2.FAULT_POLICY_REFUSE_ALL
    return recorder_pb2.FAULT_POLICY_ACCEPT_ALL if accept_anyway else recorder_pb2.FAULT_POLICY_UNSPECIFIED


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
        recorder.UploadTake, _messages(take, audio), TAKE_TIMEOUT_S
    )
    return stored


def _messages(take: recorder_pb2.Take, audio: bytes) -> Iterator[recorder_pb2.UploadTakeRequest]:
    take.audio_bytes = len(audio)
    yield recorder_pb2.UploadTakeRequest(take=take)
    for start in range(0, len(audio), CHUNK_BYTES):
        yield recorder_pb2.UploadTakeRequest(audio=audio[start : start + CHUNK_BYTES])
