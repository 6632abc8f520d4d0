"""CTC prefix beam search with a language model: log probabilities (T, V) to words, by ctc-beam-decoder.

A hypothesis is worth ln P(frames | letters), and for each word alpha ln P(word | words before it) + beta.
A word that the language model does not know costs `unknown` while it is spelled, and alpha ln(10) times that
once it is whole. docs/adr/0023 tells why the end of the sentence is a letter here.
"""

import contextlib
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from ctc_beam_decoder import BeamSearchDecoder

from voxloom.ctc_align import locate
from voxloom.decode import (
    FRAME_S,
    Hypothesis,
    LogProbs,
    Word,
    calibrated,
    check_shape,
    greedy,
    join,
    spell,
    sureness,
)
from voxloom.errors import BadInput
from voxloom.lm import END, Decoding, LanguageModel, Weights
from voxloom.tokenizer import SPACE, Tokenizer

Decode = Callable[[LogProbs], Hypothesis]
Span = tuple[str, tuple[int, int]]  # a word and frames near it
LETTER_LOG_PROB = -7.0  # letters less likely than this in a frame are not tried in it
BEHIND = -15.0  # beginnings that are this much worse than the best one are given up
_NEVER = np.float32(-1e9)
_FORBIDDEN = -1e4  # what an unknown word costs where the vocabulary is closed
_NEAR = 8  # frames by which the search may misplace a word
_END_MARK = "\x03"  # a letter that no alphabet has, and the word that it makes
_loading = threading.Lock()


def make_decoder(
    decoding: Decoding, tokenizer: Tokenizer, lm: LanguageModel | None, frame_s: float = FRAME_S
) -> Decode:
    """The decoder that a bundle is served with; BadInput when it needs a language model and has none."""
    heard = _decoder(decoding, tokenizer, lm, frame_s)
    return lambda log_probs_TV: calibrated(heard(log_probs_TV), decoding.confidence)


def _decoder(decoding: Decoding, tokenizer: Tokenizer, lm: LanguageModel | None, frame_s: float) -> Decode:
    if decoding.decoder == "greedy":
        return lambda log_probs_TV: greedy(log_probs_TV, tokenizer, frame_s)
    if lm is None or decoding.weights is None:
        raise BadInput("the model is served with a language model, and has none or no weights for it")
    return BeamDecoder(tokenizer, lm, decoding.weights, frame_s).decode


class BeamDecoder:
    """One language model and its weights; safe to call from many threads."""

    def __init__(
        self, tokenizer: Tokenizer, lm: LanguageModel, weights: Weights, frame_s: float = FRAME_S
    ) -> None:
        """Raises BadInput when the decoder cannot use the language model."""
        self._tokenizer, self._words, self._weights, self._frame_s = tokenizer, lm.words, weights, frame_s
        labels = _labels(tokenizer)
        self._columns = len(labels)  # the end mark is the last
        self._ends = [*([labels.index(" ")] if " " in labels else []), len(labels) - 1]
        self._search = _load(labels, lm, weights)

    def decode(self, log_probs_TV: LogProbs) -> Hypothesis:
        """The likeliest words; BadInput for log probabilities of other tokens or that are no numbers."""
        words = self._words_at(log_probs_TV, self._spans(log_probs_TV))
        return join([word for word in words if self._may_stay(word.text)])

    def text(self, log_probs_TV: LogProbs) -> str:
        """The text alone, which is most of the work."""
        return " ".join(word for word, _ in self._spans(log_probs_TV) if self._may_stay(word))

    def _spans(self, log_probs_TV: LogProbs) -> list[Span]:
        check_shape(log_probs_TV, self._tokenizer)
        if np.isnan(log_probs_TV).any():
            raise BadInput("log probs hold NaN; the model is damaged, train it again")
        beams = self._search.decode_beams(
            self._with_end(log_probs_TV),
            beam_width=self._weights.beam,
            token_min_logp=LETTER_LOG_PROB,
            beam_prune_logp=BEHIND,
            prune_history=True,  # beginnings that no word to come can tell apart are one
        )
        return [span for span in beams[0][2] if span[0] != _END_MARK] if beams else []

    def _may_stay(self, word: str) -> bool:
        return not self._weights.closed or word in self._words

    def _words_at(self, log_probs_TV: LogProbs, spans: list[Span]) -> list[Word]:
        """By the likeliest path through the text: the frames that the search gives are those of any of the
        paths that it joined, and miss the letters of many a short word."""
        tokens = self._tokens(log_probs_TV, spans)
        found = locate(log_probs_TV, tokens, self._tokenizer, self._frame_s)
        return found or [self._word(text, log_probs_TV, *frames) for text, frames in spans]

    def _tokens(self, log_probs_TV: LogProbs, spans: list[Span]) -> list[int]:
        """As the network wrote them, for pieces may spell a word in many ways."""
        if self._tokenizer.longest == 1:
            return self._tokenizer.encode(" ".join(text for text, _ in spans))
        near = ((text, log_probs_TV[max(start - _NEAR, 0) : end + _NEAR]) for text, (start, end) in spans)
        return [
            token for text, part_tV in near for token in spell(text, part_tV.max(axis=0), self._tokenizer)
        ]

    def _with_end(self, log_probs_TV: LogProbs) -> LogProbs:
        """More frames, in which a space and the end mark, as a word, are certain, and columns for them."""
        frames, tokens = log_probs_TV.shape
        whole = np.full((frames + len(self._ends), self._columns), _NEVER, np.float32)
        whole[:frames, :tokens] = log_probs_TV
        whole[range(frames, len(whole)), self._ends] = 0.0
        return whole

    def _word(self, text: str, log_probs_TV: LogProbs, start: int, end: int) -> Word:
        """Its confidence, as in greedy decoding: the mean over characters of the surest frame of each one's
        token."""
        sure = sureness(text, log_probs_TV[start:end].max(axis=0), self._tokenizer)
        return Word(text, round(start * self._frame_s, 3), round(end * self._frame_s, 3), sure)


def _labels(tokenizer: Tokenizer) -> list[str]:
    """As the decoder wants them: spaces between words, or `▁` where a piece begins one; the end mark last."""
    if tokenizer.before_word:
        return ["", *tokenizer.symbols[1:], SPACE + _END_MARK]
    texts = [tokenizer.text_of(index) for index in range(1, len(tokenizer))]
    return ["", *texts, *([] if " " in texts else [" "]), _END_MARK]


def _load(labels: list[str], lm: LanguageModel, weights: Weights) -> BeamSearchDecoder:
    with tempfile.TemporaryDirectory(prefix="voxloom-lm-") as folder:
        path = Path(folder) / "lm.arpa"
        path.write_bytes(with_end_as_word(lm))
        try:
            with _loading, _without_progress():
                return BeamSearchDecoder(
                    labels,
                    kenlm_model_path=path,
                    unigrams=[*sorted(lm.words), _END_MARK],
                    alpha=weights.alpha,
                    beta=weights.beta,
                    unk_score_offset=_FORBIDDEN if weights.closed else weights.unknown,
                )
        except (ValueError, RuntimeError) as error:
            raise BadInput(f"the decoder cannot load the language model ({str(error)[:300]})") from error


def with_end_as_word(lm: LanguageModel) -> bytes:
    """The model with a word in place of </s>, after which a sentence certainly ends.

    The decoder takes what it has spelled at the end of the audio for a last word, and if that is nothing, as
    after a space or in silence, for an unknown one. With a word that always comes last it never is nothing.
    """
    text = lm.arpa.decode()
    text = "\n".join(_renamed(line) if END in line else line for line in text.split("\n"))
    count = lm.ngrams[0]
    return (
        text.replace(f"ngram 1={count}", f"ngram 1={count + 1}", 1)
        .replace("\\1-grams:\n", f"\\1-grams:\n0\t{END}\n", 1)
        .encode()
    )


def _renamed(line: str) -> str:
    log10, _, rest = line.partition("\t")
    ngram, tab, backoff = rest.partition("\t")
    words = [_END_MARK if word == END else word for word in ngram.split(" ")]
    return f"{log10}\t{' '.join(words)}{tab}{backoff}"


@contextlib.contextmanager
def _without_progress() -> Iterator[None]:
    """Keeps KenLM's progress bar out of the log; what others write meanwhile is passed on."""
    sys.stderr.flush()
    real = os.dup(2)
    with tempfile.TemporaryFile() as caught:
        os.dup2(caught.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(real, 2)
            caught.seek(0)
            with os.fdopen(real, "wb") as stream:
                stream.writelines(line for line in caught if not _is_progress(line))


def _is_progress(line: bytes) -> bool:
    return line.startswith((b"Loading the LM will be faster", b"Reading /", b"----5---10", b"*****"))
