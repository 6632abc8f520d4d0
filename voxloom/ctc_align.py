"""Where the tokens of a known text lie in the audio: CTC's likeliest path through it (Graves 2006)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from voxloom.decode import LogProbs

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


def _best_path(scores_TS: LogProbs, states_S: npt.NDArray[np.int64]) -> npt.NDArray[np.int64] | None:
    """The state of each frame by Viterbi's algorithm: stay, go on one, or over a blank between two that
    differ."""
    frames, count = scores_TS.shape
    may_skip_S = np.zeros(count, bool)
    may_skip_S[2:] = (states_S[2:] != 0) & (states_S[2:] != states_S[:-2])
    best_S = np.full(count, _NEVER)
    best_S[0] = 0.0  # before the first frame: in a blank, from which both beginnings can be reached
    steps_TS = np.zeros((frames, count), np.int8)
    for t in range(frames):
        one = np.concatenate([[_NEVER], best_S[:-1]])
        two = np.where(may_skip_S, np.concatenate([[_NEVER, _NEVER], best_S[:-2]]), _NEVER)
        ways_3S = np.stack([best_S, one, two])
        steps_TS[t] = ways_3S.argmax(axis=0)
        best_S = ways_3S.max(axis=0) + scores_TS[t]
    state = count - 1 if best_S[-1] >= best_S[-2] else count - 2
    if best_S[state] < _NEVER / 2:
        return None
    path_T = np.zeros(frames, np.int64)
    for t in reversed(range(frames)):
        path_T[t] = state
        state -= int(steps_TS[t, state])
    return path_T
