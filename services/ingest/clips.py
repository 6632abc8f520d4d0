"""The way into the store of every clip that was not recorded live: checked, or refused with a reason."""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from services.ingest.corpus import ImportSpec
from services.ingest.split import PUBLISHED_NAMES
from voxloom import audio, keys
from voxloom.corpora.entry import Entry
from voxloom.corpora.refusal import Reason, Refusal, printable
from voxloom.errors import BadInput, NotFound
from voxloom.fingerprint import fingerprint
from voxloom.forgotten import NOTHING_FORGOTTEN, Forgotten
from voxloom.manifest import AudioLevels, RawUtterance, SplitName
from voxloom.record import to_document
from voxloom.storage import ObjectStore, read_model
from voxloom.text import normalize
from voxloom.tokenizer import is_feasible

LIMITS = audio.Limits()
LANGUAGE = re.compile(r"[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8}){0,4}")
_MAX_TEXT = 2000  # characters
_MAX_SPEAKER = 200  # Common Voice names a speaker in 128
_DECODED_S = 600.0  # beyond that a clip is not even decoded to be found too long


@dataclass(frozen=True)
class Stored:
    utterance: str
    duration_s: float
    added: bool  # False: it was there before


class _Refused(Exception):
    """Carries the reason up to where it becomes a Refusal."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.reason, self.detail = reason, detail


def store_clips(
    store: ObjectStore,
    spec: ImportSpec,
    clips: Sequence[tuple[Entry, bytes]],
    created_at: str,
    gone: Forgotten = NOTHING_FORGOTTEN,
) -> list[Stored | Refusal]:
    """Checks texts and audio, writes the WAVs and then the records. Doing it again adds nothing."""
    checked = [_check(store, spec, entry, data, created_at, gone) for entry, data in clips]
    added = _write(store, [each for each in checked if isinstance(each, _Checked)])
    return [_outcome(store, each, added) if isinstance(each, _Checked) else each for each in checked]


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


def utterance_id(corpus: str, path: str) -> str:
    """The same clip of the same corpus has the same id in every import."""
    digest = hashlib.sha256(f"{corpus}\0{path}".encode(errors="surrogatepass")).hexdigest()
    return f"{keys.slug(corpus)}-{digest[:16]}"


def speaker_key(corpus: str, name: str) -> str:
    """Speakers of two corpora are two people, though both be called "1"."""
    prefix = keys.slug(corpus)
    return keys.slug(name if name.startswith(f"{prefix}-") else f"{prefix}-{name or 'unknown'}")


@dataclass(frozen=True)
class _Fields:
    utterance: str
    source: str
    corpus: str
    speaker: str
    speaker_name: str
    text: str
    language: str
    published_split: SplitName | None
    origin: str
    details: Mapping[str, str]

    @property
    def record_key(self) -> str:
        return keys.raw_record(self.source, self.speaker, self.utterance)

    @property
    def audio_key(self) -> str:
        return keys.raw_audio(self.source, self.speaker, self.utterance)


@dataclass(frozen=True)
class _Checked:
    """A good clip, not in the store when it was looked for."""

    fields: _Fields
    wav: bytes
    record: RawUtterance


def _check(
    store: ObjectStore, spec: ImportSpec, entry: Entry, data: bytes, created_at: str, gone: Forgotten
) -> _Checked | Stored | Refusal:
    if remove_if_forgotten(store, spec, entry, gone):
        return Refusal.of("(withdrawn)", Reason.FORGOTTEN)
    try:
        fields, spoken = _check_entry(entry, spec)
        return _find_stored(store, fields) or _check_clip(data, fields, spoken, created_at)
    except _Refused as refused:
        return Refusal.of(entry.path, refused.reason, refused.detail)


def _check_entry(entry: Entry, spec: ImportSpec) -> tuple[_Fields, str]:
    """What will be recorded, and the normalised text."""
    language = entry.language or spec.language
    if not LANGUAGE.fullmatch(language):
        raise _Refused(Reason.BAD_LANGUAGE, f"{language!r} is no BCP 47 tag such as en or pt-BR")
    if len(entry.speaker) > _MAX_SPEAKER or not entry.speaker.isprintable():
        raise _Refused(
            Reason.BAD_SPEAKER, f"longer than {_MAX_SPEAKER} characters, or control characters in it"
        )
    spoken = _check_text(entry.text, language)
    fields = _Fields(
        utterance=utterance_id(spec.namespace, entry.path),
        source=spec.source,
        corpus=spec.corpus,
        speaker=speaker_key(spec.namespace, entry.speaker),
        speaker_name=entry.speaker,
        text=entry.text,
        language=language,
        published_split=_published_split(entry.split) if spec.keeps_split else None,
        origin=entry.path,
        details=entry.details,
    )
    return fields, spoken


def _check_text(text: str, language: str) -> str:
    """The normalised text."""
    if len(text) > _MAX_TEXT:
        raise _Refused(Reason.TEXT_TOO_LONG, f"{len(text)} characters; at most {_MAX_TEXT} are allowed")
    if any(_is_control(character) for character in text):
        raise _Refused(Reason.BAD_TEXT, f"control characters in {printable(text, 60)!r}")
    if not (spoken := normalize(text, language)):
        raise _Refused(Reason.NO_TEXT, f"no letter or digit in {printable(text, 60)!r}")
    return spoken


def _is_control(character: str) -> bool:
    """NUL and its like, and half surrogates from JSON escapes; line ends and tabs are spaces."""
    return (character < " " and character not in "\n\r\t") or "\ud800" <= character <= "\udfff"


def _published_split(name: str) -> SplitName | None:
    if name and name not in PUBLISHED_NAMES:
        raise _Refused(Reason.UNKNOWN_SPLIT, f"{name!r}; expected one of {', '.join(PUBLISHED_NAMES)}")
    return PUBLISHED_NAMES.get(name)


def _find_stored(store: ObjectStore, fields: _Fields) -> Stored | None:
    try:
        found = read_model(store, fields.record_key, RawUtterance)
    except NotFound:
        return None
    if (found.text, found.language) != (fields.text, fields.language) or not _same_split(found, fields):
        raise _Refused(
            Reason.DIFFERS_FROM_STORED,
            f"stored as {found.text[:60]!r}, language {found.language}, "
            f"split {found.published_split or 'by hash'}; delete {fields.record_key} first",
        )
    return Stored(found.utterance, found.levels.duration_s, added=False)


def _same_split(found: RawUtterance, fields: _Fields) -> bool:
    """Releases of Common Voice split the same clips anew each time: what was assigned first stays (Law 7)."""
    return fields.source == "commonvoice" or found.published_split == fields.published_split


def _check_clip(data: bytes, fields: _Fields, spoken: str, created_at: str) -> _Checked:
    samples, levels = _check_audio(data)
    _check_rate(spoken, levels.duration_s)
    wav = audio.encode_wav(samples)
    record = RawUtterance(
        **vars(fields),
        audio_sha256=hashlib.sha256(wav).hexdigest(),
        levels=levels,
        created_at=created_at,
        fingerprint=fingerprint(samples),
    )
    return _Checked(fields, wav, record)


def _check_audio(data: bytes) -> tuple[audio.Samples, AudioLevels]:
    try:
        clip = audio.decode(data, max_seconds=_DECODED_S)
    except BadInput as error:
        raise _Refused(Reason.UNREADABLE_AUDIO, str(error)) from error
    levels = audio.measure(clip)
    if fault := audio.find_fault(clip, levels, LIMITS):
        peak, clipped = f"{levels.peak_dbfs:.0f} dBFS", f"{levels.clipped_fraction:.1%}"
        raise _Refused(fault, f"{levels.duration_s:.2f} s, peak {peak}, {clipped} clipped")
    return clip.samples, levels


def _check_rate(spoken: str, duration_s: float) -> None:
    """Nobody speaks so fast: the text is not that of the audio, and CTC has no frames for it."""
    if not is_feasible(spoken, duration_s):
        raise _Refused(
            Reason.TOO_FAST, f"{len(spoken)} characters in {duration_s:.2f} s: {printable(spoken, 60)!r}"
        )


def _write(store: ObjectStore, clips: Iterable[_Checked]) -> dict[str, _Checked]:
    """Those whose record was written, by its key; of a clip that is listed twice that is the first."""
    first: dict[str, _Checked] = {}
    for each in clips:
        first.setdefault(each.fields.record_key, each)
    wavs = {each.fields.audio_key: each.wav for each in first.values()}
    for key in store.put_new(wavs):  # no record names it: an earlier import died between the two writes
        if store.get(key) != wavs[key]:
            store.put(key, wavs[key])
    there = store.put_new({key: to_document(each.record) for key, each in first.items()})
    return {key: each for key, each in first.items() if key not in there}


def _outcome(store: ObjectStore, clip: _Checked, added: Mapping[str, _Checked]) -> Stored | Refusal:
    fields, duration_s = clip.fields, clip.record.levels.duration_s
    if added.get(fields.record_key) is clip:
        return Stored(fields.utterance, duration_s, added=True)
    try:
        return _find_stored(store, fields) or Stored(fields.utterance, duration_s, added=False)
    except _Refused as refused:
        return Refusal.of(fields.origin, refused.reason, refused.detail)
