"""What `voxloom transcribe` asks for: hot words from a file, folders of recordings, a microphone."""

import queue
import signal
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from voxloom.audio_stream import open_forward
from voxloom.cli.microphone import find_sounddevice, open_input
from voxloom.cli.streaming import CHUNK_S, PcmStream
from voxloom.errors import BadInput

SUFFIXES = frozenset((".wav", ".flac", ".ogg", ".opus", ".oga", ".mp3"))
MICROPHONE = "microphone"
_RATE_HZ = 16000
_MAX_HOT_BYTES = 1 << 20
_LONG_S, _LONG_BYTES = 300.0, 16 << 20


def read_hot_words(path: Path | None) -> dict[str, float]:
    """A phrase a line, perhaps a tab and its boost after it; empty lines and those that begin with # are
    none."""
    if path is None:
        return {}
    try:
        data = path.read_bytes()
        if len(data) > _MAX_HOT_BYTES:
            raise BadInput(f"{path} is larger than {_MAX_HOT_BYTES} bytes; expected a list of hot words")
        lines = data.decode("utf-8-sig").splitlines()
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise BadInput(f"{path} is not UTF-8 (byte {error.start}); save it as UTF-8") from error
    kept = ((number, line) for number, line in enumerate(lines, start=1) if line.strip() and line[0] != "#")
    return dict(_hot_word(path, number, line) for number, line in kept)


def _hot_word(path: Path, number: int, line: str) -> tuple[str, float]:
    phrase, _, boost = line.partition("\t")
    try:
        return phrase.strip(), float(boost or 0)
    except ValueError:
        raise BadInput(
            f"{path} line {number}: the boost is {boost[:20]!r}; expected a number, for example 1.5"
        ) from None


def expand(files: list[str]) -> list[str]:
    """Folders become the recordings in them, by name; BadInput for one without any."""
    found: list[str] = []
    for file in files:
        folder = Path(file)
        if file == "-" or not folder.is_dir():
            found.append(file)
            continue
        inside = sorted(str(path) for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
        if not inside:
            raise BadInput(f"{folder} holds no recordings; expected {', '.join(sorted(SUFFIXES))}")
        found += inside
    return found


def is_long(file: str) -> bool:
    """Whether a file is better sent as a batch than in one call; what cannot be read is not."""
    path = Path(file)
    try:
        if file == "-" or path.stat().st_size > _LONG_BYTES:
            return file != "-"
        with open_forward(path) as opened:
            return bool(opened.frames / opened.samplerate > _LONG_S)
    except (OSError, BadInput):
        return False


def of_microphone() -> PcmStream:
    """What the default microphone hears, until Ctrl-C; BadInput where there is none."""
    sounddevice = find_sounddevice("pipe arecord's samples into `voxloom transcribe --stream -`")
    heard: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    stream = open_input(sounddevice, _RATE_HZ, CHUNK_S, heard.put, "send a file")
    end_at_interrupt(heard)
    return PcmStream(_RATE_HZ, 1, _recorded(stream, heard))


def end_at_interrupt(heard: "queue.SimpleQueue[bytes]") -> None:
    """The first Ctrl-C ends the recording, so that its last words are still heard; the second the program."""

    def end(number: int, frame: object) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        heard.put(b"")

    signal.signal(signal.SIGINT, end)


def _recorded(stream: AbstractContextManager[object], heard: "queue.SimpleQueue[bytes]") -> Iterator[bytes]:
    with stream:
        while chunk := heard.get():
            yield chunk
