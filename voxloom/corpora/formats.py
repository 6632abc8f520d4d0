"""The table of formats: how each is recognised on disk, and what reads it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from voxloom.corpora.folders import read_folder
from voxloom.corpora.jsonl import parse_object, read_jsonl, read_nemo
from voxloom.corpora.lhotse_manifests import find_manifests, read_lhotse
from voxloom.corpora.listing import Listing, first_line
from voxloom.corpora.studios import find_mimic, is_piper, read_mimic, read_piper
from voxloom.corpora.tables import columns_of, coqui_files, read_coqui, read_ljspeech, read_table
from voxloom.errors import BadInput

MANIFESTS = ("manifest.csv", "manifest.tsv", "manifest.jsonl", "manifest.json")
_TABLES = (".csv", ".tsv")
_JSON = (".jsonl", ".json", ".gz")


@dataclass(frozen=True)
class Format:
    """`find` gives the path to read where the format is recognised, and None where it is not."""

    name: str
    what: str
    find: Callable[[Path], Path | None]
    read: Callable[[Path], Listing]


def detect(path: Path) -> Format:
    """The first format of the table that knows what lies there; BadInput if none does."""
    for each in FORMATS.values():
        if each.find(path) is not None:
            return each
    raise BadInput(f"{path} is no corpus that is known; name its format with --format: {', '.join(FORMATS)}")


def read(path: Path, name: str) -> Listing:
    """The listing of a corpus in a given format; BadInput when it is not of that format at all."""
    fmt = FORMATS[name]
    found = fmt.find(path) or (path if path.is_file() else None)
    if found is None:
        raise BadInput(f"{path} does not look like {name}: expected {fmt.what}")
    return fmt.read(found)


def _manifest(path: Path, suffixes: tuple[str, ...]) -> Path | None:
    """The path itself if it is a file, the manifest of a folder; None unless it ends as wanted.

    BadInput when a folder has several: only people know which is meant.
    """
    if path.is_file():
        return path if path.suffix.lower() in suffixes else None
    found = [path / name for name in MANIFESTS if (path / name).is_file()]
    if len(found) > 1:
        raise BadInput(f"{path} has {' and '.join(each.name for each in found)}; give the path of one")
    return found[0] if found and found[0].suffix.lower() in suffixes else None


def _find_table(path: Path) -> Path | None:
    found = _manifest(path, _TABLES)
    return found if found and {"path", "text"} <= set(columns_of(found)) else None


def _find_coqui(path: Path) -> Path | None:
    if path.is_dir():
        return path if coqui_files(path) else None
    return path if path.suffix.lower() == ".csv" and "wav_filename" in columns_of(path) else None


def _find_ljspeech(path: Path) -> Path | None:
    found = path / "metadata.csv" if path.is_dir() else path
    is_table = found.is_file() and found.suffix.lower() in (".csv", ".txt")
    return found if is_table and first_line(found).count("|") in (1, 2) else None


def _find_json(*keys: str) -> Callable[[Path], Path | None]:
    def find(path: Path) -> Path | None:
        found = _manifest(path, _JSON)
        try:
            row = parse_object(first_line(found)) if found else {}
        except ValueError:
            row = dict.fromkeys(["key"]) if found and found.suffix == ".jsonl" else {}
        return found if any(key in row for key in keys) else None

    return find


def _find_lhotse(path: Path) -> Path | None:
    if path.is_dir():
        return path if find_manifests(path) else None
    return _find_json("supervisions", "recording_id", "recording")(path)


def _find_piper(path: Path) -> Path | None:
    return path if path.is_dir() and is_piper(path) else None


def _find_mimic(path: Path) -> Path | None:
    return path if path.is_dir() and find_mimic(path) else None


FORMATS = {
    each.name: each
    for each in (
        Format("csv", "a CSV or TSV with a header of path and text", _find_table, read_table),
        Format("lhotse", "cuts, or recordings and supervisions, as .jsonl.gz", _find_lhotse, read_lhotse),
        Format("nemo", "lines of audio_filepath, duration, text", _find_json("audio_filepath"), read_nemo),
        Format("jsonl", "lines of key and text", _find_json("key", "text"), read_jsonl),
        Format("coqui", "a CSV with wav_filename and transcript", _find_coqui, read_coqui),
        Format("ljspeech", "metadata.csv with id|text, and wavs/", _find_ljspeech, read_ljspeech),
        Format("mimic", "audio_files/<uuid>/ with <uuid>-metadata.txt", _find_mimic, read_mimic),
        Format("piper", "output/[user_<code>/]<language>/<group>/", _find_piper, read_piper),
        Format("folder", "audio with a .txt beside each", lambda p: p if p.is_dir() else None, read_folder),
    )
}
