"""What a model gets wrong, counted from what it made of val and test; and whether a take has other words than
its prompt. Pure functions."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from services.recorder.choice import CHARACTER, PAIR, SOUND, WORD, Unit, units_of
from services.recorder.sounds import Spoken
from voxloom.wer import Edits, align, align_characters, char_edits, total, unit_of

MAX_ERROR_RATE = 0.4  # a model with more accuses nobody
_BY_CHANCE = 0.01  # of readings it misses so many words, and no other
_UNRELATED = 0.65  # character errors between two sentences: 99 % of pairs of the built-in list have more
_LEAST = 0.35
_FEWEST = 20  # utterances that tell how a model errs
_PRIOR = 5.0  # occurrences; a unit that was heard rarely is as hard as others
_LEAST_FACTOR, _MOST_FACTOR = 0.5, 3.0
_WORD_WEIGHT = 8.0
_OWN = "user_recorded"


@dataclass(frozen=True)
class Scored:
    """What a model heard of one utterance of val or test."""

    reference: str
    heard: str
    words: Edits
    characters: Edits
    test: bool
    source: str
    speaker: str


@dataclass
class Misheard:
    """How often each unit was said to the model, and how often that went wrong: a word or a character that
    was taken for another or passed over, and the sounds of such a word."""

    said: Counter[Unit] = field(default_factory=Counter)
    wrong: Counter[Unit] = field(default_factory=Counter)
    mean: dict[str, float] = field(default_factory=dict)  # by kind

    def factor(self, unit: Unit) -> float:
        """How much a unit counts in the choice of prompts; 1 for one that is as hard as others. Of a word
        what it counts at all: nothing, unless it is harder than others."""
        mean = self.mean.get(unit[0], 0.0)
        rate = (self.wrong[unit] + _PRIOR * mean) / (self.said[unit] + _PRIOR)
        if unit[0] == WORD:
            return _WORD_WEIGHT * max(0.0, rate - mean)
        return min(max(rate / mean, _LEAST_FACTOR), _MOST_FACTOR) if mean else 1.0


def count_misheard(lines: Iterable[Scored], spoken: Spoken) -> Misheard:
    found = Misheard()
    for line in lines:
        pairs = align_characters(line.reference, line.heard)
        _note(found, [((CHARACTER, char), op != "equal") for op, char, _ in pairs if char.strip()])
        for op, word, _ in align(line.reference, line.heard):
            kept = [unit for unit in units_of(word, spoken).elements() if unit[0] in (SOUND, PAIR, WORD)]
            _note(found, [(unit, op != "equal") for unit in kept])
    for kind in (CHARACTER, SOUND, PAIR, WORD):
        said = sum(number for unit, number in found.said.items() if unit[0] == kind)
        wrong = sum(number for unit, number in found.wrong.items() if unit[0] == kind)
        found.mean[kind] = wrong / max(said, 1)
    return found


def _note(found: Misheard, units: Sequence[tuple[Unit, bool]]) -> None:
    found.said.update(unit for unit, _ in units)
    found.wrong.update(unit for unit, is_wrong in units if is_wrong)


@dataclass(frozen=True)
class Usual:
    """How a model errs on voices such as this one, on its test set."""

    rate: float  # errors per word; per character where the script has no spaces
    characters: float

    @property
    def limit(self) -> float:
        """Character errors from which a text is another one: half-way from this model's to unrelated."""
        return max(_LEAST, (self.characters + _UNRELATED) / 2)


def usual_by_voice(lines: Iterable[Scored]) -> dict[str, Usual]:
    """By speaker of own test utterances; under "" of voices that are new to the model, as the test speakers
    of other corpora are. Whoever has too few utterances is left out."""
    voices: defaultdict[str, list[Scored]] = defaultdict(list)
    for line in lines:
        if line.test:
            voices[line.speaker if line.source == _OWN else ""].append(line)
    return {voice: _usual(said) for voice, said in voices.items() if len(said) >= _FEWEST}


def _usual(lines: Sequence[Scored]) -> Usual:
    characters = total(line.characters for line in lines).rate
    if unit_of(line.reference for line in lines) == "characters":
        return Usual(characters, characters)
    return Usual(total(line.words for line in lines).rate, characters)


def has_other_words(prompt: str, heard: str, usual: Usual) -> bool:
    """Whether what was heard is so far from the prompt that it was not read. Both normalised.

    Never by a model that errs in more than 40 % of the words, nor where prompt and text are both so short
    that the model misses as many words in more than one of 100 readings (errors taken as independent).
    """
    is_spaced = unit_of([prompt]) != "characters"
    length = max(len(each.split() if is_spaced else each.replace(" ", "")) for each in (prompt, heard))
    if usual.rate > MAX_ERROR_RATE or usual.rate**length > _BY_CHANCE + 1e-9:
        return False
    return char_edits(prompt, heard).rate > usual.limit
