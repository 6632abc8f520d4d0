"""The default microphone, by sounddevice, which is looked for when it is used: it is no dependency."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

from voxloom.errors import BadInput


def find_sounddevice(instead: str) -> ModuleType:
    """BadInput where it is not installed; `instead` is what else one can do."""
    try:
        import sounddevice
    except (ImportError, OSError) as error:
        raise BadInput(
            f"the microphone cannot be used here ({error}); install it with `pip install sounddevice`, on "
            f"Linux also libportaudio2, or {instead}"
        ) from error
    module: ModuleType = sounddevice
    return module


def open_input(
    sounddevice: ModuleType, rate_hz: int, block_s: float, put: Callable[[bytes], None], instead: str
) -> Any:
    """A stream, started by `with`: mono 16-bit samples, a block at a time, from a thread of its own. BadInput
    where nothing can be recorded."""
    try:
        return sounddevice.RawInputStream(
            samplerate=rate_hz,
            channels=1,
            dtype="int16",
            blocksize=int(block_s * rate_hz),
            callback=lambda data, frames, time, status: put(bytes(data)),
        )
    except (sounddevice.PortAudioError, ValueError) as error:
        raise no_microphone(error, instead) from error


def no_microphone(error: Exception, instead: str) -> BadInput:
    return BadInput(f"no microphone can be opened ({error}); plug one in, or {instead}")
