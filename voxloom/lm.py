"""The n-gram language model of a bundle: what is recorded of it, and its ARPA file read with suspicion.

ARPA is the text format of all n-gram toolkits (man 5 ngram-format of SRILM): base-10 logarithms of each
n-gram's probability and, where longer n-grams begin with it, of the weight of backing off.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from voxloom.confidence import Calibration
from voxloom.errors import BadInput
from voxloom.record import Part

FILE = "lm/lm.arpa"  # in an export and in a bundle
MAX_BYTES = 64 << 20
MAX_ORDER = 5
UNKNOWN, BEGIN, END = "<unk>", "<s>", "</s>"
_JOINERS = dict.fromkeys((0x200C, 0x200D))
_NEVER = -99.0  # the usual logarithm of what is no word to say: <s>

Ngram = tuple[str, ...]
DecoderName = Literal["greedy", "beam"]


class TextSource(Part):
    """What one text gave to a language model."""

    name: str  # transcripts, or the key of a text in the store
    sentences: int
    words: int
    sha256: str = ""  # of a text in the store
    left_out: dict[str, int] = Field(default_factory=dict)  # sentences by reason


class NgramRecord(Part):
    """What lm/lm.arpa is and what it was made of."""

    order: int
    words: int  # that it knows
    ngrams: list[int]  # of each order
    sources: list[TextSource]
    reason: str  # why of this order, and what of it was left out
    val_perplexity: float | None = None  # a word, sentence ends included; unknown words counted as such


class Weights(Part):
    """How beam search weighs the language model against the sounds, in natural logarithms."""

    alpha: float = Field(default=0.5, ge=0, le=100, allow_inf_nan=False)  # of the language model
    beta: float = Field(default=1.5, ge=-100, le=100, allow_inf_nan=False)  # for each word
    closed: bool = False  # only words that the language model knows are heard
    unknown: float = Field(default=-10.0, ge=-1000, le=0, allow_inf_nan=False)  # for a word that it does not
    beam: int = Field(default=64, ge=1, le=1000)  # beginnings of a sentence that are kept at each frame


class Decoding(Part):
    """How log probabilities become text: what the gate measures and inference serves."""

    decoder: DecoderName = "greedy"  # beam: with the language model
    reason: str = ""
    weights: Weights | None = None  # of the beam search, also where greedy is served
    lm: NgramRecord | None = None
    confidence: Calibration | None = (
        None  # of words as they are heard so; without it theirs is not calibrated
    )

    def describe(self) -> str:
        """For a person: which decoder, and why."""
        name = "beam search with a language model" if self.decoder == "beam" else "greedy"
        return f"{name}: {self.reason}" if self.reason else name


@dataclass(frozen=True)
class LanguageModel:
    """An ARPA file that was read to its end and found whole."""

    arpa: bytes
    order: int
    words: frozenset[str]  # without <unk>, <s> and </s>
    ngrams: tuple[int, ...]  # of each order


def read_arpa(data: bytes, where: str = FILE) -> LanguageModel:
    """BadInput names the line that is not as it should be; no decoder gets what was not read to its end."""
    if len(data) > MAX_BYTES:
        raise BadInput(f"{where} has {len(data)} bytes; expected at most {MAX_BYTES}: prune the model")
    reader = _Reader(data, where)
    words = {ngram[0] for ngram, _, _ in reader.entries() if len(ngram) == 1}
    if missing := [mark for mark in (UNKNOWN, BEGIN, END) if mark not in words]:
        raise BadInput(f"{where} has no {' and no '.join(missing)} among its 1-grams; make it anew")
    counts = tuple(reader.counts)
    return LanguageModel(data, len(counts), frozenset(words - {UNKNOWN, BEGIN, END}), counts)


def read_entries(arpa: bytes, where: str = FILE) -> Iterator[tuple[Ngram, float, float]]:
    """Each n-gram, log10 of its probability and of its backoff weight; BadInput as `read_arpa`."""
    return _Reader(arpa, where).entries()


class Backoff:
    """Probabilities of an ARPA file, one lookup after the other: to measure with, not to decode with."""

    def __init__(self, arpa: bytes) -> None:
        entries = list(read_entries(arpa))
        self._log10 = {ngram: log10 for ngram, log10, _ in entries}
        self._backoff = {ngram: backoff for ngram, _, backoff in entries if backoff}
        self.order = max(map(len, self._log10))
        self.words = {ngram[0] for ngram in self._log10 if len(ngram) == 1}

    def log10(self, word: str, context: Ngram) -> float:
        """Of the word after the context, of which the last `order - 1` words count."""
        word = word if word in self.words else UNKNOWN
        known = tuple(each if each in self.words else UNKNOWN for each in context)
        return self._log10_of(word, known[max(len(known) - self.order + 1, 0) :])

    def _log10_of(self, word: str, context: Ngram) -> float:
        found = self._log10.get((*context, word))
        if found is not None:
            return found
        return self._backoff.get(context, 0.0) + self._log10_of(word, context[1:])

    def sentence(self, text: str) -> list[float]:
        """Of each word and of the end after them."""
        words = [BEGIN, *text.split(), END]
        return [self.log10(word, tuple(words[:place])) for place, word in enumerate(words) if place]


def perplexity(arpa: bytes, texts: list[str]) -> float:
    """Over words and sentence ends; 10 means that each was as hard to foresee as one of ten equal choices."""
    model = Backoff(arpa)
    scores = [score for text in texts for score in model.sentence(text)]
    return float(10 ** (-sum(scores) / len(scores))) if scores else math.inf


class _Reader:
    """The lines of an ARPA file, each checked; `counts` are those that its head promises."""

    def __init__(self, data: bytes, where: str) -> None:
        self._where = where
        try:
            self._lines = data.decode().split("\n")
        except UnicodeDecodeError as error:
            raise BadInput(f"{where} is not UTF-8 (byte {error.start})") from error
        self._at = 0
        self.counts = self._head()

    def entries(self) -> Iterator[tuple[Ngram, float, float]]:
        """N-gram, log10 of its probability, log10 of its backoff weight (0 without one); to the end."""
        at = self._at
        for order, count in enumerate(self.counts, start=1):
            self._expect(at, f"\\{order}-grams:")
            for index in range(at + 1, at + 1 + count):
                yield self._entry(index, order)
            at += 1 + count
            self._expect(at, "")
            at += 1
        self._expect(at, "\\end\\")

    def _head(self) -> list[int]:
        self._expect(0, "\\data\\")
        counts: list[int] = []
        while self._line(len(counts) + 1):
            counts.append(self._count(len(counts) + 1))
        self._at = len(counts) + 2
        if not 1 <= len(counts) <= MAX_ORDER:
            raise BadInput(f"{self._where} is of order {len(counts)}; expected 1 to {MAX_ORDER}")
        return counts

    def _count(self, index: int) -> int:
        name, _, number = self._line(index).partition("=")
        if name != f"ngram {index}" or not (number.isascii() and number.isdigit() and len(number) < 10):
            raise self._fault(index, f"ngram {index}=NUMBER")
        return int(number)

    def _entry(self, index: int, order: int) -> tuple[Ngram, float, float]:
        log10, _, rest = self._line(index).partition("\t")
        text, _, backoff = rest.partition("\t")
        ngram = tuple(text.split(" "))
        if len(ngram) != order or not all(map(_is_word, ngram)):
            raise self._fault(index, f"a number, a tab and {order} words")
        return ngram, self._number(index, log10, 0.0), self._number(index, backoff or "0", 99.0)

    def _number(self, index: int, text: str, most: float) -> float:
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not _NEVER <= number <= most:  # nan is not either
            raise self._fault(index, f"a logarithm from {_NEVER:g} to {most:g}")
        return number

    def _line(self, index: int) -> str:
        return self._lines[index] if index < len(self._lines) else ""

    def _expect(self, index: int, wanted: str) -> None:
        if index >= len(self._lines) or self._lines[index] != wanted:
            raise self._fault(index, wanted or "an empty line")

    def _fault(self, index: int, wanted: str) -> BadInput:
        found = f"{self._line(index)[:60]!r}" if index < len(self._lines) else "the end"
        return BadInput(f"{self._where} line {index + 1} is {found}; expected {wanted}")


def _is_word(text: str) -> bool:
    """One that every reader takes for one: no spaces of any kind, no control characters but the joiners."""
    return text != "" and text.translate(_JOINERS).isprintable()
