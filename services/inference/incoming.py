"""A stream in whatever encoding its sender uses, to the PCM16 that `StreamTranscriber` takes."""

from collections.abc import AsyncIterator, Callable

from services.inference.encodings import Declared, Opened, open_audio, to_pcm16
from services.inference.pool import Pool
from services.inference.recognize import Pcm16
from services.inference.streaming import Result, StreamTranscriber
from voxloom import audio
from voxloom.audio import SAMPLE_RATE_HZ
from voxloom.errors import BadInput

MAX_PACKED_BYTES = 16 << 20


class Incoming:
    """One stream. Samples are heard as they come; a compressed file once it is there, up to 16 MiB of it."""

    def __init__(
        self,
        begin: Callable[[Pcm16], StreamTranscriber],
        pool: Pool,
        declared: Declared,
        max_audio_s: float,
    ) -> None:
        self._begin = begin
        self._pool = pool
        self._declared = declared
        self._max_audio_s = max_audio_s
        self._head = bytearray()  # what came before it was clear what it is, and all of what is compressed
        self._opened: Opened | None = None
        self._stream: StreamTranscriber | None = None
        self._left: int | None = None  # bytes of samples that the header says are to come

    async def push(self, data: bytes) -> AsyncIterator[Result]:
        """The results that these bytes complete; any number of them, cut anywhere."""
        samples = self._samples(data, is_whole=False)
        async for result in self._feed(samples):
            yield result

    async def finish(self) -> AsyncIterator[Result]:
        """The results still owed when the stream ends."""
        async for result in self._feed(self._samples(b"", is_whole=True)):
            yield result
        if self._stream is None and self._head:
            async for result in self._feed(await self._pool.run(self._unpack)):
                yield result
        if self._stream is None:
            raise BadInput("the stream ended without audio; send some after the configuration")
        async for result in self._stream.finish():
            yield result

    def _samples(self, data: bytes, *, is_whole: bool) -> bytes:
        """PCM16 of what came, as far as it is samples."""
        if self._stream is None:
            self._head += data
            data = self._open(is_whole)
        if self._stream is None or self._opened is None:
            return b""
        if self._left is not None:
            data = data[: self._left]
            self._left -= len(data)
        return to_pcm16(self._opened.encoding, data)

    def _open(self, is_whole: bool) -> bytes:
        """Begins the transcription once it is clear of what; the samples that came with the header."""
        if self._opened is None and self._head:
            self._opened = open_audio(bytes(self._head), self._declared, is_whole=is_whole)
        if self._opened is None or self._opened.pcm is None:
            self._check_size()
            return b""
        samples = bytes(self._head[self._opened.offset :])
        self._stream, self._left = self._begin(self._opened.pcm), self._opened.num_bytes
        self._head.clear()
        return samples

    def _check_size(self) -> None:
        if len(self._head) > MAX_PACKED_BYTES:
            raise BadInput(
                f"compressed audio of a stream is heard when all is there, and over "
                f"{MAX_PACKED_BYTES >> 20} MiB came; send raw samples, or the file in one call"
            )

    def _unpack(self) -> bytes:
        samples = audio.decode(bytes(self._head), max_seconds=self._max_audio_s).samples
        self._stream = self._begin(Pcm16(SAMPLE_RATE_HZ, 1))
        self._head.clear()
        return audio.to_pcm16(samples).tobytes()

    async def _feed(self, pcm16: bytes) -> AsyncIterator[Result]:
        if self._stream is not None:
            async for result in self._stream.push_all(pcm16):
                yield result
