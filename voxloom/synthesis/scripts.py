"""Which letters a language is written with: an engine spells others out, and no reader would say that."""

import unicodedata

_LATIN = ("LATIN",)
_HAN = ("CJK", "BOPOMOFO")
_LANGUAGES = {
    ("CYRILLIC",): "ab ady av ba be bg ce cv kbd kk kv ky mdf mhr mk mn mrj myv os ru sah tg tt tyv udm uk",
    ("CYRILLIC", "LATIN"): "sr uz",
    ("ARABIC",): "ar ckb fa ks ps sd ug ur",
    ("GURMUKHI", "ARABIC"): "pa",
    ("HEBREW",): "he yi",
    ("GREEK",): "el grc",
    ("ARMENIAN",): "hy hyw",
    ("GEORGIAN",): "ka",
    ("DEVANAGARI",): "bho hi kok mai mr ne sa",
    ("BENGALI",): "as bn bpy",
    ("GUJARATI",): "gu",
    ("ORIYA",): "or",
    ("TAMIL",): "ta",
    ("TELUGU",): "te",
    ("KANNADA",): "kn",
    ("MALAYALAM",): "ml",
    ("SINHALA",): "si",
    ("THAI",): "th",
    ("LAO",): "lo",
    ("MYANMAR",): "my shn",
    ("KHMER",): "km",
    ("TIBETAN",): "bo dz",
    ("ETHIOPIC",): "am ti",
    ("CHEROKEE",): "chr",
    ("THAANA",): "dv",
    ("TIFINAGH",): "zgh",
    ("OL",): "sat",  # OL CHIKI
    ("HANGUL",): "ko",
    ("HIRAGANA", "KATAKANA", *_HAN): "ja",
    _HAN: "cmn hak nan yue zh",
}
_SCRIPTS = {language: scripts for scripts, names in _LANGUAGES.items() for language in names.split()}
_SUBTAGS = {
    "latn": _LATIN,
    "latin": _LATIN,
    "cyrl": ("CYRILLIC",),
    "arab": ("ARABIC",),
    "deva": ("DEVANAGARI",),
}
_ANY = ("MODIFIER", "FEMININE", "MASCULINE", "IDEOGRAPHIC", "KATAKANA-HIRAGANA")


def foreign_letters(text: str, language: str) -> str:
    """The letters of a text, each once, that the language is not written with; "" if there are none.

    Latin letters with any accent belong to every language that is written in Latin.
    """
    scripts = _scripts_of(language) + _ANY
    letters = (char for char in unicodedata.normalize("NFKC", text) if char.isalpha())
    return "".join(dict.fromkeys(char for char in letters if _script(char) not in scripts))


def _scripts_of(language: str) -> tuple[str, ...]:
    parts = language.lower().replace("_", "-").split("-")
    named = [_SUBTAGS[part] for part in parts[1:] if part in _SUBTAGS]
    return named[0] if named else _SCRIPTS.get(parts[0], _LATIN)


def _script(letter: str) -> str:
    return unicodedata.name(letter, "").split(" ")[0]
