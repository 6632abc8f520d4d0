import re
import unicodedata
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voxloom.text import normalize
from voxloom.text_explain import explain
from voxloom.text_languages import NUM2WORDS_NAMES
from voxloom.text_readers import MAX_DIGITS, cardinal

quick = settings(max_examples=100, deadline=None, database=None, derandomize=True)
KNOWN = st.sampled_from(["en", "de-CH", "fr", "es", "sv", "ar", "fa", "th", "tr", "ru"])
UNKNOWN = st.sampled_from(["hi", "zh-CN", "sr", "am", "rm-sursilv", ""])
# What numbers are written with, more often than by chance.
NUMERIC = st.text(
    st.one_of(
        st.characters(categories=["Nd", "No"]), st.sampled_from("0123456789 .,:'-−+$€£%hstndrdeºª²½①١٬٫٪aı")
    )
)


@quick
@given(text=NUMERIC, language=st.one_of(KNOWN, UNKNOWN))
def test_twice_is_once(text: str, language: str) -> None:
    once = normalize(text, language)
    assert normalize(once, language) == once


@quick
@given(text=NUMERIC, language=KNOWN)
def test_no_digit_is_left_where_the_language_is_known(text: str, language: str) -> None:
    assert not re.search(r"\d", normalize(text, language))


@quick
@given(text=NUMERIC, language=UNKNOWN)
def test_every_digit_stays_where_it_is_not(text: str, language: str) -> None:
    digits = [c for c in unicodedata.normalize("NFKC", text) if c.isdecimal()]
    assert [c for c in normalize(text, language) if c.isdecimal()] == digits


@quick
@given(text=st.text(st.characters(exclude_categories=["Nd", "No", "Cs"])), language=st.one_of(KNOWN, UNKNOWN))
def test_letters_are_never_lost(text: str, language: str) -> None:
    """Compared as base letters: case, and how an accent is typed, are not letters."""

    def letters(given: str) -> Counter[str]:
        plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", given).lower().replace("ı", "i"))
        again = unicodedata.normalize("NFKD", plain.lower()).replace("ı", "i").replace("ς", "σ")
        silent = "\u115f\u1160\u0640ʼ"
        return Counter(c for c in again if unicodedata.category(c)[0] == "L" and c not in silent)

    assert letters(normalize(text, language)) == letters(text)


@pytest.mark.parametrize(
    ("language", "text", "wanted"),
    [
        (
            "en",
            "1,234.5 and 1,234,567",
            "one thousand two hundred and thirty four point five and one million two"
            " hundred and thirty four thousand five hundred and sixty seven",
        ),
        ("en", "1,23,456 or 1,5", "one twenty three four hundred and fifty six or one five"),
        ("en", "v1.2.3 0.05 007", "v one two three zero point zero five zero zero seven"),
        ("en", "1st 2nd 3rd 11th 21ST 1th", "first second third eleventh twenty first one th"),
        ("en", "B2, 4x4, mp3", "b two four x four mp three"),
        ("en", "-5 °C, 3-5, (−7)", "minus five c three five minus seven"),
        ("en", "10:30 10:00 9:05", "ten thirty ten o'clock nine oh five"),
        (
            "en",
            "$5 £3.50 €1 €2.5 $5 million",
            "five dollars three pounds fifty pence one euro two point five euros five million dollars",
        ),
        ("en", "$0.99 £0.01 $0.00", "ninety nine cents one penny zero dollars"),
        ("en-IN", "£5", "five pounds"),
        ("de", "um 1 Uhr, 7.30 Uhr, 14 Uhr 30", "um ein uhr sieben uhr dreißig vierzehn uhr dreißig"),
        ("de", "101 Uhr, 24 Uhr, 10.30", "einhunderteins uhr vierundzwanzig uhr zehn dreißig"),
        ("de", "0,99 €", "neunundneunzig cent"),
        ("es", "1.000.000 €, 1.000.001 £", "un millón de euros un millón una libras"),
        ("es", "2.000.001", "dos millones uno"),
        ("fr", "1 000 000 €, 3 000 000 $", "un million d'euros trois millions de dollars"),
        ("fr-BE", "1 000 000 €", "un million d'euros"),
        ("it", "2.000.000 €", "due milioni di euro"),
        ("ca", "1.000.000 €, 2.000.000 £", "un milió d'euros dues milions de lliures"),
        ("cy", "1af 2il 3ydd 5ed 7fed 11eg", "cyntaf ail trydydd pumed seithfed unfed ar ddeg"),
        ("cy", "20fed 21ain 40fed 2af", "ugeinfed unfed ar hugain deugeinfed dau af"),
        ("ar", "200 2005 200000", "مئتان ألفان و خمسة مئتا ألف"),
        ("en", "50% 12.5 %", "fifty percent twelve point five percent"),
        (
            "en",
            "May 5, 1998; in 1998. in 1998 people",
            "may five nineteen ninety eight in nineteen ninety eight in one thousand"
            " nine hundred and ninety eight people",
        ),
        ("en", "the 1980s, '90s", "the nineteen eighties nineties"),
        ("en", "+44 20 7946 0958", "four four two zero seven nine four six zero nine five eight"),
        ("en", "10² ½ ① १२", "ten two one two one twelve"),
        (
            "de",
            "1.234,5 am 21. Mai, der 3. Oktober, der 5. Klasse",
            "eintausendzweihundertvierunddreißig komma fünf am einundzwanzigsten mai"
            " der dritte oktober der fünf klasse",
        ),
        (
            "de",
            "10:30 Uhr, 3,50 €, im Jahr 1998",
            "zehn uhr dreißig drei euro fünfzig cent im jahr neunzehnhundertachtundneunzig",
        ),
        ("de-CH", "1’234.50", "eintausendzweihundertvierunddreißig komma fünf null"),
        (
            "fr",
            "1\u202f234,5 l'11 1er 1re 2e 18h30 1 h",
            "mille deux cent trente quatre virgule cinq l'onze premier première deuxième"
            " dix huit heures trente une heure",
        ),
        (
            "es",
            "1.234,5 1.º 2ª 3.er",
            "mil doscientos treinta y cuatro coma cinco primero segunda tercer",
        ),
        ("sv", "1:a 3:e", "första tredje"),
        ("tr", "5'te", "beş'te"),
        ("ar", "١٬٢٣٤", "ألف و مئتان و أربعة و ثلاثون"),
        ("th", "มี12คน", "มีสิบสองคน"),
        ("ja", "5人", "五人"),
        ("cy", "50%", "hanner cant y cant"),
        ("hi", "१२ x²", "१२ x 2"),
        ("sr", "5", "5"),
        ("sr-Latn", "5", "pet"),
    ],
)
def test_numbers_as_readers_say_them(language: str, text: str, wanted: str) -> None:
    assert normalize(text, language) == wanted


def test_a_long_string_of_digits_is_read_digit_by_digit() -> None:
    assert normalize("1" * (MAX_DIGITS + 1), "en") == " ".join(["one"] * (MAX_DIGITS + 1))


@pytest.mark.parametrize("part", ["1", "1.1", "1,111,", "111 ", "+1 ", "1:00:", "-$", "1h", "1'1"])
@pytest.mark.parametrize("language", ["en", "de", "fr"])
def test_absurd_numbers_take_time_by_their_length(part: str, language: str) -> None:
    """Ten times the text is a hundred times the work for a rule that looks back or ahead without a bound."""
    assert not re.search(r"\d", normalize(part * 4_000, language))


@pytest.mark.parametrize("name", sorted(set(NUM2WORDS_NAMES.values())))
def test_num2words_says_whole_numbers_of_every_language_that_is_taken(name: str) -> None:
    numbers = [*range(30), 100, 101, 999, 1000, 1931, 21_022, 4_000_007, 10**MAX_DIGITS - 1]
    assert [number for number in numbers if not cardinal(name, number)] == []


def test_each_change_is_explained_by_its_rule() -> None:
    changes = explain("The dogs’ 3rd ❤", "en")
    assert [(each.rule, each.before, each.after) for each in changes] == [
        ("typing", "dogs’", "dogs'"),
        ("numbers", "3rd", "third"),
        ("case", "The", "the"),
        ("dropped", "❤ U+2764 HEAVY BLACK HEART", ""),
        ("words", "dogs'", "dogs"),
    ]
