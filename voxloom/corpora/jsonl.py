"""Corpora of one JSON object a line: {"key","text"}, and NeMo's with audio_filepath, offset and duration."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from voxloom.corpora.listing import BadRow, Listing, Part, Row, read_lines

_KNOWN = ("key", "audio_filepath", "text", "speaker", "split", "language", "details", "offset", "duration")


def read_jsonl(path: Path, fmt: str = "jsonl") -> Listing:
    """Whole files by `key` or `audio_filepath`; with an `offset`, `duration` seconds from there."""
    listing = Listing(fmt, path.parent)
    for where, line in read_lines(path):
        try:
            listing.rows.append(_row(parse_object(line)))
        except ValueError as error:
            listing.rows.append(BadRow(where, str(error)))
    return listing


def read_nemo(path: Path) -> Listing:
    return read_jsonl(path, "nemo")


def parse_object(line: str | None) -> dict[str, Any]:
    """The JSON object of a line; ValueError says what is there instead."""
    if line is None:
        raise ValueError("too long, or not UTF-8")
    try:
        found = json.loads(line)
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    if not isinstance(found, dict):
        raise ValueError(f"a JSON {type(found).__name__}; expected an object")  # noqa: TRY004
    return found


def text_of(row: Mapping[str, Any], name: str) -> str:
    """A string or number of a row as text, "" if it is not there; ValueError for anything else."""
    value = row.get(name)
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"{name} is no string")  # noqa: TRY004
    return str(value)


def seconds_of(row: Mapping[str, Any], name: str) -> float | None:
    """A number of seconds from 0 on, None if it is not there; ValueError for anything else."""
    value = row.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise ValueError(f"{name} is no number of seconds")
    return float(value)


def lineage(row: Mapping[str, Any], known: tuple[str, ...]) -> dict[str, str]:
    """What else a row says, as far as it is plain."""
    return {
        str(name): str(value)
        for name, value in row.items()
        if name not in known and isinstance(value, str | int | float)
    }


def _row(row: dict[str, Any]) -> Row:
    path = text_of(row, "key") or text_of(row, "audio_filepath")
    if not path or not isinstance(row.get("text"), str):
        raise ValueError("expected the strings key (or audio_filepath) and text")
    details = row.get("details")
    start_s, duration_s = seconds_of(row, "offset"), seconds_of(row, "duration")
    return Row(
        path,
        row["text"].strip(),
        text_of(row, "speaker"),
        text_of(row, "split"),
        text_of(row, "language"),
        details=lineage(details if isinstance(details, dict) else row, _KNOWN),
        part=None if start_s is None else Part(start_s, duration_s),
    )
