"""A recognised file in the formats of OpenAI's protocol."""

import json
import math
import zlib
from collections.abc import Iterator, Sequence
from itertools import islice

from services.inference.recognize import Recognition
from voxloom import subtitles
from voxloom.decode import Word

FORMATS = ("json", "text", "srt", "vtt", "verbose_json")
_LEAST_CONFIDENCE = 1e-6


def render(
    found: Recognition, fmt: str, granularities: Sequence[str] = (), language: str = ""
) -> tuple[str, str]:
    """The body and its content type. `granularities`: word, segment or both, in verbose_json; of itself
    segment."""
    match fmt:
        case "text":
            return found.text + "\n", "text/plain"
        case "srt":
            return subtitles.srt(map(_timed, found.words)), "text/plain"
        case "vtt":
            return subtitles.vtt(map(_timed, found.words)), "text/vtt"
        case "verbose_json":
            return _json(_verbose(found, granularities or ("segment",), language))
        case _:
            return _json({"text": found.text, "usage": _usage(found)})


def _json(document: dict[str, object]) -> tuple[str, str]:
    return json.dumps(document, ensure_ascii=False), "application/json"


def _usage(found: Recognition) -> dict[str, object]:
    return {"type": "duration", "seconds": math.ceil(found.audio_s)}


def _verbose(found: Recognition, granularities: Sequence[str], language: str) -> dict[str, object]:
    document: dict[str, object] = {
        "task": "transcribe",
        "language": language,
        "duration": round(found.audio_s, 3),
        "text": found.text,
        "usage": _usage(found),
    }
    if "segment" in granularities:
        document["segments"] = list(_segments(found.words))
    if "word" in granularities:
        document["words"] = [
            {"word": word.text, "start": word.start_s, "end": word.end_s} for word in found.words
        ]
    return document


def _segments(words: Sequence[Word]) -> Iterator[dict[str, object]]:
    """The words as subtitles group them. What only a sampling decoder has is given as what it would be
    without one: temperature, seek and no_speech_prob 0, and no tokens."""
    rest = iter(words)
    for number, group in enumerate(subtitles.groups(map(_timed, words))):
        yield _segment(number, list(islice(rest, len(group))))


def _segment(number: int, words: Sequence[Word]) -> dict[str, object]:
    text = " ".join(word.text for word in words)
    encoded = text.encode()
    logprobs = [math.log(max(word.confidence, _LEAST_CONFIDENCE)) for word in words]
    return {
        "id": number,
        "seek": 0,
        "start": words[0].start_s,
        "end": max(word.end_s for word in words),
        "text": text,
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": sum(logprobs) / len(logprobs),
        "compression_ratio": len(encoded) / len(zlib.compress(encoded)),
        "no_speech_prob": 0.0,
    }


def _timed(word: Word) -> subtitles.TimedWord:
    return subtitles.TimedWord(word.text, round(1000 * word.start_s), round(1000 * word.end_s))
