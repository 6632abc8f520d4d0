"""Who records: registered with what they agreed to, and invited with a secret of their own."""

import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from services.recorder.catalogue import Catalogue
from services.recorder.consents import Consents
from services.recorder.labels import (
    check_consent,
    check_language,
    check_licence,
    check_speaker,
    is_id,
    named_speaker,
    speaker_id,
)
from services.recorder.ledger import SOURCE
from voxloom import keys
from voxloom.errors import BadInput, NotFound
from voxloom.forgotten import is_withdrawn
from voxloom.speakers import SpeakerRecord
from voxloom.storage import ObjectStore, change_model, find_model, list_all, read_model, usable

_SECRET_BYTES = 24
_MAX_TOKEN_CHARS = 200
_TOKEN_S = 5.0  # a secret that was replaced, or whose speaker was withdrawn, opens nothing after that
_MAX_TOKENS = 1000  # in memory


@dataclass(frozen=True)
class Speaker:
    """Somebody who is registered or has a take."""

    id: str
    name: str
    record: SpeakerRecord | None  # None: never registered
    takes: int = 0
    minutes: float = 0.0


class Speakers:
    """Methods block and can be called from many threads."""

    def __init__(
        self,
        store: ObjectStore,
        catalogue: Catalogue,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._catalogue = catalogue
        self._now = now
        self._consents = Consents(store)
        self._clock = clock
        self._lock = threading.Lock()
        self._tokens: dict[str, tuple[float, str | None]] = {}  # hash -> when it was looked up, whose it is

    def register(self, name: str, language: str, licence: str, consent: str) -> Speaker:
        """Keeps what they agreed to, in place of what they agreed to before. BadInput without consent."""
        name, consent = check_speaker(name), check_consent(consent)
        found = SpeakerRecord(
            speaker=speaker_id(name),
            name=name,
            language=check_language(language),
            licence=check_licence(licence),
            consent=consent,
            consent_version=self._consents.version_of(consent),
            consented_at=self._now().isoformat(timespec="milliseconds"),
        )
        self._refuse_withdrawn(found.speaker)
        return self._told(self._put(found))

    def all(self) -> list[Speaker]:
        """By name."""
        listed = (info.key for info in list_all(self._store, keys.SPEAKERS))
        records = {
            each.speaker: each
            for each in usable(lambda key: read_model(self._store, key, SpeakerRecord), listed)
        }
        found = {each.speaker: Speaker(each.speaker, each.name, each) for each in records.values()}
        for each in self._catalogue.by_speaker():
            record = records.get(each.speaker)
            name = record.name if record else each.name or each.speaker
            found[each.speaker] = Speaker(each.speaker, name, record, each.takes, each.minutes)
        return sorted(found.values(), key=lambda each: (each.name.casefold(), each.id))

    def invite(self, name_or_id: str) -> str:
        """A new secret, of which the store keeps the hash; the older one ends. NotFound unless registered."""
        speaker = named_speaker(name_or_id)
        self._refuse_withdrawn(speaker)
        token = f"{speaker}.{secrets.token_urlsafe(_SECRET_BYTES)}"

        def invited(record: SpeakerRecord | None) -> SpeakerRecord:
            if record is None:
                raise NotFound(
                    f"speaker {name_or_id[:100]!r} is not registered; first: voxloom speakers add NAME"
                )
            return record.model_copy(update={"token_sha256": _hash(token)})

        change_model(self._store, keys.speaker(speaker), SpeakerRecord, invited)
        self._forget_tokens()
        return token

    def name_of(self, speaker: str) -> str:
        """As they were registered. NotFound when they are not, or not any more."""
        return read_model(self._store, keys.speaker(speaker), SpeakerRecord).name

    def of_token(self, token: str) -> str | None:
        """Whose secret it is. One object is read for it, and not again for some seconds."""
        if not 0 < len(token) <= _MAX_TOKEN_CHARS:
            return None
        hashed = _hash(token)
        with self._lock:
            looked_up_at, speaker = self._tokens.get(hashed, (None, None))
        if looked_up_at is None or self._clock() - looked_up_at > _TOKEN_S:
            speaker = self._owner(token.rpartition(".")[0], hashed)
            self._keep(hashed, speaker)
        return speaker

    def _owner(self, speaker: str, hashed: str) -> str | None:
        """Compared in constant time."""
        known = self._token_hash(speaker) if is_id(f"{speaker}.json") else ""
        if not hmac.compare_digest(known, hashed) or self._is_withdrawn(speaker):
            return None
        return speaker

    def _keep(self, hashed: str, speaker: str | None) -> None:
        with self._lock:
            self._tokens.pop(hashed, None)
            self._tokens[hashed] = (self._clock(), speaker)
            while len(self._tokens) > _MAX_TOKENS:
                self._tokens.pop(next(iter(self._tokens)))

    def _forget_tokens(self) -> None:
        with self._lock:
            self._tokens.clear()

    def _told(self, record: SpeakerRecord) -> Speaker:
        recorded = {each.speaker: each for each in self._catalogue.by_speaker()}.get(record.speaker)
        takes, minutes = (recorded.takes, recorded.minutes) if recorded else (0, 0.0)
        return Speaker(record.speaker, record.name, record, takes, minutes)

    def _put(self, wanted: SpeakerRecord) -> SpeakerRecord:
        """With the secret that is there; what is the same keeps its time."""

        def changed(old: SpeakerRecord | None) -> SpeakerRecord:
            if old is None:
                return wanted
            new = wanted.model_copy(update={"token_sha256": old.token_sha256})
            return old if old.model_copy(update={"consented_at": new.consented_at}) == new else new

        _, stored = change_model(self._store, keys.speaker(wanted.speaker), SpeakerRecord, changed)
        return stored or wanted

    def _token_hash(self, speaker: str) -> str:
        """ "" where nobody of this id was invited."""
        found, _ = find_model(self._store, keys.speaker(speaker), SpeakerRecord)
        return found.token_sha256 if found else ""

    def _refuse_withdrawn(self, speaker: str) -> None:
        if self._is_withdrawn(speaker):
            raise BadInput(
                f"speaker {speaker} was withdrawn and is not taken in again; to let them come back: "
                f"voxloom forget --undo --speaker {SOURCE}/{speaker}"
            )

    def _is_withdrawn(self, speaker: str) -> bool:
        return is_withdrawn(self._store, "speaker", f"{SOURCE}/{speaker}")


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()
