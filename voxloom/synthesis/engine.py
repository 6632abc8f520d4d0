"""The port to speech engines: text in, a WAV out."""

import shutil
import subprocess
from dataclasses import dataclass
from typing import Protocol

from voxloom.errors import BadInput, VoxloomError

TIMEOUT_S = 30.0  # for one sentence; the slowest engine known says one in a third of a second
_SHOWN = 80  # characters of a text, or of what an engine complained


class EngineFault(VoxloomError):
    """The engine could not say one text; others it may."""


@dataclass(frozen=True)
class Voice:
    name: str  # of letters, digits and `+-_.#`: unique within its engine
    language: str  # as the engine calls it


@dataclass(frozen=True, order=True)
class Settings:
    """How a text is said; 1.0 is the voice's own way."""

    speed: float = 1.0  # 1.25 is a quarter faster
    pitch: float = 1.0  # in the engine's own steps: 1.15 is a little higher


class Engine(Protocol):
    """A program or library that reads texts aloud.

    - `voices` lists what can be said in a BCP 47 language, in one order always. BadInput, with the next step,
      when there is nothing: a voice of another language never takes over.
    - `speak` gives a WAV of any rate, whose header may lie about its length, and says the text as written.
      EngineFault names engine, voice and text. It may be called from several threads at once, never takes
      much longer than TIMEOUT_S if a process does the work, and leaves nothing on disk.
    - `manners` are the settings that are worth to vary with this engine, the plain one among them.
    - `version` is for the record of a clip.
    """

    name: str
    version: str
    manners: tuple[Settings, ...]

    def voices(self, language: str) -> list[Voice]: ...

    def speak(self, text: str, voice: Voice, settings: Settings) -> bytes: ...


def fault(engine: str, voice: Voice, text: str, what: str) -> EngineFault:
    shown = text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."
    return EngineFault(f"{engine}, voice {voice.name}, could not say {shown!r}: {what}")


def find_program(name: str) -> str:
    """The path of an engine's program; BadInput says how to install it."""
    found = shutil.which(name)
    if found is None:
        raise BadInput(f"{name} is not installed here; on Debian or Ubuntu: apt-get install {name}")
    return found


def run(command: list[str], text: str = "", timeout_s: float = TIMEOUT_S, good: int = 0) -> bytes:
    """What a program writes when it is given the text; ValueError says how it failed.

    `good` is the exit code of success. Text never is an argument: one that begins with a dash would be an
    option. Ctrl-C does not reach the program: who started it ends the work in order.
    """
    try:
        done = subprocess.run(
            command,
            input=text.encode(),
            capture_output=True,
            timeout=timeout_s,
            check=False,
            start_new_session=True,
        )
    except subprocess.TimeoutExpired:
        raise ValueError(f"no end after {timeout_s:g} s") from None
    if done.returncode != good:
        said = done.stderr.decode(errors="replace").strip().replace("\n", " ")[:_SHOWN]
        raise ValueError(f"it ended with {done.returncode} ({said or 'and said nothing'})")
    return done.stdout


def choose(voices: list[Voice], wanted: tuple[str, ...], engine: str) -> list[Voice]:
    """Those that were asked for by name, or all; BadInput names the ones there are."""
    by_name = {voice.name: voice for voice in voices}
    if unknown := [name for name in wanted if name not in by_name]:
        there = ", ".join(list(by_name)[:12]) + (
            f" and {len(by_name) - 12} more" if len(by_name) > 12 else ""
        )
        raise BadInput(f"{engine} has no voice {unknown[0]!r} in this language; it has {there}")
    return [by_name[name] for name in dict.fromkeys(wanted)] or voices
