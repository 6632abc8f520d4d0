"""What is told of a dataset beside its record: where each clip comes from, and what they are like in all."""

from bisect import bisect_right

from pydantic import Field

from voxloom.manifest import Counts, SplitName
from voxloom.record import Part, Record


class LineageLine(Record):
    """One line of manifests/<dataset>/lineage.jsonl, by utterance."""

    utterance: str
    split: SplitName
    why: str  # what put it into its split
    source: str
    corpus: str
    speaker: str
    language: str
    record_key: str  # raw/<source>/<speaker>/<utterance>.json
    origin: str = ""  # path in the imported corpus
    details: dict[str, str] = Field(default_factory=dict)
    created_at: str
    audio_sha256: str


class Speaker(Part):
    source: str
    speaker: str  # the id, not the name
    utterances: int
    hours: float


class Histogram(Part):
    """`counts[i]` values lie in [edges[i - 1], edges[i]); the first and the last are open."""

    name: str
    unit: str
    edges: list[float]
    counts: dict[SplitName, list[int]]

    def add(self, split: SplitName, value: float) -> None:
        self.counts[split][bisect_right(self.edges, value)] += 1


class DatasetReport(Record):
    """manifests/<dataset>/report.json. What was left out, mix and test sets are in dataset.json."""

    dataset: str
    by_split: dict[SplitName, dict[str, Counts]]  # split -> source -> counts
    histograms: list[Histogram]
    characters: dict[str, int]  # of the training texts, most frequent first
    characters_left_out: int = 0  # kinds beyond the bound
    top_speakers: list[Speaker]  # of train
