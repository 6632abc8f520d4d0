"""What Unicode says of a character: its name and the script it belongs to."""

import unicodedata
from functools import lru_cache

_TWO_WORDS = {  # the first words of names of scripts that say too little alone
    *("BASSA", "CAUCASIAN", "DIVES", "GUNJALA", "HANIFI", "IMPERIAL", "INSCRIPTIONAL", "KAYAH", "KHITAN"),
    *("LINEAR", "MASARAM", "MEETEI", "MENDE", "NEW", "NYIAKENG", "OL", "OLD", "PAHAWH", "PAU", "PSALTER"),
    *("SORA", "SYLOTI", "TAI", "WARANG", "ZANABAZAR"),
}
_NO_SCRIPT = {"COMBINING", "MODIFIER", "VEDIC", "KATAKANA-HIRAGANA", "IDEOGRAPHIC", "VERTICAL", "VARIATION"}


def describe(character: str) -> str:
    """a U+0061 LATIN SMALL LETTER A"""
    return f"{character} {code_point(character)} {name_of(character)}"


def code_point(character: str) -> str:
    return f"U+{ord(character):04X}"


def name_of(character: str) -> str:
    """The Unicode name, or what kind of code point it is."""
    category = unicodedata.category(character)
    return unicodedata.name(character, f"(without a name, category {category})")


@lru_cache(1 << 16)
def script_of(character: str) -> str:
    """Latin, Cyrillic, Devanagari, Han and so on, read off the Unicode name; "" for what scripts share."""
    if unicodedata.category(character)[0] not in "LM":
        return ""
    words = unicodedata.name(character, "UNKNOWN").split(" ")
    if words[0] in _NO_SCRIPT:
        return ""
    if words[0] == "CJK":
        return "Han"
    return " ".join(words[: 2 if words[0] in _TWO_WORDS else 1]).title()
