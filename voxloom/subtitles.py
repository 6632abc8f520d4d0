"""Words with times into SubRip and WebVTT subtitles."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

MAX_CUE_MS = 6000
MAX_CUE_CHARACTERS = 80
MAX_GAP_MS = 800  # a longer silence ends the cue


@dataclass(frozen=True)
class TimedWord:
    text: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True)
class Cue:
    text: str
    start_ms: int
    end_ms: int


def cues(words: Iterable[TimedWord]) -> Iterator[Cue]:
    """The lines that are shown."""
    return map(_cue, groups(words))


def groups(words: Iterable[TimedWord]) -> Iterator[list[TimedWord]]:
    """Words that are shown together: as many as can be read in the time they are shown."""
    group: list[TimedWord] = []
    for word in words:
        if group and _ends_before(group, word):
            yield group
            group = []
        group.append(word)
    if group:
        yield group


def _ends_before(group: Sequence[TimedWord], word: TimedWord) -> bool:
    num_characters = sum(len(each.text) + 1 for each in group) + len(word.text)
    return (
        word.start_ms - group[-1].end_ms > MAX_GAP_MS
        or word.end_ms - group[0].start_ms > MAX_CUE_MS
        or num_characters > MAX_CUE_CHARACTERS
    )


def _cue(group: Sequence[TimedWord]) -> Cue:
    return Cue(" ".join(word.text for word in group), group[0].start_ms, max(w.end_ms for w in group))


def srt(words: Iterable[TimedWord]) -> str:
    """SubRip: numbered cues, comma before the milliseconds."""
    blocks = (
        f"{number}\n{_time(cue.start_ms, ',')} --> {_time(cue.end_ms, ',')}\n{_safe(cue.text)}\n"
        for number, cue in enumerate(cues(words), start=1)
    )
    return "\n".join(blocks)


def vtt(words: Iterable[TimedWord]) -> str:
    """WebVTT: a header, a full stop before the milliseconds."""
    blocks = (
        f"{_time(cue.start_ms, '.')} --> {_time(cue.end_ms, '.')}\n{_safe(cue.text)}\n" for cue in cues(words)
    )
    return "\n".join(("WEBVTT\n", *blocks))


def _time(ms: int, separator: str) -> str:
    seconds, rest = divmod(max(0, ms), 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}{separator}{rest:03d}"


def _safe(text: str) -> str:
    """No word may open a tag or look like a cue's time line."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
