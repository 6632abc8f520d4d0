"""Counts the lines of a run's report: rates with intervals by source, speaker and length; confusions."""

import heapq
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from voxloom.manifest import SPLITS, SplitName
from voxloom.run_report import (
    Confusion,
    Group,
    Heard,
    HeardUtterance,
    Measured,
    Result,
    RunSummary,
    Worst,
)
from voxloom.wer import Edits, Op, align, align_characters, bootstrap_interval, total

MOST_SPEAKERS = 100
MOST_CONFUSIONS = 60  # of each operation
MOST_WORST = 25
_FEWEST = 5  # utterances; an interval over fewer tells nothing
_EDGES_S = (2, 4, 8, 16)
_LENGTHS = ("under 2 s", "2 - 4 s", "4 - 8 s", "8 - 16 s", "16 s or more")
_Pair = tuple[Op, str, str]


@dataclass
class _Tally:
    """Word and character errors, utterance by utterance."""

    words: list[Edits] = field(default_factory=list)
    characters: list[Edits] = field(default_factory=list)

    def add(self, heard: Heard) -> None:
        self.words.append(heard.words.edits)
        self.characters.append(heard.characters.edits)

    def group(self, name: str) -> Group:
        return Group(
            name=name,
            utterances=len(self.words),
            words=measure(self.words),
            characters=measure(self.characters),
        )


def measure(edits: list[Edits]) -> Measured:
    """Rates are of sums. An interval needs five utterances."""
    counts = total(edits)
    low, high = bootstrap_interval(edits) if len(edits) >= _FEWEST else (None, None)
    return Measured(**vars(counts), rate=counts.errors / max(counts.reference, 1), low=low, high=high)


class _Accumulator:
    """One decoder on one split. Of texts only confusions and the worst are kept in memory."""

    def __init__(self) -> None:
        self.total = _Tally()
        self.by_source: defaultdict[str, _Tally] = defaultdict(_Tally)
        self.by_speaker: defaultdict[str, _Tally] = defaultdict(_Tally)
        self.by_length: defaultdict[int, _Tally] = defaultdict(_Tally)
        self.words: Counter[_Pair] = Counter()
        self.characters: Counter[_Pair] = Counter()
        self.worst: list[tuple[int, int, str, Worst]] = []  # a heap of the most errors

    def add(self, line: HeardUtterance, heard: Heard) -> None:
        tallies = (
            self.total,
            self.by_source[line.source],
            self.by_speaker[f"{line.source}/{line.speaker}"],
            self.by_length[bisect_right(_EDGES_S, line.duration_s)],
        )
        for tally in tallies:
            tally.add(heard)
        if heard.characters.errors:
            self.words.update(each for each in align(line.reference, heard.text) if each[0] != "equal")
            pairs = align_characters(line.reference, heard.text)
            self.characters.update(each for each in pairs if each[0] != "equal")
            self._note_worst(line, heard)

    def _note_worst(self, line: HeardUtterance, heard: Heard) -> None:
        spoken = line.model_dump(include=set(Worst.model_fields))
        worst = Worst(**spoken, hypothesis=heard.text, words=heard.words, characters=heard.characters)
        entry = (heard.words.errors, heard.characters.errors, line.utterance, worst)
        if len(self.worst) < MOST_WORST:
            heapq.heappush(self.worst, entry)
        elif entry[:3] > self.worst[0][:3]:
            heapq.heapreplace(self.worst, entry)

    def result(self, split: SplitName, decoder: str) -> Result:
        speakers = sorted(_groups(self.by_speaker), key=lambda each: -each.words.reference)
        return Result(
            decoder=decoder,
            split=split,
            total=self.total.group("all"),
            by_source=list(_groups(self.by_source)),
            by_speaker=speakers[:MOST_SPEAKERS],
            speakers_left_out=max(0, len(speakers) - MOST_SPEAKERS),
            by_length=[tally.group(_LENGTHS[index]) for index, tally in sorted(self.by_length.items())],
            word_confusions=list(_most(self.words)),
            character_confusions=list(_most(self.characters)),
            worst=[entry[3] for entry in sorted(self.worst, key=lambda entry: entry[:3], reverse=True)],
        )


def summarise(run: str, lines: Iterable[HeardUtterance]) -> RunSummary:
    """Of each split in turn, greedy first."""
    found: defaultdict[tuple[SplitName, str], _Accumulator] = defaultdict(_Accumulator)
    for line in lines:
        for decoder, heard in line.heard.items():
            found[line.split, decoder].add(line, heard)
    order = sorted(found, key=lambda each: (SPLITS.index(each[0]), each[1] != "greedy", each[1]))
    return RunSummary(run=run, results=[found[key].result(*key) for key in order])


def _groups(tallies: dict[str, _Tally]) -> Iterator[Group]:
    return (tally.group(name) for name, tally in sorted(tallies.items()))


def _most(counts: Counter[_Pair]) -> Iterator[Confusion]:
    """The most frequent of each operation, as one list by count."""
    by_op: defaultdict[Op, list[tuple[_Pair, int]]] = defaultdict(list)
    for pair, count in sorted(counts.items(), key=lambda each: (-each[1], each[0])):
        by_op[pair[0]].append((pair, count))
    kept = [each for found in by_op.values() for each in found[:MOST_CONFUSIONS]]
    for (op, said, heard), count in sorted(kept, key=lambda each: -each[1]):
        yield Confusion(op=op, said=said, heard=heard, count=count)
