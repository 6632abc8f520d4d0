"""The rules of a snapshot as they read in lists: what the statements on disk are compared with."""

from collections import Counter, defaultdict
from collections.abc import Iterable

from services.ingest.records import Drop, Found
from services.ingest.split import assign
from voxloom.manifest import RawUtterance
from voxloom.text import normalize
from voxloom.tokenizer import is_feasible

Kept = dict[str, str]  # utterance -> split
Placed = tuple[RawUtterance, str, str]  # record, text, split


def snapshot_in_lists(records: Iterable[Found]) -> tuple[Kept, Counter[str], int]:
    """What is in, what is dropped, and how many test sentences overlap."""
    dropped: Counter[str] = Counter()
    usable = [(raw, text) for raw in _readable(records, dropped) if (text := _text(raw, dropped))]
    placed = _place(_first_of_each(usable, dropped))
    placed = _without(placed, _leaking_sentences(placed), Drop.SENTENCE_IN_VAL_OR_TEST, dropped)
    placed = _without(placed, _leaking_speakers(placed), Drop.SPEAKER_IN_VAL_OR_TEST, dropped)
    trained = {text for _, text, split in placed if split == "train"}
    overlapping = sum(split == "test" and text in trained for _, text, split in placed)
    return {raw.utterance: split for raw, _, split in placed}, dropped, overlapping


def _readable(records: Iterable[Found], dropped: Counter[str]) -> Iterable[RawUtterance]:
    for found in records:
        if found.fault:
            dropped[found.fault] += 1
        elif found.raw:
            yield found.raw


def _text(raw: RawUtterance, dropped: Counter[str]) -> str:
    text = normalize(raw.text, raw.language)
    if not text:
        dropped[Drop.NO_TEXT] += 1
    elif not is_feasible(text, raw.levels.duration_s):
        dropped[Drop.TOO_LONG_FOR_CTC] += 1
        return ""
    return text


def _first_of_each(
    usable: list[tuple[RawUtterance, str]], dropped: Counter[str]
) -> list[tuple[RawUtterance, str]]:
    audio: set[str] = set()
    ids: set[str] = set()
    kept = []
    for raw, text in sorted(usable, key=lambda each: (each[0].created_at, each[0].source, each[0].utterance)):
        if raw.audio_sha256 in audio:
            dropped[Drop.DUPLICATE_AUDIO] += 1
        elif raw.utterance in ids:
            dropped[Drop.DUPLICATE_UTTERANCE] += 1
        else:
            kept.append((raw, text))
            audio.add(raw.audio_sha256)
            ids.add(raw.utterance)
    return kept


def _place(utterances: list[tuple[RawUtterance, str]]) -> list[Placed]:
    with_val = {raw.corpus for raw, _ in utterances if raw.published_split == "val"}
    return [(raw, text, assign(raw, has_val=raw.corpus in with_val)) for raw, text in utterances]


def _leaking_sentences(placed: list[Placed]) -> set[str]:
    held_out: dict[str, set[str]] = defaultdict(set)
    for raw, text, split in placed:
        if split != "train":
            held_out[text].add(raw.corpus)
    return {raw.utterance for raw, text, split in placed if split == "train" and held_out[text] - _home(raw)}


def _home(raw: RawUtterance) -> set[str]:
    return set() if raw.published_split is None else {raw.corpus}


def _leaking_speakers(placed: list[Placed]) -> set[str]:
    releases = [each for each in placed if each[0].source == "commonvoice"]
    held_out: dict[str, set[str]] = defaultdict(set)
    for raw, _, split in releases:
        if split != "train" and raw.published_split is not None and raw.speaker_name:
            held_out[raw.speaker].add(raw.corpus)
    return {
        raw.utterance
        for raw, _, split in releases
        if split == "train" and held_out[raw.speaker] - {raw.corpus}
    }


def _without(placed: list[Placed], ids: set[str], reason: Drop, dropped: Counter[str]) -> list[Placed]:
    if ids:
        dropped[reason] += len(ids)
    return [each for each in placed if each[0].utterance not in ids]
