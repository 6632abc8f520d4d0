"""Log probabilities to words: what the gate measures is what inference serves."""

from dataclasses import dataclass
from itertools import groupby, pairwise

import numpy as np
import numpy.typing as npt

from voxloom.errors import BadInput
from voxloom.tokenizer import CharTokenizer

LogProbs = npt.NDArray[np.float32]
FRAME_S = 0.04  # 10 ms frames, four to an output frame


@dataclass(frozen=True)
class Word:
    text: str
    start_s: float
    end_s: float
    confidence: float  # 0 to 1: mean probability of its characters


@dataclass(frozen=True)
class Hypothesis:
    text: str
    words: list[Word]
    confidence: float  # 0 to 1: mean over the words' characters; 0 when nothing was heard


@dataclass(frozen=True)
class _Token:
    character: str
    start: int  # first frame
    end: int  # frame after the last
    probability: float


def greedy(log_probs_TV: LogProbs, tokenizer: CharTokenizer, frame_s: float = FRAME_S) -> Hypothesis:
    """CTC best path: the likeliest token of each frame, repeats collapsed, blanks dropped (Graves 2006)."""
    check_shape(log_probs_TV, tokenizer)
    tokens = _best_path(log_probs_TV, tokenizer)
    groups = [
        list(group) for is_space, group in groupby(tokens, lambda t: t.character == " ") if not is_space
    ]
    return join([_word(group, frame_s) for group in groups])


def check_shape(log_probs_TV: LogProbs, tokenizer: CharTokenizer) -> None:
    """BadInput when they are not of this alphabet."""
    if log_probs_TV.ndim != 2 or log_probs_TV.shape[1] != len(tokenizer):
        raise BadInput(f"log probs of shape {log_probs_TV.shape} do not fit {len(tokenizer)} tokens")


def join(words: list[Word]) -> Hypothesis:
    """The words as a sentence."""
    letters = sum(len(word.text) for word in words)
    sureness = sum(len(word.text) * word.confidence for word in words)
    return Hypothesis(" ".join(word.text for word in words), words, sureness / letters if letters else 0.0)


def _best_path(log_probs_TV: LogProbs, tokenizer: CharTokenizer) -> list[_Token]:
    best_T = log_probs_TV.argmax(axis=1)
    top_T = log_probs_TV.max(axis=1)
    edges = np.flatnonzero(np.diff(best_T, prepend=-1, append=-1))
    return [
        _Token(tokenizer.character(int(best_T[start])), int(start), int(end), _probability(top_T[start:end]))
        for start, end in pairwise(edges)
        if best_T[start] != 0
    ]


def _probability(log_probs_t: LogProbs) -> float:
    """Of a token held for some frames: its surest frame; the frames around it fade towards the blank."""
    return float(np.exp(min(float(log_probs_t.max()), 0.0)))


def _word(tokens: list[_Token], frame_s: float) -> Word:
    return Word(
        text="".join(token.character for token in tokens),
        start_s=round(tokens[0].start * frame_s, 3),
        end_s=round(tokens[-1].end * frame_s, 3),
        confidence=float(np.mean([token.probability for token in tokens])),
    )
