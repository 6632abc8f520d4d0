"""One regular expression a language, which finds numbers; all repetition is bounded or possessive."""

import re

from voxloom.text_languages import Grammar

CURRENCIES = {"€": "EUR", "$": "USD", "£": "GBP", "¥": "JPY", "₹": "INR", "₽": "RUB", "₴": "UAH", "₩": "KRW"}
_ALONE = r"(?<![\w.,:'])"  # nothing before it that it could belong to
_NEVER = r"(?!)"
_SCALES = {"en": "thousand|million|billion|trillion"}
_GERMAN_INFLECTING = ("am", "beim", "im", "vom", "zum", "zur", "dem", "den", "des", "das", "die")


def build_pattern(primary: str, grammar: Grammar, group: str, decimal: str) -> re.Pattern[str]:
    """Named alternatives in the order of their claims: see `text_numbers.Reader`."""
    parts = (
        r"(?<![\w+])(?P<phone>\+\d(?:[ ()./-]{0,2}\d){6,30}+)(?![\d])",
        _clock(primary),
        _decade(primary),
        _ordinal(grammar),
        _german(primary, grammar),
        _number(primary, group, decimal),
        r"(?P<rest>\d++)",
    )
    return re.compile("|".join(parts), re.IGNORECASE)


def _clock(primary: str) -> str:
    """10:30; German 10:30 Uhr, 10.30 Uhr, 10 Uhr; French 10 h 30."""
    hour, end = r"(?P<hour>[01]?\d|2[0-3])", r"(?![\d%]|[:.,]\d)"
    if primary == "de":
        minute = r"(?:(?::|\.(?=\d\d\ Uhr\b))(?P<minute>[0-5]\d)|(?=\ Uhr\b))"
        return rf"{_ALONE}{hour}{minute}{end}(?P<unit>\ Uhr\b)?"
    colon = rf"{hour}:(?P<minute>[0-5]\d){end}(?P<unit>(?!))?"
    if primary != "fr":
        return rf"{_ALONE}{colon}"
    return r"(?<![\w.,:'])(?P<hour>[01]?\d|2[0-3])(?P<unit>\ ?h\ ?)(?P<minute>[0-5]\d)?(?![\w])"


def _decade(primary: str) -> str:
    if primary != "en":
        return f"(?P<decade>{_NEVER})"
    return r"(?<![\w.,:])(?P<decade>(?:1[1-9]|20)\d0|'?[2-9]0)'?s(?!\w)"


def _ordinal(grammar: Grammar) -> str:
    ordered = sorted(grammar.endings, key=len, reverse=True)
    # Flat 2A is not Spanish 2a: one letter is an ending in lower case alone.
    endings = "|".join(f"(?-i:{re.escape(each)})" if len(each) == 1 else re.escape(each) for each in ordered)
    return rf"(?<![\w.,:])(?P<nth>[1-9]\d{{0,5}})(?P<ending>{endings or _NEVER})(?!\w)"


def _german(primary: str, grammar: Grammar) -> str:
    """A number with a point behind it after am, den, die; after der only before a month."""
    if primary != "de":
        return f"(?P<german>{_NEVER})"
    months = grammar.months
    after = "|".join(rf"(?<=\b{word}\ )" for word in _GERMAN_INFLECTING)
    return (
        rf"(?:(?:{after})(?=\d\d?\.\ [^\W\d_])|(?<=\bder\ )(?=\d\d?\.\ (?:{months})\b))"
        r"(?P<german>[1-9]\d?)\."
    )


def _number(primary: str, group: str, decimal: str) -> str:
    """A quantity; it touches no other digits, which keeps versions (1.2.3), dates and 1,23,456 out."""
    symbols = "".join(map(re.escape, CURRENCIES))
    groups = "|".join(rf"\d{{1,3}}(?:{re.escape(each)}\d{{3}}){{1,4}}+(?!\d)" for each in group)
    decimals = rf"(?:[{re.escape(decimal)}](?P<decimals>\d{{1,12}}+))?" if decimal else "(?P<decimals>(?!))?"
    scale = rf"(?:\ (?P<scale>{_SCALES[primary]})\b)?" if primary in _SCALES else "(?P<scale>(?!))?"
    return (
        r"(?:(?<![^\s(\[\"'«„“])(?P<sign>[-−]))?"
        rf"(?:(?P<before>[{symbols}])\ ?)?(?<!\d[.,:])"
        rf"(?P<number>(?P<whole>{groups + '|' if groups else ''}\d++){decimals})(?![.,:'\u066b\u066c]?\d)"
        rf"(?:\ ?(?:(?P<percent>[%\u066a])|(?P<after>[{symbols}])(?!\ ?\d)))?{scale}"
    )
