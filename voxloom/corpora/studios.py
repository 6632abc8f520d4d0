"""What Mimic Recording Studio and Piper Recording Studio leave on disk."""

import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from voxloom.corpora.listing import AUDIO_SUFFIXES, BadRow, Listing, Row, read_lines
from voxloom.corpora.mimic_database import Prompts, find_database, read_database

_LANGUAGE = re.compile(r"[a-z]{2,3}([-_][A-Za-z0-9]{2,4})?")
_WEBM = (
    "{0} recordings are WebM, which is not decoded here: they count as audio_missing. Convert them and "
    "import again: "
    """find {1} -name '*.webm' -exec sh -c 'ffmpeg -nostdin -i "$1" "${{1%.webm}}.wav"' _ {{}} \\;"""
)
_MAX_TXT_BYTES = 64 * 1024


def find_mimic(path: Path) -> Path | None:
    """The folder of audio_files, where one is named or lies below."""
    for folder in (path, path / "audio_files", path / "backend" / "audio_files"):
        if any(folder.glob("*/*-metadata.txt")):
            return folder
    return path / "audio_files" if find_database(path) and (path / "audio_files").is_dir() else None


def read_mimic(path: Path) -> Listing:
    """audio_files/<uuid>/<id>.wav, with prompts from <uuid>-metadata.txt and else from mimicstudio.db."""
    audio, database = find_mimic(path) or path, find_database(path)
    prompts = read_database(database) if database else Prompts()
    listing = Listing("mimic", audio)
    for folder in sorted(each for each in audio.iterdir() if each.is_dir()):
        _add_speaker(listing, folder, prompts)
    return listing


def _add_speaker(listing: Listing, folder: Path, prompts: Prompts) -> None:
    uuid = folder.name
    speaker, seen = prompts.speakers.get(uuid, uuid), dict[str, str]()
    again = 0
    for where, name, text in _metadata(folder / f"{uuid}-metadata.txt"):
        if not name:
            listing.rows.append(BadRow(where, text))
        elif seen.get(name) == text:
            again += 1  # said again in place of the first take, which is gone: one clip
        else:
            seen[name] = text
            listing.rows.append(_mimic_row(uuid, name, text, speaker))
    if again:
        listing.notes.append(f"{again} takes of {speaker} replaced earlier ones of the same prompt")
    for wav in sorted(folder.glob("*.wav")):
        text = prompts.texts.get((uuid, wav.stem), "")
        if wav.name not in seen and text:
            listing.rows.append(_mimic_row(uuid, wav.name, text, speaker))
        elif wav.name not in seen:
            listing.unnamed.append(f"{uuid}/{wav.name}")


def _mimic_row(uuid: str, name: str, text: str, speaker: str) -> Row:
    return Row(f"{uuid}/{name}", text, speaker, details={"uuid": uuid})


def _metadata(path: Path) -> Iterator[tuple[str, str, str]]:
    """(where, name of the WAV, prompt) of each line `wav|prompt|length`; a bad one has no name."""
    if not path.is_file():
        return
    for where, line in read_lines(path):
        name, _, rest = (line or "").partition("|")
        text, bar, length = rest.rpartition("|")
        if not bar or not name.strip() or not length.strip().isdigit():
            yield where, "", "expected wav|prompt|length"
        else:
            yield where, name.strip(), text.strip()


def is_piper(path: Path) -> bool:
    """output/[user_<code>/]<language>/<group>/, or the inside of output/."""
    return _piper_output(path) is not None


def _piper_output(path: Path) -> Path | None:
    for folder in (path / "output", path):
        named = folder.name == "output" or any(folder.glob("user_*/*/*/*.txt"))
        if named and any(_LANGUAGE.fullmatch(each.name) for each in _language_folders(folder)):
            return folder
    return None


def _language_folders(folder: Path) -> Iterator[Path]:
    for txt in (*folder.glob("*/*/*.txt"), *folder.glob("user_*/*/*/*.txt")):
        yield txt.parent.parent


def read_piper(path: Path) -> Listing:
    """<id>.txt with <id>.wav beside it; the user's code is the speaker, the group of prompts is none."""
    root = _piper_output(path) or path
    listing, webm = Listing("piper", root), 0
    for folder, subfolders, files in os.walk(root):
        subfolders.sort()
        below = Path(folder).relative_to(root)
        for name in sorted(each for each in files if each.endswith(".txt")):
            row = _piper_row(root, below, name, files)
            webm += isinstance(row, Row) and row.path.endswith(".webm")
            listing.rows.append(row)
        listing.unnamed += _without_text(below, files)
    if webm:
        listing.notes.append(_WEBM.format(webm, shlex.quote(str(root))))
    return listing


def _piper_row(root: Path, below: Path, name: str, files: list[str]) -> Row | BadRow:
    stem, path = name.removesuffix(".txt"), root / below / name
    try:
        text = path.read_bytes()[:_MAX_TXT_BYTES].decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        return BadRow((below / name).as_posix(), "is not UTF-8")
    suffixes = (*sorted(AUDIO_SUFFIXES), ".webm")
    suffix = next((each for each in suffixes if f"{stem}{each}" in files), ".wav")
    user, language = _piper_place(below.parts)
    return Row((below / f"{stem}{suffix}").as_posix(), text, user, language=language)


def _piper_place(parts: tuple[str, ...]) -> tuple[str, str]:
    """(speaker, language) of [user_<code>/]<language>/<group>."""
    user = parts[0].removeprefix("user_") if parts and parts[0].startswith("user_") else ""
    rest = parts[1:] if user else parts
    return user, rest[0].replace("_", "-") if rest and _LANGUAGE.fullmatch(rest[0]) else ""


def _without_text(below: Path, files: list[str]) -> list[str]:
    stems = {name.removesuffix(".txt") for name in files if name.endswith(".txt")}
    audio = (name for name in sorted(files) if os.path.splitext(name)[1].lower() in AUDIO_SUFFIXES)
    return [(below / name).as_posix() for name in audio if os.path.splitext(name)[0] not in stems]
