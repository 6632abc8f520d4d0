"""Numbers written out as a reader says them, by rules that take effect only where the meaning is certain.

In a language that num2words knows no digit is left: what no rule claims is read number by number. In any
other language digits stay as they are. docs/text.md has the rules with examples.
"""

import re
from collections.abc import Callable
from functools import lru_cache

from voxloom import text_readers
from voxloom.text_languages import GRAMMARS, REGIONS, Grammar
from voxloom.text_patterns import CURRENCIES, build_pattern
from voxloom.text_readers import MAX_DIGITS

Rule = Callable[[re.Match[str]], str]
_DIGIT = re.compile(r"\d")
_MONTH_AND_DAY = re.compile(r"([^\W\d_]+)\.?(?: \d{1,2}(?:st|nd|rd|th)?,)? $")
_CLAUSE_ENDS = re.compile(r'\s*(?:$|[,;:!?)”»"]|\.(?!\d))')
_YEARS = range(1100, 2100)
_ZERO_MINUTES = {"en": "o'clock"}
_HOURS = {"de": "uhr", "fr": "heures"}


def spell_numbers(text: str, language: str) -> str:
    """The text with its numbers in words where the language is known; as it is where not. Never raises."""
    if not _DIGIT.search(text):
        return text
    reader = reader_for(language)
    return reader.read(text) if reader else text


@lru_cache(256)
def reader_for(language: str) -> "Reader | None":
    """None for a language that num2words does not know."""
    name = text_readers.name_for(language)
    return Reader(name, language) if name else None


class Reader:
    """Reads the numbers of one language."""

    def __init__(self, name: str, language: str) -> None:
        self._name = name
        tag = language.replace("_", "-").lower()
        self._primary = name.split("_")[0] if name != "kz" else "kk"
        self._grammar = GRAMMARS.get(self._primary, Grammar())
        group, decimal = REGIONS.get(tag, self._grammar.signs)
        self._pattern = build_pattern(self._primary, self._grammar, group, decimal)
        self._rules: dict[str, Rule] = {
            "phone": lambda match: self._digits(match["phone"]),
            "hour": self._clock,
            "decade": self._decade,
            "nth": self._ordinal,
            "german": self._german,
            "number": self._quantity,
            "rest": lambda match: self._whole(match["rest"]),
        }

    def read(self, text: str) -> str:
        """No decimal digit of any script is left."""
        return self._pattern.sub(self._said, text)

    def _said(self, match: re.Match[str]) -> str:
        rule = next(name for name in self._rules if match[name] is not None)
        said = self._rules[rule](match) or self._digits(match[0])
        return self._apart(match, said)

    def _apart(self, match: re.Match[str], said: str) -> str:
        """Words stand apart from what the digits touched, except after an elision: l'onze, beş'te."""
        if not self._grammar.spaced:
            return said
        text, start, end = match.string, match.start(), match.end()
        before = "" if start and text[start - 1] == "'" else " "
        return f"{before}{said}{'' if text[end : end + 1] == chr(39) else ' '}"

    def _digits(self, written: str) -> str:
        between = " " if self._grammar.spaced else ""
        return between.join(self._cardinal(int(each)) for each in written if each.isdecimal())

    def _cardinal(self, number: int) -> str:
        return text_readers.cardinal(self._name, number)

    def _whole(self, digits: str) -> str:
        """A run of digits: as a number, or digit by digit if it is long or begins with zero."""
        if len(digits) > MAX_DIGITS or (len(digits) > 1 and int(digits[0]) == 0):
            return self._digits(digits)
        return self._cardinal(int(digits)) or self._digits(digits)

    def _joined(self, *parts: str) -> str:
        return (" " if self._grammar.spaced else "").join(filter(None, parts))

    def _quantity(self, match: re.Match[str]) -> str:
        """Sign, currency, thousands, decimals, percent."""
        whole = "".join(filter(str.isdecimal, match["whole"]))
        decimals = match["decimals"] or ""
        minus = self._grammar.minus if match["sign"] else ""
        percent = self._grammar.percent if match["percent"] else ""
        symbol = match["before"] or match["after"] or ""
        if symbol and (said := self._money(whole, decimals, CURRENCIES[symbol], match["scale"] or "")):
            return self._joined(minus, said, percent)
        if not (match["sign"] or symbol or percent or decimals) and (said := self._year(match, whole)):
            return said
        number = self._number(whole, decimals)
        return self._joined(minus, number, match["scale"] or "", percent)

    def _number(self, whole: str, decimals: str) -> str:
        if not decimals:
            return self._whole(whole)
        first = self._whole(whole) if len(whole) > 1 else self._cardinal(int(whole))
        return self._joined(first, self._grammar.point, self._digits(decimals))

    def _money(self, whole: str, decimals: str, currency: str, scale: str) -> str:
        """ "" where num2words has no good name for the currency."""
        if currency not in self._grammar.money or len(whole) > MAX_DIGITS:
            return ""
        if not scale and len(decimals) in (0, 2):
            return text_readers.money(self._name, int(whole), int(decimals or 0), currency)
        many = text_readers.currency_name(self._name, currency)
        return self._joined(self._number(whole, decimals), scale, many) if many else ""

    def _year(self, match: re.Match[str], digits: str) -> str:
        """After a month, with its day or without, after the word for year; after "in" where a clause ends."""
        if not self._grammar.years or len(match["number"]) != 4 or int(digits) not in _YEARS:
            return ""
        before = _MONTH_AND_DAY.search(match.string[max(0, match.start() - 24) : match.start()])
        word = before[1].lower() if before else ""
        known = self._grammar.since if _CLAUSE_ENDS.match(match.string, match.end()) else ()
        certain = word in self._grammar.before_years or word in known
        return text_readers.year(self._name, int(digits)) if certain else ""

    def _clock(self, match: re.Match[str]) -> str:
        """Hours and minutes; the word between them only where it is written, or certain."""
        hour, minute = int(match["hour"]), match["minute"] or ""
        unit = _HOURS.get(self._primary, "") if match["unit"] else ""
        if self._primary == "fr" and unit:
            unit = "heure" if hour < 2 else unit
            said = {0: "zéro", 1: "une", 21: "vingt et une"}.get(hour) or self._cardinal(hour)
            return self._joined(said, unit, "" if minute in ("", "00") else self._cardinal(int(minute)))
        said = "ein" if self._primary == "de" and unit and hour == 1 else self._cardinal(hour)
        return self._joined(said, unit, self._minutes(hour, minute))

    def _minutes(self, hour: int, minute: str) -> str:
        if int(minute or 0) == 0:
            return _ZERO_MINUTES.get(self._primary, "") if 1 <= hour <= 12 else ""
        if minute[0] == "0" and self._primary == "en":
            return f"oh {self._cardinal(int(minute))}"
        return self._cardinal(int(minute))

    def _decade(self, match: re.Match[str]) -> str:
        """English 1980s and '80s."""
        number = int("".join(filter(str.isdecimal, match["decade"])))
        said = text_readers.year(self._name, number) if number > 100 else self._cardinal(number)
        return re.sub("y$", "ie", said) + "s"

    def _ordinal(self, match: re.Match[str]) -> str:
        number, ending = int(match["nth"]), match["ending"].lower()
        said = text_readers.ordinal(self._name, number)
        old, _, new = self._grammar.endings[ending].partition(">")
        if (
            said
            and (self._primary not in ("cy", "en") or said.endswith(ending))
            and (not old or said.endswith(old))
        ):
            return said.removesuffix(old) + new
        return self._joined(self._whole(match["nth"]), ending)

    def _german(self, match: re.Match[str]) -> str:
        """am 21. Mai: inflected as the word before it asks, which is why others are no ordinal for sure."""
        said = text_readers.ordinal(self._name, int(match["german"]))
        before = match.string[max(0, match.start() - 8) : match.start()].lower().split(" ")[-2]
        return said if before in ("der", "die", "das") else f"{said}n"
