"""A stream heard with a graph that knows no streams: the open segment is decoded over and over.

It is decoded at points counted in frames, sparser the longer it grows, so that decoding costs a stream at
most `_REPEATS` times what decoding it once would. Only a machine that cannot keep up looks less often: a
stream that falls behind helps nobody.
"""

from collections.abc import AsyncIterator

from services.inference.metrics import computing
from services.inference.models import ServedModel
from services.inference.pool import Pool
from services.inference.recognize import draft, hear
from services.inference.results import Clock, Pace, Result, stability
from services.inference.segments import FRAMES_PER_S, LONGEST, Segment, Segmenter
from voxloom.audio import Samples
from voxloom.decode import Hypothesis

_REPEATS = 10
_HINT_FRAMES = FRAMES_PER_S // 4  # after this much silence a pause may have begun: look when it is complete
_hear, _draft = computing("streams")(hear), computing("streams")(draft)


class Windows:
    """The hearing of one stream; holds no more than the segment that is still open."""

    def __init__(self, model: ServedModel, pool: Pool, interim: bool, pace: Pace, clock: Clock) -> None:
        self._model = model
        self._pool = pool
        self._segmenter = Segmenter()
        self._interim = interim
        self._pace = pace
        self._clock = clock
        self._next_look = pace.interim  # frames of the open segment at which it is decoded next
        self._shown = ""
        self._has_final = False

    def take_in(self, samples: Samples) -> None:
        self._segmenter.push(samples)

    def take_in_rest(self) -> None:
        self._segmenter.finish()

    async def results(self) -> AsyncIterator[Result]:
        """Looks at the open segment at each point that the audio has reached."""
        while len(self._segmenter.open.features_TF) >= min(self._next_look, LONGEST + 1):
            if self._next_look > LONGEST:
                for segment in self._segmenter.cut_long():
                    async for result in self._finals(segment):
                        yield result
                continue
            async for result in self._look():
                yield result

    async def last_results(self) -> AsyncIterator[Result]:
        async for result in self.results():
            yield result
        rest = self._segmenter.open
        async for result in self._finals(self._segmenter.cut(len(rest.features_TF))):
            yield result
        if not self._has_final:
            yield _result(rest, Hypothesis("", [], 0.0), is_final=True)

    async def _look(self) -> AsyncIterator[Result]:
        start, frames = self._segmenter.open.start, self._next_look
        seen = Segment(start, self._segmenter.open.features_TF[:frames])
        began_s = self._clock()
        heard = await self._pool.run(_draft, self._model, seen)
        took_s = self._clock() - began_s
        silent = seen.end - _end_frame(heard) if heard.words else 0
        if silent >= self._pace.pause:
            async for result in self._finals(self._segmenter.cut(frames - silent // 2)):
                yield result
            return
        self._next_look = frames + self._step(frames, silent, took_s)
        if self._interim and heard.text and heard.text != self._shown:
            before, self._shown = self._shown, heard.text
            yield _result(seen, heard, is_final=False, stability=stability(before, heard.text))

    def _step(self, frames: int, silent: int, took_s: float) -> int:
        """Frames until the next look: at least twice what the last one took, waiting included."""
        step = max(self._pace.interim, frames // _REPEATS)
        if silent >= _HINT_FRAMES:
            step = min(step, max(self._pace.pause - silent, self._pace.interim))
        return max(step, round(2 * took_s * FRAMES_PER_S))

    async def _finals(self, segment: Segment) -> AsyncIterator[Result]:
        """A segment that was cut off, heard once more as a whole; nothing is sent of one without words."""
        self._next_look, self._shown = self._pace.interim, ""
        if not len(segment.features_TF):
            return
        heard = await self._pool.run(_hear, self._model, segment)
        if heard.words:
            self._has_final = True
            yield _result(segment, heard, is_final=True)


def _end_frame(heard: Hypothesis) -> int:
    return round(heard.words[-1].end_s * FRAMES_PER_S)


def _result(segment: Segment, heard: Hypothesis, is_final: bool, stability: float = 1.0) -> Result:
    ms = 1000 // FRAMES_PER_S
    return Result(heard, is_final, segment.start * ms, segment.end * ms, stability)
