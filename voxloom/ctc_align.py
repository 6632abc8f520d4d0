"""Where the tokens of a known text lie in the audio: CTC's likeliest path through it (Graves 2006)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from voxloom.decode import LogProbs, Word
from voxloom.tokenizer import Tokenizer

_NEVER = np.float32(-1e30)


@dataclass(frozen=True)
class Place:
    """One token."""

    start: int  # first frame
    end: int  # frame after the last
    log_prob: float  # of its surest frame


def align(log_probs_TV: LogProbs, tokens: Sequence[int]) -> list[Place]:
    """A place for each token, in order; none where the frames are too few for them."""
    if not tokens:
        return []
    states_S = np.zeros(2 * len(tokens) + 1, np.int64)  # blank, token, blank, ... blank
    states_S[1::2] = tokens
    path_T = _best_path(log_probs_TV[:, states_S], states_S)
    if path_T is None:
        return []
    starts = np.searchsorted(path_T, np.arange(1, len(states_S), 2), side="left")
    ends = np.searchsorted(path_T, np.arange(1, len(states_S), 2), side="right")
    return [
        Place(int(start), int(end), float(log_probs_TV[start:end, token].max()))
        for start, end, token in zip(starts, ends, tokens, strict=True)
    ]


def locate(log_probs_TV: LogProbs, tokens: Sequence[int], tokenizer: Tokenizer, frame_s: float) -> list[Word]:
    """The words that the tokens write, where they lie, each as sure as its characters in their surest frames
    are on average; none where the frames are too few."""
    words: list[tuple[str, list[Place]]] = [("", [])]
    for place, token in zip(align(log_probs_TV, tokens), tokens, strict=False):
        text = tokenizer.text_of(token)
        if text.startswith(" "):
            words.append(("", []))
        if written := text.strip(" "):
            word, places = words[-1]
            words[-1] = (word + written, [*places, *[place] * len(written)])
    return [_word(text, places, frame_s) for text, places in words if text]


def _word(text: str, places: list[Place], frame_s: float) -> Word:
    sure = [math.exp(min(place.log_prob, 0.0)) for place in places]
    start_s, end_s = places[0].start * frame_s, places[-1].end * frame_s
    return Word(text, round(start_s, 3), round(end_s, 3), float(np.mean(sure)))


def _best_path(scores_TS: LogProbs, states_S: npt.NDArray[np.int64]) -> npt.NDArray[np.int64] | None:
    """The state of each frame by Viterbi's algorithm: stay, go on one, or over a blank between two that
    differ."""
    frames, count = scores_TS.shape
    skip_S = np.full(count, _NEVER)
    skip_S[2:][(states_S[2:] != 0) & (states_S[2:] != states_S[:-2])] = 0
    padded = np.full(count + 2, _NEVER)  # two states before the first, which cannot be
    padded[2] = 0.0  # before the first frame: in a blank, from which both beginnings can be reached
    goes_TS, skips_TS = np.zeros((2, frames, count), bool)
    for t in range(frames):
        stay, one, two = padded[2:], padded[1:-1], padded[:-2] + skip_S
        np.greater(two, one, out=skips_TS[t])
        on = np.maximum(one, two)
        np.greater(on, stay, out=goes_TS[t])
        padded[2:] = np.maximum(stay, on) + scores_TS[t]
    state = count - 1 if padded[-1] >= padded[-2] else count - 2
    if padded[2 + state] < _NEVER / 2:
        return None
    path_T = np.zeros(frames, np.int64)
    for t in reversed(range(frames)):
        path_T[t] = state
        state -= (1 + int(skips_TS[t, state])) * int(goes_TS[t, state])
    return path_T
