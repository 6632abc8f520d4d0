"""What was said, by whom, in which language: checked before any audio is read."""

import re
import unicodedata
from dataclasses import dataclass

from voxloom import keys
from voxloom.errors import BadInput

MAX_PROMPT_CHARS = 1000
MAX_SPEAKER_CHARS = 100
MAX_REASON_CHARS = 200
MAX_LICENCE_CHARS = 100
MAX_CONSENT_CHARS = 4000
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,5}")
_MADE_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,39}-[0-9a-f]{8}")  # as `keys.slug` makes it
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
    prompt_list: str = ""
    prompt_id: str = ""


def check_labels(
    prompt: str, speaker_name: str, language: str, prompt_of: tuple[str, str] = ("", "")
) -> Labels:
    """The labels of a take, or BadInput with what is wrong with them. `prompt_of` is (list, id); the list may
    be gone by now, the take is none the worse."""
    name = check_speaker(speaker_name)
    text = check_prompt(prompt)
    if any(prompt_of):
        keys.check_id(prompt_of[0], "prompt_list")
        keys.check_id(prompt_of[1], "prompt_id")
    return Labels(text, speaker_id(name), name, check_language(language), *prompt_of)


def check_speaker(name: str) -> str:
    """Who read it: any name."""
    return _one_line(name, "the speaker", MAX_SPEAKER_CHARS, "say who read it")


def check_licence(licence: str) -> str:
    """What takes may be used for; may be left open."""
    return _one_line(licence, "the licence", MAX_LICENCE_CHARS, "name it") if licence.strip() else ""


def check_consent(consent: str) -> str:
    """The text that somebody agreed to: of several lines, perhaps."""
    text = consent.replace("\r\n", "\n").strip()
    if not text:
        raise BadInput("the consent is empty; send the text that the speaker agreed to")
    if len(text) > MAX_CONSENT_CHARS:
        raise BadInput(f"the consent has {len(text)} characters, at most {MAX_CONSENT_CHARS} are allowed")
    _check_characters(text.replace("\n", " ").replace("\t", " "), "the consent")
    return text


def check_prompt(prompt: str) -> str:
    """The sentence without blanks around it, or BadInput when nobody can read it aloud."""
    text = _one_line(prompt, "the prompt", MAX_PROMPT_CHARS, "send the sentence that was read")
    if not any(char.isalpha() for char in text):
        raise BadInput(f"the prompt {text!r} has no letters; write it as it was spoken, numbers in words")
    return text


def check_reason(reason: str) -> str:
    """Why somebody skips or flags a prompt."""
    return _one_line(reason, "the reason", MAX_REASON_CHARS, "say why in a few words")


def check_language(language: str) -> str:
    """A BCP 47 tag; English where there is none."""
    if not _LANGUAGE.fullmatch(language or "en"):
        raise BadInput(f"language {language[:40]!r} is no BCP 47 tag; expected one such as en, de or pt-BR")
    return language or "en"


def speaker_id(name: str) -> str:
    """The same person's name typed on different systems (composed or decomposed accents) is one speaker."""
    return keys.slug(unicodedata.normalize("NFC", name.strip()))


def named_speaker(name_or_id: str) -> str:
    """The id of a speaker who is named either way."""
    name = _one_line(name_or_id, "the speaker", MAX_SPEAKER_CHARS, "say who reads")
    return name if _MADE_ID.fullmatch(name) else speaker_id(name)


def candidates(name_or_id: str) -> tuple[str, ...]:
    """Ids of speakers that may be meant, the one that stands there first."""
    return tuple(each for each in dict.fromkeys((name_or_id, speaker_id(name_or_id))) if is_id(each))


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
    _check_characters(line, what)
    return line


def _check_characters(text: str, what: str) -> None:
    for position, char in enumerate(text):
        if reason := _FORBIDDEN.get(unicodedata.category(char)):
            raise BadInput(f"{what} holds {reason} (U+{ord(char):04X}) at place {position + 1}; remove it")
        if char == "\ufffd":
            raise BadInput(f"{what} was read with the wrong encoding (U+FFFD at {position + 1}); send UTF-8")
