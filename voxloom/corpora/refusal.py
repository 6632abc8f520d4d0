"""Why a clip of a corpus is not taken in: a reason, the path and a detail that are safe to print."""

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Why an import refuses a clip; `audio.Fault` adds empty, too_short, too_long, silent and clipped."""

    UNSAFE_PATH = "unsafe_path"  # absolute, `..`, too deep, too long, control characters, not UTF-8
    NOT_A_FILE = "not_a_file"  # a link, a device, a pipe
    FILE_TOO_LARGE = "file_too_large"
    DUPLICATE_PATH = "duplicate_path"
    BAD_ROW = "bad_manifest_row"  # fields missing, unbalanced quotes, no JSON
    DUPLICATE_ROW = "duplicate_manifest_row"
    SECOND_MANIFEST = "second_manifest"
    NO_TRANSCRIPT = "no_transcript"  # audio that no manifest row or .txt speaks of
    AUDIO_MISSING = "audio_missing"  # a manifest row or .txt without its audio
    NO_TEXT = "no_text"  # no letter or digit in it
    BAD_TEXT = "bad_text"  # control characters, not UTF-8
    TEXT_TOO_LONG = "text_too_long"
    BAD_SPEAKER = "bad_speaker"
    BAD_LANGUAGE = "bad_language"
    WRONG_LANGUAGE = (
        "wrong_language"  # of another locale, or written in a script that is foreign to the corpus
    )
    UNKNOWN_SPLIT = "unknown_split"
    UNREADABLE_AUDIO = "unreadable_audio"
    TOO_FAST = "too_fast_for_ctc"  # more characters than output frames
    FORGOTTEN = "forgotten"  # it or its speaker was withdrawn: `voxloom forget`
    DIFFERS_FROM_STORED = "differs_from_stored"  # imported before with another text


@dataclass(frozen=True)
class Refusal:
    path: str  # in the corpus; made printable, for it may be hostile
    reason: str
    detail: str = ""

    @staticmethod
    def of(path: str, reason: str, detail: str = "") -> "Refusal":
        return Refusal(printable(path, 600), str(reason), printable(detail, 300))


def printable(text: str, most: int = 200) -> str:
    """Text that can go into JSON, logs and terminals whatever it was."""
    safe = "".join(character if character.isprintable() else "\ufffd" for character in text)
    return safe if len(safe) <= most else safe[: most - 3] + "..."
