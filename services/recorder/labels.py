"""What was said, by whom, in which language: checked before any audio is read."""

import re
import unicodedata
from dataclasses import dataclass

from voxloom import keys
from voxloom.errors import BadInput

MAX_PROMPT_CHARS = 1000
MAX_SPEAKER_CHARS = 100
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,5}")
_FORBIDDEN = {
    "Cc": "a control character",
    "Zl": "a line break",
    "Zp": "a line break",
    "Co": "no known character",
}


@dataclass(frozen=True)
class Labels:
    text: str  # as it was given, without blanks around it
    speaker: str  # a key segment
    speaker_name: str
    language: str  # BCP 47


def check_labels(prompt: str, speaker_name: str, language: str) -> Labels:
    """The labels of a take, or BadInput with what is wrong with them."""
    name = _one_line(speaker_name, "the speaker", MAX_SPEAKER_CHARS, "say who read it")
    text = _one_line(prompt, "the prompt", MAX_PROMPT_CHARS, "send the sentence that was read")
    if not any(char.isalpha() for char in text):
        raise BadInput(f"the prompt {text!r} has no letters; write it as it was spoken, numbers in words")
    if not _LANGUAGE.fullmatch(language or "en"):
        raise BadInput(f"language {language[:40]!r} is no BCP 47 tag; expected one such as en, de or pt-BR")
    return Labels(text, speaker_id(name), name, language or "en")


def speaker_id(name: str) -> str:
    """The same person's name typed on different systems (composed or decomposed accents) is one speaker."""
    return keys.slug(unicodedata.normalize("NFC", name.strip()))


def is_id(speaker: str) -> bool:
    """True for what can be a speaker's id as it stands."""
    try:
        return bool(keys.check_id(speaker))
    except BadInput:
        return False


def _one_line(value: str, what: str, max_chars: int, remedy: str) -> str:
    line = value.strip().strip("\ufeff").strip()
    if not line:
        raise BadInput(f"{what} is empty; {remedy}")
    if len(line) > max_chars:
        raise BadInput(f"{what} has {len(line)} characters, at most {max_chars} are allowed; split it")
    for position, char in enumerate(line):
        if reason := _FORBIDDEN.get(unicodedata.category(char)):
            raise BadInput(f"{what} holds {reason} (U+{ord(char):04X}) at place {position + 1}; remove it")
        if char == "\ufffd":
            raise BadInput(f"{what} was read with the wrong encoding (U+FFFD at {position + 1}); send UTF-8")
    return line
