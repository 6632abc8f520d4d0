"""The microphone and the loudspeaker of a session."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

import numpy as np

from voxloom.cli.microphone import find_sounddevice, no_microphone, open_input
from voxloom.cli.studio.level import Block

BLOCK_S = 0.04
_INSTEAD = "bring recordings in with --from-dir"


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
        self._sounddevice = find_sounddevice(_INSTEAD)
        try:
            self.rate_hz = int(self._sounddevice.query_devices(kind="input")["default_samplerate"])
        except (self._sounddevice.PortAudioError, ValueError) as error:
            raise no_microphone(error, _INSTEAD) from error

    @contextmanager
    def opened(self, put: Callable[[Block], None]) -> Iterator[None]:
        def put_samples(data: bytes) -> None:
            put(np.frombuffer(data, "<i2"))

        with open_input(self._sounddevice, self.rate_hz, BLOCK_S, put_samples, _INSTEAD):
            yield

    def play(self, pcm: bytes) -> None:
        self._sounddevice.play(np.frombuffer(pcm, "<i2"), self.rate_hz)
