"""flite: a few fair English voices in a small program; it needs no model."""

import tempfile
from pathlib import Path

from voxloom.errors import BadInput, VoxloomError
from voxloom.synthesis.engine import Settings, Voice, fault, find_program, run

NAME = "flite"
_LEFT_OUT = {"awb_time", "kal"}  # says the time only; 8 kHz, and kal16 is the same speaker
_SPEEDS = (0.8, 0.9, 1.0, 1.1, 1.2)


class Flite:
    name = NAME
    manners = tuple(Settings(speed) for speed in _SPEEDS)

    def __init__(self) -> None:
        self._program = find_program(NAME)
        said = self._ask("--version", good=1)  # so it ends
        self.version = said.partition("version:")[2].split()[0] if "version:" in said else "unknown"

    def voices(self, language: str) -> list[Voice]:
        if language.lower() not in ("en", "en-us"):
            raise BadInput(
                f"flite speaks en and en-US only, not {language!r}; use --engine espeak-ng or piper"
            )
        names = self._ask("-lv").partition(":")[2].split()
        return [Voice(name, "en-us") for name in sorted(names) if name not in _LEFT_OUT]

    def speak(self, text: str, voice: Voice, settings: Settings) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "said.wav"  # flite hangs when it is to write into a pipe
            stretch = f"duration_stretch={1 / settings.speed:.4f}"
            try:
                run([self._program, "-voice", voice.name, "--setf", stretch, "-o", str(path)], f"{text}\n")
                return path.read_bytes()
            except (ValueError, FileNotFoundError) as error:
                raise fault(NAME, voice, text, str(error)) from error

    def _ask(self, what: str, good: int = 0) -> str:
        try:
            return run([self._program, what], good=good).decode(errors="replace")
        except ValueError as error:
            raise VoxloomError(f"{self._program} {what}: {error}; install it anew") from error
