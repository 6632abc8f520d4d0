"""What lists of prompts bring, counted once for each list; and what speakers have said of it."""

import hashlib
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from services.recorder.choice import (
    CHARACTER,
    Brings,
    Chosen,
    Floats,
    Offer,
    choose,
    count,
    heard_of,
    offer,
    weigh,
)
from services.recorder.prompt_lists import PromptList
from services.recorder.served import Models
from services.recorder.sounds import Sounds
from voxloom.text import normalize, primary

_MAX_LISTS = 4  # in memory; one of 20,000 prompts is some 40 MB
_MAX_TEXTS = 20_000  # other sentences, by list
_MAX_WEIGHTS = 4


@dataclass
class Counted:
    """A list, and what else was said in its units."""

    offered: Offer
    lock: threading.Lock = field(default_factory=threading.Lock)
    others: dict[str, Brings] = field(default_factory=dict)
    weights: dict[str, Floats] = field(default_factory=dict)  # by model and its report


@dataclass(frozen=True)
class Covered:
    """Of a list and a speaker."""

    characters: set[str]  # of the list
    said: set[str]  # those of them that the speaker has said
    sounds: int  # pairs of neighbouring sounds of the list
    sounds_said: int
    sounds_by: str  # espeak-ng or letters


class Coverage:
    """Can be called from many threads; a list is counted by one of them."""

    def __init__(self, models: Models, sounds: Sounds) -> None:
        self._models = models
        self._sounds = sounds
        self._lock = threading.Lock()
        self._lists: dict[str, Counted] = {}

    def covered(self, prompts: PromptList, said: Iterable[tuple[str, str]]) -> Covered:
        """`said`: text and language of every take."""
        said = list(said)
        counted = self._counted(prompts)
        counts_U = self._said(counted, prompts.language, said)
        characters = {name for kind, name in counted.offered.names if kind == CHARACTER}
        spoken = {char for text, language in said for char in normalize(text, language)}
        pairs = counted.offered.pairs
        return Covered(
            characters=characters,
            said=characters & spoken,
            sounds=len(pairs),
            sounds_said=int(sum(counts_U[pair] > 0 for pair in pairs)),
            sounds_by=counted.offered.spoken.by,
        )

    def choose(
        self, prompts: PromptList, open_: Sequence[int], said: Iterable[tuple[str, str]], most: int
    ) -> list[Chosen]:
        """Up to `most` of the prompts with the indices `open_`, the most useful first."""
        counted = self._counted(prompts)
        counts_U = self._said(counted, prompts.language, said)
        return choose(counted.offered, open_, counts_U, self._weights(counted, prompts.language), most)

    def _counted(self, prompts: PromptList) -> Counted:
        """By what is in it: a list that is replaced by another is another."""
        content = "\n".join((prompts.language, *(prompt.text for prompt in prompts.prompts)))
        key = hashlib.sha256(content.encode()).hexdigest()
        with self._lock:
            counted = self._lists.pop(key, None) or self._count(prompts)
            self._lists[key] = counted
            while len(self._lists) > _MAX_LISTS:
                self._lists.pop(next(iter(self._lists)))
            return counted

    def _count(self, prompts: PromptList) -> Counted:
        sentences = [normalize(prompt.text, prompts.language) for prompt in prompts.prompts]
        return Counted(offer(sentences, self._sounds.of(sentences, prompts.language)))

    def _said(self, counted: Counted, language: str, said: Iterable[tuple[str, str]]) -> Floats:
        """Takes in other languages have other sounds."""
        texts = [text for text, spoken in said if primary(spoken) == primary(language)]
        with counted.lock:
            self._learn(counted, language, set(texts))
            return count(counted.offered, (counted.others[text] for text in texts))

    def _learn(self, counted: Counted, language: str, texts: set[str]) -> None:
        if len(counted.others.keys() | texts) > _MAX_TEXTS:
            counted.others.clear()
        new = sorted(texts - counted.others.keys())
        sentences = [normalize(text, language) for text in new]
        spoken = self._sounds.of(sentences, language)
        for text, sentence in zip(new, sentences, strict=True):
            counted.others[text] = heard_of(counted.offered, sentence, spoken)

    def _weights(self, counted: Counted, language: str) -> Floats:
        model, misheard = self._models.misheard(language)
        with counted.lock:
            if model not in counted.weights:
                while len(counted.weights) >= _MAX_WEIGHTS:
                    counted.weights.pop(next(iter(counted.weights)))
                counted.weights[model] = weigh(counted.offered, misheard.factor if misheard else None)
            return counted.weights[model]
