"""espeak-ng: formant synthesis in some hundred languages, as a process a sentence; it needs no model."""

import re

from voxloom.errors import BadInput, VoxloomError
from voxloom.synthesis.engine import Settings, Voice, fault, find_program, run

NAME = "espeak-ng"
VARIANTS = (*(f"f{number}" for number in range(1, 6)), *(f"m{number}" for number in range(1, 9)))
_OTHER_NAMES = {"zh": "cmn", "zh-cn": "cmn", "zh-tw": "cmn", "zh-hk": "yue", "no": "nb", "tl": "fil"}
_TRANSCRIBED = "-latn"  # Chinese or Persian written in Latin letters
_WORDS_A_MINUTE, _PITCH = 175, 50  # its own speed and, from 0 to 99, its own pitch
_SPEEDS = (0.8, 0.9, 1.0, 1.1, 1.2)
_PITCHES = (0.7, 0.85, 1.0, 1.2, 1.4)
_MBROLA, _VARIANT = "mb/", "!v/"  # the voices of MBROLA need a program of their own
_LISTED = re.compile(r"\s*\d+\s+(?P<language>\S+)\s+\S+\s+\S.*?\s(?P<file>[\w!]+/\S+)")


class Espeak:
    """Voices are named as espeak-ng itself does: a language and a variant, `en-gb-scotland+f3`."""

    name = NAME
    manners = tuple(Settings(speed, pitch) for speed in _SPEEDS for pitch in _PITCHES)

    def __init__(self) -> None:
        self._program = find_program(NAME)
        self.version = self._ask("--version").partition(":")[2].split()[0]

    def voices(self, language: str) -> list[Voice]:
        names = languages(self._ask("--voices"))
        accents = accents_of(language, names)
        if not accents:
            near = [name for name in names if name.split("-")[0] == language.lower().split("-")[0]]
            raise BadInput(
                f"espeak-ng does not speak {language!r}; it speaks "
                f"{', '.join(near) if near else f'{len(names)} others, see: espeak-ng --voices'}"
            )
        there = variants(self._ask("--voices=variant"))  # espeak-ng passes over an unknown one in silence
        known = [variant for variant in VARIANTS if variant in there]
        plain = [Voice(accent, accent) for accent in accents]
        varied = [Voice(f"{accent}+{variant}", accent) for accent in accents for variant in known]
        return [*plain, *varied]

    def speak(self, text: str, voice: Voice, settings: Settings) -> bytes:
        options = ["-v", voice.name, "-s", str(round(_WORDS_A_MINUTE * settings.speed))]
        pitch = min(99, max(0, round(_PITCH * settings.pitch)))
        command = [self._program, *options, "-p", str(pitch), "-b", "1", "--stdin", "--stdout"]
        try:
            return run(command, f"{text}\n")
        except ValueError as error:
            raise fault(NAME, voice, text, str(error)) from error

    def _ask(self, what: str) -> str:
        try:
            return run([self._program, what]).decode(errors="replace")
        except ValueError as error:
            raise VoxloomError(f"{self._program} {what}: {error}; install it anew") from error


def languages(listing: str) -> list[str]:
    """The languages of `espeak-ng --voices` that need nothing else to be installed."""
    rows = filter(None, map(_LISTED.match, listing.splitlines()))
    return sorted({row["language"] for row in rows if not row["file"].startswith((_MBROLA, _VARIANT))})


def variants(listing: str) -> set[str]:
    """The names of `espeak-ng --voices=variant`, as they stand behind a `+`."""
    rows = filter(None, map(_LISTED.match, listing.splitlines()))
    return {row["file"].removeprefix(_VARIANT) for row in rows if row["file"].startswith(_VARIANT)}


def accents_of(language: str, names: list[str]) -> list[str]:
    """A language without a region is every accent of it; one with a region is that, or what has no region."""
    tag = language.lower().replace("_", "-")
    tag = _OTHER_NAMES.get(tag, tag)
    accents = [name for name in names if name.startswith(f"{tag}-") and _TRANSCRIBED not in name]
    within = [name for name in names if name == tag] + accents
    parent = tag.rpartition("-")[0]
    return within or [name for name in names if name == parent]
