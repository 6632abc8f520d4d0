"""Numbers in words, by num2words, for the languages it knows: whatever it is asked, it answers or says "".

num2words keeps state between calls, and of some numbers it raises, says nonsense or does not come back: so it
is asked under a lock, for small whole numbers of languages that were tried, and its answer is looked at.
"""

import re
import unicodedata
from decimal import Decimal
from functools import lru_cache
from threading import Lock

from voxloom.text_languages import NUM2WORDS_NAMES

MAX_DIGITS = 9  # in one number; a longer string of digits is no quantity but a name, and read digit by digit
_FAULTS = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
# By what is asked and language: what num2words says otherwise than a reader.
_PATCHES = {
    ("cardinal", "ar"): ((r"\b(مئتا|ألفا|مليونا)(?= و |$)", r"\1ن"),),  # a dual with no noun behind it
    ("ordinal", "cy"): (
        (r"\bsaith(?=fed)", "seith"),
        (r"ugain(?=fed)", "ugein"),
        (r"^cyntaf (?=ar )", "unfed "),
    ),
    ("currency", "ca"): (
        (r"(milió|milions) (?=euros$)", r"\1 d'"),
        (r"(milió|milions) (?=(?:dòlars|lliures)$)", r"\1 de "),
    ),
    ("currency", "en"): (
        (r"\bpounds? sterling", "pounds"),
        (r"\beuro\b", "euros"),
        (r"^one (\w+)s$", r"one \1"),
    ),
    ("currency", "es"): ((r"(millón|millones) (?=(?:euros|libras)$)", r"\1 de "),),
    ("currency", "fr"): (
        (r"^un millions\b", "un million"),
        (r"(millions?) (?=euros$)", r"\1 d'"),
        (r"(millions?) (?=dollars$)", r"\1 de "),
    ),
    ("currency", "it"): ((r"(milione|milioni) (?=(?:euro|dollari|sterline)$)", r"\1 di "),),
}
_lock = Lock()


@lru_cache(256)
def name_for(language: str) -> str:
    """What num2words calls the language, region first; "" if it does not know it."""
    tags = language.replace("_", "-").lower().split("-")
    for length in (2, 1):
        tag = "-".join(tags[:length])
        name = NUM2WORDS_NAMES.get(tag, "")
        if name and _says_digits(name):
            return name
    return ""


@lru_cache(1 << 16)
def cardinal(name: str, number: int) -> str:
    return _checked(_patched(_ask(name, number, "cardinal"), "cardinal", name))


@lru_cache(1 << 12)
def ordinal(name: str, number: int) -> str:
    return _checked(_patched(_ask(name, number, "ordinal"), "ordinal", name))


@lru_cache(1 << 12)
def year(name: str, number: int) -> str:
    return _checked(_ask(name, number, "year"))


@lru_cache(1 << 12)
def money(name: str, units: int, cents: int, currency: str) -> str:
    """Units and cents; no cents are not spoken of, nor no units beside cents."""
    said = _ask(name, Decimal(100 * units + cents) / 100, "currency", currency=currency, separator=" |")
    parts = [_patched(part.strip(), "currency", name) for part in said.split("|")]
    if len(parts) != 2:
        return ""
    return _checked(" ".join(parts[:1] if not cents else parts if units else parts[1:]))


@lru_cache(256)
def currency_name(name: str, currency: str) -> str:
    """As it is said after many."""
    said, five = money(name, 5, 0, currency), cardinal(name, 5)
    return said.removeprefix(five).strip() if said.startswith(five) else ""


@lru_cache(256)
def _says_digits(name: str) -> bool:
    from num2words import CONVERTER_CLASSES  # slow, and only where a digit is met

    return name in CONVERTER_CLASSES and all(cardinal(name, digit) for digit in range(10))


def _ask(name: str, number: int | Decimal, to: str, **how: str) -> str:
    from num2words import num2words

    value = number if isinstance(number, int) else number.quantize(Decimal("0.01"))
    try:
        with _lock:
            return str(num2words(value, lang=name, to=to, **how))
    except _FAULTS:
        return ""


def _patched(said: str, what: str, name: str) -> str:
    for pattern, wanted in _PATCHES.get((what, name.split("_")[0]), ()):
        said = re.sub(pattern, wanted, said)
    return said


def _checked(said: str) -> str:
    """Words of letters, or ""."""
    said = " ".join(said.replace(",", " ").replace("-", " ").split())
    fine = all(unicodedata.category(character)[0] in "LM" or character in " '’ʼ\u200c" for character in said)
    return said if fine else ""
