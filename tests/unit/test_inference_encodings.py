"""Audio of other protocols: what it is, whatever pieces it comes in."""

import io
import struct
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from services.inference.encodings import Declared, Encoding, open_audio, to_pcm16
from services.inference.recognize import Pcm16
from voxloom.errors import BadInput
from voxloom.g711 import alaw_to_pcm16, mulaw_to_pcm16

RAW = Declared(Encoding.PCM16, 16000, 1)


def written(**kind: Any) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.linspace(-0.5, 0.5, 800), 8000, **kind)
    return file.getvalue()


@pytest.mark.parametrize(("decode", "subtype"), [(mulaw_to_pcm16, "ULAW"), (alaw_to_pcm16, "ALAW")])
def test_g711_is_what_libsndfile_makes_of_it(decode: Any, subtype: str) -> None:
    every_byte = bytes(range(256))
    raw = {"format": "RAW", "subtype": subtype, "samplerate": 8000, "channels": 1}
    expected, _ = soundfile.read(io.BytesIO(every_byte), dtype="int16", **raw)
    assert decode(every_byte) == expected.tobytes()


@pytest.mark.parametrize(
    ("subtype", "encoding"),
    [("PCM_16", Encoding.PCM16), ("ULAW", Encoding.MULAW), ("ALAW", Encoding.ALAW)],
)
def test_a_wav_header_counts_more_than_what_is_said(subtype: str, encoding: Encoding) -> None:
    data = written(format="WAV", subtype=subtype)
    opened = open_audio(data, RAW, is_whole=False)
    assert opened is not None
    assert (opened.encoding, opened.pcm) == (encoding, Pcm16(8000, 1))
    assert opened.num_bytes == 800 * (2 if encoding is Encoding.PCM16 else 1)
    assert len(to_pcm16(encoding, data[opened.offset :][: opened.num_bytes])) == 1600


@pytest.mark.parametrize("kind", [{"format": "WAV", "subtype": "FLOAT"}, {"format": "FLAC"}])
def test_what_only_a_decoder_reads_is_told_apart(kind: dict[str, str]) -> None:
    opened = open_audio(written(**kind), RAW, is_whole=False)
    assert opened is not None
    assert (opened.encoding, opened.pcm) == (Encoding.PACKED, None)


def test_every_beginning_of_a_wav_file_is_waited_for() -> None:
    data = written(format="WAV")
    whole = open_audio(data, RAW, is_whole=True)
    for size in range(1, 44):
        assert open_audio(data[:size], RAW, is_whole=False) is None, size
    assert open_audio(data[:44], RAW, is_whole=False) == whole


def test_a_wav_file_of_unknown_length_goes_on_for_ever() -> None:
    data = bytearray(written(format="WAV"))
    for size in (0, 0xFFFFFFFF, 0x7FFFFFFF):
        data[40:44] = struct.pack("<I", size)
        opened = open_audio(bytes(data), RAW, is_whole=False)
        assert opened is not None
        assert opened.num_bytes is None


@given(st.binary(max_size=60), st.booleans(), st.sampled_from(list(Encoding)))
def test_no_bytes_do_any_harm(data: bytes, is_whole: bool, encoding: Encoding) -> None:
    for head in (data, b"RIFF" + data, b"RIFF1234WAVE" + data, b"RIFF1234WAVEfmt " + data):
        try:
            opened = open_audio(head, Declared(encoding, 16000, 1), is_whole=is_whole)
        except BadInput:
            continue
        assert opened is not None or not is_whole


def test_samples_without_a_rate_are_refused() -> None:
    with pytest.raises(BadInput, match="sample rate"):
        open_audio(bytes(100), Declared(Encoding.UNKNOWN, 0, 1), is_whole=False)
