"""Deleting means deleted (Law 10): what was withdrawn, and which datasets, runs and models held it."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from pydantic import Field

from voxloom import keys
from voxloom.errors import NotFound
from voxloom.record import Part, Record
from voxloom.storage import ObjectStore, exists, list_all, read_model, write_model

JOB_KIND = "forget"
_DIGEST = re.compile("[0-9a-f]{32}")
Kind = Literal["utterance", "speaker"]


class Clip(Part):
    """An utterance and where it lies."""

    source: str
    speaker: str
    utterance: str


class Voice(Part):
    """All that one speaker gave to one source."""

    source: str
    speaker: str


class ForgetSpec(Record):
    """The spec of a forget job. Without `for_ever` the same take may be recorded anew."""

    clips: list[Clip] = Field(default_factory=list)
    voices: list[Voice] = Field(default_factory=list)
    for_ever: bool = True

    def names(self) -> set[str]:
        """Ids of utterances and speakers that stand in it; none once it is hashed."""
        of_clips = {name for each in self.clips for name in (each.speaker, each.utterance)}
        given = of_clips | {each.speaker for each in self.voices}
        return {name for name in given if not _DIGEST.fullmatch(name)}

    def hashed(self) -> "ForgetSpec":
        """The same without ids and names, for the record of a job that has ended."""
        clips = [
            Clip(source=each.source, speaker=_voice(each), utterance=digest(each.utterance))
            for each in self.clips
        ]
        voices = [Voice(source=each.source, speaker=_voice(each)) for each in self.voices]
        return ForgetSpec(clips=clips, voices=voices, for_ever=self.for_ever)


class Tombstone(Record):
    """forgotten/<kind>/<hash>.json: no name and no text, only that this must not come back."""

    kind: Kind
    at: str  # ISO 8601, UTC


class Changed(Record):
    """forgotten/changed.json: an import that ended before may refuse, or take in, other clips if repeated."""

    at: str  # ISO 8601, UTC


class Withdrawn(Record):
    """withdrawn.json beside dataset.json, run.json or bundle.json: what of its data is gone."""

    at: str
    by_split: dict[str, list[str]] = Field(default_factory=dict)  # hashes of utterance ids

    @property
    def total(self) -> int:
        return sum(map(len, self.by_split.values()))


@dataclass(frozen=True)
class Forgotten:
    """The tombstones of a store, all in memory: 32 characters each."""

    utterances: frozenset[str]
    speakers: frozenset[str]

    def covers(self, source: str, speaker: str, utterance: str) -> bool:
        return digest(utterance) in self.utterances or digest(f"{source}/{speaker}") in self.speakers


NOTHING_FORGOTTEN = Forgotten(frozenset(), frozenset())


def digest(name: str) -> str:
    return hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:32]


def _voice(whose: Clip | Voice) -> str:
    return digest(f"{whose.source}/{whose.speaker}")


def read_forgotten(store: ObjectStore) -> Forgotten:
    """What must not come back."""
    found: dict[str, set[str]] = {"utterance": set(), "speaker": set()}
    for info in list_all(store, keys.FORGOTTEN):
        kind, _, name = info.key.removeprefix(keys.FORGOTTEN).partition("/")
        found.get(kind, set()).add(name.removesuffix(".json"))
    return Forgotten(frozenset(found["utterance"]), frozenset(found["speaker"]))


def is_withdrawn(store: ObjectStore, kind: Kind, name: str) -> bool:
    """Whether an utterance, or `<source>/<speaker>`, must not come back."""
    return exists(store, keys.tombstone(kind, digest(name)))


def bury(store: ObjectStore, spec: ForgetSpec, at: str) -> None:
    """Writes the tombstones."""
    for kind, name in _names(spec):
        write_model(store, keys.tombstone(kind, digest(name)), Tombstone(kind=kind, at=at))
    _note_change(store)


def lift(store: ObjectStore, spec: ForgetSpec) -> None:
    """Takes the tombstones away; what was deleted stays deleted."""
    for kind, name in _names(spec):
        store.delete(keys.tombstone(kind, digest(name)))
    _note_change(store)


def changed_at(store: ObjectStore) -> str:
    """When something was last forgotten or let come back; "" if never."""
    try:
        return read_model(store, keys.FORGOTTEN_CHANGED, Changed).at
    except NotFound:
        return ""


def _note_change(store: ObjectStore) -> None:
    now = datetime.now(UTC).isoformat(timespec="microseconds")
    write_model(store, keys.FORGOTTEN_CHANGED, Changed(at=now))


def _names(spec: ForgetSpec) -> Iterable[tuple[Kind, str]]:
    yield from (("utterance", clip.utterance) for clip in spec.clips)
    yield from (("speaker", f"{voice.source}/{voice.speaker}") for voice in spec.voices)


def read_mark(store: ObjectStore, key: str) -> Withdrawn | None:
    """The mark at a key of `keys.withdrawn`, or None."""
    try:
        return read_model(store, key, Withdrawn)
    except NotFound:
        return None


def num_withdrawn(store: ObjectStore, key: str) -> int:
    """How many utterances of a dataset, run or model are gone."""
    mark = read_mark(store, key)
    return mark.total if mark else 0


def add_mark(store: ObjectStore, key: str, by_split: dict[str, list[str]], at: str) -> None:
    """Adds hashes of utterance ids to a mark; doing it again changes nothing."""
    old = read_mark(store, key)
    known = old.by_split if old else {}
    merged = {
        split: sorted({*known.get(split, ()), *by_split.get(split, ())}) for split in {**known, **by_split}
    }
    if merged != known:
        write_model(store, key, Withdrawn(at=at, by_split=merged))
