"""What is to be said: sentences of a file or of voxloom itself, and why some are not said."""

import importlib.resources
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from voxloom.corpora.refusal import Refusal
from voxloom.errors import BadInput
from voxloom.synthesis.scripts import foreign_letters
from voxloom.text import normalize

MAX_FILE_BYTES = 64 * 1024 * 1024
MAX_TEXT = 1000  # characters; what takes more than 35 s to say is refused by its sound
_MAX_FIELDS = 2  # id<TAB>text

Line = tuple[str, str]  # where it stands, and what is written there


class Unsaid(StrEnum):
    """Why a sentence is not said, or what was said is not taken; `audio.Fault` adds silent and so on."""

    NOT_UTF8 = "not_utf8"
    BAD_LINE = "bad_line"  # more than one tab
    NO_TEXT = "no_text"  # no letter or digit in it
    BAD_TEXT = "bad_text"  # control characters
    TEXT_TOO_LONG = "text_too_long"
    FOREIGN_LETTERS = "foreign_letters"  # which engines spell out or leave out
    MARKUP = "markup"  # `[[`: engines read phonemes from there on
    ENGINE_FAILED = "engine_failed"
    UNREADABLE_AUDIO = "unreadable_audio"


@dataclass
class Refused:
    """Counts by reason, and the first example of each."""

    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, Refusal] = field(default_factory=dict)

    def add(self, refusal: Refusal) -> None:
        self.counts[refusal.reason] += 1
        self.examples.setdefault(refusal.reason, refusal)

    def check(self, of: int, max_fraction: float, what: str) -> None:
        """BadInput when more is refused than may be."""
        total = self.counts.total()
        if total > max_fraction * of:
            reasons = ", ".join(f"{count} {reason}" for reason, count in self.counts.most_common())
            first = self.examples[self.counts.most_common(1)[0][0]]
            raise BadInput(
                f"{total} of {of} {what} are refused ({reasons}), more than --max-refused {max_fraction:g}; "
                f"nothing was sent. {first.path}: {first.detail or first.reason}"
            )


@dataclass(frozen=True)
class Sentences:
    texts: tuple[str, ...]  # as written, each once
    read: int  # with repetitions and with what is refused
    refused: Refused


def gather(lines: Iterable[Line | Refusal], language: str) -> Sentences:
    """The sentences that can be said in a language."""
    texts: dict[str, None] = {}
    refused, read = Refused(), 0
    for line in lines:
        read += 1
        found = line if isinstance(line, Refusal) else _find_fault(*line, language)
        if found is not None:
            refused.add(found)
        elif not isinstance(line, Refusal):
            texts.setdefault(line[1])
    return Sentences(tuple(texts), read, refused)


def read_file(path: Path) -> Iterator[Line | Refusal]:
    """A sentence a line, or id<TAB>sentence, UTF-8; blank lines are nothing."""
    size = path.stat().st_size
    if size > MAX_FILE_BYTES:
        raise BadInput(f"{path} has {size} bytes; at most {MAX_FILE_BYTES} are read: give a part of it")
    for number, line in enumerate(path.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        if line.strip():
            yield _parse(line.rstrip(b"\r"), f"{path.name}:{number}")


def prompts(language: str) -> Iterator[Line]:
    """The sentences that come with voxloom; BadInput for a language that has none."""
    if language.replace("_", "-").split("-")[0].lower() != "en":
        raise BadInput(
            f"voxloom brings English sentences only, none in {language!r}; give your own, one a line: "
            "--text sentences.txt, or take those you train on: --from dataset"
        )
    text = importlib.resources.files(__package__).joinpath("prompts_en.txt").read_text(encoding="utf-8")
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.startswith("#"):
            yield f"prompts_en.txt:{number}", line


def _parse(line: bytes, where: str) -> Line | Refusal:
    try:
        fields = line.decode().split("\t")
    except UnicodeDecodeError as error:
        return Refusal.of(where, Unsaid.NOT_UTF8, f"byte {error.start} of the line; save the file as UTF-8")
    if len(fields) > _MAX_FIELDS:
        return Refusal.of(
            where, Unsaid.BAD_LINE, f"{len(fields)} fields; expected a sentence, or id<TAB>sentence"
        )
    return where, fields[-1].strip()


def _find_fault(where: str, text: str, language: str) -> Refusal | None:
    if len(text) > MAX_TEXT:
        return Refusal.of(where, Unsaid.TEXT_TOO_LONG, f"{len(text)} characters; at most {MAX_TEXT} are said")
    if not text.isprintable():
        return Refusal.of(where, Unsaid.BAD_TEXT, f"control characters in {text[:60]!r}")
    if not normalize(text, language):
        return Refusal.of(where, Unsaid.NO_TEXT, f"no letter or digit in {text[:60]!r}")
    if "[[" in text:
        return Refusal.of(where, Unsaid.MARKUP, f"[[ begins phonemes, in {text[:60]!r}")
    if letters := foreign_letters(text, language):
        return Refusal.of(where, Unsaid.FOREIGN_LETTERS, f"{letters[:20]} in {text[:60]!r}")
    return None
