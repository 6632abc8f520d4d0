"""Audio as it arrives to text: interim results, and final ones at pauses and at the end.

What is heard depends on the audio alone, not on how it was chunked: the open segment is decoded again at
points counted in frames, sparser the longer it grows, so that decoding costs a stream at most `_REPEATS`
times what decoding it once would. Only a machine that cannot keep up looks less often: a stream that
falls behind helps nobody.
"""

import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from services.inference.metrics import AUDIO_SECONDS, computing
from services.inference.models import ServedModel
from services.inference.pool import Pool
from services.inference.recognize import Pcm16, draft, hear
from services.inference.segments import FRAMES_PER_S, LONGEST, Segment, Segmenter
from voxloom.audio import StreamResampler
from voxloom.decode import Hypothesis
from voxloom.errors import BadInput

MAX_CHUNK_BYTES = 64 * 1024
_REPEATS = 10
_HINT_FRAMES = FRAMES_PER_S // 4  # after this much silence a pause may have begun: look when it is complete
_hear, _draft = computing("streams")(hear), computing("streams")(draft)


@dataclass(frozen=True)
class Result:
    """What was heard from `start_ms` to `end_ms`; a final result is never taken back."""

    hypothesis: Hypothesis
    is_final: bool
    start_ms: int
    end_ms: int


@dataclass(frozen=True)
class Pace:
    """When to decode and when to end a result, in frames of 10 ms."""

    interim: int
    pause: int

    @classmethod
    def of(cls, interim_s: float, pause_s: float) -> "Pace":
        return cls(max(round(interim_s * FRAMES_PER_S), 1), round(pause_s * FRAMES_PER_S))


class StreamTranscriber:
    """One stream, from its first byte to its last, on the model that it began with."""

    def __init__(
        self,
        model: ServedModel,
        pool: Pool,
        pcm: Pcm16,
        interim: bool,
        pace: Pace,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._model = model
        self._pool = pool
        self._resampler = StreamResampler(pcm.sample_rate_hz, pcm.channels)
        self._bytes_per_s = 2 * pcm.sample_rate_hz * pcm.channels
        self._segmenter = Segmenter()
        self._interim = interim
        self._pace = pace
        self._clock = clock
        self._next_look = pace.interim  # frames of the open segment at which it is decoded next
        self._shown = ""
        self._has_audio = False
        self._has_final = False

    async def push(self, pcm16: bytes) -> AsyncIterator[Result]:
        """The results that this chunk completes, often none."""
        if len(pcm16) > MAX_CHUNK_BYTES:
            raise BadInput(
                f"an audio chunk of {len(pcm16)} bytes is over {MAX_CHUNK_BYTES}; send less at once"
            )
        self._has_audio = self._has_audio or bool(pcm16)
        await self._pool.run(self._take_in, pcm16)
        async for result in self._results():
            yield result

    async def finish(self) -> AsyncIterator[Result]:
        """The results still owed when the stream ends; at least one final result comes of every stream."""
        if not self._has_audio:
            raise BadInput("the stream ended without audio; send PCM16 chunks after the configuration")
        await self._pool.run(self._take_in_rest)
        async for result in self._results():
            yield result
        rest = self._segmenter.open
        async for result in self._finals(self._segmenter.cut(len(rest.features_TF))):
            yield result
        if not self._has_final:
            yield _result(rest, Hypothesis("", [], 0.0), is_final=True)

    @computing("streams")
    def _take_in(self, pcm16: bytes) -> None:
        AUDIO_SECONDS.labels("streams").inc(len(pcm16) / self._bytes_per_s)
        self._segmenter.push(self._resampler.push(pcm16))

    @computing("streams")
    def _take_in_rest(self) -> None:
        self._segmenter.push(self._resampler.finish())
        self._segmenter.finish()

    async def _results(self) -> AsyncIterator[Result]:
        """Looks at the open segment at each point that the audio has reached."""
        while len(self._segmenter.open.features_TF) >= min(self._next_look, LONGEST + 1):
            if self._next_look > LONGEST:
                for segment in self._segmenter.cut_long():
                    async for result in self._finals(segment):
                        yield result
                continue
            async for result in self._look():
                yield result

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
            self._shown = heard.text
            yield _result(seen, heard, is_final=False)

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


def _result(segment: Segment, heard: Hypothesis, is_final: bool) -> Result:
    ms = 1000 // FRAMES_PER_S
    return Result(heard, is_final, segment.start * ms, segment.end * ms)
