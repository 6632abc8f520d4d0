"""Sounds of words by espeak-ng, and what is done where it is not there or answers oddly."""

import shutil
from pathlib import Path

import pytest

from services.recorder.sounds import ESPEAK, LETTERS, Sounds

needs_espeak = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")


@needs_espeak
def test_words_have_the_sounds_that_espeak_tells() -> None:
    spoken = Sounds().of(["three thin judges", "three"], "en")
    assert spoken.by == ESPEAK
    assert spoken.of("three") == ("θ", "ɹ", "iː")
    assert spoken.of("thin")[0] == "θ"
    assert spoken.of("judges")[0] == "dʒ"
    assert spoken.of("never asked for") == ()


@needs_espeak
@pytest.mark.parametrize(("language", "sentence"), [("xx", "go left"), ("zh", "你好世界")])
def test_letters_for_languages_that_it_does_not_know_and_scripts_without_spaces(
    language: str, sentence: str
) -> None:
    spoken = Sounds().of([sentence], language)
    assert (spoken.by, spoken.of("ab")) == (LETTERS, ("a", "b"))


def test_letters_where_it_is_not_installed() -> None:
    assert Sounds(program="none such").of(["go"], "en").by == LETTERS


def program(folder: Path, body: str) -> str:
    script = folder / "espeak"
    script.write_text(f"#!/bin/sh\n{body}\n")
    script.chmod(0o755)
    return str(script)


def test_a_word_of_two_lines_or_none_does_not_shift_the_others(tmp_path: Path) -> None:
    body = r"grep . | sed -e '/^none$/d' -e 's/^two$/t_w\no/' -e 's/^go$/(en)ˈg_o(de)/'"
    sounds = Sounds(program(tmp_path, body))
    assert sounds.of(["b go two a"], "en").sounds == {
        "a": ("a",),
        "b": ("b",),
        "go": ("g", "o"),
        "two": ("t", "w", "o"),
    }
    assert sounds.of(["c none d e"], "en").sounds == {"c": ("c",), "none": (), "d": ("d",), "e": ("e",)}


def test_each_word_is_asked_for_once(tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    sounds = Sounds(program(tmp_path, f"grep . | tee -a {asked}"))
    sounds.of(["go left", "left"], "en")
    sounds.of(["left at"], "en")
    assert asked.read_text().split() == ["go", "left", "at"]
