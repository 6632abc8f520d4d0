"""Which characters texts are written in, where the rare ones are, and what looks like a mistake of typing."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from voxloom.characters import code_point, describe, name_of, script_of
from voxloom.lookalikes import TWINS, WITHIN_SCRIPT

RARE = 5
MAX_EXAMPLES = 5
_MAX_CHARACTERS = 50_000  # kinds; Chinese needs 20,000
_MAX_WORDS = 1_000  # kinds of suspicious words and sequences, a warning each
_EXAMPLE_WIDTH = 120  # characters of a text that are shown
_TOGETHER = {"Han", "Hiragana", "Katakana", "Hangul", "Bopomofo", "Yi"}  # scripts that share words
_SPELT_WITH_MARKS = {"Latin", "Greek", "Cyrillic"}  # where NFC has one letter for most sequences
_SEQUENCE = re.compile(r"[^\W\d_][\u0300-\u036f]+")


class Suspicion(StrEnum):
    """What a warning is about."""

    MIXED_SCRIPTS = "mixed_scripts"  # letters of several scripts in one word
    LOOK_ALIKES = "look_alikes"  # readers cannot tell the word or character from one that was meant
    COMBINING = "combining_sequence"  # a letter with a mark, for which Unicode has no one character
    NUMBERS = "numbers"  # that are not written out


@dataclass(frozen=True)
class Example:
    where: str  # a line or an utterance, as `add` was told
    text: str  # its part around the character


@dataclass(frozen=True)
class CharacterUse:
    character: str
    count: int
    code_point: str  # U+0061
    name: str
    script: str  # "" of digits, marks and signs that many scripts share
    examples: list[Example]  # of rare characters alone


@dataclass(frozen=True)
class Finding:
    """Something to look at: `what` was met `count` times."""

    suspicion: Suspicion
    what: str
    count: int
    detail: str
    examples: list[Example]


@dataclass(frozen=True)
class AlphabetReport:
    """`characters` most frequent first, `findings` by suspicion and then count."""

    texts: int
    characters: list[CharacterUse]
    findings: list[Finding]
    left_out: int  # uses of characters beyond the bound on kinds

    @property
    def alphabet(self) -> str:
        return "".join(sorted(use.character for use in self.characters))

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "alphabet": self.alphabet}


@dataclass
class _Found:
    count: int = 0
    examples: list[Example] = field(default_factory=list)


class AlphabetCounter:
    """Counts normalised texts one by one, in memory bounded by kinds of characters, not by texts.

    Rare is what occurs at most `rare` times; only of such characters it is kept where they are.
    """

    def __init__(self, rare: int = RARE) -> None:
        self._rare = rare
        self._texts = 0
        self._left_out = 0
        self._counts: Counter[str] = Counter()
        self._examples: dict[str, list[Example]] = {}
        self._found: dict[tuple[Suspicion, str], _Found] = {}
        self._kinds: Counter[Suspicion] = Counter()

    def add(self, text: str, where: str) -> None:
        """One normalised text; `where` names it for people: a line, an utterance id."""
        self._texts += 1
        counts = Counter(text)
        for character, count in counts.items():
            self._count(character, count, text, where)
        scripts = {script_of(character) for character in counts} - {""}
        if len(scripts) > 1 and not scripts <= _TOGETHER:
            self._find_foreign_words(text, where, scripts)
        if any(unicodedata.category(character)[0] == "N" for character in counts):
            self._find_numbers(text, where)
        if scripts & _SPELT_WITH_MARKS:
            for sequence in _SEQUENCE.findall(text):
                self._suspect(Suspicion.COMBINING, sequence, text, where)

    def report(self) -> AlphabetReport:
        """What was met so far."""
        ordered = sorted(self._counts.items(), key=lambda pair: (-pair[1], pair[0]))
        uses = [_use(*pair, self._examples.get(pair[0], [])) for pair in ordered]
        findings = [*self._findings(), *self._look_alikes()]
        order = list(Suspicion)
        findings.sort(key=lambda each: (order.index(each.suspicion), -each.count, each.what))
        return AlphabetReport(self._texts, uses, findings, self._left_out)

    def _count(self, character: str, count: int, text: str, where: str) -> None:
        before = self._counts.get(character, 0)
        if not before and len(self._counts) >= _MAX_CHARACTERS:
            self._left_out += count
            return
        self._counts[character] = before + count
        if before + count > self._rare or character == " ":
            self._examples.pop(character, None)
        else:
            examples = self._examples.setdefault(character, [])
            if len(examples) < MAX_EXAMPLES:
                examples.append(Example(where, _around(text, character)))

    def _find_foreign_words(self, text: str, where: str, scripts: set[str]) -> None:
        for word in text.split():
            found = {script_of(character) for character in word} - {""}
            if len(found) > 1 and not found <= _TOGETHER:
                self._suspect(Suspicion.MIXED_SCRIPTS, word, text, where)
            elif len(found) == 1 and _could_be_of(word, scripts - found):
                self._suspect(Suspicion.LOOK_ALIKES, word, text, where)

    def _find_numbers(self, text: str, where: str) -> None:
        for word in text.split():
            if any(unicodedata.category(character)[0] == "N" for character in word):
                self._suspect(Suspicion.NUMBERS, word, text, where)

    def _suspect(self, suspicion: Suspicion, what: str, text: str, where: str) -> None:
        """Beyond the bound on kinds the rest is counted under one name."""
        key = (suspicion, what)
        if key not in self._found and self._kinds[suspicion] >= _MAX_WORDS:
            key = (suspicion, "(others)")
        if key not in self._found:
            self._kinds[suspicion] += 1
        found = self._found.setdefault(key, _Found())
        found.count += 1
        if len(found.examples) < MAX_EXAMPLES:
            found.examples.append(Example(where, _around(text, what)))

    def _findings(self) -> Iterator[Finding]:
        for (suspicion, what), found in self._found.items():
            yield Finding(suspicion, what, found.count, _detail(suspicion, what), found.examples)

    def _look_alikes(self) -> Iterator[Finding]:
        """Characters of one script beside their more frequent twin."""
        for group in WITHIN_SCRIPT:
            first, *others = sorted(group, key=lambda each: -self._counts[each])
            for each in filter(self._counts.__getitem__, others):
                detail = (
                    f"{describe(each)} looks like {describe(first)}, which is met {self._counts[first]} times"
                )
                examples = self._examples.get(each, [])
                yield Finding(Suspicion.LOOK_ALIKES, each, self._counts[each], detail, examples)


def _use(character: str, count: int, examples: list[Example]) -> CharacterUse:
    name, script = name_of(character), script_of(character)
    return CharacterUse(character, count, code_point(character), name, script, examples)


def _could_be_of(word: str, scripts: set[str]) -> bool:
    """Whether every letter has a twin in one and the same of the other scripts."""
    letters = [character for character in word if script_of(character)]
    return any(all(script in map(script_of, TWINS.get(each, "")) for each in letters) for script in scripts)


def _detail(suspicion: Suspicion, what: str) -> str:
    if suspicion is Suspicion.MIXED_SCRIPTS:
        return ", ".join(f"{c} {script_of(c)}" for c in dict.fromkeys(what) if script_of(c))
    if suspicion is Suspicion.LOOK_ALIKES:
        scripts = {script_of(character) for character in what} - {""}
        return f"the word is {' '.join(sorted(scripts))} in a text of another script"
    if suspicion is Suspicion.COMBINING:
        return " + ".join(name_of(character) for character in what)
    return ""


def _around(text: str, what: str) -> str:
    at = max(text.find(what), 0)
    start = max(0, min(at - _EXAMPLE_WIDTH // 2, len(text) - _EXAMPLE_WIDTH))
    return text[start : start + _EXAMPLE_WIDTH]
