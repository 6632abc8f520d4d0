"""Piper: neural voices that the user has downloaded, by the Python package piper-tts; natural, and slower."""

import importlib
import importlib.metadata
import io
import threading
import wave
from pathlib import Path
from typing import Any

from voxloom.errors import BadInput
from voxloom.synthesis.engine import Settings, Voice, fault

NAME = "piper"
_SPEEDS = (0.85, 0.95, 1.0, 1.05, 1.15)
_INSTALL = "pip install piper-tts"


class Piper:
    """Voices are named by their file, and by the number of the speaker where a file has several:
    `en_US-libritts-high#12`."""

    name = NAME
    manners = tuple(Settings(speed) for speed in _SPEEDS)  # it has no pitch: a voice is one person

    def __init__(self, models: tuple[Path, ...]) -> None:
        if not models:
            raise BadInput(
                "piper needs a voice that you have: --model voice.onnx, with voice.onnx.json beside it"
            )
        self._piper = _library()
        self.version = importlib.metadata.version("piper-tts")
        self._models = {path.stem: self._load(path) for path in models}
        if len(self._models) < len(models):
            raise BadInput("two --model files have the same name; clips would not tell which of them spoke")
        self._lock = threading.Lock()  # of the phonemiser; the network uses all processors by itself

    def voices(self, language: str) -> list[Voice]:
        found = [voice for name, model in self._models.items() for voice in _speakers(name, model)]
        wanted = _parts(language)
        matching = [voice for voice in found if _parts(voice.language)[: len(wanted)] == wanted]
        if not matching:
            there = ", ".join(sorted({voice.language for voice in found}))
            raise BadInput(
                f"the --model files speak {there}, not {language!r}; say --language or take another voice"
            )
        return matching

    def speak(self, text: str, voice: Voice, settings: Settings) -> bytes:
        name, _, speaker = voice.name.partition("#")
        model, out = self._models[name], io.BytesIO()
        how = self._piper.SynthesisConfig(
            speaker_id=int(speaker) if speaker else None,
            length_scale=model.config.length_scale / settings.speed,
        )
        try:
            with self._lock, wave.open(out, "wb") as file:
                model.synthesize_wav(text, file, syn_config=how)
        except (wave.Error, ValueError, RuntimeError, KeyError, IndexError) as error:
            raise fault(NAME, voice, text, str(error) or type(error).__name__) from error
        return out.getvalue()

    def _load(self, path: Path) -> Any:
        for each in (path, path.with_name(f"{path.name}.json")):
            if not each.is_file():
                raise BadInput(
                    f"{each} does not exist; a piper voice is a file voice.onnx and voice.onnx.json beside it"
                )
        try:
            return self._piper.PiperVoice.load(path)
        except (ValueError, KeyError, TypeError, RuntimeError) as error:
            raise BadInput(f"{path} is no piper voice that can be loaded: {str(error)[:200]}") from error


def _library() -> Any:
    """Imported when it is used: it is no dependency of voxloom, and its licence is the GPL."""
    try:
        return importlib.import_module("piper")
    except ImportError as error:
        raise BadInput(
            f"piper cannot be used here ({error}); install it beside voxloom: {_INSTALL}"
        ) from error


def _speakers(name: str, model: Any) -> list[Voice]:
    language = model.config.espeak_voice
    if model.config.num_speakers <= 1:
        return [Voice(name, language)]
    return [Voice(f"{name}#{number}", language) for number in range(model.config.num_speakers)]


def _parts(language: str) -> list[str]:
    return language.lower().replace("_", "-").split("-")
