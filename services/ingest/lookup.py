"""What is meant by the names of utterances and speakers that somebody wants to be forgotten."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from services.ingest.reviewed import SOURCE
from voxloom import keys
from voxloom.errors import BadInput, NotFound
from voxloom.forgotten import Clip, ForgetSpec, Voice
from voxloom.manifest import RawUtterance, read_csv
from voxloom.speakers import SpeakerRecord
from voxloom.storage import ObjectStore, list_all, read_model, usable

Folder = tuple[str, str]  # source and speaker


@dataclass
class Found:
    """Clips of both kinds, and whose voice each name of a speaker may mean."""

    clips: set[Clip] = field(default_factory=set)
    by_name: dict[str, set[Folder]] = field(default_factory=lambda: defaultdict(set))

    @property
    def counts(self) -> dict[Folder, int]:
        found = Counter((clip.source, clip.speaker) for clip in self.clips)
        named = {folder for folders in self.by_name.values() for folder in folders}
        return {folder: found[folder] for folder in sorted({*found, *named})}

    @property
    def utterances(self) -> list[str]:
        return sorted(clip.utterance for clip in self.clips)

    def spec(self, utterances: Sequence[str]) -> ForgetSpec:
        """Of the job; a speaker is buried as such, not clip by clip."""
        voices = sorted({folder for folders in self.by_name.values() for folder in folders})
        clips = [clip for clip in self.clips if clip.utterance in utterances]
        return ForgetSpec(
            clips=sorted(clips, key=lambda clip: (clip.source, clip.speaker, clip.utterance)),
            voices=[Voice(source=source, speaker=speaker) for source, speaker in voices],
        )


def look_up(store: ObjectStore, utterances: Sequence[str], speakers: Sequence[str]) -> Found:
    """What is stored under these names, or else was left in datasets; NotFound and BadInput for what is
    unknown or not clear. A speaker is named by id, by source/id, or as it was recorded."""
    found = Found()
    _look_in_raw(store, found, utterances, speakers)
    missing = _unknown(found, utterances, speakers)
    if any(missing):
        _look_in_datasets(store, found, *missing)
    _look_in_registered(store, found, _unknown(found, utterances, speakers)[1])
    _check(found, utterances, speakers)
    return found


def _look_in_raw(
    store: ObjectStore, found: Found, utterances: Sequence[str], speakers: Sequence[str]
) -> None:
    wanted, asked = set(utterances), set(speakers)
    meant: dict[Folder, set[str]] = {}
    for info in list_all(store, keys.RAW):
        parts = info.key.removesuffix(".json").split("/")
        if len(parts) != 4 or not info.key.endswith(".json"):
            continue
        _, source, speaker, name = parts
        if (source, speaker) not in meant:
            names = {speaker, f"{source}/{speaker}", *_name_of(store, info.key, asked)}
            meant[source, speaker] = names & asked
        _add(found, Clip(source=source, speaker=speaker, utterance=name), wanted, meant[source, speaker])


def _look_in_datasets(store: ObjectStore, found: Found, utterances: set[str], speakers: set[str]) -> None:
    """Copies of what was deleted without being forgotten; the name of a speaker does not stand there."""
    for key in (info.key for info in list_all(store, "manifests/") if info.key.endswith(".csv")):
        with store.open(key) as file:
            for row in read_csv(file):
                clip = Clip(source=row.source, speaker=row.speaker, utterance=row.utterance)
                _add(found, clip, utterances, {row.speaker, f"{row.source}/{row.speaker}"} & speakers)


def _look_in_registered(store: ObjectStore, found: Found, speakers: set[str]) -> None:
    """Who agreed to something, and has recorded nothing yet."""
    listed = [info.key for info in list_all(store, keys.SPEAKERS)] if speakers else []
    for record in usable(lambda key: read_model(store, key, SpeakerRecord), listed):
        for name in {record.name, record.speaker, f"{SOURCE}/{record.speaker}"} & speakers:
            found.by_name[name].add((SOURCE, record.speaker))


def _add(found: Found, clip: Clip, utterances: set[str], named: set[str]) -> None:
    if clip.utterance in utterances or named:
        found.clips.add(clip)
    for name in named:
        found.by_name[name].add((clip.source, clip.speaker))


def _name_of(store: ObjectStore, key: str, asked: set[str]) -> list[str]:
    """The speaker's name as it was given; one record of a speaker tells it."""
    if not asked:
        return []
    return [raw.speaker_name for raw in usable(lambda each: read_model(store, each, RawUtterance), [key])]


def _unknown(found: Found, utterances: Sequence[str], speakers: Sequence[str]) -> tuple[set[str], set[str]]:
    return set(utterances) - {clip.utterance for clip in found.clips}, set(speakers) - found.by_name.keys()


def _check(found: Found, utterances: Sequence[str], speakers: Sequence[str]) -> None:
    no_utterances, no_speakers = _unknown(found, utterances, speakers)
    if no_utterances:
        raise NotFound(
            f"there is no utterance {', '.join(sorted(no_utterances)[:5])}; see its id in a manifest"
        )
    if no_speakers:
        raise NotFound(
            f"nothing is stored of speaker {', '.join(sorted(no_speakers)[:5])!r}; give the id as it stands "
            "in a manifest, or the name as it was recorded"
        )
    for name, folders in found.by_name.items():
        if len(folders) > 1:
            whose = ", ".join(f"{source}/{speaker}" for source, speaker in sorted(folders)[:10])
            raise BadInput(f"{len(folders)} speakers are called {name!r}: {whose}; name each as source/id")
