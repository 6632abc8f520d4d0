"""A stream heard with the streaming graph: every chunk once, with what is remembered of those before it.

A chunk counts when it is complete, and what is heard in it then stays. Before that it is looked at as far as
it has come, without being remembered: for interim results, and so that the end of a pause is not waited for.
Looks are at points counted in frames, fewer where the machine cannot keep up. What a final result says comes
of whole chunks alone.

Frames are of the graph's output, 40 ms, unless they are called feature frames, 10 ms; T counts them.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from services.inference.metrics import computing
from services.inference.models import ServedModel
from services.inference.pool import Pool
from services.inference.results import Clock, Pace, Result, moved, stability
from services.inference.segments import FRAMES_PER_S, LONGEST, SHORTEST
from voxloom.audio import Samples
from voxloom.decode import Hypothesis, LogProbs, Word
from voxloom.features import NUM_MEL, OnlineFbank
from voxloom.streaming_engine import SUBSAMPLING, StreamingEngine

_FRAME_S = SUBSAMPLING / FRAMES_PER_S
_FEATURE_MS = 1000 // FRAMES_PER_S
_FRAME_MS = SUBSAMPLING * _FEATURE_MS
_SHORTEST, _LONGEST = SHORTEST // SUBSAMPLING, LONGEST // SUBSAMPLING
_MARGIN = 6  # frames after its last word that a result ends, and that have to count: a letter may come late
_NEVER = 1 << 60


@dataclass(frozen=True)
class Look:
    """What the open segment says."""

    heard: Hypothesis  # greedy; times count from the segment's start
    frames: int  # of the segment, those of the incomplete chunk among them
    at: int  # feature frames of the incomplete chunk
    took_s: float = 0.0

    @property
    def word_end(self) -> int:
        return round(self.heard.words[-1].end_s / _FRAME_S) if self.heard.words else 0

    @property
    def silent(self) -> int:
        """Frames since the last word; 0 while there is none."""
        return self.frames - self.word_end if self.heard.words else 0


class Live:
    """The hearing of one stream. Holds the model's caches, an incomplete chunk, and the log probabilities of
    the open segment, which is cut before it is longer than 35 s."""

    def __init__(
        self,
        model: ServedModel,
        engine: StreamingEngine,
        pool: Pool,
        interim: bool,
        pace: Pace,
        clock: Clock,
    ) -> None:
        self._model, self._engine, self._pool = model, engine, pool
        self._interim, self._clock = interim, clock
        self._pause = max(pace.pause // SUBSAMPLING, 1)
        self._step = pace.interim if interim else _NEVER
        self._fbank = OnlineFbank()
        self._waiting_TF = np.zeros((0, NUM_MEL), np.float32)
        self._caches = engine.begin()
        self._open_TV: LogProbs = np.zeros((0, engine.vocabulary), np.float32)
        self._start = 0  # frame that the open segment begins at
        self._counted = 0  # feature frames of all chunks that count
        self._next_look = self._step  # feature frames of the incomplete chunk
        self._shown = ""
        self._has_final = False

    def take_in(self, samples: Samples) -> None:
        self._wait(self._fbank.push(samples))

    def take_in_rest(self) -> None:
        self._wait(self._fbank.finish())

    def _wait(self, features_TF: LogProbs) -> None:
        if len(features_TF):
            self._waiting_TF = np.concatenate([self._waiting_TF, features_TF])

    async def results(self) -> AsyncIterator[Result]:
        chunk = self._engine.chunk_frames
        while len(self._waiting_TF) >= (point := min(self._next_look, chunk)):
            began_s = self._clock()
            look = await self._pool.run(self._count if point == chunk else self._glance, point)
            async for result in self._tell(look, self._clock() - began_s):
                yield result

    async def last_results(self) -> AsyncIterator[Result]:
        self._step = self._next_look = _NEVER  # nobody waits for an interim result any more
        async for result in self.results():
            yield result
        if rest := len(self._waiting_TF):
            await self._pool.run(self._count, rest)
        start_ms, end_ms = _FRAME_MS * self._start, _FEATURE_MS * self._counted
        async for result in self._final(len(self._open_TV)):
            yield result
        if not self._has_final:
            yield Result(Hypothesis("", [], 0.0), True, start_ms, end_ms)

    @computing("streams")
    def _count(self, frames: int) -> Look:
        """A chunk is complete, or the last one."""
        step = self._engine.step(self._waiting_TF[:frames], self._caches)
        self._caches, self._waiting_TF = step.caches, self._waiting_TF[frames:]
        self._open_TV = np.concatenate([self._open_TV, step.log_probs_TV])
        self._counted += frames
        return Look(self._model.draft_of(self._open_TV), len(self._open_TV), 0)

    @computing("streams")
    def _glance(self, frames: int) -> Look:
        """At a chunk that is still growing."""
        step = self._engine.step(self._waiting_TF[:frames], self._caches)
        seen_TV = np.concatenate([self._open_TV, step.log_probs_TV])
        return Look(self._model.draft_of(seen_TV), len(seen_TV), frames)

    async def _tell(self, look: Look, took_s: float) -> AsyncIterator[Result]:
        if cut := self._place_to_end(look):
            async for result in self._final(cut):
                yield result
            look = replace(look, heard=Hypothesis("", [], 0.0))
        elif self._interim and look.heard.text and look.heard.text != self._shown:
            before, self._shown = self._shown, look.heard.text
            yield self._interim_result(look, before)
        self._next_look = self._after(look, took_s)

    def _place_to_end(self, look: Look) -> int:
        """The frames of the open segment that become a final result now; 0: none yet."""
        counted = len(self._open_TV)
        if look.silent >= self._pause and counted >= look.word_end + _MARGIN:
            return look.word_end + _MARGIN
        return place_to_cut(look.heard.words) if counted > _LONGEST else 0

    def _interim_result(self, look: Look, before: str) -> Result:
        heard = moved(look.heard, self._start * _FRAME_S)
        end_ms = _FEATURE_MS * (self._counted + look.at)
        start_ms = _FRAME_MS * self._start
        return Result(heard, False, start_ms, end_ms, stability(before, look.heard.text))

    def _after(self, look: Look, took_s: float) -> int:
        """The feature frames of the next look: at least twice what the last one took, waiting included; and
        those at which a pause that may have begun is complete. A chunk that is nearly complete is waited
        for."""
        point = look.at + self._step
        pause_ends = SUBSAMPLING * (look.word_end + self._pause - len(self._open_TV))
        if look.heard.words and pause_ends > look.at:
            point = min(point, pause_ends)
        point = max(point, look.at + round(2 * took_s * FRAMES_PER_S))
        return point if point < 0.75 * self._engine.chunk_frames else _NEVER

    async def _final(self, frames: int) -> AsyncIterator[Result]:
        """The first frames of the open segment, decoded as the model is served; nothing is sent of
        silence."""
        start, log_probs_TV = self._start, self._open_TV[:frames]
        self._start, self._open_TV, self._shown = start + frames, self._open_TV[frames:], ""
        if not len(log_probs_TV):
            return
        heard = await self._pool.run(self._decode, log_probs_TV)
        if heard.words:
            self._has_final = True
            end_ms = min(_FRAME_MS * (start + frames), _FEATURE_MS * self._counted)
            yield Result(moved(heard, start * _FRAME_S), True, _FRAME_MS * start, end_ms)

    @computing("streams")
    def _decode(self, log_probs_TV: LogProbs) -> Hypothesis:
        return self._model.decode(log_probs_TV)


def place_to_cut(words: list[Word]) -> int:
    """The frame in the middle of the longest gap between words that ends a result of good length; without
    any gap there, the longest that a result gets."""
    edges = [(left.end_s, right.start_s) for left, right in pairwise(words)]
    gaps = [(round(left / _FRAME_S), round(right / _FRAME_S)) for left, right in edges]
    middles = [(right - left, (left + right) // 2) for left, right in gaps]
    fitting = [(length, middle) for length, middle in middles if _SHORTEST <= middle <= _LONGEST]
    return max(fitting, default=(0, _LONGEST))[1]
