"""Manifests in the forms that other trainers read; audio lies below the manifest's folder."""

import csv
import gzip
import io
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voxloom.audio import SAMPLE_RATE_HZ
from voxloom.manifest import SPLITS, SplitName, Utterance

_COQUI_NAMES: dict[SplitName, str] = {"train": "train", "val": "dev", "test": "test"}


@dataclass(frozen=True)
class Placed:
    """An utterance and where its audio was written."""

    row: Utterance
    path: str  # relative to the export's folder
    num_samples: int
    num_bytes: int

    @property
    def duration_s(self) -> float:
        return self.num_samples / SAMPLE_RATE_HZ


@dataclass(frozen=True)
class Layout:
    """Where the audio of an utterance lies, and how the manifests are written, by name."""

    folder: str  # `{split}` stands for the split
    manifests: Callable[[Path, Sequence[Placed]], dict[str, bytes]]

    def path(self, row: Utterance, suffix: str) -> str:
        return f"{self.folder.format(split=row.split)}/{row.utterance}.{suffix}"


def _csv(out: Path, placed: Sequence[Placed]) -> dict[str, bytes]:
    columns = ("path", "text", "speaker", "split", "language", "duration_s", "utterance", "source", "corpus")
    rows = ((p.path, *_common(p.row), f"{p.duration_s:.3f}", *_lineage(p.row)) for p in placed)
    return {"manifest.csv": _table(columns, rows)}


def _common(row: Utterance) -> tuple[str, str, str, str]:
    return row.text, row.speaker, row.split, row.language


def _lineage(row: Utterance) -> tuple[str, str, str]:
    return row.utterance, row.source, row.corpus


def _jsonl(out: Path, placed: Sequence[Placed]) -> dict[str, bytes]:
    return {"manifest.jsonl": _lines({"key": p.path, **_nemo_line(p, p.path)} for p in placed)}


def _nemo(out: Path, placed: Sequence[Placed]) -> dict[str, bytes]:
    return {
        f"{split}_manifest.json": _lines(_nemo_line(p, p.path) for p in of_split)
        for split, of_split in _by_split(placed)
    }


def _nemo_line(p: Placed, path: str) -> dict[str, Any]:
    text, speaker, split, language = _common(p.row)
    said = {"audio_filepath": path, "duration": p.duration_s, "text": text}
    return {**said, "speaker": speaker, "split": split, "language": language, "utterance": p.row.utterance}


def _coqui(out: Path, placed: Sequence[Placed]) -> dict[str, bytes]:
    columns = ("wav_filename", "wav_filesize", "transcript", "speaker")
    return {
        f"{_COQUI_NAMES[split]}.csv": _table(
            columns, ((p.path, p.num_bytes, p.row.text, p.row.speaker) for p in of_split)
        )
        for split, of_split in _by_split(placed)
    }


def _ljspeech(out: Path, placed: Sequence[Placed]) -> dict[str, bytes]:
    """The format knows neither speakers nor splits: each split is a corpus of its own."""
    return {
        f"{split}/metadata.csv": "".join(
            f"{p.row.utterance}|{p.row.text}|{p.row.text}\n" for p in of_split
        ).encode()
        for split, of_split in _by_split(placed)
    }


def _lhotse(out: Path, placed: Sequence[Placed]) -> dict[str, bytes]:
    """Paths are absolute: lhotse takes relative ones from wherever it is run."""
    root, files = out.resolve(), dict[str, bytes]()
    for split, of_split in _by_split(placed):
        recordings = _lines(_recording(p, root) for p in of_split)
        files[f"voxloom_recordings_{split}.jsonl.gz"] = gzip.compress(recordings, mtime=0)
        supervisions = _lines(_supervision(p) for p in of_split)
        files[f"voxloom_supervisions_{split}.jsonl.gz"] = gzip.compress(supervisions, mtime=0)
    return files


def _recording(p: Placed, root: Path) -> dict[str, Any]:
    return {
        "id": p.row.utterance,
        "sources": [{"type": "file", "channels": [0], "source": str(root / p.path)}],
        "sampling_rate": SAMPLE_RATE_HZ,
        "num_samples": p.num_samples,
        "duration": p.duration_s,
        "channel_ids": [0],
    }


def _supervision(p: Placed) -> dict[str, Any]:
    row = p.row
    return {
        "id": row.utterance,
        "recording_id": row.utterance,
        "start": 0.0,
        "duration": p.duration_s,
        "channel": 0,
        "text": row.text,
        "language": row.language,
        "speaker": row.speaker,
        "custom": {"split": row.split, "source": row.source, "corpus": row.corpus},
    }


def _by_split(placed: Sequence[Placed]) -> list[tuple[SplitName, list[Placed]]]:
    found: list[tuple[SplitName, list[Placed]]] = []
    for split in SPLITS:
        if of_split := [each for each in placed if each.row.split == split]:
            found.append((split, of_split))
    return found


def _lines(rows: Iterable[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def _table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return out.getvalue().encode()


LAYOUTS = {
    "csv": Layout("audio/{split}", _csv),
    "jsonl": Layout("audio/{split}", _jsonl),
    "nemo": Layout("audio/{split}", _nemo),
    "coqui": Layout("audio/{split}", _coqui),
    "ljspeech": Layout("{split}/wavs", _ljspeech),
    "lhotse": Layout("audio/{split}", _lhotse),
}
