"""A fingerprint is that of the recording, not of its file; and of no other recording."""

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from voices import speech

from voxloom import audio
from voxloom.audio import Samples
from voxloom.fingerprint import MAX_DISTANCE, NUM_DIGITS, distance, fingerprint, is_fingerprint

EXAMPLES = sorted((Path(__file__).parents[2] / "examples/an4/test").glob("*.opus"))[:12]
assert len(EXAMPLES) == 12
CLIPS = [audio.decode(path.read_bytes()).samples for path in EXAMPLES]


def as_mp3(samples: Samples) -> Samples:
    """At some 60 kbit/s and 48 kHz, as Common Voice has them."""
    out = io.BytesIO()
    louder = soxr.resample(samples, 16000, 48000)
    soundfile.write(out, louder, 48000, format="MP3", bitrate_mode="CONSTANT", compression_level=0.9)
    return audio.decode(out.getvalue()).samples


CHANGES = {
    "mp3": as_mp3,
    "quieter": lambda samples: samples * 0.25,
    "telephone": lambda samples: soxr.resample(soxr.resample(samples, 16000, 8000), 8000, 16000),
    "start cut": lambda samples: samples[480:],
    "end cut": lambda samples: samples[:-480],
    "silence around": lambda samples: np.pad(samples, (1600, 800)),
    "offset": lambda samples: samples + np.float32(0.01),
    "all at once": lambda samples: as_mp3(np.pad(samples[300:] * 0.5, (0, 700))),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_is_recognised(change: str) -> None:
    few = CLIPS[:5]
    found = [distance(fingerprint(CHANGES[change](samples)), fingerprint(samples)) for samples in few]
    assert sum(value <= MAX_DISTANCE for value in found) >= len(few) - 1, found


def test_no_two_recordings_are_alike() -> None:
    prints = [fingerprint(samples) for samples in [*CLIPS, *(speech(seed=seed) for seed in range(1, 20))]]
    nearest = min(distance(a, b) for i, a in enumerate(prints) for b in prints[:i])
    assert nearest > 2 * MAX_DISTANCE


@pytest.mark.parametrize("speed", [0.93, 1.07])
def test_another_speed_is_another_recording(speed: float) -> None:
    for samples in CLIPS[:4]:
        faster = soxr.resample(samples, 16000, round(16000 * speed))
        assert distance(fingerprint(faster), fingerprint(samples)) > MAX_DISTANCE


@pytest.mark.parametrize("num_samples", [0, 1, 159, 161, 3000, 80_000])
def test_any_length_gives_the_same_number_of_digits(num_samples: int) -> None:
    samples = speech(5.0)[:num_samples]
    assert len(fingerprint(samples)) == NUM_DIGITS
    assert fingerprint(samples) == fingerprint(samples.copy())


def test_silence_is_like_nothing() -> None:
    assert not is_fingerprint(fingerprint(np.zeros(16000, np.float32)))


@pytest.mark.parametrize(
    "text", ["", "00", "02" + "f" * 132, "01" + "f" * 133, "01" + "F" * 132, "01" + "g" * 132]
)
def test_what_is_no_fingerprint_is_not_compared(text: str) -> None:
    assert not is_fingerprint(text)


def test_a_take_of_this_version_is_compared() -> None:
    assert is_fingerprint(fingerprint(speech()))
