"""One written form for every text: what a model learns to write, what both sides of a WER are brought to.

A change in what comes out is a new NORMALIZER_VERSION: texts and models of different versions do not mix.
"""

import unicodedata

NORMALIZER_VERSION = 1

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
    """Lower case; letters, marks and digits of any script, apostrophes inside words; all else is a space.

    `language` is a BCP 47 tag ("en", "tr", "zh-CN"). Doing it twice changes nothing.
    """
    text = unicodedata.normalize("NFKC", text.translate(_APOSTROPHES))
    text = unicodedata.normalize("NFKC", _lower(text, language)).translate(_TABLE)
    if _primary(language) not in _MIDDLE_DOT:
        text = text.replace("·", " ")
    for written, wanted in _REPLACED.items():
        text = text.replace(written, wanted)
    words = map(_clean_word, text.split())
    return unicodedata.normalize("NFC", " ".join(filter(None, words)))


def _primary(language: str) -> str:
    return language.replace("_", "-").split("-")[0].lower()


def _lower(text: str, language: str) -> str:
    if _primary(language) in _DOTTED_I:
        text = text.replace("I", "ı")
    return text.replace("İ", "i").lower()


def _clean_word(word: str) -> str:
    """Leaves out marks without a letter, and joiners where they join nothing."""
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


class _Kept(dict[int, str | None]):
    """A table for str.translate, filled as characters are met: kept, dropped, or turned into a space."""

    def __missing__(self, code: int) -> str | None:
        self[code] = _keep(chr(code))
        return self[code]


def _keep(character: str) -> str | None:
    category = unicodedata.category(character)
    if character in _INVISIBLE or category == "Me":
        return None
    if character in _JOINERS or category[0] in "LNM":
        return character
    return None if category == "Cf" else " "


_TABLE = _Kept(_APOSTROPHES)
