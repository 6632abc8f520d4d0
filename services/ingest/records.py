"""What is stored, one record after the other, in bounded memory."""

import math
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum

from services.ingest.prints import with_fingerprint
from voxloom import keys
from voxloom.errors import BadInput, NewerSchema, NotFound
from voxloom.forgotten import Forgotten, read_forgotten
from voxloom.manifest import RawUtterance
from voxloom.storage import ObjectStore, list_all, parse_model
from voxloom.threads import ordered_map

_READERS = 8  # small reads, mostly waits


class Drop(StrEnum):
    """Why a stored utterance is not in the dataset. `import_...` reasons come from the import reports."""

    RECORD_UNREADABLE = "record_unreadable"
    AUDIO_MISSING = "audio_missing"
    AUDIO_DAMAGED = "audio_damaged"  # not what its record says
    NO_TEXT = "no_text"
    TOO_LONG_FOR_CTC = "too_long_for_ctc"  # more characters than output frames
    # By design, no loss:
    DUPLICATE_AUDIO = "duplicate_audio"
    DUPLICATE_UTTERANCE = "duplicate_utterance"
    NEAR_DUPLICATE_AUDIO = "near_duplicate_audio"  # another copy of one recording
    SENTENCE_IN_VAL_OR_TEST = "sentence_in_val_or_test"
    SPEAKER_IN_VAL_OR_TEST = "speaker_in_val_or_test"
    NOT_IN_MIX = "not_in_mix"
    REJECTED = "rejected_in_review"
    BETTER_TAKE = "better_take_of_prompt"  # another take of it, by the same speaker


@dataclass(frozen=True)
class Found:
    """A stored utterance; `fault` says why it cannot be used, and then there may be no record."""

    utterance: str
    source: str
    raw: RawUtterance | None = None
    fault: Drop | None = None


def read_records(store: ObjectStore) -> Iterator[Found]:
    """Every record that is there, by key; one deleted just now is not. What was withdrawn and came back, from
    a backup say, is deleted again (Law 10)."""
    gone = read_forgotten(store)
    with closing(ordered_map(lambda stem: _find(store, gone, *stem), _stems(store), _READERS)) as found:
        yield from (each for each in found if each is not None)


def count_stored(store: ObjectStore) -> int:
    """How many utterances are stored, by listing alone."""
    return sum(info.key.endswith(".json") for info in list_all(store, keys.RAW))


def _stems(store: ObjectStore) -> Iterator[tuple[str, bool]]:
    return pair_up(info.key for info in list_all(store, keys.RAW))


def pair_up(names: Iterable[str]) -> Iterator[tuple[str, bool]]:
    """Stems of the records among sorted keys, and whether each has a WAV.

    Between `u.json` and `u.wav` come only names that begin with `u.`, so what waits for its WAV is a stack.
    """
    waiting: list[str] = []
    for name in names:
        while waiting and f"{waiting[-1]}.wav" < name:
            yield waiting.pop(), False
        if name.endswith(".json"):
            waiting.append(name.removesuffix(".json"))
        elif waiting and name == f"{waiting[-1]}.wav":
            yield waiting.pop(), True
    while waiting:
        yield waiting.pop(), False


def _find(store: ObjectStore, gone: Forgotten, stem: str, has_audio: bool) -> Found | None:
    _, source, *middle, utterance = stem.split("/")
    if gone.covers(source, middle[-1] if middle else "", utterance):
        store.delete(f"{stem}.json")
        store.delete(f"{stem}.wav")
        return None
    try:
        document, etag = store.get_with_etag(f"{stem}.json")
        raw = _parse(stem, document)
    except NewerSchema:
        raise  # left out it could be what keeps a sentence of test out of train: a newer release has to build
    except BadInput:
        return Found(utterance, source, fault=Drop.RECORD_UNREADABLE)
    except NotFound:
        return None
    if not has_audio:
        return Found(utterance, source, raw, Drop.AUDIO_MISSING)
    return Found(utterance, source, with_fingerprint(store, raw, document, etag))


def _parse(stem: str, document: bytes) -> RawUtterance:
    raw = parse_model(f"{stem}.json", document, RawUtterance)
    if keys.raw_record(raw.source, raw.speaker, raw.utterance) != f"{stem}.json":
        raise BadInput(f"{stem}.json says it is {raw.source}/{raw.speaker}/{raw.utterance}")
    if not (math.isfinite(raw.levels.duration_s) and raw.levels.duration_s >= 0):
        raise BadInput(f"{stem}.json says it lasts {raw.levels.duration_s} s")
    return raw
