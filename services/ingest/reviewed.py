"""What review says of takes: rejected ones are left out, and of several of a prompt all but the best."""

from collections.abc import Callable
from itertools import groupby
from typing import NamedTuple

from services.ingest.catalogue import Catalogue
from services.ingest.records import Drop, Found
from voxloom import keys
from voxloom.best_take import Standing, best, prompt_of, standing
from voxloom.forgotten import Clip, Voice
from voxloom.reviews import Reviews, forget_reviews, read_reviews
from voxloom.storage import ObjectStore, list_all, parse_model, usable

SOURCE = "user_recorded"
_TAKES = (
    "SELECT speaker, prompt, clip, utterance, chosen, accepted, faults, clipped, snr_db, created_at "
    "FROM takes JOIN clips ON clips.id = clip WHERE fate IS NULL AND (speaker, prompt) IN "
    "(SELECT speaker, prompt FROM takes JOIN clips ON clips.id = clip WHERE fate IS NULL "
    "GROUP BY speaker, prompt HAVING count(*) > 1) ORDER BY speaker, prompt, clip"
)


class _Take(NamedTuple):
    speaker: str
    prompt: str
    clip: int
    utterance: str
    chosen: int
    accepted: int
    faults: int
    clipped: float
    snr_db: float
    created_at: str

    @property
    def standing(self) -> Standing:
        return Standing(
            utterance=self.utterance,
            chosen=bool(self.chosen),
            accepted=bool(self.accepted),
            faults=self.faults,
            clipped_fraction=self.clipped,
            snr_db=self.snr_db,
            created_at=self.created_at,
        )


class Reviewer:
    """Of each record as it comes. They come by speaker, so one document at a time is in memory."""

    def __init__(self, read: Callable[[str], Reviews]) -> None:
        self._read = read
        self._last: Reviews | None = None

    def note(self, catalogue: Catalogue, clip: int, found: Found) -> None:
        """`clip`: its row in the catalogue."""
        raw = found.raw
        if raw is None or found.fault or raw.source != SOURCE:
            return
        reviews = self._reviews(raw.speaker)
        if reviews.rejects(raw.utterance):
            catalogue.leave_out(Drop.REJECTED, "id = ?", (clip,))
        elif prompt := prompt_of(raw):
            stands = standing(raw, reviews.chooses(raw), reviews.accepts(raw.utterance))
            catalogue.add_take(clip, prompt, stands)

    def _reviews(self, speaker: str) -> Reviews:
        if self._last is None or self._last.speaker != speaker:
            self._last = self._read(speaker)
        return self._last


def nobody() -> Reviewer:
    """Where nothing was reviewed."""
    return Reviewer(lambda speaker: Reviews(speaker=speaker))


def drop_lesser_takes(catalogue: Catalogue) -> None:
    """Of those that can be used: a take whose audio is missing must not stand in for a good one."""
    takes = map(_Take._make, catalogue.each(_TAKES))
    for _, of_prompt in groupby(takes, key=lambda take: (take.speaker, take.prompt)):
        rivals = list(of_prompt)
        kept = best(take.standing for take in rivals).utterance
        for take in rivals:
            if take.utterance != kept:
                catalogue.leave_out(Drop.BETTER_TAKE, "id = ?", (take.clip,))


class Rejected:
    """How many takes are rejected, of all speakers; documents that have not changed are not read again."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._known: dict[str, tuple[str, int]] = {}  # key -> (etag, rejected)

    def count(self) -> int:
        there = {info.key: info.etag for info in list_all(self._store, keys.REVIEWS)}
        self._known = {key: known for key, known in self._known.items() if there.get(key) == known[0]}
        for key, found in usable(self._read, (key for key in there if key not in self._known)):
            self._known[key] = found
        return sum(number for _, number in self._known.values())

    def _read(self, key: str) -> tuple[str, tuple[str, int]]:
        data, etag = self._store.get_with_etag(key)
        reviews = parse_model(key, data, Reviews)
        return key, (etag, sum(map(reviews.rejects, reviews.takes)))


def reader(store: ObjectStore) -> Reviewer:
    return Reviewer(lambda speaker: read_reviews(store, speaker))


def forget_voice(store: ObjectStore, voice: Voice) -> None:
    """What a speaker agreed to, skipped and flagged, and what was thought of their takes."""
    if voice.source != SOURCE:
        return
    for info in list(list_all(store, f"{keys.PROGRESS}{voice.speaker}/")):
        store.delete(info.key)
    store.delete(keys.reviews(voice.speaker))
    store.delete(keys.speaker(voice.speaker))


def forget_clips(store: ObjectStore, clips: list[Clip]) -> None:
    ours = sorted((clip.speaker, clip.utterance) for clip in clips if clip.source == SOURCE)
    for speaker, of_speaker in groupby(ours, key=lambda each: each[0]):
        forget_reviews(store, speaker, {utterance for _, utterance in of_speaker})
