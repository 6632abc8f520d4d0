"""What a stream is told, and when."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Protocol

from services.inference.segments import FRAMES_PER_S
from voxloom.audio import Samples
from voxloom.decode import Hypothesis
from voxloom.errors import BadInput

MIN_PAUSE_S, MAX_PAUSE_S = 0.2, 10.0

Clock = Callable[[], float]


@dataclass(frozen=True)
class Result:
    """What was heard from `start_ms` to `end_ms`; a final result is never taken back.

    `stability`, 0 to 1, is the share of its letters in words with which the result shown before it began
    already: what grows at its end only is stable.
    """

    hypothesis: Hypothesis
    is_final: bool
    start_ms: int
    end_ms: int
    stability: float = 1.0


@dataclass(frozen=True)
class Pace:
    """When to decode and when to end a result, in frames of 10 ms."""

    interim: int
    pause: int

    @classmethod
    def of(cls, interim_s: float, pause_s: float) -> "Pace":
        return cls(max(round(interim_s * FRAMES_PER_S), 1), round(pause_s * FRAMES_PER_S))

    def with_pause(self, pause_s: float) -> "Pace":
        """As a stream wishes it; 0: as it is. BadInput unless it is 0.2 to 10 s."""
        if pause_s == 0:
            return self
        if not MIN_PAUSE_S <= pause_s <= MAX_PAUSE_S:
            raise BadInput(
                f"a pause of {pause_s:g} s cannot end a result; expected {MIN_PAUSE_S:g} to {MAX_PAUSE_S:g} s"
            )
        return replace(self, pause=round(pause_s * FRAMES_PER_S))


class Hearing(Protocol):
    """How a stream is heard: `take_in` and `take_in_rest` compute in a worker thread, the others wait for
    such. What comes of it depends on the audio alone, not on how it was cut into chunks."""

    def take_in(self, samples: Samples) -> None:
        """Audio that came, mono at 16 kHz."""

    def take_in_rest(self) -> None:
        """The audio ended."""

    def results(self) -> AsyncIterator[Result]:
        """What the audio so far brought."""

    def last_results(self) -> AsyncIterator[Result]:
        """What is owed when it ended: at least one final result comes of every stream."""


def stability(before: str, text: str) -> float:
    """Of two results shown one after the other: the share of the later one's letters that stood there."""
    words = text.split()
    pairs = zip(before.split(), words, strict=False)
    kept = sum(len(word) for _, word in takewhile(lambda pair: pair[0] == pair[1], pairs))
    return kept / max(sum(map(len, words)), 1)


def moved(found: Hypothesis, offset_s: float) -> Hypothesis:
    """The same, whose times count from `offset_s` earlier."""
    words = [
        replace(word, start_s=word.start_s + offset_s, end_s=word.end_s + offset_s) for word in found.words
    ]
    others = tuple(moved(each, offset_s) for each in found.alternatives)
    return replace(found, words=words, alternatives=others)
