"""Audio for StreamingRecognize: raw PCM16 as it comes, from any file or live from standard input."""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import grpc
import numpy as np

from voxloom.audio import SAMPLE_RATE_HZ, decode
from voxloom.client import Client, Form, Options
from voxloom.errors import BadInput, VoxloomError

CHUNK_S = 0.2
_MAX_HEADER_BYTES = 1 << 20
_PCM_TAGS = (1, 0xFFFE)  # plain and extensible


@dataclass(frozen=True)
class PcmStream:
    """Raw 16-bit samples, read as they come."""

    sample_rate_hz: int
    channels: int
    chunks: Iterator[bytes]


def of_bytes(data: bytes) -> PcmStream:
    """A whole file of any kind, decoded here."""
    samples = decode(data).samples
    pcm = np.round(np.clip(samples, -1.0, 1.0) * 32767.0).astype("<i2").tobytes()
    step = int(CHUNK_S * SAMPLE_RATE_HZ) * 2
    return PcmStream(SAMPLE_RATE_HZ, 1, (pcm[i : i + step] for i in range(0, len(pcm), step)))


def of_live(pipe: BinaryIO, sample_rate_hz: int) -> PcmStream:
    """Standard input while somebody speaks: WAV, else raw mono PCM16 at `sample_rate_hz`."""
    start = _read_exactly(pipe, 12)
    if start[:4] == b"RIFF" and start[8:12] == b"WAVE":
        rate, channels = _wav_format(pipe)
        return PcmStream(rate, channels, _chunks(pipe, rate * channels, b""))
    return PcmStream(sample_rate_hz, 1, _chunks(pipe, sample_rate_hz, start))


def _wav_format(pipe: BinaryIO) -> tuple[int, int]:
    """Reads up to the samples; the length in the header of a live WAV means nothing."""
    rate = channels = 0
    for _ in range(100):
        head = _read_exactly(pipe, 8)
        if len(head) < 8:
            break
        name, num_bytes = head[:4], struct.unpack("<I", head[4:])[0]
        if name == b"data" and rate:
            return rate, channels
        if num_bytes > _MAX_HEADER_BYTES:
            break
        body = _read_exactly(pipe, num_bytes + num_bytes % 2)
        if name == b"fmt " and len(body) >= 16:
            rate, channels = _read_fmt(body)
    raise BadInput("the WAV on standard input has no samples; expected a fmt and a data chunk")


def _read_fmt(body: bytes) -> tuple[int, int]:
    tag, channels, rate, _, _, bits = struct.unpack("<HHIIHH", body[:16])
    if tag not in _PCM_TAGS or bits != 16 or not rate or not channels:
        raise BadInput(f"the WAV on standard input has {bits} bits of format {tag}; expected 16-bit PCM")
    return rate, channels


def _chunks(pipe: BinaryIO, samples_per_s: int, first: bytes) -> Iterator[bytes]:
    num_bytes = max(2, int(CHUNK_S * samples_per_s) * 2)
    if first:
        yield first
    while chunk := _read_exactly(pipe, num_bytes):
        yield chunk


def _read_exactly(pipe: BinaryIO, num_bytes: int) -> bytes:
    """Up to num_bytes, less only at the end: whole samples, also from a pipe that gives odd pieces."""
    parts = bytearray()
    while len(parts) < num_bytes and (part := pipe.read(num_bytes - len(parts))):
        parts += part
    return bytes(parts)


@dataclass
class StreamResult:
    """The finals of one stream, put together."""

    texts: list[str] = field(default_factory=list)
    words: list[Any] = field(default_factory=list)
    audio_s: float = 0.0
    model: str = ""

    @property
    def text(self) -> str:
        return " ".join(text for text in self.texts if text)


def recognize_stream(
    inference: Any, stream: PcmStream, on_partial: Callable[[str], None], on_final: Callable[[str], None]
) -> StreamResult:
    """Runs one StreamingRecognize call of a stub; gRPC's errors are raised as they are."""
    return follow(Client(inference, _as_it_is), stream, Options(), on_partial, on_final)


def follow(
    client: Client,
    stream: PcmStream,
    options: Options,
    on_partial: Callable[[str], None],
    on_final: Callable[[str], None],
) -> StreamResult:
    """Partial and final texts are handed on as they arrive."""
    result = StreamResult()
    for found in client.stream(stream.chunks, Form("pcm16", stream.sample_rate_hz, stream.channels), options):
        if found.is_final:
            result.texts.append(found.text)
            result.words += found.words
            result.audio_s = max(result.audio_s, found.end_ms / 1000)
            result.model = found.model
            on_final(found.text)
        else:
            on_partial(found.text)
    return result


def _as_it_is(error: grpc.RpcError) -> VoxloomError:
    raise error
