"""What a corpus says of a clip: checked, or refused with a reason; its ids and keys."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from services.ingest.corpus import ImportSpec
from services.ingest.split import PUBLISHED_NAMES
from voxloom import keys
from voxloom.corpora.entry import Entry
from voxloom.corpora.refusal import Reason, printable
from voxloom.manifest import SplitName
from voxloom.text import normalize

LANGUAGE = re.compile(r"[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8}){0,4}")
_MAX_TEXT = 2000  # characters
_MAX_SPEAKER = 200  # Common Voice names a speaker in 128


class Refused(Exception):
    """Carries the reason up to where it becomes a Refusal."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.reason, self.detail = reason, detail


def utterance_id(corpus: str, path: str) -> str:
    """The same clip of the same corpus has the same id in every import."""
    digest = hashlib.sha256(f"{corpus}\0{path}".encode(errors="surrogatepass")).hexdigest()
    return f"{keys.slug(corpus)}-{digest[:16]}"


def speaker_key(corpus: str, name: str) -> str:
    """Speakers of two corpora are two people, though both be called "1"."""
    prefix = keys.slug(corpus)
    return keys.slug(name if name.startswith(f"{prefix}-") else f"{prefix}-{name or 'unknown'}")


@dataclass(frozen=True)
class Fields:
    utterance: str
    source: str
    corpus: str
    speaker: str
    speaker_name: str
    text: str
    language: str
    published_split: SplitName | None
    origin: str
    details: Mapping[str, str]

    @property
    def record_key(self) -> str:
        return keys.raw_record(self.source, self.speaker, self.utterance)

    @property
    def audio_key(self) -> str:
        return keys.raw_audio(self.source, self.speaker, self.utterance)


def check_entry(entry: Entry, spec: ImportSpec) -> tuple[Fields, str]:
    """What will be recorded, and the normalised text."""
    language = entry.language or spec.language
    if not LANGUAGE.fullmatch(language):
        raise Refused(Reason.BAD_LANGUAGE, f"{language!r} is no BCP 47 tag such as en or pt-BR")
    if len(entry.speaker) > _MAX_SPEAKER or not entry.speaker.isprintable():
        raise Refused(
            Reason.BAD_SPEAKER, f"longer than {_MAX_SPEAKER} characters, or control characters in it"
        )
    spoken = _check_text(entry.text, language)
    fields = Fields(
        utterance=utterance_id(spec.namespace, entry.path),
        source=spec.source,
        corpus=spec.corpus,
        speaker=speaker_key(spec.namespace, entry.speaker),
        speaker_name=entry.speaker,
        text=entry.text,
        language=language,
        published_split=_published_split(entry.split) if spec.keeps_split else None,
        origin=entry.path,
        details=entry.details,
    )
    return fields, spoken


def _check_text(text: str, language: str) -> str:
    """The normalised text."""
    if len(text) > _MAX_TEXT:
        raise Refused(Reason.TEXT_TOO_LONG, f"{len(text)} characters; at most {_MAX_TEXT} are allowed")
    if any(_is_control(character) for character in text):
        raise Refused(Reason.BAD_TEXT, f"control characters in {printable(text, 60)!r}")
    if not (spoken := normalize(text, language)):
        raise Refused(Reason.NO_TEXT, f"no letter or digit in {printable(text, 60)!r}")
    return spoken


def _is_control(character: str) -> bool:
    """NUL and its like, and half surrogates from JSON escapes; line ends and tabs are spaces."""
    return (character < " " and character not in "\n\r\t") or "\ud800" <= character <= "\udfff"


def _published_split(name: str) -> SplitName | None:
    if name and name not in PUBLISHED_NAMES:
        raise Refused(Reason.UNKNOWN_SPLIT, f"{name!r}; expected one of {', '.join(PUBLISHED_NAMES)}")
    return PUBLISHED_NAMES.get(name)
