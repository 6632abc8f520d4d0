"""The search for calls that ask for hot words or alternatives, made when the first of them comes."""

import threading
from dataclasses import dataclass, field, replace

from voxloom.beam import Decode
from voxloom.confidence import Calibration
from voxloom.decode import Hypothesis, LogProbs, calibrated
from voxloom.hot_words import HotWords
from voxloom.lm import Decoding, LanguageModel, Weights
from voxloom.prefix_search import PrefixSearch
from voxloom.tokenizer import Tokenizer

_GREEDY_BEAM = 16  # texts that are kept where no language model tells them apart


@dataclass
class Searching:
    """Of one model, with the language model if it is served with it; safe to use from many threads."""

    tokenizer: Tokenizer
    lm: LanguageModel | None
    weights: Weights
    frame_s: float
    confidence: Calibration | None
    _made: PrefixSearch | None = None
    _making: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def of(
        cls, decoding: Decoding, tokenizer: Tokenizer, lm: LanguageModel | None, frame_s: float
    ) -> "Searching":
        if decoding.decoder == "greedy" or decoding.weights is None:
            return cls(tokenizer, None, Weights(beam=_GREEDY_BEAM), frame_s, decoding.confidence)
        return cls(tokenizer, lm, decoding.weights, frame_s, decoding.confidence)

    def decoder(self, served: Decode, hot: HotWords, count: int) -> Decode:
        """One that gives up to `count` texts. Without hot words the first of them is what `served` hears: to
        ask for others changes nothing."""

        def decode(log_probs_TV: LogProbs) -> Hypothesis:
            if not hot:
                return _with(served(log_probs_TV), self._search(log_probs_TV, hot, count), count)
            best, *others = self._search(log_probs_TV, hot, count)
            return replace(best, alternatives=tuple(others))

        return decode

    def _search(self, log_probs_TV: LogProbs, hot: HotWords, count: int) -> list[Hypothesis]:
        with self._making:
            if self._made is None:
                self._made = PrefixSearch(self.tokenizer, self.lm, self.weights, self.frame_s)
                self.lm = None  # it has it packed
        found = self._made.search(log_probs_TV, hot, count)
        return [calibrated(each, self.confidence) for each in found]


def _with(best: Hypothesis, found: list[Hypothesis], count: int) -> Hypothesis:
    others = [each for each in found if each.text != best.text]
    return replace(best, alternatives=tuple(others[: count - 1]))
