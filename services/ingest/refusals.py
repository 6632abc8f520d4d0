"""Law 8: whatever is not taken in has a reason, a count and an example; the full list lies in the store."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from services.ingest.clips import Stored
from voxloom.corpora.refusal import Reason, Refusal
from voxloom.keys import import_report
from voxloom.record import Record, parse_lines
from voxloom.storage import ObjectStore

MAX_EXAMPLES = 20


class ReportLine(Record):
    """One line of imports/<job>.jsonl."""

    utterance: str  # the id that the clip would have
    corpus: str
    path: str
    reason: str
    detail: str = ""
    voice: str = ""  # hash of source and speaker, by which a withdrawal finds what was never stored


@dataclass
class Tally:
    """What happened to the clips of an import, or of a part of it."""

    added: int = 0
    already_stored: int = 0
    duration_s: float = 0.0
    by_reason: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)

    @property
    def accepted(self) -> int:
        return self.added + self.already_stored

    @property
    def refused(self) -> int:
        return self.by_reason.total()

    @property
    def seen(self) -> int:
        return self.accepted + self.refused

    @property
    def refused_fraction(self) -> float:
        """What was withdrawn is refused on purpose: it is no fault of the corpus."""
        faulty = self.refused - self.by_reason[Reason.FORGOTTEN]
        return faulty / max(self.seen, 1)

    def count(self, outcome: Stored | Refusal) -> None:
        if isinstance(outcome, Refusal):
            self.by_reason[outcome.reason] += 1
            detail = f": {outcome.detail}" if outcome.detail else ""
            self._exemplify(outcome.reason, [f"{outcome.path}{detail}"])
        else:
            self.added += outcome.added
            self.already_stored += not outcome.added
            self.duration_s += outcome.duration_s

    def add(self, result: Mapping[str, Any]) -> None:
        """The result of a part."""
        self.added += result["added"]
        self.already_stored += result["already_stored"]
        self.duration_s += result["duration_s"]
        self.by_reason.update(result["refused_by_reason"])
        for reason, examples in result["refused_examples"].items():
            self._exemplify(reason, examples)

    def to_result(self) -> dict[str, object]:
        return {
            "accepted": self.accepted,
            "added": self.added,
            "already_stored": self.already_stored,
            "refused": self.refused,
            "refused_by_reason": dict(sorted(self.by_reason.items())),
            "refused_examples": dict(sorted(self.examples.items())),
            "duration_s": round(self.duration_s, 3),
        }

    def summary(self) -> str:
        """'12 added, 3 stored before, 1 refused'."""
        parts = [f"{self.added} added"]
        if self.already_stored:
            parts.append(f"{self.already_stored} stored before")
        if self.refused:
            parts.append(f"{self.refused} refused")
        return ", ".join(parts)

    def reasons(self) -> str:
        """'3 silent (an4/a.wav), 1 no_text (an4/b.wav)', the most frequent first."""
        counts = sorted(self.by_reason.items(), key=lambda item: (-item[1], item[0]))
        return ", ".join(f"{number} {reason} ({self.examples[reason][0]})" for reason, number in counts)

    def _exemplify(self, reason: str, examples: Iterable[str]) -> None:
        known = self.examples.setdefault(reason, [])
        known.extend(islice(examples, MAX_EXAMPLES - len(known)))


def read_report(store: ObjectStore, job: str) -> Iterator[ReportLine]:
    """The lines of one report."""
    with store.open(import_report(job)) as file:
        yield from parse_lines(import_report(job), file, ReportLine)
