"""What audio bytes claim to be, and whether they are all there: read from headers, before any decoder."""

import struct
from collections.abc import Iterator

from voxloom.errors import BadInput

_FOREIGN = (
    (0, b"\x1aE\xdf\xa3", "WebM or Matroska"),
    (4, b"ftyp", "MP4 or M4A"),
    (0, b"FORM", "AIFF"),
    (0, b"caff", "CAF"),
    (0, b"#!AMR", "AMR"),
    (0, b"0&\xb2u", "WMA"),
    (0, b".snd", "AU"),
    (0, b"\x1f\x8b", "a gzip archive"),
    (0, b"PK\x03\x04", "a zip archive"),
    (0, b"%PDF", "a PDF"),
    (0, b"version https://git-lfs", "a Git LFS pointer"),
)
_STREAMED_SIZES = 0x7FFF0000  # writers that cannot seek back leave 0 or a size from here to 0xFFFFFFFF
_SLACK_BYTES = 64  # writers that count their own header among the samples


def sniff(data: bytes) -> str:
    """ "WAV", "FLAC", "Ogg" or "MP3"; BadInput names what else it is."""
    if not data:
        raise BadInput("audio is empty (0 bytes); record or upload it again")
    if data[:4] in (b"RIFF", b"RIFX", b"RF64") and data[8:12] == b"WAVE":
        return "WAV"
    for magic, name in ((b"fLaC", "FLAC"), (b"OggS", "Ogg"), (b"ID3", "MP3")):
        if data.startswith(magic):
            return name
    if _is_mpeg_frame(data):
        return "MP3"
    raise BadInput(
        f"audio is {_describe(data)}; expected WAV, FLAC, MP3 or Ogg: convert it, for example to WAV"
    )


def mend(data: bytes, container: str) -> bytes:
    """Returns what the decoder can read whole; BadInput where bytes are missing and it would not tell.

    A streamed WAV gets the size that its writer did not know. A cut FLAC needs no check: its decoder fails.
    """
    if container == "WAV":
        return _mend_wav(data)
    if container == "Ogg":
        _check_last_page(data)
    elif container == "MP3":
        _check_xing(data)
    return data


def _is_mpeg_frame(data: bytes) -> bool:
    """An MPEG audio frame header: 11 sync bits and a layer (AAC in ADTS has layer 0)."""
    return len(data) > 4 and data[0] == 0xFF and data[1] & 0xE0 == 0xE0 and data[1] & 0x06 != 0


def _describe(data: bytes) -> str:
    for offset, magic, name in _FOREIGN:
        if data[offset : offset + len(magic)] == magic:
            return name
    if data[0] == 0xFF and len(data) > 1 and data[1] & 0xF6 == 0xF0:
        return "raw AAC"
    head = data[:512].lstrip()
    if head[:1] == b"<":
        return "an HTML or XML page, not a recording"
    if head[:1] in (b"{", b"["):
        return "JSON, not a recording"
    if _is_text(data[:512]):
        return "text, not a recording"
    return f"of an unknown format (it begins with {data[:8].hex(' ')})"


def _is_text(head: bytes) -> bool:
    return all(byte >= 32 or byte in b"\t\r\n\f" for byte in head)


def _mend_wav(data: bytes) -> bytes:
    order = ">" if data[:4] == b"RIFX" else "<"
    byte_rate = 0
    for name, at, size in _chunks(data, 12, order):
        if name == b"fmt " and at + 12 <= len(data):
            byte_rate = struct.unpack_from(order + "I", data, at + 8)[0]
        if name == b"data":
            if size == 0 and not _chunks_fill(data, at, order):
                return data[: at - 4] + struct.pack(order + "I", len(data) - at) + data[at:]
            _check_data_chunk(len(data) - at, size, byte_rate)
            return data
    raise BadInput(
        f"WAV of {len(data)} bytes has no samples: it ends before its data chunk; send the whole file"
    )


def _chunks(data: bytes, at: int, order: str) -> Iterator[tuple[bytes, int, int]]:
    """Name, start and declared size of each chunk."""
    while at + 8 <= len(data):
        size = struct.unpack_from(order + "I", data, at + 4)[0]
        yield data[at : at + 4], at + 8, size
        at += 8 + size + size % 2


def _chunks_fill(data: bytes, at: int, order: str) -> bool:
    """Whether the bytes from `at` are chunks up to the end, and not samples."""
    for _, start, size in _chunks(data, at, order):
        at = start + size + size % 2
    return len(data) <= at <= len(data) + 1


def _check_data_chunk(found: int, declared: int, byte_rate: int) -> None:
    if declared >= _STREAMED_SIZES or declared - found <= _SLACK_BYTES:
        return
    raise BadInput(
        f"WAV is truncated: {found} of {declared} bytes of samples{_seconds(found, declared, byte_rate)}; "
        "send the whole file"
    )


def _seconds(found: int, declared: int, byte_rate: int) -> str:
    return f" ({found / byte_rate:.2f} of {declared / byte_rate:.2f} s)" if byte_rate else ""


def _check_last_page(data: bytes) -> None:
    """An Ogg page has a header of 27 bytes, a table of segment sizes, and the segments."""
    at = data.rfind(b"OggS")
    table = data[at + 27 : at + 27 + data[at + 26]] if at + 27 <= len(data) else b""
    size = 27 + len(table) + sum(table)
    if at + 27 > len(data) or len(table) < data[at + 26] or at + size > len(data):
        raise BadInput(f"Ogg of {len(data)} bytes is truncated in its last page; send the whole file")


def _check_xing(data: bytes) -> None:
    """The first frame of an MP3 may tell the size of the stream, in its Xing or Info header."""
    start = _after_id3(data)
    head = data[start : start + 256]
    at = max(head.find(b"Xing"), head.find(b"Info"))
    if at < 0 or at + 16 > len(head):
        return
    flags, first, second = struct.unpack_from(">III", head, at + 4)
    declared = second if flags & 1 else first  # the frame count comes before the byte count
    found = len(data) - start
    if flags & 2 and declared - found > 1500 + declared // 50:  # a frame, and writers that are a little off
        raise BadInput(f"MP3 is truncated: {found} of {declared} bytes; send the whole file")


def _after_id3(data: bytes) -> int:
    """ID3v2: a header of 10 bytes whose last four hold 7 bits of the tag's size each."""
    if not data.startswith(b"ID3") or len(data) < 10:
        return 0
    return 10 + sum((byte & 0x7F) << shift for byte, shift in zip(data[6:10], (21, 14, 7, 0), strict=True))
