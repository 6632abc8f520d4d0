"""Signals that stand for speech in unit tests: bursts of shaped noise with pauses, encoded by soundfile."""

import io

import numpy as np
import numpy.typing as npt
import soundfile


def speech(
    seconds: float = 2.0, *, rate_hz: int = 16000, level: float = 0.1, seed: int = 0
) -> npt.NDArray[np.float32]:
    """Some four syllables a second: tones of a moving pitch under an envelope, over a faint noise floor. Each
    seed has its own pitch and rhythm, as another recording has."""
    random = np.random.default_rng(seed)
    tune = np.random.default_rng([seed, 1]).uniform(-1, 1, 5) if seed else np.zeros(5)
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    pitch_hz = 140 * 2 ** (tune[0] / 2) + 40 * np.sin(2 * np.pi * (0.7 + tune[1] / 2) * time_s + 3 * tune[2])
    phase = 2 * np.pi * np.cumsum(pitch_hz) / rate_hz
    voice = sum(np.sin(n * phase + random.uniform(0, 6)) / n for n in range(1, 20))
    beat = 2 * np.pi * (2 + abs(tune[3])) * time_s
    envelope = np.clip(np.sin(beat) * (1 + tune[4] * time_s / seconds / 2), 0, None) ** 0.5
    floor = random.standard_normal(len(time_s)) * 0.002
    return (level * (voice * envelope / 2 + floor)).astype(np.float32)


def hiss(seconds: float, level: float, seed: int = 0) -> npt.NDArray[np.float32]:
    return (np.random.default_rng(seed).standard_normal(round(seconds * 16000)) * level).astype(np.float32)


def encoded(
    samples: npt.NDArray[np.float32], container: str, subtype: str | None = None, rate_hz: int = 16000
) -> bytes:
    out = io.BytesIO()
    soundfile.write(out, samples, rate_hz, format=container, subtype=subtype)
    return out.getvalue()
