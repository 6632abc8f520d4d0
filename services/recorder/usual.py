"""How a speaker's earlier takes are: their pace, their ends, their sound. Pure functions."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from services.recorder.quality import num_letters, spoken_length
from voxloom.manifest import TakeQuality, VoiceMeasures

_MIN_TAKES = 20
_ROBUST = 1.4826  # times the median distance is the deviation of what is normally distributed
_WIDE, _NARROWEST = 2.6, math.log(1.3)  # how far from the own pace: in deviations, and at least
_LEAST_END_DB = 2.0  # ends are not told apart more finely
_NOT_BOTH, _SOONER = 0.8, 4.75  # deviations by which text and end are off: each, and their sum
_LEAST_VOICE = np.array([0.005, 0.01, 1.0, 1.0])  # added to the deviations of what `_voice` gives
_OTHER_VOICE = 6.0  # sum of deviations

Earlier = Iterable[tuple[str, TakeQuality]]


@dataclass(frozen=True)
class Pace:
    """How fast somebody reads: natural logarithm of letters a second, and how far takes may lie from it."""

    usual: float
    margin: float

    def ratio(self, text: str, quality: TakeQuality) -> float:
        """Above 1: more text than this speaker says in that time."""
        return math.exp(_log_pace(text, quality) - self.usual)

    def fits(self, text: str, quality: TakeQuality) -> bool:
        return abs(_log_pace(text, quality) - self.usual) <= self.margin

    def deviations(self, text: str, quality: TakeQuality) -> float:
        return _WIDE * (_log_pace(text, quality) - self.usual) / self.margin


@dataclass(frozen=True)
class Ending:
    """How quiet somebody's takes end, in dB against their loud speech."""

    usual_db: float
    deviation_db: float

    def deviations(self, quality: TakeQuality) -> float:
        return (quality.last_level_db - self.usual_db) / self.deviation_db


@dataclass(frozen=True)
class Sound:
    """What of `VoiceMeasures` somebody's takes have, in its order, and how much that differs."""

    usual: tuple[float, ...]
    deviations: tuple[float, ...]

    def fits(self, voice: VoiceMeasures) -> bool:
        """Only more than usual counts: what sounds along adds to a voice."""
        off = (np.array(_voice(voice)) - self.usual) / self.deviations
        return float(np.maximum(off, 0).sum()) <= _OTHER_VOICE


@dataclass(frozen=True)
class Usual:
    """Of one speaker."""

    pace: Pace
    ending: Ending
    sound: Sound | None  # None while too few takes were measured for it

    def is_broken_off(self, text: str, quality: TakeQuality) -> bool:
        """Ends louder than this speaker's takes, and too soon for its text: together that tells of a cut in a
        quiet place, which neither does alone."""
        off = self.pace.deviations(text, quality), self.ending.deviations(quality)
        return min(off) > _NOT_BOTH and sum(off) > _SOONER


def usual_of(takes: Earlier) -> Usual | None:
    """From (text, quality) of earlier takes; None while there are too few of them."""
    takes = list(takes)
    pace = pace_of(takes)
    if pace is None:
        return None
    measured = [quality for _, quality in takes]
    return Usual(pace, _ending_of(measured), _sound_of(measured))


def pace_of(takes: Earlier) -> Pace | None:
    """None while there are too few.

    Whoever reads spelled letters beside sentences has no one pace: their margin is wide by itself, for it is
    2.6 robust deviations (the scaled median of distances), and never less than a factor of 1.3.
    """
    paces = [_log_pace(text, quality) for text, quality in takes if num_letters(text)]
    if len(paces) < _MIN_TAKES:
        return None
    usual, deviation = _middle(paces)
    return Pace(usual, max(_WIDE * deviation, _NARROWEST))


def _ending_of(takes: Sequence[TakeQuality]) -> Ending:
    usual_db, deviation_db = _middle([each.last_level_db for each in takes])
    return Ending(usual_db, max(deviation_db, _LEAST_END_DB))


def _sound_of(takes: Sequence[TakeQuality]) -> Sound | None:
    """With the plain deviation: takes that had a fault are not among these, and the few that are rightly
    unlike the others shall count."""
    voices = np.array([_voice(each.voice) for each in takes if each.voice is not None])
    if len(voices) < _MIN_TAKES:
        return None
    deviations = np.hypot(voices.std(axis=0), _LEAST_VOICE)
    return Sound(tuple(np.median(voices, axis=0)), tuple(deviations))


def _voice(found: VoiceMeasures) -> tuple[float, float, float, float]:
    return found.high_pitch, found.no_pitch, found.loudest_db, found.mid_band_db


def _middle(values: Sequence[float]) -> tuple[float, float]:
    """The median, and the robust deviation from it."""
    usual = median(values)
    return usual, _ROBUST * median(abs(each - usual) for each in values)


def _log_pace(text: str, quality: TakeQuality) -> float:
    return math.log(max(spoken_length(text), 1) / max(quality.speech_s, 0.01))
