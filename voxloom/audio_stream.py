"""Files of any length as blocks of samples: what is too long to be decoded into memory."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr

from voxloom.audio import MAX_CHANNELS, MAX_RATE_HZ, MIN_RATE_HZ, SAMPLE_RATE_HZ, Samples
from voxloom.errors import BadInput

_BLOCK_FRAMES = 65536


class ForwardFile(soundfile.SoundFile):  # type: ignore[misc]
    """Read from front to back: soundfile else seeks after every read, where MP3 decoders stumble."""

    def seekable(self) -> bool:
        return False


def open_forward(path: Path) -> Any:
    """The open file; BadInput if it cannot be read, or has a rate or channels that nobody records with."""
    try:
        file = ForwardFile(path)
    except soundfile.LibsndfileError as error:
        raise BadInput(f"{path} cannot be read: {error.error_string}; convert it to WAV or FLAC") from error
    if not MIN_RATE_HZ <= file.samplerate <= MAX_RATE_HZ or file.channels > MAX_CHANNELS:
        rate_hz, channels = file.samplerate, file.channels
        file.close()
        raise BadInput(
            f"{path} has {rate_hz} Hz and {channels} channels; expected {MIN_RATE_HZ} to {MAX_RATE_HZ} Hz "
            f"and at most {MAX_CHANNELS} channels"
        )
    return file


def stream(path: Path) -> Iterator[Samples]:
    """Mono 16 kHz blocks, in bounded memory; BadInput if the file cannot be read to its end."""
    with open_forward(path) as file:
        same = file.samplerate == SAMPLE_RATE_HZ
        resampler = None if same else soxr.ResampleStream(file.samplerate, SAMPLE_RATE_HZ, 1, quality="VHQ")
        try:
            while len(block := file.read(_BLOCK_FRAMES, dtype="float32", always_2d=True)):
                mono = np.clip(np.nan_to_num(block).mean(axis=1, dtype=np.float32), -1, 1)
                yield mono if resampler is None else resampler.resample_chunk(mono)
        except soundfile.LibsndfileError as error:
            raise BadInput(f"{path} cannot be decoded ({error.error_string}); convert it to WAV") from error
        if resampler is not None:
            yield resampler.resample_chunk(np.zeros(0, np.float32), last=True)
