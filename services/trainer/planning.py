"""Which clips an epoch hears in which batch: length-bucketed, the same for the same seed and epoch.

Shapes: N clips of the split.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from services.trainer.clips import Clips, Window
from services.trainer.recipes import Recipe
from voxloom.audio import SAMPLE_RATE_HZ

OWN = "user_recorded"  # the source of recordings of the user's own voice
T = TypeVar("T")
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Draw:
    """One clip as an epoch hears it."""

    index: int
    speed: float
    max_tempo: float = field(default=1.0, compare=False)  # beyond it CTC has no frames for the text


Item = tuple[Draw, ...]  # clips that are heard one after the other as one


@dataclass(frozen=True)
class Plan:
    """The batches of an epoch, window after window: the clips of a window are at hand together."""

    batches: list[list[Item]]
    begins: list[int]  # the number of each window's first batch
    windows: list[Window]  # indices of each window's clips; the last one is the first of the epoch after

    def window(self, number: int) -> int:
        """The window that batch `number` is of."""
        return int(np.searchsorted(self.begins, number, side="right")) - 1


def encoder_frames(num_samples: npt.ArrayLike) -> Ints:
    """Frames that CTC sees for so many samples, or for each of many such numbers: fbank every 10 ms, then two
    halvings that round up."""
    frames = (np.asarray(num_samples).astype(np.int64) + 80) // 160
    return ((frames + 1) // 2 + 1) // 2


@dataclass
class Planner:
    """`plan` is a pure function of seed and epoch."""

    clips: Clips
    frames_needed: list[int]  # by CTC, for each clip's text
    recipe: Recipe
    seed: int

    def plan(self, epoch: int, easy: bool) -> Plan:
        """Items grouped by length: batches of at most `batch_s` padded seconds, in random order.

        What is `easy` are clips one by one: from long texts CTC's alignments are learned slowly.
        """
        batches: list[list[Item]] = []
        begins: list[int] = []
        windows = self.clips.windows(self.seed, epoch)
        for number, indices in enumerate(windows):
            begins.append(len(batches))
            # Of one window, the numbers are those of [seed, epoch]: numpy leaves out zeros at the end.
            batches += self._batches(indices, easy, np.random.default_rng([self.seed, epoch, number]))
        return Plan(batches, begins, [*windows, self.clips.windows(self.seed, epoch + 1)[0]])

    def _batches(self, indices: Window, easy: bool, random: np.random.Generator) -> Iterator[list[Item]]:
        shuffled = random.permutation(np.repeat(indices, self._times[indices]))
        draws = self._draws(shuffled, random.choice(self.recipe.speeds, len(shuffled)))
        items = [(draw,) for draw in draws] if easy else list(self._joined(draws, random))
        length_s = np.array([sum(map(self.length_s, item)) for item in items])
        order = np.argsort(length_s * random.uniform(0.9, 1.1, len(items)))
        groups = list(group_by_length([items[i] for i in order], length_s[order], self.recipe.batch_s))
        return (groups[i] for i in random.permutation(len(groups)))

    @cached_property
    def _num_samples_N(self) -> Floats:
        return np.array([clip.num_samples for clip in self.clips.clips], np.float64)

    @cached_property
    def _needed_N(self) -> Ints:
        return np.maximum(np.array(self.frames_needed, np.int64), 1)

    @cached_property
    def _times(self) -> Ints:
        """How often an epoch hears each clip: own recordings as often as their share asks for, for what is
        recognised in the end is that voice."""
        own_N = np.array([clip.row.source == OWN for clip in self.clips.clips])
        seconds_N = self._num_samples_N / SAMPLE_RATE_HZ
        own_s, other_s = seconds_N[own_N].sum(), seconds_N[~own_N].sum()
        share, repeats = self.recipe.own_share, 1
        if own_s and other_s:
            wanted = share / (1 - share) * other_s / own_s
            repeats = int(np.clip(round(wanted), 1, self.recipe.own_repeats))
        return np.where(own_N, repeats, 1)

    def _draws(self, indices: Ints, speeds: Floats) -> list[Draw]:
        """Faster speech has fewer frames; where they would not hold the text, it is not that fast."""
        num_samples, needed = self._num_samples_N[indices], self._needed_N[indices]
        speeds = np.where(encoder_frames(num_samples / speeds) >= needed, speeds, 1.0)
        max_tempos = np.maximum(encoder_frames(num_samples / speeds) - 1, 1) / needed
        return list(map(Draw, indices.tolist(), speeds.tolist(), max_tempos.tolist()))

    def _joined(self, draws: Iterable[Draw], random: np.random.Generator) -> Iterator[Item]:
        """Clips alone or, so that long audio works too, one after the other."""
        item: Item = ()
        length_s = 0.0
        for draw in draws:
            seconds = self.length_s(draw)
            joins = random.random() < self.recipe.concatenate
            if item and not (joins and length_s + seconds <= self.recipe.concatenated_s):
                yield item
                item, length_s = (), 0.0
            item, length_s = (*item, draw), length_s + seconds
        if item:
            yield item

    def length_s(self, draw: Draw) -> float:
        return self.clips.clips[draw.index].duration_s / draw.speed


def group_by_length(items: Sequence[T], length_s: Floats, batch_s: float) -> Iterator[list[T]]:
    """Consecutive items while longest times count is within `batch_s`; a longer one makes its own batch."""
    group: list[T] = []
    longest_s = 0.0
    for item, seconds in zip(items, length_s.tolist(), strict=True):
        if group and max(longest_s, seconds) * (len(group) + 1) > batch_s:
            yield group
            group, longest_s = [], 0.0
        group.append(item)
        longest_s = max(longest_s, seconds)
    if group:
        yield group
