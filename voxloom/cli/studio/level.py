"""How loud it is: a meter for blocks of samples, the room before a session, and when a sentence is over."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

import numpy as np
import numpy.typing as npt

Block = npt.NDArray[np.int16]
SILENT_DBFS = -96.0
_QUIET_DBFS, _FAIR_DBFS, _DEAD_DBFS = -50.0, -40.0, -90.0  # of a room
_FULL = 32767
_ABOVE_FLOOR_DB, _LEAST_SPEECH_DBFS = 10.0, -50.0
_LEAST_SPEECH_S, _SILENCE_S = 0.3, 1.0


@dataclass(frozen=True)
class Level:
    rms_dbfs: float = SILENT_DBFS
    peak_dbfs: float = SILENT_DBFS

    @property
    def clips(self) -> bool:
        return self.peak_dbfs > -0.1


def measure(block: Block) -> Level:
    scaled = np.abs(block.astype(np.float64)) / _FULL
    if not len(scaled):
        return Level()
    return Level(_dbfs(float(np.sqrt(np.mean(scaled**2)))), _dbfs(float(scaled.max())))


def judge_room(levels: Sequence[Level]) -> tuple[float, str]:
    """The noise floor in dBFS, and what to do about it in words."""
    floor = median(level.rms_dbfs for level in levels)
    if floor < _DEAD_DBFS:
        return floor, "nothing at all arrives from the microphone; is it muted, or the wrong one?"
    if any(level.clips for level in levels):
        return floor, f"noise floor {floor:.0f} dBFS, but something clips; lower the input level"
    if floor < _QUIET_DBFS:
        return floor, f"noise floor {floor:.0f} dBFS: a quiet room"
    if floor < _FAIR_DBFS:
        return floor, f"noise floor {floor:.0f} dBFS: it will do; nearer to the microphone is better"
    return floor, f"noise floor {floor:.0f} dBFS: it is noisy here; switch off fans, shut the window"


@dataclass
class Ending:
    """Hears when a sentence is over: a second of silence after speech."""

    floor_dbfs: float
    speech_s: float = field(default=0.0, init=False)
    silence_s: float = field(default=0.0, init=False)

    def is_over(self, level: Level, seconds: float) -> bool:
        """Whether the sentence is over with this block of that many seconds."""
        if level.rms_dbfs > max(self.floor_dbfs + _ABOVE_FLOOR_DB, _LEAST_SPEECH_DBFS):
            self.speech_s += seconds
            self.silence_s = 0.0
        else:
            self.silence_s += seconds
        return self.speech_s >= _LEAST_SPEECH_S and self.silence_s >= _SILENCE_S


def _dbfs(amplitude: float) -> float:
    return max(SILENT_DBFS, 20 * float(np.log10(max(amplitude, 1e-12))))
