"""CTC prefix beam search in plain Python, to hold the one in use against (Hannun 2014, arXiv 1408.2873).

It keeps every beginning, so it is exact, and slow. The scores are those that voxloom/beam.py describes.
"""

import math
from collections import defaultdict
from collections.abc import Callable

import numpy as np

from voxloom.decode import LogProbs
from voxloom.lm import BEGIN, END, Backoff, Weights
from voxloom.tokenizer import CharTokenizer, PieceTokenizer, Tokenizer

_FORBIDDEN = -1e4
_LN10 = math.log(10)
Add = Callable[[float, float], float]
Beams = dict[tuple[str, int], tuple[float, float]]
LETTERS = CharTokenizer.from_alphabet(" abc")
PIECES = PieceTokenizer.from_pieces(["ab", "▁ca", "▁ab"], " abc")


def noise(seed: int, frames: int, spread: float = 2.0, tokenizer: Tokenizer = LETTERS) -> LogProbs:
    scores = np.random.default_rng(seed).normal(0, spread, (frames, len(tokenizer)))
    return (scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))).astype(np.float32)


def spell(frames: str, other: str, share: float = 0.3) -> LogProbs:
    """Log probs of `frames`, a letter each, `_` for the blank, where `other` is heard with this share; of
    LETTERS."""
    letters = "_ abc"
    probabilities = np.full((len(frames), 5), 1e-4)
    for frame, pair in enumerate(zip(frames, other, strict=True)):
        for letter, probability in zip(pair, (1 - share, share), strict=True):
            probabilities[frame, letters.index(letter)] += probability
    return np.log(probabilities).astype(np.float32)


def decode(log_probs_TV: LogProbs, tokenizer: Tokenizer, lm: Backoff, weights: Weights) -> str:
    """The text of the highest worth."""
    sounds = text_log_probs(log_probs_TV, tokenizer)
    return max(sorted(sounds), key=lambda text: sounds[text] + language(text, lm, weights))


def text_log_probs(log_probs_TV: LogProbs, tokenizer: Tokenizer, add: Add = np.logaddexp) -> dict[str, float]:
    """ln P(frames | text) of every text, over all its paths, or its best one where `add` is max; spaces at
    the ends and doubled ones are none."""
    beams = {("", 0): (0.0, -math.inf)}  # what is written, its last token: ln P of the paths that end in a
    # blank, and in that token
    for log_probs_V in log_probs_TV:
        beams = _extend(beams, log_probs_V, tokenizer, add)
    texts: dict[str, float] = defaultdict(lambda: -math.inf)
    for (letters, _), (blank, letter) in beams.items():
        text = " ".join(letters.split())
        texts[text] = add(texts[text], add(blank, letter))
    return texts


def _extend(beams: Beams, log_probs_V: LogProbs, tokenizer: Tokenizer, add: Add) -> Beams:
    grown: dict[tuple[str, int], list[float]] = defaultdict(lambda: [-math.inf, -math.inf])
    for (letters, last), (blank, letter) in beams.items():
        whole = add(blank, letter)
        _add(grown[letters, last], 0, whole + log_probs_V[0], add)
        for index in range(1, len(tokenizer)):
            longer, log_prob = letters + tokenizer.text_of(index), log_probs_V[index]
            if index == last:  # the same token: held, or anew after a blank
                _add(grown[letters, last], 1, letter + log_prob, add)
                _add(grown[longer, index], 1, blank + log_prob, add)
            else:
                _add(grown[longer, index], 1, whole + log_prob, add)
    return {key: (blank, letter) for key, (blank, letter) in grown.items()}


def _add(pair: list[float], place: int, log_prob: float, add: Add) -> None:
    pair[place] = add(pair[place], log_prob)


def language(text: str, lm: Backoff, weights: Weights, known: frozenset[str] = frozenset()) -> float:
    """What the words are worth, and the end after them; `known` are words beside those of the model."""
    words, worth = text.split(), 0.0
    for place, word in enumerate(words):
        log10 = lm.log10(word, (BEGIN, *words[:place]))
        if word not in lm.words and word not in known:
            log10 += _FORBIDDEN if weights.closed else weights.unknown
        worth += weights.alpha * _LN10 * log10 + weights.beta
    return worth + weights.alpha * _LN10 * lm.log10(END, (BEGIN, *words))
