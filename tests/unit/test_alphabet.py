import json

import pytest
from typer.testing import CliRunner

from voxloom.alphabet import AlphabetCounter, Suspicion
from voxloom.characters import script_of
from voxloom.cli import app


def findings_of(*texts: str) -> dict[tuple[Suspicion, str], int]:
    counter = AlphabetCounter()
    for number, text in enumerate(texts):
        counter.add(text, f"line {number}")
    return {(each.suspicion, each.what): each.count for each in counter.report().findings}


@pytest.mark.parametrize(
    ("texts", "suspicion", "what"),
    [
        (["прив\u0065т мир"], Suspicion.MIXED_SCRIPTS, "прив\u0065т"),
        (["\u0063\u006f\u0070 и мир"], Suspicion.LOOK_ALIKES, "\u0063\u006f\u0070"),
        (["ş ş", "ș"], Suspicion.LOOK_ALIKES, "ș"),
        (["don't don't", "donʼt"], Suspicion.LOOK_ALIKES, "ʼ"),
        (["w\u0303ana"], Suspicion.COMBINING, "w\u0303"),
        (["room 42"], Suspicion.NUMBERS, "42"),
        (["५ लोग"], Suspicion.NUMBERS, "५"),
    ],
)
def test_what_looks_mistyped_is_found(texts: list[str], suspicion: Suspicion, what: str) -> None:
    assert findings_of(*texts) == {(suspicion, what): 1}


@pytest.mark.parametrize(
    "text", ["漢字かなカナ", "한글 漢字", "हिन्दी में", "привет hello world", "l'été", "نص عربي", "thé โน้ต"]
)
def test_ordinary_texts_are_left_alone(text: str) -> None:
    assert findings_of(text) == {}


def test_rare_characters_are_shown_where_they_are_and_frequent_ones_are_not() -> None:
    counter = AlphabetCounter(rare=2)
    for number, text in enumerate(["abc", "ab", "a q"]):
        counter.add(text, f"u{number}")
    report = counter.report()
    found = {use.character: (use.count, [each.where for each in use.examples]) for use in report.characters}
    assert found == {"a": (3, []), "b": (2, ["u0", "u1"]), "c": (1, ["u0"]), "q": (1, ["u2"]), " ": (1, [])}
    assert report.alphabet == " abcq"


def test_memory_is_bounded_by_kinds_not_by_texts() -> None:
    counter = AlphabetCounter()
    for number in range(3_000):
        counter.add(f"room {number}", str(number))
    findings = counter.report().findings
    assert sum(each.count for each in findings) == 3_000
    assert len(findings) == 1_001


@pytest.mark.parametrize(
    ("character", "script"),
    [
        ("a", "Latin"),
        ("а", "Cyrillic"),
        ("漢", "Han"),
        ("न", "Devanagari"),
        ("ᱚ", "Ol Chiki"),
        ("́", ""),
        ("5", ""),
    ],
)
def test_scripts(character: str, script: str) -> None:
    assert script_of(character) == script


def run(*arguments: str, typed: str = "") -> str:
    result = CliRunner().invoke(app, ["text", *arguments], input=typed)
    assert result.exit_code == 0, result.output
    return result.output


def test_normalize_streams_lines_and_explains() -> None:
    assert run("normalize", "-", "-l", "en", typed="It’s 5.\nB!\n") == "it's five\nb\n"
    line = json.loads(run("normalize", "It’s 5.", "-l", "en", "--explain", "--json"))
    assert line["normalized"] == "it's five"
    assert {each["rule"] for each in line["changes"]} == {"typing", "numbers", "case", "dropped"}


def test_alphabet_of_lines_is_that_of_the_normalised_texts() -> None:
    report = json.loads(run("alphabet", "-l", "en", "--json", typed="Abba!\nB 5\n"))
    assert report["alphabet"] == " abefiv"
    assert report["texts"] == 2
