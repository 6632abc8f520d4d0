"""What a sentence is to those who compare and sort sentences: its key, and the script it is written in."""

import unicodedata
from collections import Counter
from functools import lru_cache

_LETTERS = frozenset({"Lu", "Ll", "Lt", "Lo"})
_WIDTHS = ("FULLWIDTH ", "HALFWIDTH ")


def sentence_key(text: str) -> str:
    """What makes two texts the same sentence, also for their split: letters and digits, without case.

    Deliberately not `text.normalize`, whose versions may change what comes out; this may not.
    """
    folded = unicodedata.normalize("NFKD", text).casefold()
    return "".join(filter(str.isalnum, folded))


def scripts_of(text: str) -> Counter[str]:
    """How many letters of each script a text has: LATIN, CYRILLIC, CJK, HIRAGANA and so on."""
    if text.isascii():
        letters = sum(map(str.isalpha, text))
        return Counter({"LATIN": letters} if letters else {})
    counted = Counter(map(_script_of, text))
    counted.pop("", None)
    return counted


@lru_cache(maxsize=2**16)
def _script_of(character: str) -> str:
    """The first word of a letter's Unicode name; "" for what is no letter or belongs to many scripts."""
    if unicodedata.category(character) not in _LETTERS:
        return ""
    name = unicodedata.name(character, "")
    for width in _WIDTHS:
        name = name.removeprefix(width)
    return name.split(" ")[0]
