"""Manifests of lhotse: recordings with supervisions, or cuts, of files; commands and URLs are refused."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from voxloom.corpora.jsonl import parse_object, seconds_of, text_of
from voxloom.corpora.listing import BadRow, Listing, Part, Row, read_lines

Object = dict[str, Any]


def find_manifests(folder: Path) -> list[Path]:
    """The cuts of a folder, or else its recordings and supervisions; [] if there are none."""
    cuts = _named(folder, "cuts")
    if cuts:
        return cuts
    recordings, supervisions = _named(folder, "recordings"), _named(folder, "supervisions")
    return [*recordings, *supervisions] if recordings and supervisions else []


def _named(folder: Path, word: str) -> list[Path]:
    return [path for path in sorted(folder.glob("*.jsonl*")) if _is_manifest(path.name, word)]


def _is_manifest(name: str, word: str) -> bool:
    stem, _, suffix = name.partition(".jsonl")
    return word in stem and suffix in ("", ".gz")


def read_lhotse(path: Path) -> Listing:
    """A folder of manifests, a cuts file, or a supervisions file with the recordings beside it."""
    folder = path if path.is_dir() else path.parent
    files = find_manifests(path) if path.is_dir() else [path]
    if path.is_file() and "cuts" not in path.name:
        files = [*_named(folder, "recordings"), *_named(folder, "supervisions")]
    listing = Listing("lhotse", folder)
    recordings: dict[str, Object] = {}
    for file in files:
        for where, line in read_lines(file):
            try:
                listing.rows += _rows(parse_object(line), recordings)
            except (ValueError, TypeError, AttributeError) as error:
                listing.rows.append(BadRow(where, str(error)))
    return listing


def _rows(found: Object, recordings: dict[str, Object]) -> Iterator[Row]:
    """A recording is remembered; a supervision or a cut becomes rows."""
    if "sources" in found:
        recordings[text_of(found, "id")] = found
        return iter(())
    if "recording_id" in found:
        recording = recordings.get(text_of(found, "recording_id"))
        if recording is None:
            raise ValueError(f"the recording {text_of(found, 'recording_id')[:80]!r} is not there")
        return iter([_row(found, recording, 0.0)])
    return iter(list(_cut_rows(found)))


def _cut_rows(cut: Object) -> Iterator[Row]:
    """One row a supervision; times of supervisions in a cut are relative to the cut."""
    kind, recording = cut.get("type", "MonoCut"), cut.get("recording")
    if kind not in ("MonoCut", "MultiCut") or not isinstance(recording, dict):
        raise ValueError(f"a cut of type {str(kind)[:40]}; expected MonoCut or MultiCut with its recording")
    supervisions = cut.get("supervisions")
    if not isinstance(supervisions, list) or not supervisions:
        raise ValueError("a cut without supervisions: nobody says what is spoken")
    for supervision in supervisions:
        yield _row(supervision, recording, seconds_of(cut, "start") or 0.0)


def _row(supervision: Object, recording: Object, offset_s: float) -> Row:
    path, channels = _source(recording)
    start_s = offset_s + (seconds_of(supervision, "start") or 0.0)
    duration_s = seconds_of(supervision, "duration")
    channel = _channel(supervision, channels)
    custom = supervision.get("custom")
    return Row(
        path,
        text_of(supervision, "text").strip(),
        text_of(supervision, "speaker"),
        text_of(custom, "split") if isinstance(custom, dict) else "",
        text_of(supervision, "language"),
        details={"id": text_of(supervision, "id"), "recording": text_of(recording, "id")},
        part=Part(start_s, duration_s, channel),
    )


def _source(recording: Object) -> tuple[str, int]:
    """The one file of a recording and how many channels it has."""
    sources = recording.get("sources")
    if recording.get("transforms"):
        raise ValueError("the recording is transformed on the way; save it with its transforms applied")
    if not isinstance(sources, list) or len(sources) != 1 or not isinstance(sources[0], dict):
        raise ValueError("the recording has not exactly one source")
    kind, path = sources[0].get("type"), sources[0].get("source")
    if kind != "file" or not isinstance(path, str):
        raise ValueError(f"a source of type {str(kind)[:40]!r}; only files are read")
    channels = sources[0].get("channels")
    return path, len(channels) if isinstance(channels, list) else 1


def _channel(supervision: Object, channels: int) -> int | None:
    """None of a mono file, and where a supervision is of several channels."""
    wanted = supervision.get("channel", 0)
    if isinstance(wanted, list):
        wanted = wanted[0] if len(wanted) == 1 else None
    if wanted is not None and (isinstance(wanted, bool) or not isinstance(wanted, int) or wanted < 0):
        raise ValueError("channel is no number")
    return None if channels == 1 else wanted
