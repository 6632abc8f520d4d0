"""What the normaliser did to a text, rule by rule: for people who wonder where a character went."""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher

from voxloom.characters import describe
from voxloom.text import STEPS

MAX_EXPLAINED = 2_000  # characters; comparing takes the square of it


@dataclass(frozen=True)
class Change:
    """`rule` is a step of `text.STEPS`, or `dropped` for a character that is not spoken."""

    rule: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.before or '(nothing)'} -> {self.after or '(nothing)'}"


def explain(text: str, language: str) -> list[Change]:
    """The changes in the order of the rules; of a longer text only those in its first 2,000 characters."""
    text = text[:MAX_EXPLAINED]
    changes: list[Change] = []
    for rule, step in STEPS:
        after = step(text, language)
        changes += _dropped(text, after) if rule == "signs" else _changed_words(rule, text, after)
        text = after
    return changes


def _changed_words(rule: str, before: str, after: str) -> Iterator[Change]:
    old, new = before.split(), after.split()
    for kind, i, j, k, m in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind != "equal":
            yield Change(rule, " ".join(old[i:j]), " ".join(new[k:m]))


def _dropped(before: str, after: str) -> Iterator[Change]:
    """Each kind of character once, as the order of the text has them."""
    lost = dict.fromkeys(each for each in before if each not in after and not each.isspace())
    for character in lost:
        shown = describe(character) if unicodedata.category(character)[0] != "C" else describe(character)[2:]
        yield Change("dropped", shown, "")
