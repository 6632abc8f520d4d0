"""How words sound: phones by espeak-ng where it is installed and knows the language, else their letters."""

import logging
import re
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from voxloom.errors import BadInput
from voxloom.synthesis.engine import find_program, run
from voxloom.text import primary
from voxloom.wer import unit_of

ESPEAK, LETTERS = "espeak-ng", "letters"
_AT_ONCE = 2000  # words a process: some two seconds on a busy machine
_TIMEOUT_S = 60.0
_MAX_WORDS = 200_000  # in memory, of all languages
_MAX_LETTERS = 60  # longer ones are no words; espeak-ng would cut them
_NO_PHONE = re.compile(r"\([a-z-]+\)|[ˈˌ\u200d\ufeff]")  # marks of a change of language, stress, joiners
_log = logging.getLogger(__name__)

Phones = tuple[str, ...]


@dataclass(frozen=True)
class Spoken:
    """How the words of some sentences sound."""

    by: str  # ESPEAK or LETTERS
    sounds: Mapping[str, Phones]

    def of(self, word: str) -> Phones:
        return self.sounds.get(word, ()) if self.by == ESPEAK else tuple(word)


class Sounds:
    """Every word is asked for once. Can be called from many threads; one of them asks at a time."""

    def __init__(self, program: str = ESPEAK) -> None:
        self._program = program
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str], Phones] = {}  # (language, word)

    def of(self, sentences: Iterable[str], language: str) -> Spoken:
        """For normalised sentences. Letters also for scripts without spaces: a sentence is no word."""
        sentences = list(sentences)
        if unit_of(sentences) == "characters":
            return Spoken(LETTERS, {})
        words = sorted({word for each in sentences for word in each.split() if len(word) <= _MAX_LETTERS})
        with self._lock:
            try:
                self._learn(words, language)
            except (BadInput, ValueError) as error:
                _log.info("sounds of %s are letters here: %s", language, error)
                return Spoken(LETTERS, {})
            return Spoken(ESPEAK, {word: self._known[language, word] for word in words})

    def _learn(self, words: Sequence[str], language: str) -> None:
        if len(self._known) + len(words) > _MAX_WORDS:
            self._known.clear()
        new = [word for word in words if (language, word) not in self._known]
        for start in range(0, len(new), _AT_ONCE):
            block = new[start : start + _AT_ONCE]
            for word, phones in zip(block, self._ask(block, language), strict=True):
                self._known[language, word] = phones

    def _ask(self, words: Sequence[str], language: str) -> list[Phones]:
        """A word is a paragraph, and its answer a line. Where some word is none, the halves are asked for."""
        lines = self._lines(words, language)
        if len(lines) == len(words):
            return [_phones(line) for line in lines]
        if len(words) == 1:
            return [_phones(" ".join(lines))]
        middle = len(words) // 2
        return [*self._ask(words[:middle], language), *self._ask(words[middle:], language)]

    def _lines(self, words: Sequence[str], language: str) -> list[str]:
        command = [find_program(self._program), "-q", "--ipa", "--sep=_", "-b", "1", "--stdin"]
        text = "".join(f"{word}\n\n" for word in words)
        try:
            said = run([*command, "-v", language.lower()], text, _TIMEOUT_S)
        except ValueError:
            said = run([*command, "-v", primary(language)], text, _TIMEOUT_S)
        return [line for line in said.decode(errors="replace").splitlines() if line.strip()]


def _phones(line: str) -> Phones:
    return tuple(phone for phone in re.split(r"[_\s]+", _NO_PHONE.sub("", line)) if phone)
