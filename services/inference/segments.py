"""Long audio in bounded pieces: the same cuts whether it comes at once or in a stream.

T are feature frames of 10 ms, F mel bins.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from voxloom.audio import Samples
from voxloom.features import NUM_MEL, Features, OnlineFbank

FRAMES_PER_S = 100
# No utterance that is trained or tested on is longer than 35 s, so none of them is ever cut here: what the
# gate measured is what is served.
SHORTEST, LONGEST = 20 * FRAMES_PER_S, 35 * FRAMES_PER_S
_SMOOTH = 2 * FRAMES_PER_S // 10


@dataclass(frozen=True)
class Segment:
    """A piece of audio that is decoded at once."""

    start: int  # frame of the audio it begins at
    features_TF: Features

    @property
    def end(self) -> int:
        return self.start + len(self.features_TF)


class Segmenter:
    """Samples in, in chunks of any size; segments out. Holds no more than the segment that is still open."""

    def __init__(self) -> None:
        self._fbank = OnlineFbank()
        self._open_TF = np.zeros((0, NUM_MEL), np.float32)
        self._start = 0

    @property
    def open(self) -> Segment:
        """What came after the last cut."""
        return Segment(self._start, self._open_TF)

    def push(self, samples: Samples) -> None:
        self._append(self._fbank.push(samples))

    def finish(self) -> None:
        """The end of the audio: its last frames join the open segment."""
        self._append(self._fbank.finish())

    def cut(self, frames: int) -> Segment:
        """Takes the first frames off the open segment."""
        piece = Segment(self._start, self._open_TF[:frames])
        self._start += frames
        self._open_TF = self._open_TF[frames:]
        return piece

    def cut_long(self) -> Iterator[Segment]:
        """Cuts while the open segment is too long, each time where it is quietest."""
        while len(self._open_TF) > LONGEST:
            yield self.cut(quietest(self._open_TF[:LONGEST]))

    def _append(self, frames_TF: Features) -> None:
        if len(frames_TF):
            self._open_TF = np.concatenate([self._open_TF, frames_TF])


def segments_of(blocks: Iterable[Samples]) -> Iterator[Segment]:
    """The segments of audio that comes in blocks of any size; features are made as they are needed."""
    segmenter = Segmenter()
    for block in blocks:
        segmenter.push(block)
        yield from segmenter.cut_long()
    segmenter.finish()
    yield from segmenter.cut_long()
    if len(segmenter.open.features_TF):
        yield segmenter.open


def quietest(features_TF: Features) -> int:
    """The frame, from SHORTEST on, around which a fifth of a second has the least energy."""
    level_T = features_TF[SHORTEST:].mean(axis=1, dtype=np.float64)
    smooth = np.convolve(level_T, np.ones(_SMOOTH) / _SMOOTH, mode="valid")
    return SHORTEST + _SMOOTH // 2 + int(np.argmin(smooth))
