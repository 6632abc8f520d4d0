"""What people make of takes: accepted, rejected, chosen."""

from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from itertools import groupby

from services.recorder.catalogue import Catalogue
from services.recorder.labels import check_reason
from services.recorder.ledger import SOURCE
from services.recorder.lookup import Lookup
from voxloom.best_take import prompt_of
from voxloom.errors import BadInput
from voxloom.forgotten import is_withdrawn
from voxloom.reviews import Review, Reviews, Verdict, change_reviews
from voxloom.storage import ObjectStore
from voxloom.threads import ordered_map

MAX_NAMES = 1000
_THREADS = 8  # small reads, mostly waits
Name = tuple[str, str]  # speaker, utterance


class Reviewing:
    """Methods block and can be called from many threads."""

    def __init__(
        self,
        store: ObjectStore,
        catalogue: Catalogue,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._catalogue = catalogue
        self._lookup = Lookup(store, catalogue)
        self._now = now

    def review(self, names: Sequence[Name], verdict: Verdict | None, reason: str) -> int:
        """Judges takes, or without a verdict takes that back; how many have another one now. All or none:
        NotFound names a take that is not there."""
        if not 0 < len(names) <= MAX_NAMES:
            raise BadInput(f"{len(names)} takes are named; expected 1 to {MAX_NAMES}")
        if verdict == "rejected" and not reason.strip():
            raise BadInput("a take is rejected without a reason; say in a few words what is wrong with it")
        reason = check_reason(reason) if reason else ""
        at = self._now().isoformat(timespec="milliseconds")
        review = Review(verdict=verdict, reason=reason, at=at) if verdict else None
        with closing(ordered_map(lambda name: self._lookup.find(*name), names, _THREADS)) as found:
            named = sorted({(take.speaker, take.utterance) for take in found})
        return sum(
            self._judge(speaker, [utterance for _, utterance in of_speaker], review)
            for speaker, of_speaker in groupby(named, key=lambda name: name[0])
        )

    def choose(self, speaker: str, utterance: str, undo: bool) -> None:
        """Datasets have this take of its prompt, or again the best by its checks. NotFound; BadInput for a
        take that was rejected, or that is of no prompt of a list."""
        take = self._lookup.find(speaker, utterance)
        prompt = prompt_of(take)
        if not prompt:
            raise BadInput(f"{utterance} was read from no list of prompts; datasets have all of those anyway")

        def change(old: Reviews) -> Reviews:
            if old.rejects(utterance) and not undo:
                raise BadInput(f"{utterance} was rejected; accept it before you choose it")
            others = {key: each for key, each in old.chosen.items() if key != prompt}
            is_other = old.chosen.get(prompt, utterance) != utterance
            if undo and is_other:
                return old
            return old.model_copy(update={"chosen": others if undo else {**others, prompt: utterance}})

        self._change(take.speaker, change)

    def _judge(self, speaker: str, utterances: Sequence[str], review: Review | None) -> int:
        def change(old: Reviews) -> Reviews:
            others = {key: each for key, each in old.takes.items() if key not in utterances}
            judged = {key: _same(old.takes.get(key), review) for key in utterances} if review else {}
            return old.model_copy(update={"takes": {**others, **judged}})

        old, new = self._change(speaker, change)
        return sum(_verdict(old, each) != _verdict(new, each) for each in utterances)

    def _change(self, speaker: str, change: Callable[[Reviews], Reviews]) -> tuple[Reviews, Reviews]:
        if is_withdrawn(self._store, "speaker", f"{SOURCE}/{speaker}"):
            raise BadInput(f"speaker {speaker} was withdrawn; nothing is kept of what was thought of them")
        old, new = change_reviews(self._store, speaker, change)
        self._catalogue.reviewed(new)
        return old, new


def _same(old: Review | None, new: Review) -> Review:
    """The old one where only the time differs: doing it again changes nothing."""
    return old if old and (old.verdict, old.reason) == (new.verdict, new.reason) else new


def _verdict(reviews: Reviews, utterance: str) -> str:
    review = reviews.takes.get(utterance)
    return review.verdict if review else ""
