"""Telephone audio: the bytes of mu-law and A-law to 16-bit samples (ITU-T G.711, 1988)."""

import numpy as np
import numpy.typing as npt

Table = npt.NDArray[np.int16]


def mulaw_to_pcm16(data: bytes) -> bytes:
    """One byte a sample to little-endian 16-bit samples."""
    return _MULAW[np.frombuffer(data, np.uint8)].tobytes()


def alaw_to_pcm16(data: bytes) -> bytes:
    """One byte a sample to little-endian 16-bit samples."""
    return _ALAW[np.frombuffer(data, np.uint8)].tobytes()


def _mulaw_table() -> Table:
    """A sign, three bits of exponent and four of mantissa, all inverted; 0x84 is the bias of the encoder."""
    codes = ~np.arange(256) & 0xFF
    magnitude = ((((codes & 0x0F) << 3) + 0x84) << (codes >> 4 & 7)) - 0x84
    return np.where(codes & 0x80, -magnitude, magnitude).astype("<i2")


def _alaw_table() -> Table:
    """The same with every second bit inverted, and a lowest segment that is as fine as the one above it."""
    codes = np.arange(256) ^ 0x55
    exponent, mantissa = codes >> 4 & 7, (codes & 0x0F) << 4
    magnitude = np.where(exponent == 0, mantissa + 8, (mantissa + 0x108) << np.maximum(exponent - 1, 0))
    return np.where(codes & 0x80, magnitude, -magnitude).astype("<i2")


_MULAW, _ALAW = _mulaw_table(), _alaw_table()
