"""CTC prefix beam search (Hannun 2014, arXiv 1408.2873) with hot words and several answers, in plain Python.

What bundles are served with (voxloom/beam.py, voxloom/decode.py) is faster; this is for calls that ask for
what it cannot do. With a language model a text is worth what `beam` says, and its hot words on top; a hot
word that the language model does not know costs what <unk> does, and nothing more for being unknown, also
where the vocabulary is closed. Without one it is worth ln P of its best path, as in greedy decoding, and its
hot words: where there are none, both hear the same.
"""

import heapq
import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from voxloom.beam import BEHIND, LETTER_LOG_PROB
from voxloom.ctc_align import locate
from voxloom.decode import FRAME_S, Hypothesis, LogProbs, check_shape, join
from voxloom.errors import BadInput
from voxloom.hot_words import HotWords
from voxloom.lm import LanguageModel, Weights
from voxloom.packed_lm import Context, PackedLm
from voxloom.tokenizer import Tokenizer

_FORBIDDEN = -1e4  # what an unknown word costs where the vocabulary is closed
_LN10 = math.log(10)
_NEVER = -math.inf
Beams = dict["_Prefix", list[float]]  # ln P of the paths that end in a blank, and in the last token


class _Prefix:
    """A beginning of a text: the last of its tokens, and what all of it is worth beside the sounds."""

    __slots__ = ("children", "context", "hot", "hot_state", "language", "parent", "token", "word", "worth")

    def __init__(self, parent: "_Prefix | None", token: int, context: Context, hot_state: int) -> None:
        self.parent, self.token, self.context, self.hot_state = parent, token, context, hot_state
        self.children: dict[int, _Prefix] = {}
        self.word = ""  # what is spelled of the last word
        self.language: float = parent.language if parent else 0.0  # of the whole words
        self.hot: float = parent.hot if parent else 0.0  # of the whole phrases
        self.worth = 0.0  # of all, and of what is not whole for now

    def tokens(self) -> list[int]:
        found = []
        prefix: _Prefix | None = self
        while prefix and prefix.token:
            found.append(prefix.token)
            prefix = prefix.parent
        return found[::-1]


class PrefixSearch:
    """One vocabulary and, perhaps, one language model; safe to call from many threads."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        lm: LanguageModel | None = None,
        weights: Weights | None = None,
        frame_s: float = FRAME_S,
    ) -> None:
        """Without a language model nothing but the sounds and the hot words counts."""
        self._tokenizer, self._frame_s = tokenizer, frame_s
        self._weights = weights or Weights()
        self._texts = ["", *(tokenizer.text_of(index) for index in range(1, len(tokenizer)))]
        self._lm = PackedLm(lm.arpa) if lm else None
        self._words = lm.words if lm else frozenset()
        self._sorted = sorted(self._words)

    def search(self, log_probs_TV: LogProbs, hot: HotWords, count: int = 1) -> list[Hypothesis]:
        """Up to `count` different texts, the one that is worth most first; at least one. BadInput for log
        probabilities (T, V) of other tokens or that are no numbers."""
        check_shape(log_probs_TV, self._tokenizer)
        if np.isnan(log_probs_TV).any():
            raise BadInput("log probs hold NaN; the model is damaged, train it again")
        found = _Search(self, hot).run(log_probs_TV)[:count]
        best = found[0][0]
        return [self._hypothesis(log_probs_TV, tokens, hot, best - worth) for worth, tokens in found]

    def _hypothesis(
        self, log_probs_TV: LogProbs, tokens: Sequence[int], hot: HotWords, behind: float
    ) -> Hypothesis:
        words = locate(log_probs_TV, tokens, self._tokenizer, self._frame_s)
        return replace(join([word for word in words if self._may_stay(word.text, hot)]), behind=behind)

    def _may_stay(self, word: str, hot: HotWords) -> bool:
        is_closed = self._lm is not None and self._weights.closed
        return not is_closed or word in self._words or word in hot.words


class _Search:
    """One run over the frames of one clip."""

    def __init__(self, made: PrefixSearch, hot: HotWords) -> None:
        self._texts, self._lm, self._weights = made._texts, made._lm, made._weights
        self._known, self._sorted, self._hot = made._words, made._sorted, hot
        self._hot_sorted = sorted(hot.words)
        self._add: Callable[[float, float], float] = _sum if self._lm else max
        self._unknown = _FORBIDDEN if self._weights.closed else self._weights.unknown

    def run(self, log_probs_TV: LogProbs) -> list[tuple[float, list[int]]]:
        """What each text is worth and its tokens, the one that is worth most first."""
        start = self._lm.start if self._lm else ()
        beams: Beams = {_Prefix(None, 0, start, self._hot.start): [0.0, _NEVER]}
        for log_probs_V in log_probs_TV:
            beams = self._prune(self._grow(beams, log_probs_V))
        return self._finish(beams)

    def _grow(self, beams: Beams, log_probs_V: LogProbs) -> Beams:
        tried = [int(token) for token in np.flatnonzero(log_probs_V > LETTER_LOG_PROB) if token]
        tokens = [(token, float(log_probs_V[token])) for token in tried]
        blank = float(log_probs_V[0])
        grown: Beams = {}
        for prefix, (ended, held) in beams.items():
            whole = self._add(ended, held)
            same = grown.setdefault(prefix, [_NEVER, _NEVER])
            same[0] = self._add(same[0], whole + blank)
            for token, log_prob in tokens:
                if token == prefix.token:  # held, or anew after a blank
                    same[1] = self._add(same[1], held + log_prob)
                    new = ended + log_prob
                else:
                    new = whole + log_prob
                if new > _NEVER:
                    child = prefix.children.get(token) or self._extend(prefix, token)
                    pair = grown.setdefault(child, [_NEVER, _NEVER])
                    pair[1] = self._add(pair[1], new)
        return grown

    def _prune(self, beams: Beams) -> Beams:
        scored = [(self._add(*pair) + prefix.worth, prefix) for prefix, pair in beams.items()]
        least = max(score for score, _ in scored) + BEHIND
        kept = [each for each in scored if each[0] >= least]
        if len(kept) > self._weights.beam:
            kept = heapq.nlargest(self._weights.beam, kept, key=lambda each: each[0])
        return {prefix: beams[prefix] for _, prefix in kept}

    def _extend(self, parent: _Prefix, token: int) -> _Prefix:
        child = _Prefix(parent, token, parent.context, parent.hot_state)
        child.word = parent.word
        for character in self._texts[token]:
            if character == " ":
                self._end_word(child)
            else:
                child.word += character
                self._read(child, character)
        child.worth = child.language + child.hot + self._for_now(child)
        parent.children[token] = child
        return child

    def _end_word(self, prefix: _Prefix) -> None:
        if not prefix.word:
            return  # doubled spaces are one
        self._read(prefix, " ")
        if self._lm:
            prefix.language += self._word_worth(self._lm, prefix.word, prefix.context)
            prefix.context = self._lm.after(prefix.context, prefix.word)
        prefix.word = ""

    def _read(self, prefix: _Prefix, character: str) -> None:
        prefix.hot_state = self._hot.step(prefix.hot_state, character)
        prefix.hot += self._hot.whole(prefix.hot_state)

    def _word_worth(self, lm: PackedLm, word: str, context: Context) -> float:
        is_known = word in self._known or word in self._hot.words
        log10 = lm.log10(word, context) + (0.0 if is_known else self._unknown)
        return self._weights.alpha * _LN10 * log10 + self._weights.beta

    def _for_now(self, prefix: _Prefix) -> float:
        """Granted for the beginning of a phrase, and charged for a word that can be no known one."""
        share = self._hot.share(prefix.hot_state)
        if not self._lm or not prefix.word:
            return share
        can_be = _begins(prefix.word, self._sorted) or _begins(prefix.word, self._hot_sorted)
        return share if can_be else share + self._unknown

    def _finish(self, beams: Beams) -> list[tuple[float, list[int]]]:
        """The last word ends, and the sentence; ways to write one text are one."""
        sounds: dict[str, float] = {}
        best: dict[str, tuple[float, _Prefix]] = {}
        extra: dict[str, float] = {}
        for prefix, pair in beams.items():
            tokens = prefix.tokens()
            text = " ".join("".join(self._texts[token] for token in tokens).split())
            score = self._add(*pair)
            sounds[text] = self._add(sounds.get(text, _NEVER), score)
            if text not in best or score > best[text][0]:
                best[text] = (score, prefix)
            if text not in extra:
                extra[text] = self._ended(prefix)
        worth = {text: sounds[text] + extra[text] for text in sounds}
        return [
            (worth[text], best[text][1].tokens())
            for text in sorted(worth, key=lambda text: (-worth[text], text))
        ]

    def _ended(self, prefix: _Prefix) -> float:
        end = _Prefix(prefix, 0, prefix.context, prefix.hot_state)
        end.word = prefix.word
        self._end_word(end)
        sentence = self._weights.alpha * _LN10 * self._lm.end(end.context) if self._lm else 0.0
        return end.language + end.hot + sentence


def _begins(start: str, ordered: Sequence[str]) -> bool:
    """Whether a word of the sorted ones begins so."""
    at = bisect_left(ordered, start)
    return at < len(ordered) and ordered[at].startswith(start)


def _sum(a: float, b: float) -> float:
    """ln(e^a + e^b)."""
    if a < b:
        a, b = b, a
    return a if b - a < -40 or b == _NEVER else a + math.log1p(math.exp(b - a))
