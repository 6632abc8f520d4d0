"""Audio with a text of the same name beside it; the parent folder is the speaker."""

import os
from pathlib import Path

from voxloom.corpora.listing import AUDIO_SUFFIXES, BadRow, Listing, Row

TIMED_SUFFIXES = (".srt", ".vtt", ".TextGrid", ".labels")
MAX_TEXT_BYTES = 16 * 2**20  # the whole text of a long recording


def read_folder(root: Path) -> Listing:
    """Texts are .txt; where times are read too (`--cut`), .srt, .vtt and TextGrid come before it."""
    listing = Listing("folder", root)
    for folder, subfolders, files in os.walk(root):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        for name in sorted(files):
            if os.path.splitext(name)[1].lower() in AUDIO_SUFFIXES and not name.startswith("."):
                _add(listing, root, Path(folder).relative_to(root), name, files)
    return listing


def _add(listing: Listing, root: Path, below: Path, name: str, files: list[str]) -> None:
    stem, speaker = os.path.splitext(name)[0], below.name
    path = (below / name).as_posix()
    timed = next((stem + suffix for suffix in TIMED_SUFFIXES if stem + suffix in files), "")
    if f"{stem}.txt" not in files and not timed:
        listing.unnamed.append(path)
        return
    try:
        text = _read(root / below / f"{stem}.txt") if f"{stem}.txt" in files else ""
    except ValueError as error:
        listing.rows.append(BadRow((below / f"{stem}.txt").as_posix(), str(error)))
        return
    listing.rows.append(Row(path, text, speaker))


def _read(path: Path) -> str:
    if path.stat().st_size > MAX_TEXT_BYTES:
        raise ValueError(f"{path.stat().st_size} bytes; at most {MAX_TEXT_BYTES} are read")
    try:
        return path.read_bytes().decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8") from None
