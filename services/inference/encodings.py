"""Audio in the encodings of other protocols: what it is, by its own header, else by its sender's word."""

import struct
from dataclasses import dataclass
from enum import Enum

from services.inference.recognize import Pcm16
from voxloom.errors import BadInput
from voxloom.g711 import alaw_to_pcm16, mulaw_to_pcm16

_MAX_HEADER_BYTES = 1 << 20
_CONTAINERS = (b"fLaC", b"OggS", b"ID3")
_STREAMED_SIZES = 0x7FFF0000  # what a writer leaves that does not know how much will come


class Encoding(Enum):
    """How samples without a header lie in their bytes; UNKNOWN is taken for PCM16."""

    UNKNOWN = "unknown"
    PCM16 = "PCM16"
    MULAW = "mu-law"
    ALAW = "A-law"
    PACKED = "packed"  # compressed, or samples of another width: whole files only


@dataclass(frozen=True)
class Declared:
    """What the sender says of audio; what its header says counts more."""

    encoding: Encoding
    sample_rate_hz: int
    channels: int


@dataclass(frozen=True)
class Opened:
    """The beginning of audio, understood."""

    encoding: Encoding
    pcm: Pcm16 | None  # none where only a decoder can tell
    offset: int = 0  # bytes of the header
    num_bytes: int | None = None  # of the samples, if the header tells


def to_pcm16(encoding: Encoding, data: bytes) -> bytes:
    """Samples of one byte to samples of two; of two they stay as they are."""
    match encoding:
        case Encoding.MULAW:
            return mulaw_to_pcm16(data)
        case Encoding.ALAW:
            return alaw_to_pcm16(data)
        case _:
            return data


def open_audio(head: bytes, declared: Declared, *, is_whole: bool) -> Opened | None:
    """What the audio is that begins so; None while that cannot be told yet, never if `is_whole`."""
    if head[:4] == b"RIFF"[: len(head)] and head[8:12] == b"WAVE"[: max(len(head) - 8, 0)]:
        if len(head) >= 12:
            return _open_wav(head, is_whole)
        if not is_whole:
            return None
    if head.startswith(_CONTAINERS) or declared.encoding is Encoding.PACKED:
        return Opened(Encoding.PACKED, None)
    if declared.sample_rate_hz <= 0:
        raise BadInput(
            f"the audio has no header, and its sample rate is given as {declared.sample_rate_hz} Hz; "
            "give the rate it was recorded with, or send a WAV file"
        )
    return Opened(declared.encoding, Pcm16(declared.sample_rate_hz, declared.channels))


def _open_wav(head: bytes, is_whole: bool) -> Opened | None:
    """Reads chunks up to the samples."""
    at, found = 12, None
    while at + 8 <= len(head):
        name, num_bytes = head[at : at + 4], struct.unpack_from("<I", head, at + 4)[0]
        if name == b"data":
            return _opened(found, at + 8, num_bytes)
        if name == b"fmt " and at + 24 <= len(head):
            found = struct.unpack_from("<HHIIHH", head, at + 8)
        at += 8 + num_bytes + num_bytes % 2
    if is_whole or at > _MAX_HEADER_BYTES:
        raise BadInput(
            "the WAV file has no samples: it ends, or goes on, without a data chunk; send it whole"
        )
    return None


def _opened(found: tuple[int, ...] | None, offset: int, num_bytes: int) -> Opened:
    if found is None:
        raise BadInput("the WAV file has no fmt chunk before its samples; send it whole")
    tag, channels, rate_hz, _, _, bits = found
    encodings = {(1, 16): Encoding.PCM16, (6, 8): Encoding.ALAW, (7, 8): Encoding.MULAW}
    encoding = encodings.get((tag, bits), Encoding.PACKED)
    if encoding is Encoding.PACKED:
        return Opened(encoding, None)
    known = None if num_bytes == 0 or num_bytes >= _STREAMED_SIZES else num_bytes
    return Opened(encoding, Pcm16(rate_hz, channels), offset, known)
