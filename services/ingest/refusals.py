"""Law 8: whatever is not taken in has a reason, a count and an example; the full list lies in the store."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from voxloom.corpora.refusal import Refusal
from voxloom.keys import import_report
from voxloom.record import Record, parse_lines, to_line
from voxloom.storage import ObjectStore

MAX_EXAMPLES = 20


class ReportLine(Record):
    """One line of imports/<job>.jsonl."""

    utterance: str  # the id that the clip would have
    corpus: str
    path: str
    reason: str
    detail: str = ""


@dataclass
class Tally:
    """What happened to the clips of one import."""

    added: int = 0
    already_stored: int = 0
    duration_s: float = 0.0
    refusals: list[Refusal] = field(default_factory=list)

    @property
    def accepted(self) -> int:
        return self.added + self.already_stored

    @property
    def seen(self) -> int:
        return self.accepted + len(self.refusals)

    @property
    def refused_fraction(self) -> float:
        return len(self.refusals) / max(self.seen, 1)

    def by_reason(self) -> dict[str, int]:
        return dict(sorted(Counter(refusal.reason for refusal in self.refusals).items()))

    def examples(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for refusal in self.refusals:
            examples = found.setdefault(refusal.reason, [])
            if len(examples) < MAX_EXAMPLES:
                examples.append(f"{refusal.path}: {refusal.detail}" if refusal.detail else refusal.path)
        return dict(sorted(found.items()))

    def summary(self) -> str:
        """'3 silent (an4/a.wav), 1 no_text (an4/b.wav)', the most frequent first."""
        first = {reason: examples[0] for reason, examples in self.examples().items()}
        counts = sorted(self.by_reason().items(), key=lambda item: -item[1])
        return ", ".join(f"{number} {reason} ({first[reason]})" for reason, number in counts)


def write_report(store: ObjectStore, job: str, corpus: str, refusals: Iterable[tuple[str, Refusal]]) -> None:
    """One line a refusal, given as (utterance id, refusal). Doing it again writes the same bytes."""
    lines = (
        ReportLine(utterance=utterance, corpus=corpus, **vars(refusal)) for utterance, refusal in refusals
    )
    store.put_stream(import_report(job), map(to_line, lines))


def read_report(store: ObjectStore, job: str) -> Iterator[ReportLine]:
    """The lines of one report."""
    with store.open(import_report(job)) as file:
        yield from parse_lines(import_report(job), file, ReportLine)
