"""The way into the store of every clip that was not recorded live: checked, or refused with a reason."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

from services.ingest.corpus import ImportSpec
from services.ingest.rows import Fields, Refused, check_entry, speaker_key, utterance_id
from voxloom import audio, keys
from voxloom.corpora.entry import Entry
from voxloom.corpora.refusal import Reason, Refusal, printable
from voxloom.errors import BadInput, NotFound
from voxloom.fingerprint import fingerprint
from voxloom.forgotten import NOTHING_FORGOTTEN, Forgotten
from voxloom.manifest import AudioLevels, RawUtterance
from voxloom.record import to_document
from voxloom.storage import ObjectStore, read_model
from voxloom.tokenizer import is_feasible

T = TypeVar("T")
P = ParamSpec("P")
LIMITS = audio.Limits()
_DECODED_S = 600.0  # beyond that a clip is not even decoded to be found too long
_GROUP_CLIPS, _GROUP_SAMPLES = 4, 60 * audio.SAMPLE_RATE_HZ


@dataclass(frozen=True)
class Stored:
    utterance: str
    duration_s: float
    added: bool  # False: it was there before


@dataclass(frozen=True)
class Checked:
    """A good clip, not in the store when it was looked for."""

    fields: Fields
    wav: bytes
    record: RawUtterance


Outcome = Stored | Refusal


def store_clips(
    store: ObjectStore,
    spec: ImportSpec,
    clips: Sequence[tuple[Entry, bytes]],
    created_at: str,
    gone: Forgotten = NOTHING_FORGOTTEN,
) -> list[Outcome]:
    """Checks texts and audio, writes the WAVs and then the records. Doing it again adds nothing."""
    return write_clips(store, check_clips(store, spec, clips, created_at, gone))


def check_clips(
    store: ObjectStore,
    spec: ImportSpec,
    clips: Sequence[tuple[Entry, bytes]],
    created_at: str,
    gone: Forgotten = NOTHING_FORGOTTEN,
) -> list[Outcome | Checked]:
    """Outcomes of those that are refused or were stored before, and of the others all that is to be written.

    Step by step for several clips, not clip by clip: the short steps cost less while the processor has their
    code at hand.
    """
    asked = [_ask(store, spec, entry, gone) for entry, _ in clips]
    heard = (
        _try(each.fields.origin, _hear, each, data) if isinstance(each, _Asked) else each
        for each, (_, data) in zip(asked, clips, strict=True)
    )
    return [
        _try(each.fields.origin, _judge, each, created_at) if isinstance(each, _Heard) else each
        for group in _groups(heard)
        for each in group
    ]


def write_clips(store: ObjectStore, checked: Sequence[Outcome | Checked]) -> list[Outcome]:
    """Writes the WAVs and then the records. Both are durable when it returns."""
    added = _write(store, [each for each in checked if isinstance(each, Checked)])
    return [_outcome(store, each, added) if isinstance(each, Checked) else each for each in checked]


def remove_if_forgotten(store: ObjectStore, spec: ImportSpec, entry: Entry, gone: Forgotten) -> bool:
    """Whether a clip or its speaker was withdrawn; if a backup has brought it back it is deleted."""
    if gone == NOTHING_FORGOTTEN:
        return False
    name = utterance_id(spec.namespace, entry.path)
    speaker = speaker_key(spec.namespace, entry.speaker)
    if not gone.covers(spec.source, speaker, name):
        return False
    store.delete(keys.raw_record(spec.source, speaker, name))
    store.delete(keys.raw_audio(spec.source, speaker, name))
    return True


@dataclass(frozen=True)
class _Asked:
    """A clip that is wanted, as far as its row tells."""

    fields: Fields
    spoken: str  # normalised


@dataclass(frozen=True)
class _Heard(_Asked):
    clip: audio.Audio


def _ask(store: ObjectStore, spec: ImportSpec, entry: Entry, gone: Forgotten) -> Outcome | _Asked:
    if remove_if_forgotten(store, spec, entry, gone):
        return Refusal.of("(withdrawn)", Reason.FORGOTTEN)
    return _try(entry.path, _look_up, store, entry, spec)


def _try(path: str, step: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | Refusal:
    try:
        return step(*args, **kwargs)
    except Refused as refused:
        return Refusal.of(path, refused.reason, refused.detail)


def _groups(clips: Iterable[T]) -> Iterator[list[T]]:
    """A few at a time, of long ones fewer: decoded, a clip of a minute is 4 MB."""
    group: list[T] = []
    num_samples = 0
    for each in clips:
        group.append(each)
        num_samples += len(each.clip.samples) if isinstance(each, _Heard) else 0
        if len(group) == _GROUP_CLIPS or num_samples >= _GROUP_SAMPLES:
            yield group
            group, num_samples = [], 0
    yield group


def _look_up(store: ObjectStore, entry: Entry, spec: ImportSpec) -> Stored | _Asked:
    fields, spoken = check_entry(entry, spec)
    return _find_stored(store, fields) or _Asked(fields, spoken)


def _find_stored(store: ObjectStore, fields: Fields) -> Stored | None:
    try:
        found = read_model(store, fields.record_key, RawUtterance)
    except NotFound:
        return None
    if (found.text, found.language) != (fields.text, fields.language) or not _same_split(found, fields):
        raise Refused(
            Reason.DIFFERS_FROM_STORED,
            f"stored as {found.text[:60]!r}, language {found.language}, "
            f"split {found.published_split or 'by hash'}; delete {fields.record_key} first",
        )
    return Stored(found.utterance, found.levels.duration_s, added=False)


def _same_split(found: RawUtterance, fields: Fields) -> bool:
    """Releases of Common Voice split the same clips anew each time: what was assigned first stays (Law 7)."""
    return fields.source == "commonvoice" or found.published_split == fields.published_split


def _hear(asked: _Asked, data: bytes) -> _Heard:
    try:
        return _Heard(asked.fields, asked.spoken, audio.decode(data, max_seconds=_DECODED_S))
    except BadInput as error:
        raise Refused(Reason.UNREADABLE_AUDIO, str(error)) from error


def _judge(heard: _Heard, created_at: str) -> Checked:
    levels = _check_levels(heard.clip)
    _check_rate(heard.spoken, levels.duration_s)
    wav = audio.encode_wav(heard.clip.samples)
    record = RawUtterance(
        **vars(heard.fields),
        audio_sha256=hashlib.sha256(wav).hexdigest(),
        levels=levels,
        created_at=created_at,
        fingerprint=fingerprint(heard.clip.samples),
    )
    return Checked(heard.fields, wav, record)


def _check_levels(clip: audio.Audio) -> AudioLevels:
    levels = audio.measure(clip)
    if fault := audio.find_fault(clip, levels, LIMITS):
        peak, clipped = f"{levels.peak_dbfs:.0f} dBFS", f"{levels.clipped_fraction:.1%}"
        raise Refused(fault, f"{levels.duration_s:.2f} s, peak {peak}, {clipped} clipped")
    return levels


def _check_rate(spoken: str, duration_s: float) -> None:
    """Nobody speaks so fast: the text is not that of the audio, and CTC has no frames for it."""
    if not is_feasible(spoken, duration_s):
        raise Refused(
            Reason.TOO_FAST, f"{len(spoken)} characters in {duration_s:.2f} s: {printable(spoken, 60)!r}"
        )


def _write(store: ObjectStore, clips: Iterable[Checked]) -> dict[str, Checked]:
    """Those whose record was written, by its key; of a clip that is listed twice that is the first."""
    first: dict[str, Checked] = {}
    for each in clips:
        first.setdefault(each.fields.record_key, each)
    wavs = {each.fields.audio_key: each.wav for each in first.values()}
    for key in store.put_new(wavs):  # no record names it: an earlier import died between the two writes
        if store.get(key) != wavs[key]:
            store.put(key, wavs[key])
    there = store.put_new({key: to_document(each.record) for key, each in first.items()})
    return {key: each for key, each in first.items() if key not in there}


def _outcome(store: ObjectStore, clip: Checked, added: Mapping[str, Checked]) -> Outcome:
    fields, duration_s = clip.fields, clip.record.levels.duration_s
    if added.get(fields.record_key) is clip:
        return Stored(fields.utterance, duration_s, added=True)
    try:
        return _find_stored(store, fields) or Stored(fields.utterance, duration_s, added=False)
    except Refused as refused:
        return Refusal.of(fields.origin, refused.reason, refused.detail)
