"""One file or buffer to text."""

import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from heapq import nsmallest
from typing import ParamSpec, TypeVar

from services.inference.metrics import AUDIO_SECONDS, COMPUTE_SECONDS
from services.inference.models import ServedModel
from services.inference.pool import Pool
from services.inference.results import moved
from services.inference.segments import FRAMES_PER_S, Segment, segments_of
from voxloom import audio
from voxloom.audio import SAMPLE_RATE_HZ, Audio, Samples
from voxloom.decode import Hypothesis, Word
from voxloom.errors import BadInput, Exhausted
from voxloom.features import num_frames

Args = ParamSpec("Args")
Result = TypeVar("Result")
_CHUNK = 10 * SAMPLE_RATE_HZ  # samples whose features are computed in one go


@dataclass(frozen=True)
class Pcm16:
    """Raw samples need their rate and channels told."""

    sample_rate_hz: int
    channels: int


@dataclass(frozen=True)
class Recognition:
    best: Hypothesis
    audio_s: float
    compute_s: float

    @property
    def text(self) -> str:
        return self.best.text

    @property
    def words(self) -> list[Word]:
        return self.best.words

    @property
    def confidence(self) -> float:
        return self.best.confidence


async def recognize(model: ServedModel, pool: Pool, read: Callable[[], Audio]) -> Recognition:
    """Decodes (`read`), cuts and hears the audio, each piece a job of its own: a long file holds no worker
    for long, and a cancelled call ends after the piece in hand. What `read` raises is raised."""
    clock = Stopwatch()
    decoded, segments, segment = await pool.run(clock.time, _begin, read)
    heard: list[Hypothesis] = []
    while segment:
        heard.append(await _heard(model, pool, segment, clock))
        is_last = segment.end == num_frames(len(decoded.samples))
        segment = None if is_last else await pool.run(clock.time, _next_of, segments)
    return join(heard, decoded.duration_s, clock.seconds)


def _begin(read: Callable[[], Audio]) -> tuple[Audio, Iterator[Segment], Segment | None]:
    """The audio, and the first of its segments: for most calls the only one."""
    decoded = _counted(read())
    segments = cut_up(decoded.samples)
    return decoded, segments, _next_of(segments)


async def take_in(pool: Pool, read: Callable[[], Audio], clock: "Stopwatch") -> Audio:
    """The samples of a file or buffer, decoded in a worker."""
    return _counted(await pool.run(clock.time, read))


def _counted(decoded: Audio) -> Audio:
    AUDIO_SECONDS.labels("calls").inc(decoded.duration_s)
    return decoded


async def pieces(
    model: ServedModel, pool: Pool, segments: Iterator[Segment], clock: "Stopwatch"
) -> AsyncIterator[tuple[Segment, Hypothesis]]:
    """What is heard, a segment at a time, as soon as it is. Cutting and hearing are jobs of seconds, and
    between two of them a call that is cancelled ends."""
    while segment := await pool.run(clock.time, _next_of, segments):
        yield segment, await _heard(model, pool, segment, clock)


async def _heard(model: ServedModel, pool: Pool, segment: Segment, clock: "Stopwatch") -> Hypothesis:
    """The text of a segment, maybe in company; times count from the start of the audio."""
    heard = await pool.batching.hear(model, segment.features_TF)
    clock.add(heard.compute_s)
    return moved(heard.hypothesis, segment.start / FRAMES_PER_S)


class Stopwatch:
    """Sums the time that one call's jobs computed; the time they waited is not in it."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def time(self, fn: Callable[Args, Result], *args: Args.args, **kwargs: Args.kwargs) -> Result:
        start = time.perf_counter()
        try:
            return fn(*args, **kwargs)
        finally:
            self.add(time.perf_counter() - start)

    def add(self, took_s: float) -> None:
        """Time that was measured elsewhere."""
        self.seconds += took_s
        COMPUTE_SECONDS.labels("calls").inc(took_s)


def read_audio(data: bytes, pcm: Pcm16 | None, max_audio_s: float) -> Audio:
    """BadInput for what cannot be read, Exhausted for what is too long."""
    if pcm is None:
        return audio.decode(data, max_seconds=max_audio_s)
    if pcm.sample_rate_hz <= 0:
        raise BadInput(f"sample_rate_hz is {pcm.sample_rate_hz}; PCM16 needs its rate, for example 16000")
    seconds = len(data) / (2 * max(pcm.channels, 1) * pcm.sample_rate_hz)
    if seconds > max_audio_s:
        raise Exhausted(f"audio of {seconds:.0f} s is longer than {max_audio_s:g} s; send it as a stream")
    return audio.decode_pcm16(data, pcm.sample_rate_hz, pcm.channels)


def cut_up(samples: Samples) -> Iterator[Segment]:
    """The segments of audio that is all there."""
    return segments_of(samples[start : start + _CHUNK] for start in range(0, len(samples), _CHUNK))


def _next_of(segments: Iterator[Segment]) -> Segment | None:
    return next(segments, None)


def hear(model: ServedModel, segment: Segment) -> Hypothesis:
    """The text of a segment; times count from the start of the audio."""
    return moved(model.hear(segment.features_TF), segment.start / FRAMES_PER_S)


def draft(model: ServedModel, segment: Segment) -> Hypothesis:
    """The same, greedy, for a segment that is still growing."""
    return moved(model.draft(segment.features_TF), segment.start / FRAMES_PER_S)


def join(heard: list[Hypothesis], audio_s: float, compute_s: float) -> Recognition:
    """One text of the pieces of one audio."""
    return Recognition(_best(heard), audio_s, compute_s)


def _best(heard: list[Hypothesis]) -> Hypothesis:
    """The pieces as one, with as many other texts as one of them has: the choices that lose least."""
    count = max((len(each.alternatives) for each in heard), default=0) + 1
    choices: list[tuple[float, list[Hypothesis]]] = [(0.0, [])]
    for piece in heard:
        longer = [
            (behind + each.behind, [*before, each])
            for behind, before in choices
            for each in (piece, *piece.alternatives)
        ]
        choices = nsmallest(count, longer, key=lambda choice: choice[0])
    best, *others = (_whole(behind, pieces) for behind, pieces in choices)
    return replace(best, alternatives=tuple(others))


def _whole(behind: float, heard: list[Hypothesis]) -> Hypothesis:
    words = [word for each in heard for word in each.words]
    confidence = sum(word.confidence for word in words) / len(words) if words else 0.0
    return Hypothesis(" ".join(each.text for each in heard if each.text), words, confidence, behind)
