"""Two datasets side by side, in the order of their ids: memory does not grow with them."""

import heapq
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from voxloom.cli.output import print_json, print_json_line, say, table
from voxloom.corpora.shard_stream import rows
from voxloom.manifest import SPLITS, SplitName, Utterance
from voxloom.v1 import ingest_pb2

Kind = Literal["came", "went", "moved"]


@dataclass(frozen=True)
class Change:
    kind: Kind
    utterance: str
    source: str
    split: str  # "test -> train" of one that moved


def compare(ingest: Any, a: str, b: str) -> Iterator[Change]:
    """By utterance."""
    return changes(_rows(ingest, a), _rows(ingest, b))


def changes(a: Iterator[Utterance], b: Iterator[Utterance]) -> Iterator[Change]:
    """Both by id."""
    old, new = next(a, None), next(b, None)
    while old or new:
        if new is None or (old is not None and old.utterance < new.utterance):
            assert old is not None
            yield Change("went", old.utterance, old.source, old.split)
            old = next(a, None)
        elif old is None or new.utterance < old.utterance:
            yield Change("came", new.utterance, new.source, new.split)
            new = next(b, None)
        else:
            if old.split != new.split:
                yield Change("moved", new.utterance, new.source, f"{old.split} -> {new.split}")
            old, new = next(a, None), next(b, None)


def tell(a: str, b: str, found: Iterator[Change], *, verbose: bool, json_: bool) -> None:
    counts: Counter[tuple[str, str, str]] = Counter()
    for change in found:
        counts[change.kind, change.source, change.split] += 1
        if verbose and json_:
            print_json_line(vars(change))
        elif verbose:
            say(f"{change.kind}  {change.split}  {change.source}  {change.utterance}")
    told = [(*what, number) for what, number in sorted(counts.items())]
    moved = sum(number for (kind, *_), number in counts.items() if kind == "moved")
    if json_:
        named = [dict(zip(("kind", "source", "split", "utterances"), row, strict=True)) for row in told]
        (print_json_line if verbose else print_json)({"a": a, "b": b, "moved": moved, "changes": named})
        return
    say(f"from {a} to {b}", "bold")
    if told:
        table(("change", "source", "split", "utterances"), told)
    else:
        say("the same utterances in the same splits")
    if moved:
        say(f"{moved} utterances changed their split: results on the two test sets do not compare", "yellow")


def _rows(ingest: Any, dataset: str) -> Iterator[Utterance]:
    return heapq.merge(*(_split(ingest, dataset, split) for split in SPLITS), key=lambda row: row.utterance)


def _split(ingest: Any, dataset: str, split: SplitName) -> Iterator[Utterance]:
    return rows(ingest.ReadManifest(ingest_pb2.ReadManifestRequest(dataset=dataset, split=split)))
