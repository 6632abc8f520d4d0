"""One written form for every text: what a model learns to write, what both sides of a WER are brought to.

A change in what comes out is a new NORMALIZER_VERSION, and so is a release of num2words that says a number
otherwise. docs/adr/0019: what becomes of older texts and models; docs/text.md: the rules with examples.
"""

import unicodedata
from collections.abc import Callable

from voxloom.text_numbers import spell_numbers

NORMALIZER_VERSION = 3

_ZWNJ, _ZWJ = "\u200c", "\u200d"
_JOINERS = {_ZWNJ, _ZWJ, "'", "·"}  # kept inside words only, each where `_fits` allows it
_APOSTROPHES = dict.fromkeys(map(ord, "’‘‛ʼ＇´`′׳"), "'")
_DOTTED_I = {"tr", "az", "crh", "gag"}  # I and İ are the capitals of two letters
_MIDDLE_DOT = {"ca"}  # Catalan col·legi
# Malayalam chillu letters as they were typed before Unicode 5.1: consonant, virama, joiner.
_CHILLUS = {"ണ്‍": "ൺ", "ന്‍": "ൻ", "ര്‍": "ർ", "ല്‍": "ൽ", "ള്‍": "ൾ", "ക്‍": "ൿ"}
# NFKC takes the Thai and Lao vowel AM apart, which nobody writes so.
_VOWEL_AM = {"ํา": "ำ", "ໍາ": "ຳ"}
_REPLACED = _CHILLUS | _VOWEL_AM
_INVISIBLE = {
    *map(chr, range(0xFE00, 0xFE10)),  # variation selectors
    *map(chr, range(0xE0100, 0xE01F0)),
    "\u034f",  # grapheme joiner
    "\u115f",  # Hangul fillers
    "\u1160",
    "\u0640",  # Arabic tatweel, a stretched line
    "\u05f4",  # Hebrew gershayim, inside abbreviations
}


def normalize(text: str, language: str) -> str:
    """Lower case; letters and marks of any script, apostrophes inside words, numbers as words; else a space.

    `language` is a BCP 47 tag ("en", "tr", "zh-CN"). Doing it twice changes nothing; no text makes it raise.
    In a language that num2words does not know, digits stay.
    """
    for _, step in STEPS:
        text = step(text, language)
    return text


def _unify_typing(text: str, language: str) -> str:
    return unicodedata.normalize("NFKC", text.translate(_TYPED))


def _unify_case(text: str, language: str) -> str:
    return unicodedata.normalize("NFKC", _lower(text, language))


def _drop_signs(text: str, language: str) -> str:
    text = text.translate(_TABLE)
    return text if primary(language) in _MIDDLE_DOT else text.replace("·", " ")


def _unify_spelling(text: str, language: str) -> str:
    if text.isascii():
        return text
    for written, wanted in _REPLACED.items():
        text = text.replace(written, wanted)
    return text


def _clean_words(text: str, language: str) -> str:
    words = (word if word.isalnum() else _clean_word(word) for word in text.split())
    return unicodedata.normalize("NFC", " ".join(filter(None, words)))


def primary(language: str) -> str:
    """The language of a tag, without script and region."""
    return language.replace("_", "-").split("-")[0].lower()


def _lower(text: str, language: str) -> str:
    if primary(language) in _DOTTED_I:
        text = text.replace("I", "ı")
    return text.replace("İ", "i").lower()


def _clean_word(word: str) -> str:
    """Leaves out marks without a letter, and joiners where they join nothing."""
    if _JOINERS.isdisjoint(word) and _kind(word[0]) != "M":
        return word
    kept = ""
    for index, character in enumerate(word):
        if _fits(character, kept[-1:], word[index + 1 : index + 2]):
            kept += character
    return kept


def _fits(character: str, before: str, after: str) -> bool:
    if character in (_ZWNJ, _ZWJ):
        return _joiner_matters(character, before, after)
    if character in _JOINERS:
        return _kind(before) in "LNM" and before != "" and _kind(after) in "LN" and after != ""
    return _kind(character) != "M" or (before != "" and before not in "'·")


def _joiner_matters(joiner: str, before: str, after: str) -> bool:
    """Beside a virama it tells letters apart (Marathi दर्‍या, Bengali র‍্য, Sinhala ශ්‍රී), and a non-joiner
    between Arabic letters is Persian spelling (می‌خواهم); elsewhere it is an accident of typing."""
    if _is_virama(before):
        return _kind(after) == "L"
    if _kind(before) != "L":
        return False
    return _is_virama(after) or (joiner == _ZWNJ and _is_arabic(before) and _is_arabic(after))


def _kind(character: str) -> str:
    """L letter, M mark, N number, and so on; "" of nothing."""
    return unicodedata.category(character)[0] if character else ""


def _is_virama(character: str) -> bool:
    return character != "" and unicodedata.combining(character) == 9


def _is_arabic(character: str) -> bool:
    return "\u0620" <= character <= "\u06ff" and _kind(character) == "L"


class _Table(dict[int, str | None]):
    """A table for str.translate, filled as characters are met."""

    def __init__(self, find: Callable[[str], str | None], known: dict[int, str]) -> None:
        super().__init__(known)
        self._find = find

    def __missing__(self, code: int) -> str | None:
        self[code] = self._find(chr(code))
        return self[code]


def _type_apart(character: str) -> str:
    """Superscripts, fractions and circled numbers are numbers of their own: 10² is not 102."""
    if unicodedata.category(character) != "No":
        return character
    plain = unicodedata.normalize("NFKC", character)
    return f" {plain} " if any(map(str.isdecimal, plain)) else character


def _keep(character: str) -> str | None:
    """Itself, None where it is dropped, or the space that it becomes."""
    category = unicodedata.category(character)
    if character in _INVISIBLE or category == "Me":
        return None
    if character in _JOINERS or category[0] in "LNM":
        return character
    return None if category == "Cf" else " "


_TYPED = _Table(_type_apart, _APOSTROPHES)
_TABLE = _Table(_keep, _APOSTROPHES)

STEPS: tuple[tuple[str, Callable[[str, str], str]], ...] = (
    ("typing", _unify_typing),
    ("numbers", spell_numbers),
    ("case", _unify_case),
    ("signs", _drop_signs),
    ("spelling", _unify_spelling),
    ("words", _clean_words),
)
