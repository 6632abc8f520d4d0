"""Word and character errors, their bootstrap intervals, and the paired comparison of two models.

Texts are compared as they are: normalise both sides alike (`text.normalize`, which ends in NFC) before.
"""

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import jiwer
import numpy as np
import numpy.typing as npt

from voxloom.errors import BadInput

Op = Literal["equal", "substitute", "delete", "insert"]
Unit = Literal["words", "characters"]
_UNSPACED = ("CJK UNIFIED", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN")
_CELLS_AT_ONCE = 2_000_000


@dataclass(frozen=True)
class Edits:
    """What turns a reference into a hypothesis; `reference` is its length in words or characters."""

    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0
    reference: int = 0

    def __add__(self, other: "Edits") -> "Edits":
        return Edits(
            self.substitutions + other.substitutions,
            self.deletions + other.deletions,
            self.insertions + other.insertions,
            self.reference + other.reference,
        )

    @property
    def errors(self) -> int:
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float:
        """Errors per reference unit; infinite when nothing was said and something was heard."""
        if self.reference:
            return self.errors / self.reference
        return float("inf") if self.errors else 0.0


@dataclass(frozen=True)
class Paired:
    """Model b against model a on the same utterances; negative `delta` means that b makes fewer errors."""

    delta: float  # error rate of b - error rate of a
    low: float  # interval of delta
    high: float
    p_better: float  # share of replications in which b makes fewer errors than a


def word_edits(reference: str, hypothesis: str) -> Edits:
    words, heard = reference.split(), hypothesis.split()
    if not words or not heard:
        return Edits(deletions=len(words), insertions=len(heard), reference=len(words))
    return _edits(jiwer.process_words(" ".join(words), " ".join(heard)))


def char_edits(reference: str, hypothesis: str) -> Edits:
    """Spaces count as characters, runs of them as one."""
    said, heard = " ".join(reference.split()), " ".join(hypothesis.split())
    if not said or not heard:
        return Edits(deletions=len(said), insertions=len(heard), reference=len(said))
    return _edits(jiwer.process_characters(said, heard))


def total(edits: Iterable[Edits]) -> Edits:
    """Corpus counts: errors and reference lengths are summed, rates are never averaged."""
    return sum(edits, Edits())


def align(reference: str, hypothesis: str) -> list[tuple[Op, str, str]]:
    """Word by word: operation, reference word ("" if inserted), hypothesis word ("" if deleted)."""
    words, heard = reference.split(), hypothesis.split()
    if not words:
        return [("insert", "", word) for word in heard]
    if not heard:
        return [("delete", word, "") for word in words]
    chunks = jiwer.process_words(" ".join(words), " ".join(heard)).alignments[0]
    return [pair for chunk in chunks for pair in _pairs(chunk, words, heard)]


def right_words(reference: str, hypothesis: str) -> list[bool]:
    """For each word of the hypothesis whether it stands in the reference where it should."""
    return [op == "equal" for op, _, word in align(reference, hypothesis) if word]


def align_characters(reference: str, hypothesis: str) -> list[tuple[Op, str, str]]:
    """The same character by character; spaces count, runs of them as one."""
    said, heard = " ".join(reference.split()), " ".join(hypothesis.split())
    if not said:
        return [("insert", "", character) for character in heard]
    if not heard:
        return [("delete", character, "") for character in said]
    chunks = jiwer.process_characters(said, heard).alignments[0]
    return [pair for chunk in chunks for pair in _pairs(chunk, said, heard)]


def bootstrap_interval(
    edits: Sequence[Edits], replications: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """95 % interval of the corpus error rate over redrawn utterances (Bisani and Ney 2004)."""
    errors, lengths = _columns(edits)
    rates = np.concatenate(
        [
            errors[drawn].sum(axis=1) / np.maximum(lengths[drawn].sum(axis=1), 1)
            for drawn in _draws(len(edits), replications, seed)
        ]
    )
    return interval(rates)


def paired_bootstrap(
    a: Sequence[Edits],
    b: Sequence[Edits],
    replications: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Paired:
    """Both models on the same redrawn utterances, so that what is hard for both does not blur the difference.

    Bisani and Ney 2004, "Bootstrap estimates for confidence intervals in ASR performance evaluation".
    """
    errors_a, lengths = _columns(a)
    errors_b, lengths_b = _columns(b)
    if not np.array_equal(lengths, lengths_b):
        raise BadInput(
            f"the two models were scored on different references ({len(a)} and {len(b)} utterances)"
        )
    difference = errors_b - errors_a
    deltas = np.concatenate(
        [
            difference[drawn].sum(axis=1) / np.maximum(lengths[drawn].sum(axis=1), 1)
            for drawn in _draws(len(a), replications, seed)
        ]
    )
    delta = float(difference.sum() / max(lengths.sum(), 1))
    return Paired(delta, *interval(deltas, confidence), float(np.mean(deltas < 0)))


def resample(
    models: Sequence[Sequence[Sequence[Edits]]], replications: int = 2000, seed: int = 0
) -> npt.NDArray[np.float64]:
    """Error rates (models, replications) of models that were trained several times each: `models[m][s][u]`.

    A replication redraws the utterances, the same for all models, and of each model its trainings: so the
    difference of two rows holds what the test set and what the seeds leave to chance.
    """
    columns = [[_columns(run) for run in runs] for runs in models]
    lengths = columns[0][0][1]
    if not all(np.array_equal(lengths, each) for runs in columns for _, each in runs):
        raise BadInput("the models were scored on different references")
    errors = [np.stack([each for each, _ in runs]) for runs in columns]
    random = np.random.default_rng(seed + 1)
    blocks = []
    for drawn in _draws(len(lengths), replications, seed):
        words = np.maximum(lengths[drawn].sum(axis=1), 1)
        blocks.append(np.stack([_redrawn(each, drawn, random) / words for each in errors]))
    return np.concatenate(blocks, axis=1)


def interval(values: npt.NDArray[np.float64], confidence: float = 0.95) -> tuple[float, float]:
    """The middle share of what a bootstrap found."""
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def unit_of(references: Iterable[str]) -> Unit:
    """Characters for scripts that put no spaces between words: there a sentence would count as one word."""
    letters = [character for text in references for character in text if not character.isspace()]
    unspaced = sum(_is_unspaced(character) for character in letters)
    return "characters" if letters and unspaced > len(letters) / 2 else "words"


def _is_unspaced(character: str) -> bool:
    return unicodedata.name(character, "").startswith(_UNSPACED)


def _redrawn(
    errors_SU: npt.NDArray[np.int64], drawn_RU: npt.NDArray[np.int64], random: np.random.Generator
) -> npt.NDArray[np.float64]:
    """(R,): mean errors of as many trainings as there are, drawn anew in each replication."""
    totals_SR = np.stack([run[drawn_RU].sum(axis=1) for run in errors_SU])
    chosen_SR = random.integers(0, len(totals_SR), totals_SR.shape)
    return np.asarray(np.take_along_axis(totals_SR, chosen_SR, axis=0).mean(axis=0))


def _edits(output: jiwer.WordOutput | jiwer.CharacterOutput) -> Edits:
    reference = output.hits + output.substitutions + output.deletions
    return Edits(output.substitutions, output.deletions, output.insertions, reference)


def _pairs(
    chunk: jiwer.AlignmentChunk, words: Sequence[str], heard: Sequence[str]
) -> Iterator[tuple[Op, str, str]]:
    said = words[chunk.ref_start_idx : chunk.ref_end_idx]
    got = heard[chunk.hyp_start_idx : chunk.hyp_end_idx]
    if chunk.type == "insert":
        return (("insert", "", word) for word in got)
    if chunk.type == "delete":
        return (("delete", word, "") for word in said)
    op: Op = "equal" if chunk.type == "equal" else "substitute"
    return ((op, left, right) for left, right in zip(said, got, strict=True))


def _columns(edits: Sequence[Edits]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    if not edits:
        raise BadInput("no utterances to compare; the test set is empty")
    errors = np.array([each.errors for each in edits], np.int64)
    return errors, np.array([each.reference for each in edits], np.int64)


def _draws(utterances: int, replications: int, seed: int) -> Iterator[npt.NDArray[np.int64]]:
    """Indices (r, utterances) drawn with replacement, in blocks that stay small in memory."""
    random = np.random.default_rng(seed)
    block = max(1, _CELLS_AT_ONCE // utterances)
    for start in range(0, replications, block):
        yield random.integers(0, utterances, (min(block, replications - start), utterances))
