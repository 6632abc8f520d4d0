"""A long recording, up to many hours: spooled to the disk, then heard piece by piece in bounded memory."""

import os
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO

from services.inference import recognize
from services.inference.encodings import Declared, Encoding, Opened, open_audio, to_pcm16
from services.inference.metrics import AUDIO_SECONDS
from services.inference.models import ServedModel
from services.inference.pool import Pool
from services.inference.recognize import Stopwatch
from services.inference.segments import FRAMES_PER_S, segments_of
from voxloom.audio import SAMPLE_RATE_HZ, Samples, StreamResampler
from voxloom.audio_container import sniff
from voxloom.audio_stream import open_forward, stream
from voxloom.decode import Hypothesis
from voxloom.errors import BadInput, Exhausted
from voxloom.rpc import blocking

_HEAD_BYTES = 1 << 20
_BLOCK_BYTES = 1 << 18
_WIDTHS = {Encoding.PCM16: 2, Encoding.MULAW: 1, Encoding.ALAW: 1}


@dataclass(frozen=True)
class Piece:
    """What was heard from one pause to another, and where that is."""

    hypothesis: Hypothesis
    start_ms: int
    end_ms: int


@asynccontextmanager
async def spooled(chunks: AsyncIterable[bytes], max_bytes: int) -> AsyncIterator[Path]:
    """All of an upload in a temporary file, which goes when its work is done or the call ends."""
    with NamedTemporaryFile(prefix="voxloom-batch-") as file:
        size = 0
        async for chunk in chunks:
            size += len(chunk)
            if size > max_bytes:
                raise Exhausted(f"the recording is over {max_bytes} bytes; compress or cut it")
            await blocking(_write, file, chunk)
        if not size:
            raise BadInput("the recording is empty (0 bytes); send it after the configuration")
        yield Path(file.name)


def _write(file: IO[bytes], chunk: bytes) -> None:
    try:
        file.write(chunk)
        file.flush()
    except OSError as error:
        raise Exhausted(
            f"the recording finds no room on the disk of the service ({error.strerror}); try again later, or "
            "give TMPDIR a folder on a larger one"
        ) from error


@dataclass(frozen=True)
class Recording:
    """A file on the disk, understood."""

    path: Path
    opened: Opened
    total_s: float  # by its header, 0 where that does not tell

    @classmethod
    def of(cls, path: Path, declared: Declared) -> "Recording":
        """BadInput says what is wrong with what cannot be heard."""
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
        opened = open_audio(head, declared, is_whole=True)
        assert opened is not None  # a head that is all there is is always understood
        if opened.pcm is None:
            sniff(head)
            with open_forward(path) as file:
                return cls(path, opened, max(file.frames, 0) / file.samplerate)
        frame_bytes = _WIDTHS.get(opened.encoding, 2) * opened.pcm.channels
        size = path.stat().st_size - opened.offset
        if opened.num_bytes is not None and opened.num_bytes > size + frame_bytes:
            raise BadInput(f"the WAV file is cut short: {size} of {opened.num_bytes} bytes of samples came")
        size = size if opened.num_bytes is None else min(size, opened.num_bytes)
        StreamResampler(opened.pcm.sample_rate_hz, opened.pcm.channels)  # says what rates are taken
        return cls(path, opened, size / frame_bytes / opened.pcm.sample_rate_hz)

    def blocks(self) -> Iterator[Samples]:
        """Its mono samples at 16 kHz."""
        return stream(self.path) if self.opened.pcm is None else self._raw_blocks()

    def _raw_blocks(self) -> Iterator[Samples]:
        pcm, left = self.opened.pcm, self.opened.num_bytes
        assert pcm is not None
        resampler = StreamResampler(pcm.sample_rate_hz, pcm.channels)
        with self.path.open("rb") as file:
            file.seek(self.opened.offset, os.SEEK_SET)
            while data := file.read(_BLOCK_BYTES if left is None else min(_BLOCK_BYTES, left)):
                left = None if left is None else left - len(data)
                yield resampler.push(to_pcm16(self.opened.encoding, data))
        yield resampler.finish()


async def pieces(
    model: ServedModel, pool: Pool, recording: Recording, max_s: float, clock: Stopwatch
) -> AsyncIterator[Piece]:
    """All of the recording, in order."""
    segments, ms = segments_of(_bounded(recording.blocks(), max_s)), 1000 // FRAMES_PER_S
    async for segment, heard in recognize.pieces(model, pool, segments, clock):
        yield Piece(heard, segment.start * ms, segment.end * ms)


def _bounded(blocks: Iterator[Samples], max_s: float) -> Iterator[Samples]:
    """The same, counted; Exhausted for too much of it, BadInput for nothing."""
    samples = 0
    for block in blocks:
        samples += len(block)
        AUDIO_SECONDS.labels("calls").inc(len(block) / SAMPLE_RATE_HZ)
        if samples > max_s * SAMPLE_RATE_HZ:
            raise Exhausted(f"the recording is longer than {max_s:g} s; cut it")
        yield block
    if not samples:
        raise BadInput("the recording holds no samples; record or export it anew")
