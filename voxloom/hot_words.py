"""Words and phrases that a caller expects, made likelier while they are spelled.

The phrases are one trie over characters with the failure links of Aho and Corasick (1975). A beginning of a
phrase has a share of its boost at once, so that beam search does not give it up before it is whole, and loses
it where the text goes on otherwise. What counts in the end are whole phrases between word boundaries, each as
often as it occurs: the boosts of a text are the sum over phrases of boost times occurrences.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from voxloom.errors import BadInput
from voxloom.text import normalize
from voxloom.tokenizer import Tokenizer

MAX_PHRASES = 1000
MAX_CHARACTERS = 100  # of a phrase
DEFAULT_BOOST, MAX_BOOST = 1.0, 10.0  # a letter, natural logarithm; tests/bench/hot_words.py measures it
_ROOT = 0


@dataclass
class _State:
    """A beginning of phrases, spaces around them included."""

    depth: int = 0
    next: dict[str, int] = field(default_factory=dict)
    fail: int = _ROOT  # the longest end of it that is a beginning too
    whole: float = 0.0  # boosts of the phrases that end here, those of its ends included
    share: float = 0.0  # what is granted for now


class HotWords:
    """Phrases, normalised, each with the whole of its boost; an automaton that reads a text by characters.

    A text is read with a space before and after it. `share` of a state is taken back by the next step,
    `whole` is kept.
    """

    def __init__(self, boosts: Mapping[str, float]) -> None:
        self.boosts = dict(boosts)
        self.words = frozenset(word for phrase in boosts for word in phrase.split())
        self._states = [_State()]
        for phrase, boost in boosts.items():
            self._plant(phrase, boost)
        self._link()
        self.start = self.step(_ROOT, " ")

    def __bool__(self) -> bool:
        return bool(self.boosts)

    def step(self, state: int, character: str) -> int:
        """The state after one character more."""
        while (found := self._states[state].next.get(character)) is None:
            if state == _ROOT:
                return _ROOT
            state = self._states[state].fail
        return found

    def whole(self, state: int) -> float:
        """Boosts of the phrases that the last character completed."""
        return self._states[state].whole

    def share(self, state: int) -> float:
        """What the beginning of a phrase is granted, in proportion to its letters."""
        return self._states[state].share

    def worth(self, text: str) -> float:
        """By the definition: what the phrases in a normalised text are worth."""
        padded = f" {text} "
        return sum(boost * _occurrences(f" {phrase} ", padded) for phrase, boost in self.boosts.items())

    def _plant(self, phrase: str, boost: float) -> None:
        state = _ROOT
        for count, character in enumerate(f" {phrase}"):
            state = self._child(state, character)
            here = self._states[state]
            here.share = max(here.share, boost * count / len(phrase))
        self._states[self._child(state, " ")].whole += boost

    def _child(self, state: int, character: str) -> int:
        parent = self._states[state]
        if character not in parent.next:
            self._states.append(_State(parent.depth + 1))
            parent.next[character] = len(self._states) - 1
        return parent.next[character]

    def _link(self) -> None:
        """Failure links, nearest states first: the link of a state leads to a shorter one, which is done."""
        waiting = list(self._states[_ROOT].next.values())
        for state in waiting:
            for character, child in self._states[state].next.items():
                here = self._states[child]
                here.fail = self.step(self._states[state].fail, character)
                shorter = self._states[here.fail]
                here.whole += shorter.whole
                here.share = max(here.share, shorter.share)
                waiting.append(child)


def read_hot_words(phrases: Iterable[tuple[str, float]], language: str, tokenizer: Tokenizer) -> HotWords:
    """Phrases as people write them, with the boost of a letter of each (0: the default), for one model.

    BadInput where there are too many, one is empty or too long or has letters that the model cannot write, or
    a boost is out of range.
    """
    boosts: dict[str, float] = {}
    for number, (phrase, boost) in enumerate(phrases):
        if number == MAX_PHRASES:
            raise BadInput(f"over {MAX_PHRASES} hot words; send those that this audio may hold")
        text = normalize(phrase, language) if len(phrase) <= MAX_CHARACTERS else ""
        _check(phrase, text, boost, tokenizer)
        boosts[text] = max(boosts.get(text, 0.0), (boost or DEFAULT_BOOST) * len(text))
    return HotWords(boosts)


def _check(phrase: str, text: str, boost: float, tokenizer: Tokenizer) -> None:
    if not text:
        raise BadInput(
            f"the hot word {phrase[:40]!r} is empty, or longer than {MAX_CHARACTERS} characters; leave it out"
        )
    if not tokenizer.spells(text):
        foreign = ", ".join(letter for letter in sorted(set(text)) if not tokenizer.spells(letter))
        raise BadInput(
            f"the hot word {phrase!r}, to the model {text!r}, has what it cannot write: {foreign}; "
            "write it in the letters of its language"
        )
    if not 0 <= boost <= MAX_BOOST:  # NaN fails too
        raise BadInput(
            f"the boost of the hot word {phrase!r} is {boost:g}; expected up to {MAX_BOOST:g} a letter, or 0 "
            f"for {DEFAULT_BOOST:g}"
        )


def _occurrences(part: str, text: str) -> int:
    """Overlapping ones too: the space after a phrase is the one before the next."""
    return sum(text.startswith(part, at) for at in range(len(text)))
