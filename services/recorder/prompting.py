"""Which prompts there are, what a speaker has done with them, and what to read next."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from services.recorder.coverage import Coverage, Covered
from services.recorder.labels import check_language, check_reason, named_speaker
from services.recorder.ledger import Ledger, Said, said
from services.recorder.progress import Mark, Progress, mark, read_progress
from services.recorder.prompt_files import Found, read_prompts
from services.recorder.prompt_lists import Prompt, PromptList, PromptLists
from services.recorder.served import Models
from services.recorder.sounds import Sounds
from voxloom import keys
from voxloom.corpora.refusal import printable
from voxloom.corpora.sentences import sentence_key
from voxloom.errors import BadInput, NotFound
from voxloom.manifest import RawUtterance
from voxloom.storage import ObjectStore

MAX_NEXT = 100
_MAX_PAGE = 10_000
_MAX_MISSING = 40  # characters that are told
_NAMED = 5  # files of an import that its origin names


@dataclass(frozen=True)
class PromptState:
    """A prompt as one speaker sees it."""

    prompt: Prompt
    takes: int = 0
    recorded: bool = False
    skipped: str = ""
    flagged: str = ""
    because: str = ""  # why it should be read now

    @property
    def open(self) -> bool:
        return not (self.recorded or self.skipped)


@dataclass(frozen=True)
class Imported:
    prompts: PromptList
    found: Found
    replaced: PromptList | None
    added: int  # sentences that the replaced list did not have
    removed: int  # sentences that only that had


@dataclass(frozen=True)
class Standing:
    """How far a speaker has come with a list."""

    states: list[PromptState]
    takes: int
    seconds: float  # of the latest take of each prompt
    covered: Covered

    @property
    def missing(self) -> list[str]:
        return sorted(self.covered.characters - self.covered.said)[:_MAX_MISSING]


@dataclass(frozen=True)
class _View:
    """All that is known of a speaker and a list, of one moment."""

    prompts: PromptList
    said: Said
    texts: list[tuple[str, str]]  # (text, language) of every take
    progress: Progress

    def states(self) -> Iterator[PromptState]:
        name = self.prompts.name
        for prompt in self.prompts.prompts:
            yield PromptState(
                prompt=prompt,
                takes=len(self.said.takes_of(name, prompt.id)),
                recorded=self.said.has(name, prompt.id, prompt.text),
                skipped=self.progress.skipped.get(prompt.id, ""),
                flagged=self.progress.flagged.get(prompt.id, ""),
            )


class Prompting:
    """Methods block and can be called from many threads."""

    def __init__(
        self,
        store: ObjectStore,
        ledger: Ledger,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        coverage: Coverage | None = None,
    ) -> None:
        self.lists = PromptLists(store)
        self._store = store
        self._ledger = ledger
        self._now = now
        sounds = Sounds()
        self._coverage = coverage or Coverage(Models(store, sounds), sounds)

    def add(self, name: str, language: str, files: Mapping[str, bytes]) -> Imported:
        """Stores a list made of files; BadInput when none of their lines can be read aloud."""
        keys.check_id(name, "name of a prompt list")
        found = read_prompts(files, language)
        digest = hashlib.sha256(b"".join(files[path] for path in sorted(files))).hexdigest()
        names = ", ".join(sorted(files)[:_NAMED]) + (" and others" if len(files) > _NAMED else "")
        prompts = PromptList(
            name=name,
            language=check_language(found.language),
            origin=printable(f"{found.format}: {names}; sha256 {digest[:16]}", 500),
            created_at=self._now().isoformat(timespec="milliseconds"),
            prompts=found.prompts,
        )
        old = self.lists.put(prompts)
        before, now = _sentences(old), _sentences(prompts)
        return Imported(prompts, found, old, len(now - before), len(before - now))

    def page(self, name: str, speaker: str, after: str, limit: int) -> tuple[PromptList, list[PromptState]]:
        """Up to `limit` prompts behind the id `after`, in the list's order."""
        if not 0 <= limit <= _MAX_PAGE:
            raise BadInput(f"limit is {limit}; expected 0 to {_MAX_PAGE}")
        prompts = self.lists.get(name)
        states = list(self._view(prompts, speaker).states() if speaker else map(PromptState, prompts.prompts))
        start = _position(prompts, after) + 1 if after else 0
        return prompts, states[start : start + (limit or 1000)]

    def next(
        self, name: str, speaker: str, count: int, useful: bool = False
    ) -> tuple[PromptList, list[PromptState]]:
        """Prompts that are neither recorded nor skipped, in the list's order or the most useful first."""
        if not 0 <= count <= MAX_NEXT:
            raise BadInput(f"count is {count}; expected 1 to {MAX_NEXT}")
        prompts = self.lists.get(name)
        view = self._view(prompts, speaker)
        states = list(view.states())
        still_open = [index for index, state in enumerate(states) if state.open]
        if not useful:
            return prompts, [states[index] for index in still_open[: count or 1]]
        chosen = self._coverage.choose(prompts, still_open, view.texts, count or 1)
        return prompts, [replace(states[each.prompt], because=each.because) for each in chosen]

    def mark(self, name: str, speaker: str, prompt_id: str, kind: Mark, reason: str) -> None:
        """Skips or flags; without a reason it is taken back. NotFound unless the list has the prompt."""
        prompts = self.lists.get(name)
        _position(prompts, prompt_id)
        checked = check_reason(reason) if reason else ""
        mark(self._store, (named_speaker(speaker), name), kind, prompt_id, checked)

    def standing(self, name: str, speaker: str) -> Standing:
        prompts = self.lists.get(name)
        view = self._view(prompts, speaker)
        takes = [view.said.takes_of(name, prompt.id) for prompt in prompts.prompts]
        return Standing(
            states=list(view.states()),
            takes=sum(map(len, takes)),
            seconds=sum(_latest(each).levels.duration_s for each in takes if each),
            covered=self._coverage.covered(prompts, view.texts),
        )

    def _view(self, prompts: PromptList, speaker: str) -> _View:
        who = named_speaker(speaker)
        takes = self._ledger.takes(who)
        texts = [(take.text, take.language) for take in takes]
        return _View(prompts, said(takes), texts, read_progress(self._store, who, prompts.name))


def _sentences(prompts: PromptList | None) -> set[str]:
    return {sentence_key(prompt.text) for prompt in prompts.prompts} if prompts else set()


def _position(prompts: PromptList, prompt_id: str) -> int:
    for index, prompt in enumerate(prompts.prompts):
        if prompt.id == prompt_id:
            return index
    raise NotFound(f"prompt list {prompts.name} has no prompt {prompt_id[:100]!r}")


def _latest(takes: list[RawUtterance]) -> RawUtterance:
    return max(takes, key=lambda take: (take.created_at, take.utterance))
