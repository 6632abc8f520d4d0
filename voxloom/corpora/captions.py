"""Timed transcripts: SubRip, WebVTT, labels of Audacity and Praat's TextGrid, as captions for cutting."""

import html
import math
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from voxloom.corpora.cutting import Unit
from voxloom.errors import BadInput

_MAX_BYTES = 32 * 2**20
_SNAP_S = 0.4  # how far a caption's edge may lie from the pause that is meant
_GAP_S = 1.0  # captions further apart are never put together: what is said between them is not in them
_TIME = r"(?:(\d{1,3}):)?(\d{1,2}):(\d{1,2})[.,](\d{1,3})"
_CUE = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}")
_TAG = re.compile(r"<[^<>]{0,100}>|\{\\[^{}]{0,100}\}")
_LABEL = re.compile(r"(\d+(?:[.,]\d+)?)\t(\d+(?:[.,]\d+)?)(?:\t(.*))?")
_INTERVAL = re.compile(r'xmin\s*=\s*([\d.]+)\s+xmax\s*=\s*([\d.]+)\s+text\s*=\s*"((?:[^"]|"")*)"')


@dataclass(frozen=True)
class Caption:
    start_s: float
    end_s: float
    text: str


def read_text(path: Path) -> str:
    """UTF-8, or UTF-16 as Praat and Windows write it; BadInput for anything else."""
    data = path.read_bytes() if path.stat().st_size <= _MAX_BYTES else b""
    if not data.strip():
        raise BadInput(f"{path} is empty or has more than {_MAX_BYTES} bytes")
    try:
        return data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(f"{path} is not UTF-8 (byte {error.start}); save it as UTF-8") from error


def parse(text: str) -> list[Caption]:
    """The captions in order of time, whatever the format; [] if the text has no times."""
    if "-->" in text:
        found = _cues(text)
    elif "TextGrid" in text[:200]:
        found = (Caption(float(a), float(b), t.replace('""', '"')) for a, b, t in _INTERVAL.findall(text))
    else:
        found = _labels(text)
    cleaned = (replace(each, text=" ".join(each.text.split())) for each in found)
    return sorted((each for each in cleaned if each.text and each.end_s > each.start_s), key=_start)


def _start(caption: Caption) -> float:
    return caption.start_s


def _cues(text: str) -> Iterator[Caption]:
    for block in re.split(r"\n\s*\n", text.replace("\r\n", "\n")):
        lines = block.split("\n")
        at = next((k for k, line in enumerate(lines) if _CUE.match(line)), None)
        match = _CUE.match(lines[at]) if at is not None else None
        if at is not None and match:
            times = match.groups()
            said = html.unescape(_TAG.sub("", " ".join(lines[at + 1 :])))
            yield Caption(_seconds(*times[:4]), _seconds(*times[4:]), said)


def _seconds(hours: str | None, minutes: str, seconds: str, fraction: str) -> float:
    return int(hours or 0) * 3600 + int(minutes) * 60 + float(f"{seconds}.{fraction}")


def _labels(text: str) -> Iterator[Caption]:
    """start<TAB>end<TAB>text; lines that begin with a backslash are the frequencies of a label."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("\\")]
    matches = [_LABEL.fullmatch(line.strip("\r\n")) for line in lines]
    if all(matches):
        for match in matches:
            assert match is not None
            start, end, said = match.groups()
            yield Caption(float(start.replace(",", ".")), float(end.replace(",", ".")), said or "")


def units_of(captions: Sequence[Caption], speech: Sequence[Unit]) -> list[Unit]:
    """Captions as units: edges at the pauses nearest to them, and no cut where no pause is near."""
    pauses = list(pairwise(speech))
    begins, ends = [unit.start_s for unit in speech], [unit.end_s for unit in speech]
    units = [_unit(each, _within(speech, begins, ends, each.start_s, each.end_s)) for each in captions]
    for k, (one, two) in enumerate(pairwise(captions)):
        gap = two.start_s - one.end_s
        low, high = min(one.end_s, two.start_s) - _SNAP_S, max(one.end_s, two.start_s) + _SNAP_S
        near = pauses[bisect_left(begins, low, 1) - 1 : bisect_right(ends, high)]
        pause = min(near, key=lambda pair: pair[0].cut_cost, default=None)
        if pause is not None:
            before, after = pause
            units[k] = replace(units[k], end_s=before.end_s, cut_cost=before.cut_cost, must_cut=gap > _GAP_S)
            units[k + 1] = replace(units[k + 1], start_s=after.start_s)
        elif gap > _GAP_S:
            units[k] = replace(units[k], cut_cost=0.0, must_cut=True)
        else:
            units[k] = replace(units[k], cut_cost=math.inf)
    return [each for each in units if each.end_s > each.start_s]


def _within(
    speech: Sequence[Unit], begins: list[float], ends: list[float], start_s: float, end_s: float
) -> Sequence[Unit]:
    return speech[bisect_right(ends, start_s) : bisect_left(begins, end_s)]


def _unit(caption: Caption, speech: Sequence[Unit]) -> Unit:
    overlaps = (min(caption.end_s, u.end_s) - max(caption.start_s, u.start_s) for u in speech)
    voiced = sum(overlap for overlap in overlaps if overlap > 0)
    return Unit(caption.start_s, caption.end_s, caption.text, voiced)
