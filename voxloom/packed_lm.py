"""An n-gram language model to decode with, in sorted arrays: 16 bytes an n-gram, where a dict takes 250."""

import numpy as np
import numpy.typing as npt

from voxloom.errors import BadInput
from voxloom.lm import BEGIN, END, FILE, UNKNOWN, read_entries

Context = tuple[int, ...]  # ids of the words before, the last `order - 1` of them at most
_Keys = npt.NDArray[np.int64]
_Values = npt.NDArray[np.float32]


class PackedLm:
    """Log probabilities of an ARPA file by backing off (Katz 1987), as `lm.Backoff` gives them; safe to share
    between threads."""

    def __init__(self, arpa: bytes) -> None:
        """Raises BadInput as `read_arpa` does, or where two n-grams cannot be told apart."""
        self._ids: dict[str, int] = {}
        keys: list[int] = []
        values: list[tuple[float, float]] = []
        self.order = 1
        for ngram, log10, backoff in read_entries(arpa):
            if len(ngram) == 1:
                self._ids[ngram[0]] = len(self._ids)
            if all(word in self._ids for word in ngram):  # else no text can hold it
                keys.append(hash(tuple(self._ids[word] for word in ngram)))
                values.append((log10, backoff))
            self.order = max(self.order, len(ngram))
        self._keys, self._values = _sorted(keys, values)
        self._unknown = self._ids[UNKNOWN]
        self.start: Context = (self._ids[BEGIN],) if self.order > 1 else ()

    def log10(self, word: str, context: Context) -> float:
        """Of a word, or of one that is not known, after a context that `start` and `after` gave."""
        return self._log10(self._ids.get(word, self._unknown), context)

    def end(self, context: Context) -> float:
        """log10 of the probability that the sentence ends here."""
        return self._log10(self._ids[END], context)

    def after(self, context: Context, word: str) -> Context:
        """The context of the next word."""
        whole = (*context, self._ids.get(word, self._unknown))
        return whole[max(len(whole) - self.order + 1, 0) :]

    def _log10(self, word: int, context: Context) -> float:
        backed_off = 0.0
        while True:
            found = self._find((*context, word))
            if found is not None:
                return backed_off + found[0]
            before = self._find(context)
            backed_off += before[1] if before else 0.0
            context = context[1:]

    def _find(self, ids: Context) -> tuple[float, float] | None:
        key = hash(ids)
        at = int(self._keys.searchsorted(key))
        if at == len(self._keys) or self._keys[at] != key:
            return None
        return float(self._values[at, 0]), float(self._values[at, 1])


def _sorted(keys: list[int], values: list[tuple[float, float]]) -> tuple[_Keys, _Values]:
    """By the 64-bit hash of the ids; of two million n-grams two are alike once in ten million models."""
    order = np.argsort(np.array(keys, np.int64))
    keys_N = np.array(keys, np.int64)[order]
    if (keys_N[1:] == keys_N[:-1]).any():
        raise BadInput(f"{FILE} holds an n-gram twice; make it anew")
    return keys_N, np.array(values, np.float32)[order]
