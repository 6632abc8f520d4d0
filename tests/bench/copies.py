"""Ways in which a recording becomes a copy of itself, by name; each takes and gives mono 16 kHz samples."""

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import soundfile
import soxr

from voxloom import audio
from voxloom.audio import SAMPLE_RATE_HZ as RATE_HZ
from voxloom.audio import Samples

Change = Callable[[Samples], Samples]
HALVES = np.array([-0.5, 0.5], np.float32)


@dataclass
class Coded:
    """Through a codec of libsndfile at a rate; remembers how many bits it gave how many seconds."""

    rate_hz: int
    options: dict[str, Any]
    bits: int = 0
    seconds: float = field(default=0.0)

    def __call__(self, samples: Samples) -> Samples:
        out, rate_hz = io.BytesIO(), self.rate_hz
        sound = samples if rate_hz == RATE_HZ else soxr.resample(samples, RATE_HZ, rate_hz)
        soundfile.write(out, np.clip(sound, -1, 1), rate_hz, **self.options)
        self.bits += 8 * len(out.getvalue())
        self.seconds += len(samples) / RATE_HZ
        return audio.decode(out.getvalue()).samples

    @property
    def kbit_s(self) -> float:
        return self.bits / self.seconds / 1000


def changes() -> dict[str, Change]:
    return {
        "a quarter as loud": lambda samples: samples * np.float32(0.25),
        "twice as loud, clipped at full scale": lambda samples: np.clip(2 * samples, -1, 1),
        "clipped at half its peak": lambda samples: np.clip(samples, *(np.abs(samples).max() * HALVES)),
        "100 ms of silence at both ends": lambda samples: np.pad(samples, 1600),
        "30 ms cut off at the start": lambda samples: samples[480:],
        "50 ms cut off at both ends": lambda samples: samples[800:-800],
        "100 ms cut off at both ends": lambda samples: samples[1600:-1600],
        "resampled to 44.1 kHz": lambda samples: there_and_back(samples, 44100),
        "resampled to 8 kHz": lambda samples: there_and_back(samples, 8000),
        "white noise, 30 dB below": lambda samples: noisy(samples, 30),
        "white noise, 20 dB below": lambda samples: noisy(samples, 20),
        "MP3 at 48 kHz": mp3(48000, 0.9),
        "MP3 at 48 kHz, start cut by 30 ms, half": lambda samples: mp3(48000, 0.9)(samples[480:] / 2),
        "MP3 at 16 kHz": mp3(16000, 0.8),
        "MP3 at 16 kHz, coarser": mp3(16000, 0.9),
        "Vorbis": ogg("VORBIS", 0.8),
        "Opus": ogg("OPUS", 0.8),
        "Opus, coarser": ogg("OPUS", 0.9),
    }


def mp3(rate_hz: int, level: float) -> Coded:
    return Coded(rate_hz, {"format": "MP3", "bitrate_mode": "CONSTANT", "compression_level": level})


def ogg(codec: str, level: float) -> Coded:
    rate_hz = 48000 if codec == "OPUS" else RATE_HZ
    return Coded(rate_hz, {"format": "OGG", "subtype": codec, "compression_level": level})


def there_and_back(samples: Samples, rate_hz: int) -> Samples:
    return soxr.resample(soxr.resample(samples, RATE_HZ, rate_hz), rate_hz, RATE_HZ)


def noisy(samples: Samples, below_db: float) -> Samples:
    """Below the level of the whole recording, pauses included."""
    noise = np.random.default_rng(len(samples)).standard_normal(len(samples)).astype(np.float32)
    return samples + noise * np.float32(np.sqrt(np.mean(np.square(samples))) * 10 ** (-below_db / 20))
