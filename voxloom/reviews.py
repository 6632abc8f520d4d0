"""What people think of takes: a document for each speaker, changed by compare-and-swap.

The recorder writes it, ingest reads it when a dataset is built, and takes out what is forgotten.
"""

from collections.abc import Callable, Collection
from typing import Literal

from pydantic import Field

from voxloom import keys
from voxloom.best_take import prompt_of
from voxloom.manifest import RawUtterance
from voxloom.record import Part, Record
from voxloom.storage import ObjectStore, change_model, find_model

Verdict = Literal["accepted", "rejected"]


class Review(Part):
    verdict: Verdict
    reason: str = ""
    at: str  # ISO 8601, UTC


class Reviews(Record):
    """reviews/<speaker>.json. Takes that nobody has judged are not in it."""

    speaker: str
    takes: dict[str, Review] = Field(default_factory=dict)  # by utterance
    chosen: dict[str, str] = Field(default_factory=dict)  # `best_take.prompt_of` -> utterance

    def rejects(self, utterance: str) -> bool:
        return self._says("rejected", utterance)

    def accepts(self, utterance: str) -> bool:
        return self._says("accepted", utterance)

    def chooses(self, take: RawUtterance) -> bool:
        return self.chosen.get(prompt_of(take)) == take.utterance

    def _says(self, verdict: Verdict, utterance: str) -> bool:
        review = self.takes.get(utterance)
        return review is not None and review.verdict == verdict


def read_reviews(store: ObjectStore, speaker: str) -> Reviews:
    """Nothing judged where there is no document."""
    found, _ = find_model(store, keys.reviews(speaker), Reviews)
    return found or Reviews(speaker=speaker)


def change_reviews(
    store: ObjectStore, speaker: str, change: Callable[[Reviews], Reviews]
) -> tuple[Reviews, Reviews]:
    """What was there before, and what is there now. `change` may be called several times."""
    nothing = Reviews(speaker=speaker)

    def changed(found: Reviews | None) -> Reviews | None:
        old = found or nothing
        new = change(old)
        return None if new == old else new

    old, new = change_model(store, keys.reviews(speaker), Reviews, changed)
    return old or nothing, new or nothing


def forget_reviews(store: ObjectStore, speaker: str, utterances: Collection[str]) -> Reviews:
    """Of takes that are gone. Doing it again changes nothing. Returns what is left."""

    def without(old: Reviews) -> Reviews:
        takes = {key: review for key, review in old.takes.items() if key not in utterances}
        chosen = {key: each for key, each in old.chosen.items() if each not in utterances}
        return old.model_copy(update={"takes": takes, "chosen": chosen})

    return change_reviews(store, speaker, without)[1]
