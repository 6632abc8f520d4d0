"""How a take comes into the store, and how it leaves."""

import hashlib
import json
import logging
import threading
import zlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from services.recorder.catalogue import Catalogue
from services.recorder.checked import Checked, StoredTake
from services.recorder.checks import Finding, Heard, Pcm16, Refused, decode_take, find_faults, refuse_useless
from services.recorder.hearing import Listener
from services.recorder.labels import Labels, candidates, check_prompt
from services.recorder.ledger import SOURCE, Ledger
from services.recorder.lookup import Lookup, no_take
from services.recorder.quality import measure_quality
from services.recorder.usual import usual_of
from voxloom import audio, keys
from voxloom.audio import Audio, Limits
from voxloom.bus import EventBus, new_event
from voxloom.errors import BadInput, Conflict, NotFound
from voxloom.events import announce
from voxloom.fingerprint import fingerprint
from voxloom.forgotten import JOB_KIND, Clip, ForgetSpec, Kind, is_withdrawn
from voxloom.forgotten import digest as digest_of
from voxloom.jobs import Jobs
from voxloom.manifest import AudioLevels, RawUtterance
from voxloom.reviews import forget_reviews
from voxloom.storage import ObjectStore, exists, read_model, write_model
from voxloom.v1.events_pb2 import RecordingDeleted, RecordingStored

CORPUS = "own"
_NUM_LOCKS = 64
_log = logging.getLogger(__name__)


class Takes:
    """The recordings in the store. Methods block and can be called from many threads."""

    def __init__(
        self,
        store: ObjectStore,
        bus: EventBus,
        limits: Limits,
        ledger: Ledger | None = None,
        catalogue: Catalogue | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        listener: Listener | None = None,
    ) -> None:
        self._store = store
        self._bus = bus
        self._limits = limits
        self._ledger = ledger or Ledger(store)
        self._catalogue = catalogue or Catalogue(store)
        self._lookup = Lookup(store, self._catalogue)
        self._now = now
        self._listener = listener
        self._locks = [threading.Lock() for _ in range(_NUM_LOCKS)]

    def check(self, labels: Labels, data: bytes, pcm16: Pcm16 | None, *, listen: bool = False) -> Checked:
        """Everything that is found of a take; BadInput when it is no take at all. `listen`: also by the model
        in production, if it answers."""
        clip = decode_take(data, pcm16, self._limits)
        levels = audio.measure(clip)
        refuse_useless(clip, levels, self._limits)
        return self._measure(labels, clip, levels, listen)

    def _measure(self, labels: Labels, clip: Audio, levels: AudioLevels, listen: bool = False) -> Checked:
        heard = Heard(labels.text, levels, measure_quality(clip.samples, labels.text))
        earlier = self._ledger.recent(labels.speaker)
        usual = usual_of(
            (take.text, take.quality)
            for take in earlier
            if take.quality and not take.accepted_anyway and take.language == labels.language
        )
        hearing = self._listener.hear(clip.samples, labels) if listen and self._listener else None
        return Checked(clip, heard, find_faults(heard, usual, hearing), self._limits, hearing)

    def add(
        self,
        labels: Labels,
        data: bytes,
        pcm16: Pcm16 | None,
        refused: Refused = Refused.SPOILING,
        *,
        listen: bool = False,
    ) -> StoredTake:
        """Stores one take, or raises BadInput and stores nothing. The same take again changes nothing."""
        checked = self.check(labels, data, pcm16, listen=listen)
        wav = audio.encode_wav(checked.clip.samples)
        record = self._record(labels, checked, wav)
        # A take that is there was judged when it came: a client that asks again must not be told otherwise.
        if not self._is_stored(record):
            checked.refuse_faults(refused)
        # Told also when it was there: a client sends again when the first call died, perhaps before it was.
        take = self._tell(self._write(record, wav, checked.findings))
        return replace(take, hearing=checked.hearing)

    def correct(self, speaker: str, utterance: str, text: str) -> StoredTake:
        """Stores the same audio with the words that were said, then deletes the take with the other words; a
        verdict on that is none on this. Done again, it changes nothing and is answered alike. NotFound, or
        BadInput for words that cannot be those."""
        try:
            old = self._lookup.find(speaker, utterance)
        except NotFound:
            return self._corrected(speaker, utterance, check_prompt(text))
        labels = Labels(check_prompt(text), old.speaker, old.speaker_name, old.language)
        if labels.text == old.text:
            return StoredTake(old, keys.raw_record(SOURCE, old.speaker, utterance), True, [])
        wav = self._store.get(keys.raw_audio(SOURCE, old.speaker, utterance))
        checked = self._measure(labels, audio.decode(wav), old.levels)
        checked.refuse_text(old.accepted_anyway)
        new = {
            "utterance": utterance_id(old.speaker, labels.text, old.audio_sha256),
            "text": labels.text,
            "quality": checked.heard.quality,
            "accepted_anyway": checked.faults,
            "corrected_from": utterance,
        }
        take = self._tell(self._write(old.model_copy(update=new), wav, checked.findings))
        self._remove(old.speaker, utterance)
        return take

    def _corrected(self, speaker: str, utterance: str, text: str) -> StoredTake:
        """The take that came of a correction whose answer was lost, and perhaps all that follows it too."""
        for owner in self._lookup.owners(speaker, utterance):
            for take in self._ledger.takes(owner):
                if (take.corrected_from, take.text) == (utterance, text):
                    return self._correct_again(take)
        raise no_take(speaker, utterance)

    def _correct_again(self, take: RawUtterance) -> StoredTake:
        labels = Labels(take.text, take.speaker, take.speaker_name, take.language)
        wav = self._store.get(keys.raw_audio(SOURCE, take.speaker, take.utterance))
        findings = self._measure(labels, audio.decode(wav), take.levels).findings
        key = keys.raw_record(SOURCE, take.speaker, take.utterance)
        told = self._tell(StoredTake(take, key, True, findings))
        self._remove(take.speaker, take.corrected_from)
        return told

    def delete(self, speaker: str, utterance: str) -> None:
        """Removes a take and what was thought of it; `speaker` is the id or the name. NotFound when there is
        none."""
        keys.check_id(utterance, "utterance")
        if not any(self._remove(candidate, utterance) for candidate in candidates(speaker)):
            raise no_take(speaker, utterance)

    def remove_orphan(self, wav_key: str) -> None:
        """Removes a WAV that has no record; one whose record came meanwhile stays."""
        record_key = wav_key.removesuffix(".wav") + ".json"
        with self._lock(record_key):
            if not exists(self._store, record_key):
                self._store.delete(wav_key)
                _log.info("removed %s: no record names it, its upload was cut off", wav_key)

    def _tell(self, take: StoredTake) -> StoredTake:
        body = RecordingStored(
            utterance=take.record.utterance,
            speaker=take.record.speaker,
            record_key=take.record_key,
            duration_s=take.record.levels.duration_s,
        )
        announce(self._bus, new_event("recorder", take.record.utterance, body))
        return take

    def _is_stored(self, record: RawUtterance) -> bool:
        return exists(self._store, keys.raw_record(SOURCE, record.speaker, record.utterance))

    def _record(self, labels: Labels, checked: Checked, wav: bytes) -> RawUtterance:
        digest = hashlib.sha256(wav).hexdigest()
        return RawUtterance(
            utterance=utterance_id(labels.speaker, labels.text, digest),
            source=SOURCE,
            corpus=CORPUS,
            speaker=labels.speaker,
            speaker_name=labels.speaker_name,
            text=labels.text,
            language=labels.language,
            audio_sha256=digest,
            levels=checked.heard.levels,
            created_at=self._now().isoformat(timespec="milliseconds"),
            fingerprint=fingerprint(checked.clip.samples),
            prompt_list=labels.prompt_list,
            prompt_id=labels.prompt_id,
            quality=checked.heard.quality,
            accepted_anyway=checked.faults,
        )

    def _write(self, record: RawUtterance, wav: bytes, findings: list[Finding]) -> StoredTake:
        """The WAV first: a record without its audio must never be seen. A WAV without record is no take."""
        key = keys.raw_record(SOURCE, record.speaker, record.utterance)
        with self._lock(key):
            if exists(self._store, key):
                return self._existing(key, record, findings)
            self._check_wanted(record)
            self._store.put(keys.raw_audio(SOURCE, record.speaker, record.utterance), wav)
            try:
                etag = write_model(self._store, key, record, if_absent=True)
            except Conflict:  # another recorder was faster with the same take
                return self._existing(key, record, findings)
            self._catalogue.stored(key, etag, record)
        return StoredTake(record, key, False, findings)

    def _check_wanted(self, record: RawUtterance) -> None:
        names: dict[Kind, str] = {"utterance": record.utterance, "speaker": f"{SOURCE}/{record.speaker}"}
        for kind, name in names.items():
            if is_withdrawn(self._store, kind, name):
                raise BadInput(
                    f"{kind} {name} was withdrawn and is not taken in again; to let it come back: "
                    f"voxloom forget --undo --{kind} {name}"
                )

    def _existing(self, key: str, wanted: RawUtterance, findings: list[Finding]) -> StoredTake:
        found = read_model(self._store, key, RawUtterance)
        if found.language != wanted.language:
            raise Conflict(
                f"this take is stored as {found.utterance} in language {found.language!r}, not "
                f"{wanted.language!r}; delete it first to change that"
            )
        return StoredTake(found, key, True, findings)

    def _remove(self, speaker: str, utterance: str) -> bool:
        """The record first: without it there is no take. A delete that was cut off after it is finished."""
        record_key = keys.raw_record(SOURCE, speaker, utterance)
        audio_key = keys.raw_audio(SOURCE, speaker, utterance)
        with self._lock(record_key):
            if not exists(self._store, record_key) and not exists(self._store, audio_key):
                return False
            self._leave_job(speaker, utterance)
            self._store.delete(record_key)
            self._catalogue.deleted(record_key)
            try:
                self._store.delete(audio_key)
                self._catalogue.reviewed(forget_reviews(self._store, speaker, {utterance}))
            finally:
                body = RecordingDeleted(utterance=utterance, speaker=speaker)
                announce(self._bus, new_event("recorder", utterance, body))
        return True

    def _leave_job(self, speaker: str, utterance: str) -> None:
        """For ingest, which deletes the copies in datasets; before anything goes: none is overlooked."""
        clip = Clip(source=SOURCE, speaker=speaker, utterance=utterance)
        spec = ForgetSpec(clips=[clip], for_ever=False)
        job = f"{digest_of(utterance)[:12]}-{self._now().strftime('%Y%m%dT%H%M%S%f')}"
        Jobs(self._store).submit(JOB_KIND, job, spec.model_dump())

    def _lock(self, key: str) -> threading.Lock:
        return self._locks[zlib.crc32(key.encode()) % _NUM_LOCKS]


def utterance_id(speaker: str, text: str, audio_sha256: str) -> str:
    """The same for the same take, so that an upload that is sent again is known."""
    content = json.dumps([speaker, text, audio_sha256])
    return "u-" + hashlib.sha256(content.encode()).hexdigest()[:20]
