"""What a good take is: long enough, not too long, somebody speaks, not clipped, not cut off."""

from dataclasses import dataclass

from voxloom import audio
from voxloom.audio import Audio, Fault, Limits
from voxloom.errors import BadInput
from voxloom.manifest import AudioLevels

MAX_LETTERS_PER_S = 25.0  # nobody reads faster, and no model here writes faster (one symbol per 40 ms)


@dataclass(frozen=True)
class Pcm16:
    """Shape of raw samples, which carry no header that says it."""

    sample_rate_hz: int
    channels: int


def decode_take(data: bytes, pcm16: Pcm16 | None, limits: Limits) -> Audio:
    """16 kHz mono from a file or from raw samples; BadInput when it cannot be read or goes on too long."""
    if not data:
        raise BadInput("the take has no audio (0 bytes); record it again")
    if pcm16 is None:
        return audio.decode(data, max_seconds=limits.max_s)
    if len(data) > limits.max_s * pcm16.sample_rate_hz * pcm16.channels * 2 > 0:
        raise BadInput(f"the take is longer than {limits.max_s:g} s; read one sentence at a time")
    return audio.decode_pcm16(data, pcm16.sample_rate_hz, pcm16.channels)


def check_take(clip: Audio, levels: AudioLevels, limits: Limits, text: str) -> None:
    """Raises BadInput when the take would spoil the training: what was found, what to do."""
    fault = audio.find_fault(clip, levels, limits)
    if fault is not None:
        raise BadInput(_explain(fault, levels, limits))
    letters = sum(char.isalpha() for char in text)
    if letters > MAX_LETTERS_PER_S * levels.duration_s:
        raise BadInput(
            f"the take is {levels.duration_s:.2f} s long, too short for a prompt of {letters} letters; "
            "it seems cut off, record the whole sentence"
        )


def _explain(fault: Fault, levels: AudioLevels, limits: Limits) -> str:
    match fault:
        case Fault.EMPTY:
            return "the take has no samples; record it again"
        case Fault.TOO_SHORT:
            return f"the take is {levels.duration_s:.2f} s long, at least {limits.min_s:g} s are needed"
        case Fault.TOO_LONG:
            return (
                f"the take is {levels.duration_s:.1f} s long, at most {limits.max_s:g} s are allowed; "
                "read one sentence at a time"
            )
        case Fault.SILENT:
            return (
                f"nobody is heard in the take (peak {levels.peak_dbfs:.0f} dBFS, mean "
                f"{levels.rms_dbfs:.0f} dBFS); check the microphone and its level"
            )
        case Fault.CLIPPED:
            return (
                f"the take is clipped: {levels.clipped_fraction:.1%} of its samples are at full scale, at "
                f"most {limits.max_clipped:.1%} are allowed; lower the input level and record it again"
            )
