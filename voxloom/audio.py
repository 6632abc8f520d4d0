"""Bytes from outside become 16 kHz mono samples here, or a clear refusal; levels and faults of a clip."""

import io
import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from voxloom.audio_container import mend, sniff
from voxloom.errors import BadInput
from voxloom.manifest import AudioLevels

Samples = npt.NDArray[np.float32]

SAMPLE_RATE_HZ = 16000
MAX_SECONDS = 1800.0
MAX_CHANNELS = 32
MIN_RATE_HZ, MAX_RATE_HZ = 4000, 384_000

_BLOCK_FRAMES = 65536
_FRAME = 400  # 25 ms
_HUM_WINDOW = 40  # 2.5 ms
_LOUDEST = (4, 12)  # frames looked at first, and then
_FULL_SCALE = 0.999  # a sample this near to 1 counts as clipped
_FLOOR_DBFS = -120.0
_WAV_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")  # 44 bytes


@dataclass(frozen=True)
class Audio:
    samples: Samples  # mono, 16 kHz, in [-1, 1]
    source_sample_rate_hz: int
    source_channels: int
    clipped_fraction: float | None = None  # of the source: resampling rounds plateaus off; None: unknown

    @property
    def duration_s(self) -> float:
        return len(self.samples) / SAMPLE_RATE_HZ


class StreamResampler:
    """Interleaved 16-bit PCM in chunks of any size, split anywhere, to mono 16 kHz samples."""

    def __init__(self, rate_hz: int, channels: int) -> None:
        _check_shape(rate_hz, channels)
        self._channels = channels
        self._resampler = _Resampler(rate_hz)
        self._rest = b""

    def push(self, pcm16: bytes) -> Samples:
        data = self._rest + pcm16
        whole = len(data) - len(data) % (2 * self._channels)
        self._rest = data[whole:]
        return _clip(self._resampler.push(_mono(_from_pcm16(data[:whole], self._channels))))

    def finish(self) -> Samples:
        """The samples still inside the filter; a half sample at the very end is dropped."""
        return _clip(self._resampler.finish())


def decode(data: bytes, *, max_seconds: float | None = None) -> Audio:
    """WAV, FLAC, MP3 or Ogg to mono 16 kHz; BadInput says what is wrong with anything else.

    Header lengths are not trusted: blocks are read until `max_seconds` (default: 30 minutes) is exceeded.
    """
    container = sniff(data)
    whole = mend(data, container)
    limit_s = MAX_SECONDS if max_seconds is None else max_seconds
    try:
        with soundfile.SoundFile(io.BytesIO(whole)) as file:
            return _collect(_blocks(file), file.samplerate, file.channels, limit_s)
    except soundfile.LibsndfileError as error:
        raise BadInput(
            f"the {container} audio of {len(data)} bytes cannot be decoded ({_reason(error)}): it is damaged "
            "or cut short; send the whole file, or convert it to 16-bit WAV"
        ) from error


def decode_pcm16(data: bytes, rate_hz: int, channels: int) -> Audio:
    """Raw interleaved little-endian 16-bit PCM to mono 16 kHz."""
    _check_shape(rate_hz, channels)
    if len(data) % (2 * channels):
        raise BadInput(
            f"PCM of {len(data)} bytes is not a whole number of {channels}-channel 16-bit frames; "
            "check the channel count and the encoding"
        )
    return _collect(iter([_from_pcm16(data, channels)]), rate_hz, channels, MAX_SECONDS)


def encode_wav(samples: Samples) -> bytes:
    """16-bit mono WAV; what was decoded from 16-bit audio at 16 kHz comes back bit for bit."""
    pcm16 = to_pcm16(samples)
    shape = (16, 1, 1, SAMPLE_RATE_HZ, 2 * SAMPLE_RATE_HZ, 2, 16)  # 16-bit mono PCM
    size = pcm16.nbytes
    header = _WAV_HEADER.pack(b"RIFF", 36 + size, b"WAVE", b"fmt ", *shape, b"data", size)
    return b"".join([header, pcm16.data])


def encode_flac(samples: Samples) -> bytes:
    """16-bit mono FLAC: the same samples as `encode_wav` in about half the space."""
    out = io.BytesIO()
    soundfile.write(out, to_pcm16(samples), SAMPLE_RATE_HZ, format="FLAC", subtype="PCM_16")
    return out.getvalue()


def measure(audio: Audio) -> AudioLevels:
    """Duration, levels and clipping of a clip; -120 dBFS stands for digital silence."""
    samples = audio.samples
    clipped = audio.clipped_fraction
    return AudioLevels(
        duration_s=audio.duration_s,
        peak_dbfs=_dbfs(max(float(samples.max(initial=0.0)), -float(samples.min(initial=0.0)))),
        rms_dbfs=_dbfs(_rms(samples)),
        clipped_fraction=_clipped(samples) / max(len(samples), 1) if clipped is None else clipped,
        source_sample_rate_hz=audio.source_sample_rate_hz,
        source_channels=audio.source_channels,
    )


class Fault(StrEnum):
    EMPTY = "empty"
    TOO_SHORT = "too_short"
    TOO_LONG = "too_long"
    SILENT = "silent"
    CLIPPED = "clipped"


@dataclass(frozen=True)
class Limits:
    """What a clip must keep to be trained on.

    Of 4,394 clips of AN4, of one reader at home and of Common Voice, these refuse the three of digital
    silence only; their quietest speech reaches -61 dBFS (the next -51), and the flattest moves by 9 dB.
    """

    min_s: float = 0.3
    max_s: float = 35.0
    silence_dbfs: float = -65.0  # no sound louder than this: nobody speaks
    hiss_dbfs: float = -35.0  # a sound below this level must also move, as speech does
    min_dynamic_db: float = 6.0
    max_clipped: float = 0.02  # fraction of the samples


def find_fault(audio: Audio, levels: AudioLevels, limits: Limits | None = None) -> Fault | None:
    """The first reason not to train on a clip, or None."""
    limits = limits or Limits()
    if not len(audio.samples):
        return Fault.EMPTY
    if levels.duration_s < limits.min_s:
        return Fault.TOO_SHORT
    if _is_silent(audio.samples, limits):
        return Fault.SILENT
    if levels.duration_s > limits.max_s:
        return Fault.TOO_LONG
    return Fault.CLIPPED if levels.clipped_fraction > limits.max_clipped else None


def _is_silent(samples: Samples, limits: Limits) -> bool:
    if _is_loud(samples, limits.hiss_dbfs):
        return False
    quiet_dbfs, loud_dbfs = _frame_levels_dbfs(samples)
    if loud_dbfs < limits.silence_dbfs:
        return True
    return loud_dbfs < limits.hiss_dbfs and loud_dbfs - quiet_dbfs < limits.min_dynamic_db


def _is_loud(samples: Samples, level_dbfs: float) -> bool:
    """Whether four of its loudest frames reach the level, hum taken off: then four of all frames do, and the
    clip need not be looked at whole. Most speech ends here, at a tenth of the cost."""
    frames = samples[: len(samples) // _FRAME * _FRAME].reshape(-1, _FRAME)
    if len(frames) < max(_LOUDEST):
        return False
    by_energy = np.argsort(np.vecdot(frames, frames))
    return any(_reach(samples, by_energy[-count:], level_dbfs) for count in _LOUDEST)


def _reach(samples: Samples, indices: npt.NDArray[np.int64], level_dbfs: float) -> bool:
    """Whether four of these frames reach the level, hum taken off."""
    sound = _frames_without_hum(samples, indices)
    return _dbfs(math.sqrt(np.sort(np.vecdot(sound, sound))[-4] / _FRAME)) >= level_dbfs


def _frames_without_hum(samples: Samples, indices: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """(n, 400) samples of these frames; the half window beyond their edges is the clip's own."""
    half = _HUM_WINDOW // 2
    positions = indices[:, None] * _FRAME + np.arange(-half, _FRAME + half)
    return _less_running_mean(samples.take(positions, mode="clip"))


def _frame_levels_dbfs(samples: Samples) -> tuple[float, float]:
    """The 5th percentile of the level of 25 ms frames, and the level that 0.1 s reach in all: one short word
    in a long pause is found, a click is not."""
    sound = _without_hum(samples)
    count = max(len(sound) // _FRAME, 1)
    frames = sound[: count * _FRAME].reshape(count, -1)
    levels = np.sort(np.sqrt(np.mean(np.square(frames), axis=1)))
    return _dbfs(float(levels[count // 20])), _dbfs(float(levels[-min(4, count)]))


def _without_hum(samples: Samples) -> npt.NDArray[np.float64]:
    """Less the mean of 2.5 ms around: offset and mains hum go, hiss and the formants of speech stay."""
    return _less_running_mean(np.pad(samples, _HUM_WINDOW // 2, mode="edge"))


def _less_running_mean(padded: Samples) -> npt.NDArray[np.float64]:
    """(..., n + 40) to (..., n) samples."""
    half = _HUM_WINDOW // 2
    sums = np.cumsum(padded, axis=-1, dtype=np.float64)
    return padded[..., half:-half] - (sums[..., _HUM_WINDOW:] - sums[..., :-_HUM_WINDOW]) / _HUM_WINDOW


class _Resampler:
    """Mono samples at any rate to 16 kHz, in chunks."""

    def __init__(self, rate_hz: int) -> None:
        same = rate_hz == SAMPLE_RATE_HZ
        self._stream = None if same else soxr.ResampleStream(rate_hz, SAMPLE_RATE_HZ, 1, quality="VHQ")

    def push(self, mono: Samples) -> Samples:
        return mono if self._stream is None else self._stream.resample_chunk(mono)

    def finish(self) -> Samples:
        nothing = np.zeros(0, np.float32)
        return nothing if self._stream is None else self._stream.resample_chunk(nothing, last=True)


def _collect(blocks: Iterator[Samples], rate_hz: int, channels: int, max_seconds: float) -> Audio:
    _check_shape(rate_hz, channels)
    resampler = _Resampler(rate_hz)
    frames = clipped = 0
    parts = []
    for block in blocks:
        frames += len(block)
        if frames > max_seconds * rate_hz:
            raise BadInput(f"audio is longer than {max_seconds:g} s; cut it into shorter pieces")
        if not np.isfinite(block).all():
            raise BadInput("audio holds samples that are not numbers (NaN or infinite); write it anew")
        clipped += _clipped(block[:, 0] if channels == 1 else np.abs(block).max(axis=1))
        parts.append(resampler.push(_mono(_clip(block))))
    if not frames:
        raise BadInput("audio holds no samples; record or export it anew")
    samples = _clip(np.concatenate([*parts, resampler.finish()]))
    return Audio(samples, rate_hz, channels, clipped / frames)


def _blocks(file: Any) -> Iterator[Samples]:
    while len(block := file.read(_BLOCK_FRAMES, dtype="float32", always_2d=True)):
        yield block


def _check_shape(rate_hz: int, channels: int) -> None:
    if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
        raise BadInput(f"sample rate {rate_hz} Hz is not allowed; expected {MIN_RATE_HZ} to {MAX_RATE_HZ}")
    if not 1 <= channels <= MAX_CHANNELS:
        raise BadInput(f"{channels} channels are not allowed; expected 1 to {MAX_CHANNELS}")


def _from_pcm16(data: bytes, channels: int) -> Samples:
    return np.frombuffer(data, "<i2").reshape(-1, channels).astype(np.float32) / np.float32(32768)


def _mono(block: Samples) -> Samples:
    return block[:, 0] if block.shape[1] == 1 else block.mean(axis=1, dtype=np.float32)


def _clip(samples: Samples) -> Samples:
    return np.clip(samples, -1, 1)


def to_pcm16(samples: Samples) -> npt.NDArray[np.int16]:
    """Samples in [-1, 1] to 16 bits, little-endian; what is beyond is clipped."""
    scaled = samples * np.float32(32768)
    np.rint(scaled, out=scaled)
    return np.clip(scaled, -32768, 32767, out=scaled).astype("<i2")


def _clipped(samples: Samples) -> int:
    return int(np.count_nonzero(np.abs(samples) >= _FULL_SCALE))


def _rms(samples: Samples) -> float:
    return float(np.sqrt(np.dot(samples, samples) / len(samples))) if len(samples) else 0.0


def _dbfs(amplitude: float) -> float:
    return max(20 * float(np.log10(amplitude)), _FLOOR_DBFS) if amplitude > 0 else _FLOOR_DBFS


def _reason(error: soundfile.LibsndfileError) -> str:
    return str(error.error_string).strip().rstrip(".") or f"code {error.code}"
