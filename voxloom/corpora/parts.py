"""Parts of long recordings as files of their own: the samples as they are, in FLAC."""

import io
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import soundfile

from voxloom.audio_stream import open_forward
from voxloom.corpora.listing import Part
from voxloom.errors import BadInput

MAX_PART_S = 600.0
_BLOCK_FRAMES = 65536
_SEEKABLE = ("WAV", "WAVEX", "FLAC", "W64", "RF64")  # where a seek ends at the very sample
_INTEGER = {"PCM_16": ("int16", "PCM_16"), "PCM_24": ("int32", "PCM_24"), "PCM_S8": ("int16", "PCM_16")}
_FLAC_CHANNELS = 8


class Recordings:
    """Reads parts; the last recording stays open, so parts in order cost one pass over it."""

    def __init__(self) -> None:
        self._path: Path | None = None
        self._file: Any = None
        self._position = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        self._path = self._file = None

    def duration_s(self, path: Path) -> float:
        """By the header; BadInput if it cannot be read."""
        self._open(path)
        return float(self._file.frames) / float(self._file.samplerate)

    def flac(self, path: Path, part: Part) -> bytes:
        """The part as FLAC at the recording's own rate; BadInput when it is not there or too long."""
        self._open(path)
        rate_hz = self._file.samplerate
        start, stop = frames_of(part, rate_hz, self._file.frames)
        if not 0 <= start < stop or stop - start > MAX_PART_S * rate_hz:
            raise BadInput(f"{path} has no part from {part.start_s:g} s of {part.duration_s} s")
        dtype, subtype = _INTEGER.get(self._file.subtype, ("float32", "PCM_16"))
        try:
            samples = self._read(start, stop - start, dtype)
        except soundfile.LibsndfileError as error:
            raise BadInput(f"{path} cannot be read at {part.start_s:g} s: {error}") from error
        return _encode(_channels(samples, part.channel, path), rate_hz, subtype)

    def _open(self, path: Path) -> None:
        if self._path == path:
            return
        self.close()
        self._file = open_forward(path)
        self._path, self._position = path, 0

    def _read(self, start: int, count: int, dtype: str) -> npt.NDArray[Any]:
        """A lossy file is read forward only: after a seek its decoder gives slightly other samples."""
        if self._file.format in _SEEKABLE:
            self._file.seek(start)
        elif start < self._position:
            self._file.seek(0)
            self._position = 0
        self._skip(start)
        samples: npt.NDArray[Any] = self._file.read(count, dtype=dtype, always_2d=True)
        self._position = start + len(samples)
        return samples

    def _skip(self, start: int) -> None:
        while self._file.format not in _SEEKABLE and self._position < start:
            got = len(self._file.read(min(start - self._position, _BLOCK_FRAMES), always_2d=True))
            self._position += got
            if not got:
                return


def frames_of(part: Part, rate_hz: int, frames: int) -> tuple[int, int]:
    """First frame and the frame after the last, within the recording."""
    start = round(part.start_s * rate_hz)
    if part.duration_s is None:
        return start, frames
    return start, min(round((part.start_s + part.duration_s) * rate_hz), frames)


def name_of(path: str, part: Part, duration_s: float) -> str:
    """talk.mp3 from 12.34 s to 18.92 s becomes talk_00012340-00018920.flac, beside it."""
    stem = path.rsplit(".", 1)[0] if "." in path.rsplit("/", 1)[-1] else path
    end_s = duration_s if part.duration_s is None else part.start_s + part.duration_s
    channel = "" if part.channel is None else f"_c{part.channel}"
    return f"{stem}_{round(part.start_s * 1000):08d}-{round(end_s * 1000):08d}{channel}.flac"


def _channels(samples: npt.NDArray[Any], channel: int | None, path: Path) -> npt.NDArray[Any]:
    if channel is None:
        if samples.shape[1] > _FLAC_CHANNELS:
            raise BadInput(f"{path} has {samples.shape[1]} channels; name the one that is meant")
        return samples
    if channel >= samples.shape[1]:
        raise BadInput(f"{path} has {samples.shape[1]} channels; channel {channel} is asked for")
    return samples[:, channel : channel + 1]


def _encode(samples: npt.NDArray[Any], rate_hz: int, subtype: str) -> bytes:
    if samples.dtype == np.float32:
        samples = np.clip(np.rint(np.nan_to_num(samples) * 32768), -32768, 32767).astype(np.int16)
    out = io.BytesIO()
    soundfile.write(out, samples, rate_hz, format="FLAC", subtype=subtype)
    return out.getvalue()
