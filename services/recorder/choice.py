"""Which prompts bring most of what was said least: greedy choice by diminishing gain, a second of speech.

Pure functions. A prompt is what it brings: characters, sounds, pairs of neighbouring sounds, and words. What
a speaker said `n` times is worth `weight * log(1 + n)`: a sum of concave functions of counts is submodular,
and taking the best each time is near the best that there is (Nemhauser, Wolsey and Fisher 1978; for speech
corpora Wei, Liu, Kirchhoff, Bartels and Bilmes 2014).

Names: U units, P prompts.
"""

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from services.recorder.quality import spoken_length
from services.recorder.sounds import ESPEAK, Spoken

CHARACTER, SOUND, PAIR, WORD = "character", "sound", "pair", "word"
Unit = tuple[str, str]  # kind, and how it is written; the sounds of a pair are parted by a blank
WEIGHTS = {CHARACTER: 4.0, SOUND: 4.0, PAIR: 1.0, WORD: 0.0}  # words count when the model mishears them
_LETTERS_A_S, _PAUSE_S = 15.0, 1.0  # how long a prompt takes to be read, roughly
_DIGITS = 9  # of a gain: two ways to sum give the same
_NAMED = 4  # units that a reason names

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Chosen:
    prompt: int  # its index in the list
    because: str  # in words


def units_of(sentence: str, spoken: Spoken) -> Counter[Unit]:
    """What a normalised sentence brings. Sounds run on from word to word. Where letters stand for the sounds
    they are counted once, as characters."""
    words = sentence.split()
    sounds = [sound for word in words for sound in spoken.of(word)]
    units: Counter[Unit] = Counter((CHARACTER, char) for char in sentence if char != " ")
    if spoken.by == ESPEAK:
        units.update((SOUND, sound) for sound in sounds)
    units.update((PAIR, f"{left} {right}") for left, right in pairwise(sounds))
    units.update((WORD, word) for word in words)
    return units


@dataclass(frozen=True)
class Brings:
    """One prompt: the numbers of its units, each once, and how often it has them."""

    units: Ints
    counts: Floats
    seconds: float


@dataclass(frozen=True)
class Offer:
    """A list of prompts, counted; made once for a list."""

    spoken: Spoken
    names: list[Unit]
    number: Mapping[Unit, int]
    prompts: list[Brings]

    @cached_property
    def flat(self) -> tuple[Ints, Ints, Floats]:
        """Of every unit of every prompt: the prompt, the unit, its count."""
        lengths = [len(each.units) for each in self.prompts]
        prompts = np.repeat(np.arange(len(self.prompts)), lengths)
        units = np.concatenate([each.units for each in self.prompts])
        return prompts, units, np.concatenate([each.counts for each in self.prompts])

    @cached_property
    def seconds_P(self) -> Floats:
        return np.array([each.seconds for each in self.prompts])

    @property
    def pairs(self) -> set[int]:
        return {index for index, (kind, _) in enumerate(self.names) if kind == PAIR}


def offer(sentences: Sequence[str], spoken: Spoken) -> Offer:
    """Of normalised sentences."""
    number: dict[Unit, int] = {}
    prompts = []
    for sentence in sentences:
        units = units_of(sentence, spoken)
        numbers = [number.setdefault(unit, len(number)) for unit in units]
        prompts.append(_brings(numbers, units.values(), sentence))
    return Offer(spoken, list(number), number, prompts)


def heard_of(offered: Offer, sentence: str, spoken: Spoken) -> Brings:
    """Any other sentence in the units of the list; what the list does not have is left out."""
    units = units_of(sentence, spoken)
    known = {offered.number[unit]: count for unit, count in units.items() if unit in offered.number}
    return _brings(known, known.values(), sentence)


def count(offered: Offer, said: Iterable[Brings]) -> Floats:
    """How often each unit was said."""
    counts_U = np.zeros(len(offered.names))
    for each in said:
        counts_U[each.units] += each.counts
    return counts_U


def weigh(offered: Offer, factor: Callable[[Unit], float] | None = None) -> Floats:
    """Of each unit; `factor` says how much more one counts for what the model in production gets wrong, and
    of a word what it counts at all."""
    if factor is None:
        return np.array([WEIGHTS[kind] for kind, _ in offered.names])
    return np.array([factor(unit) * (WEIGHTS[unit[0]] if unit[0] != WORD else 1.0) for unit in offered.names])


def choose(
    offered: Offer, open_: Iterable[int], said_U: Floats, weights_U: Floats, most: int
) -> list[Chosen]:
    """Up to `most` of the open prompts, the most useful first; of equals the one that stands first.

    Gains only shrink while prompts are taken, so an old gain is a bound, and most prompts are looked at once
    (Minoux 1978).
    """
    counts_U = said_U.copy()

    def gain(prompt: int) -> float:
        brings = offered.prompts[prompt]
        now = counts_U[brings.units]
        more = np.log1p(now + brings.counts) - np.log1p(now)
        return round(float(weights_U[brings.units] @ more) / brings.seconds, _DIGITS)

    gains = _gains(offered, said_U, weights_U)
    heap = [(-round(float(gains[prompt]), _DIGITS), prompt, 0) for prompt in open_]
    heapq.heapify(heap)
    chosen: list[Chosen] = []
    while heap and len(chosen) < most:
        _, prompt, looked_at = heap[0]
        if looked_at < len(chosen):
            heapq.heapreplace(heap, (-gain(prompt), prompt, len(chosen)))
            continue
        heapq.heappop(heap)
        brings = offered.prompts[prompt]
        chosen.append(Chosen(prompt, _because(offered, brings, counts_U, weights_U)))
        counts_U[brings.units] += brings.counts
    return chosen


def _gains(offered: Offer, counts_U: Floats, weights_U: Floats) -> Floats:
    """(P,): of every prompt at once."""
    prompts, units, counts = offered.flat
    now = counts_U[units]
    more = weights_U[units] * (np.log1p(now + counts) - np.log1p(now))
    return np.bincount(prompts, more, minlength=len(offered.prompts)) / offered.seconds_P


def _because(offered: Offer, brings: Brings, counts_U: Floats, weights_U: Floats) -> str:
    """New characters and sounds, words that are misheard; else new pairs, or what was said least."""
    new: dict[str, list[str]] = {kind: [] for kind in WEIGHTS}
    for unit in brings.units:
        kind, written = offered.names[unit]
        if (weights_U[unit] > 0) if kind == WORD else (counts_U[unit] == 0):
            new[kind].append(written)
    misheard = sorted(new[WORD], key=lambda word: -weights_U[offered.number[WORD, word]])
    told = [*new[CHARACTER], *(f"/{sound}/" for sound in new[SOUND])]
    reasons = [f"brings {_some(told)}"] if told else []
    if misheard:
        words = [f"'{word}'" for word in misheard[: _NAMED // 2]]
        reasons.append(f"the model mishears {' and '.join(words)}")
    if not reasons and new[PAIR]:
        pairs = [pair.replace(" ", "-") for pair in new[PAIR]]
        reasons.append(f"brings new pairs of sounds: {_some(pairs)}")
    return "; ".join(reasons) or "has more of what was said least"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _brings(numbers: Iterable[int], counts: Iterable[int], sentence: str) -> Brings:
    seconds = _PAUSE_S + spoken_length(sentence) / _LETTERS_A_S
    return Brings(np.fromiter(numbers, np.int64), np.fromiter(counts, np.float64), seconds)
