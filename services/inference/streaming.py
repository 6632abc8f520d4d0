"""Audio as it arrives to text: interim results, and final ones at pauses and at the end."""

import time
from collections.abc import AsyncIterator

from services.inference.live import Live
from services.inference.metrics import AUDIO_SECONDS, computing
from services.inference.models import ServedModel
from services.inference.pool import Pool
from services.inference.recognize import Pcm16
from services.inference.results import Clock, Hearing, Pace, Result
from services.inference.windows import Windows
from voxloom.audio import StreamResampler
from voxloom.errors import BadInput

__all__ = ["MAX_CHUNK_BYTES", "Pace", "Result", "StreamTranscriber"]
MAX_CHUNK_BYTES = 64 * 1024


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
        clock: Clock = time.monotonic,
    ) -> None:
        self._pool = pool
        self._resampler = StreamResampler(pcm.sample_rate_hz, pcm.channels)
        self._bytes_per_s = 2 * pcm.sample_rate_hz * pcm.channels
        self._has_audio = False
        self._hearing: Hearing = (
            Live(model, model.live, pool, interim, pace, clock)
            if model.live
            else Windows(model, pool, interim, pace, clock)
        )

    async def push(self, pcm16: bytes) -> AsyncIterator[Result]:
        """The results that this chunk completes, often none."""
        if len(pcm16) > MAX_CHUNK_BYTES:
            raise BadInput(
                f"an audio chunk of {len(pcm16)} bytes is over {MAX_CHUNK_BYTES}; send less at once"
            )
        self._has_audio = self._has_audio or bool(pcm16)
        await self._pool.run(self._take_in, pcm16)
        async for result in self._hearing.results():
            yield result

    async def push_all(self, pcm16: bytes) -> AsyncIterator[Result]:
        """The same of any number of bytes."""
        for at in range(0, len(pcm16), MAX_CHUNK_BYTES):
            async for result in self.push(pcm16[at : at + MAX_CHUNK_BYTES]):
                yield result

    async def finish(self) -> AsyncIterator[Result]:
        """The results still owed when the stream ends; at least one final result comes of every stream."""
        if not self._has_audio:
            raise BadInput("the stream ended without audio; send PCM16 chunks after the configuration")
        await self._pool.run(self._take_in_rest)
        async for result in self._hearing.last_results():
            yield result

    @computing("streams")
    def _take_in(self, pcm16: bytes) -> None:
        AUDIO_SECONDS.labels("streams").inc(len(pcm16) / self._bytes_per_s)
        self._hearing.take_in(self._resampler.push(pcm16))

    @computing("streams")
    def _take_in_rest(self) -> None:
        self._hearing.take_in(self._resampler.finish())
        self._hearing.take_in_rest()
