"""Finds a take by the names that people and programs give it."""

from contextlib import AbstractContextManager, suppress
from typing import BinaryIO

from services.recorder.catalogue import Catalogue
from services.recorder.labels import candidates
from services.recorder.ledger import SOURCE
from voxloom import keys
from voxloom.errors import NotFound
from voxloom.manifest import RawUtterance
from voxloom.storage import ObjectStore, read_model


class Lookup:
    """`speaker` is an id or a name, or empty where it is not known: an utterance has one speaker."""

    def __init__(self, store: ObjectStore, catalogue: Catalogue) -> None:
        self._store = store
        self._catalogue = catalogue

    def find(self, speaker: str, utterance: str) -> RawUtterance:
        """The record as it is in the store now; NotFound when there is none."""
        for owner in self.owners(speaker, utterance):
            with suppress(NotFound):
                return read_model(self._store, keys.raw_record(SOURCE, owner, utterance), RawUtterance)
        raise no_take(speaker, utterance)

    def open(self, speaker: str, utterance: str) -> AbstractContextManager[BinaryIO]:
        """The WAV of a take."""
        take = self.find(speaker, utterance)
        return self._store.open(keys.raw_audio(SOURCE, take.speaker, utterance))

    def owners(self, speaker: str, utterance: str) -> tuple[str, ...]:
        """Ids of speakers who may have it."""
        keys.check_id(utterance, "utterance")
        return candidates(speaker or self._catalogue.speaker_of(utterance))


def no_take(speaker: str, utterance: str) -> NotFound:
    whose = f"speaker {speaker[:100]!r} has" if speaker else "there is"
    return NotFound(f"{whose} no recording {utterance}; was it deleted before?")
