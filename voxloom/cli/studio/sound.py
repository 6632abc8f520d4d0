"""The microphone and the loudspeaker, by sounddevice, which is looked for when they are used."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Protocol

import numpy as np

from voxloom.cli.studio.level import Block
from voxloom.errors import BadInput

BLOCK_S = 0.04


class Sound(Protocol):
    """Where takes come from, and where they are played.

    - `rate_hz` is that of the samples, mono.
    - `opened` gives blocks to `put`, from a thread of its own, until it is left. BadInput where nothing can
      be recorded.
    - `play` begins to play and does not wait; what was played before ends.
    """

    rate_hz: int

    @contextmanager
    def opened(self, put: Callable[[Block], None]) -> Iterator[None]: ...

    def play(self, pcm: bytes) -> None: ...


class Device:
    """The default devices of this machine, at the microphone's own rate."""

    def __init__(self) -> None:
        self._sounddevice = _sounddevice()
        try:
            self.rate_hz = int(self._sounddevice.query_devices(kind="input")["default_samplerate"])
        except (self._sounddevice.PortAudioError, ValueError) as error:
            raise _no_microphone(error) from error

    @contextmanager
    def opened(self, put: Callable[[Block], None]) -> Iterator[None]:
        try:
            stream = self._sounddevice.RawInputStream(
                samplerate=self.rate_hz,
                channels=1,
                dtype="int16",
                blocksize=int(BLOCK_S * self.rate_hz),
                callback=lambda data, frames, time, status: put(np.frombuffer(bytes(data), "<i2")),
            )
        except (self._sounddevice.PortAudioError, ValueError) as error:
            raise _no_microphone(error) from error
        with stream:
            yield

    def play(self, pcm: bytes) -> None:
        self._sounddevice.play(np.frombuffer(pcm, "<i2"), self.rate_hz)


def _sounddevice() -> ModuleType:
    try:
        import sounddevice
    except (ImportError, OSError) as error:
        raise BadInput(
            f"the microphone cannot be used here ({error}); install it with `pip install sounddevice`, on "
            "Linux also libportaudio2, or bring recordings in with --from-dir"
        ) from error
    module: ModuleType = sounddevice
    return module


def _no_microphone(error: Exception) -> BadInput:
    return BadInput(
        f"no microphone can be opened ({error}); plug one in, or bring recordings in with --from-dir"
    )
