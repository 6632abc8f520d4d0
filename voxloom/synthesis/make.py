"""Clips become a folder that can be imported: clips/<id>.flac, 16 kHz mono, and manifest.jsonl."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

from voxloom import audio
from voxloom.corpora.refusal import Refusal
from voxloom.errors import BadInput
from voxloom.synthesis.engine import Engine, EngineFault
from voxloom.synthesis.plan import Clip
from voxloom.synthesis.sentences import Refused, Unsaid

MANIFEST = "manifest.jsonl"
_WORKERS = 2  # engine processes at a time
_BATCH = 64  # clips handed out at once, so that an interruption waits for few
_MAX_S = 120.0  # longer is not even decoded to be found too long

Tell = Callable[[int, int], None]  # (done, total)


def make(
    engine: Engine, clips: Sequence[Clip], language: str, folder: Path, max_refused: float, tell: Tell
) -> Refused:
    """Says each clip and writes the manifest of those that are good; what lies there from before is kept.

    BadInput as soon as more than `max_refused`, a fraction, is refused; then no manifest is written.
    """
    _check_folder(folder)
    (folder / "clips").mkdir(parents=True, exist_ok=True)
    refused, rows = Refused(), []
    for done, (clip, refusal) in enumerate(_made(engine, clips, language, folder), start=1):
        if refusal is None:
            rows.append(_row(engine, clip, language))
        else:
            refused.add(refusal)
            refused.check(len(clips), max_refused, "clips")
        tell(done, len(clips))
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    _write(folder / MANIFEST, "".join(lines).encode())
    return refused


def file_name(engine: str, clip: Clip, language: str) -> str:
    """Of what is said, by whom and how: the same clip has one name for ever, and so one utterance id."""
    what = [engine, clip.voice.name, language, clip.settings.speed, clip.settings.pitch, clip.text]
    digest = hashlib.sha256(json.dumps(what).encode()).hexdigest()
    return f"clips/{digest[:20]}.flac"


def _made(
    engine: Engine, clips: Sequence[Clip], language: str, folder: Path
) -> Iterator[tuple[Clip, Refusal | None]]:
    def one(clip: Clip) -> Refusal | None:
        return _make_one(engine, clip, folder / file_name(engine.name, clip, language))

    pool, rest = ThreadPoolExecutor(_WORKERS, thread_name_prefix="speech"), iter(clips)
    try:
        while batch := list(islice(rest, _BATCH)):
            yield from zip(batch, pool.map(one, batch), strict=True)
    finally:
        pool.shutdown(cancel_futures=True)


def _make_one(engine: Engine, clip: Clip, path: Path) -> Refusal | None:
    if path.is_file() and isinstance(_checked(path.read_bytes(), clip), audio.Audio):
        return None
    try:
        said = engine.speak(clip.text, clip.voice, clip.settings)
    except EngineFault as error:
        return Refusal.of(clip.text, Unsaid.ENGINE_FAILED, str(error))
    found = _checked(said, clip)
    if isinstance(found, Refusal):
        return found
    _write(path, audio.encode_flac(found.samples))
    return None


def _checked(data: bytes, clip: Clip) -> audio.Audio | Refusal:
    try:
        found = audio.decode(data, max_seconds=_MAX_S)
    except BadInput as error:
        return Refusal.of(clip.text, Unsaid.UNREADABLE_AUDIO, f"voice {clip.voice.name}: {error}")
    fault = audio.find_fault(found, audio.measure(found))
    if fault is not None:
        return Refusal.of(clip.text, fault, f"{found.duration_s:.2f} s from voice {clip.voice.name}")
    return found


def _row(engine: Engine, clip: Clip, language: str) -> dict[str, Any]:
    how = {"speed": f"{clip.settings.speed:g}", "pitch": f"{clip.settings.pitch:g}"}
    return {
        "key": file_name(engine.name, clip, language),
        "text": clip.text,
        "speaker": f"{engine.name}-{clip.voice.name}",
        "language": language,
        "details": {"engine": engine.name, "engine_version": engine.version, "voice": clip.voice.name, **how},
    }


def _write(path: Path, data: bytes) -> None:
    """All of it or nothing, so that a file that is there is whole."""
    part = path.with_name(f"{path.name}.part")
    part.write_bytes(data)
    os.replace(part, path)


def _check_folder(folder: Path) -> None:
    """The manifest is written anew: that of another corpus must not be lost."""
    path = folder / MANIFEST
    if not path.exists():
        return
    try:
        with open(path, "rb") as file:
            first = json.loads(file.readline(64 * 1024) or "{}")
        if {"engine", "voice"} <= first["details"].keys():
            return
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass
    raise BadInput(f"{folder} holds another corpus ({MANIFEST}); name an empty folder with --out")
