"""Log probabilities to words: what the gate measures is what inference serves."""

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from voxloom.confidence import Calibration
from voxloom.errors import BadInput
from voxloom.tokenizer import Tokenizer

LogProbs = npt.NDArray[np.float32]
FRAME_S = 0.04  # 10 ms frames, four to an output frame


@dataclass(frozen=True)
class Word:
    text: str
    start_s: float
    end_s: float
    confidence: float  # 0 to 1: that it is right; uncalibrated, mean over its characters of their tokens'


@dataclass(frozen=True)
class Hypothesis:
    text: str
    words: list[Word]
    confidence: float  # 0 to 1: mean over the words' characters; 0 when nothing was heard
    behind: float = 0.0  # natural logarithm of how many times less likely than the best text it is
    alternatives: tuple["Hypothesis", ...] = ()  # other texts, the likeliest first, where they were asked for


@dataclass(frozen=True)
class _Token:
    text: str  # a character, a space, or a piece of a word, with a space in front where a word begins
    start: int  # first frame
    end: int  # frame after the last
    probability: float


def greedy(log_probs_TV: LogProbs, tokenizer: Tokenizer, frame_s: float = FRAME_S) -> Hypothesis:
    """CTC best path: the likeliest token of each frame, repeats collapsed, blanks dropped (Graves 2006)."""
    check_shape(log_probs_TV, tokenizer)
    words = _split(_best_path(log_probs_TV, tokenizer))
    return join([_word(tokens, frame_s) for tokens in words if tokens])


def check_shape(log_probs_TV: LogProbs, tokenizer: Tokenizer) -> None:
    """BadInput when they are not of this vocabulary."""
    if log_probs_TV.ndim != 2 or log_probs_TV.shape[1] != len(tokenizer):
        raise BadInput(f"log probs of shape {log_probs_TV.shape} do not fit {len(tokenizer)} tokens")


def join(words: list[Word]) -> Hypothesis:
    """The words as a sentence."""
    letters = sum(len(word.text) for word in words)
    sure = sum(len(word.text) * word.confidence for word in words)
    return Hypothesis(" ".join(word.text for word in words), words, sure / letters if letters else 0.0)


def calibrated(found: Hypothesis, calibration: Calibration | None) -> Hypothesis:
    """The same words, each with the probability that it is right; as they are without a calibration."""
    if calibration is None:
        return found
    words = [
        replace(word, confidence=calibration.probability(word.confidence, len(word.text)))
        for word in found.words
    ]
    return replace(found, words=words, confidence=join(words).confidence)


def sureness(word: str, log_probs_V: LogProbs, tokenizer: Tokenizer) -> float:
    """Mean over the characters of a word of the probability of the token that writes each, 0 to 1, in the
    surest of the ways to write it. `log_probs_V`: of each token, in its surest frame."""
    text, first = tokenizer.before_word + word, len(tokenizer.before_word)
    sums = [0.0] * (first + 1)  # over the characters before this one; a word may begin in any of these places
    for end in range(first + 1, len(text) + 1):
        ways = range(max(0, end - tokenizer.longest), end)
        found = [(start, tokenizer.id_of(text[start:end])) for start in ways]
        sure = [
            sums[start] + (end - max(start, first)) * _probability(log_probs_V[[token]])
            for start, token in found
            if token
        ]
        sums.append(max(sure))
    return sums[-1] / len(word)


def spell(word: str, log_probs_V: LogProbs, tokenizer: Tokenizer) -> list[int]:
    """The likeliest tokens that write a word; `log_probs_V` as for `sureness`."""
    text = tokenizer.before_word + word
    ways: list[tuple[float, list[int]]] = [(0.0, [])]  # to write the text up to each place
    for end in range(1, len(text) + 1):
        found = [
            (start, tokenizer.id_of(text[start:end])) for start in range(max(0, end - tokenizer.longest), end)
        ]
        longer = [
            (ways[start][0] + float(log_probs_V[token]), [*ways[start][1], token])
            for start, token in found
            if token and ways[start][0] > -np.inf
        ]
        ways.append(max(longer, default=(-np.inf, [])))
    return ways[-1][1]


def _split(tokens: list[_Token]) -> list[list[_Token]]:
    """The tokens of each word; a space by itself is part of none."""
    words: list[list[_Token]] = [[]]
    for token in tokens:
        if token.text.startswith(" "):
            words.append([])
        if token.text != " ":
            words[-1].append(token)
    return words


def _best_path(log_probs_TV: LogProbs, tokenizer: Tokenizer) -> list[_Token]:
    best_T = log_probs_TV.argmax(axis=1)
    top_T = log_probs_TV.max(axis=1)
    edges = np.flatnonzero(np.diff(best_T, prepend=-1, append=-1))
    return [
        _Token(tokenizer.text_of(int(best_T[start])), int(start), int(end), _probability(top_T[start:end]))
        for start, end in pairwise(edges)
        if best_T[start] != 0
    ]


def _probability(log_probs_t: LogProbs) -> float:
    """Of a token held for some frames: its surest frame; the frames around it fade towards the blank."""
    return float(np.exp(min(float(log_probs_t.max()), 0.0)))


def _word(tokens: list[_Token], frame_s: float) -> Word:
    texts = [token.text.removeprefix(" ") for token in tokens]
    return Word(
        text="".join(texts),
        start_s=round(tokens[0].start * frame_s, 3),
        end_s=round(tokens[-1].end * frame_s, 3),
        confidence=float(np.average([token.probability for token in tokens], weights=[*map(len, texts)])),
    )
