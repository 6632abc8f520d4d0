"""A text without times as clauses: what may end where a speaker pauses, and how long each takes to say."""

import re
import unicodedata
from dataclasses import dataclass

_SENTENCE_END = ".!?…。！？؟।॥።։"
_CLAUSE_END = ",;:，、；：،؛–—"
_CLOSING = "\"'»”’)]」』"
_BREAK = re.compile(
    rf"[{re.escape(_SENTENCE_END)}]+[{re.escape(_CLOSING)}]*(?=\s|$)|(?<=[。！？])"
    rf"|[{re.escape(_CLAUSE_END)}]+[{re.escape(_CLOSING)}]*(?=\s|$)|(?<=[，、；])|\n+"
)
# After these a full stop ends no sentence. A wrong guess costs little: the pause that is not there tells.
_ABBREVIATIONS = {"mr", "mrs", "ms", "dr", "st", "prof", "sen", "gen", "col", "jr", "sr", "vs", "e.g", "i.e"}
_ABBREVIATIONS |= {"bzw", "z.b", "ca", "nr", "m", "mme"}
_DIGIT_WEIGHT = 3.5  # letters that a digit takes to say


@dataclass(frozen=True)
class Clause:
    text: str
    weight: float  # in letters
    ends_sentence: bool


def split(text: str) -> list[Clause]:
    """Sentences, cut at commas too; line ends count as ends of sentences only where the text has no other."""
    unbroken = text if _lacks_punctuation(text) else text.replace("\n", " ")
    found: list[Clause] = []
    start = 0
    for match in _BREAK.finditer(unbroken):
        part, mark = unbroken[start : match.end()].strip(), match.group()
        if _is_abbreviated(part) or not weight(part):
            continue  # goes on: the text of this clause is joined to the next
        ends = "\n" in mark or mark[:1] in _SENTENCE_END or unbroken[match.start() - 1] in _SENTENCE_END
        found.append(Clause(" ".join(part.split()), weight(part), ends))
        start = match.end()
    rest = " ".join(unbroken[start:].split())
    return [*found, Clause(rest, weight(rest), True)] if weight(rest) else found


def _lacks_punctuation(text: str) -> bool:
    """Lines of a poem or a list: fewer sentence ends than half the lines."""
    lines = [line for line in text.splitlines() if line.strip()]
    ends = sum(text.count(mark) for mark in _SENTENCE_END)
    return len(lines) > 1 and 2 * ends < len(lines)


def _is_abbreviated(part: str) -> bool:
    word = part.split()[-1].rstrip(".").lower() if part.endswith(".") and part.split() else ""
    return word in _ABBREVIATIONS or (len(word) == 1 and word.isalpha() and part[-2:-1].isupper())


def weight(text: str) -> float:
    """How many letters there are to say; 0 if there is nothing."""
    kinds = [unicodedata.category(character) for character in text]
    return float(sum(kind[0] == "L" for kind in kinds)) + _DIGIT_WEIGHT * sum(kind == "Nd" for kind in kinds)
