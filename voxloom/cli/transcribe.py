"""`voxloom transcribe`: files or live audio into text, JSON or subtitles."""

import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import grpc
import typer
from rich.console import Console

from voxloom import rpc, subtitles
from voxloom.cli import asking, streaming
from voxloom.cli.connect import DataOption, client_at, explain, find_addresses
from voxloom.cli.output import complain, console, plain, print_json_line, say, size
from voxloom.cli.sending import read_audio
from voxloom.client import Client, Options
from voxloom.client import Transcript as Heard
from voxloom.errors import BadInput, VoxloomError
from voxloom.v1 import audio_pb2, inference_pb2

RECOGNIZE_TIMEOUT_S = 600.0
MAX_WHOLE_BYTES = rpc.MAX_MESSAGE_BYTES - 4096  # the rest of the message is small


class Format(StrEnum):
    text = "text"
    json = "json"
    srt = "srt"
    vtt = "vtt"


@dataclass(frozen=True)
class TranscribedWord:
    text: str
    start_ms: int
    end_ms: int
    confidence: float


@dataclass(frozen=True)
class Other:
    """Another text for the same audio."""

    text: str
    confidence: float


@dataclass(frozen=True)
class Transcript:
    """What is known of one file, however it was sent."""

    file: str
    text: str
    words: list[TranscribedWord]
    confidence: float
    audio_s: float
    compute_s: float | None  # not told for streams
    model: str
    alternatives: list[Other] = field(default_factory=list)


def transcribe(
    files: Annotated[
        list[str] | None,
        typer.Argument(help="WAV, FLAC, Ogg or MP3, or folders of them; - reads standard input."),
    ] = None,
    fmt: Annotated[Format, typer.Option("--format", help="json: one object a line.")] = Format.text,
    stream: Annotated[
        bool, typer.Option("--stream", help="Send as a live stream and show what is heard so far.")
    ] = False,
    rate: Annotated[
        int, typer.Option(min=8000, max=96000, help="Hz of raw mono 16-bit samples on a live standard input.")
    ] = 16000,
    output_dir: Annotated[
        Path | None, typer.Option("--output-dir", help="Write FILE.txt, .json, .srt or .vtt there instead.")
    ] = None,
    hot_words: Annotated[
        Path | None,
        typer.Option(
            "--hot-words", metavar="FILE", help="Words to listen for, one a line; TAB BOOST after it."
        ),
    ] = None,
    alternatives: Annotated[int, typer.Option(min=1, max=20, help="Texts to choose from.")] = 1,
    model: Annotated[str, typer.Option(help="A model of the store instead of the one in production.")] = "",
    microphone: Annotated[
        bool, typer.Option("--microphone", help="Listen, and show what is heard, until Ctrl-C.")
    ] = False,
    data: DataOption = None,
) -> None:
    """Turn speech into text with the model in production. Exit code 1 if any file failed.

    \b
    Example:  voxloom transcribe meeting.wav --format srt > meeting.srt
              voxloom transcribe --hot-words names.txt interviews/
              arecord -f S16_LE -r 16000 -t raw | voxloom transcribe --stream -
    """
    if microphone == bool(files):
        raise typer.BadParameter("expected files, folders or -; or --microphone and no files")
    named = [asking.MICROPHONE] if microphone else asking.expand(files or [])
    stream = stream or microphone
    _check_targets(named, fmt, output_dir)
    options = Options(asking.read_hot_words(hot_words), alternatives, model)
    address = find_addresses(data)["inference"]
    live = stream and fmt is Format.text and output_dir is None
    many = len(named) > 1
    show = _ignore if live else _writer(fmt, output_dir, many)
    failed = 0
    with client_at("inference", address) as stub:
        client = Client(stub, lambda error: explain(error, "inference", address))
        recognise = (
            _streamed(client, options, rate, _Live(many, live), microphone)
            if stream
            else _whole(client, options)
        )
        for file in named:
            failed += not _try(recognise, file, address, show, fmt)
    if failed:
        raise typer.Exit(1)


def _check_targets(files: list[str], fmt: Format, output_dir: Path | None) -> None:
    if len(files) > 1 and fmt in (Format.srt, Format.vtt) and output_dir is None:
        raise typer.BadParameter(f"{fmt} of several files needs --output-dir")
    names = [Path(file).name for file in files]
    twice = sorted({name for name in names if names.count(name) > 1})
    if output_dir is not None and twice:
        raise typer.BadParameter(
            f"several files are called {', '.join(twice)}; they would overwrite each other"
        )


def _try(
    recognise: Callable[[str], Transcript],
    file: str,
    address: str,
    show: Callable[[Transcript], None],
    fmt: Format,
) -> bool:
    """One file; its failure is told and the others go on."""
    try:
        show(recognise(file))
    except (VoxloomError, grpc.RpcError) as error:
        shown = explain(error, "inference", address) if isinstance(error, grpc.RpcError) else error
        if fmt is Format.json:
            print_json_line({"file": file, "error": str(shown)})
        complain(f"{file}: {shown}")
        return False
    return True


def _whole(client: Client, options: Options) -> Callable[[str], Transcript]:
    def recognise(file: str) -> Transcript:
        if asking.is_long(file):
            return _batch(client, options, file)
        audio = read_audio(file)
        if len(audio) > MAX_WHOLE_BYTES:
            limit = size(MAX_WHOLE_BYTES)
            raise BadInput(
                f"{size(len(audio))} are more than one call takes ({limit}); send it with --stream"
            )
        return _of(file, client.recognize(audio, options=options))

    return recognise


def _batch(client: Client, options: Options, file: str) -> Transcript:
    """A long one, with how far it is on a terminal."""
    with Path(file).open("rb") as opened, Console(stderr=True).status(f"{file}: sends") as status:
        for found in client.batch(opened, options=options):
            if isinstance(found, Heard):
                return _of(file, found)
            whole = f" of {found.total_ms / 60_000:.0f}" if found.total_ms else ""
            status.update(f"{file}: {found.end_ms / 60_000:.1f}{whole} min heard")
    raise BadInput(f"{file}: the service ended the batch early; try again")


def _of(file: str, found: Heard) -> Transcript:
    words = [TranscribedWord(**vars(word)) for word in found.words]
    others = [Other(each.text, each.confidence) for each in found.alternatives[1:]]
    return Transcript(
        file, found.text, words, found.confidence, found.audio_s, found.compute_s, found.model, others
    )


def recognize(inference: Any, file: str, audio: bytes, timeout_s: float = RECOGNIZE_TIMEOUT_S) -> Transcript:
    """One Recognize call with the file as it is; the service decodes it."""
    request = inference_pb2.RecognizeRequest(format=audio_pb2.AudioFormat(), audio=audio)
    found = inference.Recognize(request, timeout=timeout_s)
    words = _words(found.words)
    return Transcript(file, found.text, words, found.confidence, found.audio_s, found.compute_s, found.model)


def _streamed(
    client: Client, options: Options, rate: int, live: "_Live", microphone: bool
) -> Callable[[str], Transcript]:
    def recognise(file: str) -> Transcript:
        if microphone:
            opened = asking.of_microphone()
        elif file == "-":
            opened = streaming.of_live(sys.stdin.buffer, rate)
        else:
            opened = streaming.of_bytes(read_audio(file))
        live.file = file
        try:
            result = streaming.follow(client, opened, options, live.partial, live.final)
        finally:
            live.clear()
        return _of_stream(file, result)

    return recognise


def _of_stream(file: str, result: streaming.StreamResult) -> Transcript:
    words = _words(result.words)
    confidence = sum(word.confidence for word in words) / len(words) if words else 0.0
    return Transcript(file, result.text, words, confidence, result.audio_s, None, result.model)


def _words(words: Any) -> list[TranscribedWord]:
    return [TranscribedWord(w.text, w.start_ms, w.end_ms, w.confidence) for w in words]


def _ignore(_: object) -> None:
    pass


class _Live:
    """Finals as lines as soon as they come; what is heard so far is rewritten in place on a terminal."""

    def __init__(self, many: bool, active: bool) -> None:
        self.file = ""
        self._many = many
        self._active = active
        self._rewrites = active and console().is_terminal

    def partial(self, text: str) -> None:
        if self._rewrites:
            width = max(20, console().width - 4)
            sys.stdout.write(f"\r\x1b[2K… {plain(text)[-width:]}")
            sys.stdout.flush()

    def final(self, text: str) -> None:
        self.clear()
        if self._active:
            say(f"{self.file}: {text}" if self._many else text)
            sys.stdout.flush()

    def clear(self) -> None:
        if self._rewrites:
            sys.stdout.write("\r\x1b[2K")
            sys.stdout.flush()


def _writer(fmt: Format, output_dir: Path | None, many: bool) -> Callable[[Transcript], None]:
    if output_dir is None:
        return lambda transcript: _print(transcript, fmt, many)
    output_dir.mkdir(parents=True, exist_ok=True)
    folder = output_dir
    return lambda transcript: _save(transcript, fmt, folder)


def _print(transcript: Transcript, fmt: Format, many: bool) -> None:
    if fmt is Format.json:
        print_json_line(asdict(transcript))
    elif fmt is Format.text:
        say(f"{transcript.file}: {transcript.text}" if many else transcript.text)
        for other in transcript.alternatives:
            say(f"    {other.text}")
    else:
        sys.stdout.write(plain(render(transcript, fmt)))


def _save(transcript: Transcript, fmt: Format, folder: Path) -> None:
    suffix = "txt" if fmt is Format.text else fmt.value
    name = "stdin" if transcript.file == "-" else Path(transcript.file).name
    path = folder / f"{name}.{suffix}"
    path.write_text(render(transcript, fmt))
    say(f"{transcript.file} -> {path}")


def render(transcript: Transcript, fmt: Format) -> str:
    """The transcript as a whole file."""
    if fmt is Format.json:
        return json.dumps(asdict(transcript), ensure_ascii=False) + "\n"
    if fmt is Format.text:
        return "".join(
            f"{text}\n"
            for text in (transcript.text, *(f"    {each.text}" for each in transcript.alternatives))
        )
    words = (subtitles.TimedWord(w.text, w.start_ms, w.end_ms) for w in transcript.words)
    return subtitles.srt(words) if fmt is Format.srt else subtitles.vtt(words)
