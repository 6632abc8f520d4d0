"""Interpolated modified Kneser-Ney: sentences to an n-gram model in ARPA form. No torch.

Chen and Goodman 1999, "An empirical study of smoothing techniques for language modeling"; discounts that few
counts do not tell, and the marks of the sentence, are treated as KenLM's lmplz does. An n-gram is a row in
its order's table: rows of its first words (`prefix`) and last words (`suffix`), and the very last one.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from voxloom.lm import BEGIN, END, UNKNOWN

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
_BEGIN, _END = 1, 2  # their ids; 0 is <unk>
_FALLBACK = np.array([0.0, 0.5, 1.0, 1.5])  # discounts where counts of counts tell none


@dataclass
class _Table:
    """All n-grams of one order, by row."""

    prefix: Ints
    suffix: Ints
    word: Ints
    raw: Floats  # how often it was said
    counts: Floats = field(default_factory=lambda: np.zeros(0))  # what probabilities are made of
    kept: npt.NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))
    probability: Floats = field(default_factory=lambda: np.zeros(0))


def estimate(sentences: Mapping[str, float], order: int, least: Sequence[int] = ()) -> bytes:
    """ARPA of the sentences, each said so often. An n-gram of order k that was said less than `least[k - 1]`
    times is left to its backoff; `least` must not fall, so that what begins or ends a kept one is kept."""
    words, ids, place, weight = _number(sentences)
    tables = _count(ids, place, weight, len(words), order)
    for lower, upper in pairwise(tables):
        extensions = np.bincount(upper.suffix, minlength=len(lower.raw))
        lower.counts = np.where(extensions > 0, extensions, lower.raw)  # nothing comes before <s>
    tables[-1].counts = tables[-1].raw
    limits = [*least, *[1] * (order - len(least))]
    backoffs = [_unigrams(tables[0])]
    for index in range(1, order):
        tables[index].kept = tables[index].raw >= limits[index]
        backoffs.append(_interpolate(tables[index], tables[index - 1]))
    return _to_arpa(words, tables, backoffs[1:])


def _number(sentences: Mapping[str, float]) -> tuple[list[str], Ints, Ints, Floats]:
    """The words by id, and for each place of the whole text: word, place in its sentence, times said."""
    known = {UNKNOWN: 0, BEGIN: _BEGIN, END: _END}
    ids: list[int] = []
    lengths = []
    for text in sentences:
        row = [_BEGIN, *(known.setdefault(word, len(known)) for word in text.split()), _END]
        ids += row
        lengths.append(len(row))
    place = np.concatenate([np.arange(length) for length in lengths])
    weight = np.repeat(np.array(list(sentences.values()), np.float64), lengths)
    return list(known), np.array(ids, np.int64), place.astype(np.int64), weight


def _count(ids: Ints, place: Ints, weight: Floats, words: int, order: int) -> list[_Table]:
    nothing, every = np.zeros(words, np.int64), np.arange(words)
    tables = [_Table(nothing, nothing, every, _sum(ids, weight, words))]
    row = ids  # at each place, the row of the n-gram that ends there
    for length in range(2, order + 1):
        ends = np.flatnonzero(place >= length - 1)
        packed, inverse = np.unique(row[ends - 1] * words + ids[ends], return_inverse=True)
        suffix = np.zeros(len(packed), np.int64)
        suffix[inverse] = row[ends]
        raw = _sum(inverse, weight[ends], len(packed))
        tables.append(_Table(packed // words, suffix, packed % words, raw))
        row = np.zeros(len(ids), np.int64)
        row[ends] = inverse
    return tables


def _sum(rows: Ints, values: Floats, count: int) -> Floats:
    """The sum of the values of each row."""
    return np.bincount(rows, values, count).astype(np.float64)


def _discounts(counts: Floats) -> Floats:
    """What is taken off an n-gram that counts 0, 1, 2, and 3 or more."""
    t = [float((counts == times).sum()) for times in range(5)]
    if 0 in t[1:4]:
        return _FALLBACK
    y = t[1] / (t[1] + 2 * t[2])
    found = np.array([0.0, *(k - (k + 1) * y * t[k + 1] / t[k] for k in (1, 2, 3))])
    return found if (found >= 0).all() else _FALLBACK


def _taken(counts: Floats, discounts: Floats) -> Floats:
    taken: Floats = np.minimum(discounts[np.minimum(np.ceil(counts), 3).astype(np.int64)], counts)
    return taken


def _unigrams(table: _Table) -> Floats:
    """Interpolated with a uniform choice among all words, <unk> and </s>: this is what <unk> gets."""
    table.kept = np.ones(len(table.raw), np.bool_)
    counts = np.where(table.word == _BEGIN, 0.0, table.counts)
    taken = _taken(counts, _discounts(counts[_END:]))
    share = taken.sum() / counts.sum() / (len(counts) - 1)
    table.probability = np.where(table.word == _BEGIN, 0.0, (counts - taken) / counts.sum() + share)
    return np.array([share])


def _interpolate(table: _Table, lower: _Table) -> Floats:
    """Sets the probabilities; returns the share of each context that is left to the lower order."""
    taken = _taken(table.counts, _discounts(table.counts))
    total = _sum(table.prefix, table.counts, len(lower.raw))
    given_away = np.where(table.kept, taken, table.counts) / total[table.prefix]
    left = _sum(table.prefix, given_away, len(lower.raw))
    own = (table.counts - taken) / total[table.prefix]
    table.probability = own + left[table.prefix] * lower.probability[table.suffix]
    return left


def _to_arpa(words: list[str], tables: list[_Table], backoffs: list[Floats]) -> bytes:
    out = io.StringIO()
    out.write("\\data\\\n")
    out.writelines(f"ngram {order}={int(table.kept.sum())}\n" for order, table in enumerate(tables, start=1))
    texts = words
    for order, table in enumerate(tables, start=1):
        if order > 1:
            texts = [
                f"{texts[prefix]} {words[word]}"
                for prefix, word in zip(table.prefix, table.word, strict=True)
            ]
        out.write(f"\n\\{order}-grams:\n")
        out.writelines(_lines(texts, table, backoffs[order - 1] if order <= len(backoffs) else None))
    out.write("\n\\end\\\n")
    return out.getvalue().encode()


def _lines(texts: list[str], table: _Table, backoff: Floats | None) -> Any:
    with np.errstate(divide="ignore"):
        log10 = np.clip(np.log10(table.probability), -99, 0)
        weights = None if backoff is None else np.clip(np.log10(backoff), -99, 0)
    for row in np.flatnonzero(table.kept):
        tail = f"\t{weights[row]:.6f}" if weights is not None and backoff is not None and backoff[row] else ""
        yield f"{log10[row]:.6f}\t{texts[row]}{tail}\n"
