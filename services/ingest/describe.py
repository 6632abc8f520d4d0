"""dataset.json, lineage.jsonl and report.json of a snapshot; the rows are gone through once."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from services.ingest.snapshot import Clip, Snapshot
from voxloom.alphabet import AlphabetCounter
from voxloom.dataset_report import DatasetReport, Histogram, Speaker
from voxloom.manifest import SPLITS, CorpusSummary, Counts, DatasetRecord, Sidecar, SplitName, SplitSummary
from voxloom.record import to_line
from voxloom.text import NORMALIZER_VERSION

_TOP_SPEAKERS = 20
_MAX_CHARACTERS = 5_000  # kinds
_EDGES: dict[tuple[str, str], list[float]] = {
    ("duration", "s"): [0.5, 1, 1.5, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30],
    ("peak level", "dBFS"): [-48, -42, -36, -30, -24, -18, -12, -9, -6, -3, -1],
    ("mean level", "dBFS"): [-66, -60, -54, -48, -42, -36, -33, -30, -27, -24, -21, -18, -15, -12],
    ("rate of speech", "characters/s"): [2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 25],
}


@dataclass(frozen=True)
class Made:
    """How and when a dataset was asked for."""

    max_dropped: float
    experiment: bool
    at: str  # ISO 8601, UTC
    trace: str


class Description:
    """Fills while `lines` is gone through."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._alphabet: set[str] = set()
        self._characters = AlphabetCounter()
        self._histograms = [
            Histogram(
                name=name,
                unit=unit,
                edges=edges,
                counts={split: [0] * (len(edges) + 1) for split in SPLITS},
            )
            for (name, unit), edges in _EDGES.items()
        ]

    @property
    def dataset(self) -> str:
        return self._snapshot.dataset

    def of_rows(self) -> dict[str, Any]:
        """What the record says of the rows alone, and did not in releases before."""
        return {"corpora": _corpora(self._snapshot), "test_sets": _test_sets(self._snapshot)}

    def lines(self) -> Iterator[bytes]:
        """lineage.jsonl, line by line."""
        for clip in self._snapshot.clips():
            self._count(clip)
            yield to_line(clip.lineage)

    def report(self) -> DatasetReport:
        """After the last of the `lines`."""
        uses = self._characters.report().characters
        speakers = self._snapshot.top_speakers(_TOP_SPEAKERS)
        return DatasetReport(
            dataset=self._snapshot.dataset,
            by_split=_by_split(self._snapshot),
            histograms=self._histograms,
            characters={use.character: use.count for use in uses[:_MAX_CHARACTERS]},
            characters_left_out=max(len(self._alphabet) - _MAX_CHARACTERS, 0),
            top_speakers=[
                Speaker(source=source, speaker=speaker, utterances=number, hours=hours)
                for source, speaker, number, hours in speakers
            ],
        )

    def record(
        self, shards: dict[SplitName, list[str]], sidecars: dict[str, Sidecar], made: Made
    ) -> DatasetRecord:
        """After the last of the `lines`."""
        snapshot = self._snapshot
        by_reason = snapshot.dropped_by_reason
        dropped = sum(by_reason.values())
        considered = sum(snapshot.counts.values()) + dropped
        return DatasetRecord(
            dataset=snapshot.dataset,
            created_at=made.at,
            considered=considered,
            splits=_splits(snapshot, shards),
            utterances_by_source=snapshot.by_source,
            dropped_by_reason=by_reason,
            dropped_examples=snapshot.examples(),
            dropped_fraction=dropped / max(considered, 1),
            overlapping_test_sentences=snapshot.overlapping_test_sentences,
            alphabet="".join(sorted(self._alphabet)),
            languages=snapshot.distinct("language"),
            normalizer_version=NORMALIZER_VERSION,
            trace=made.trace,
            dropped_by_source=snapshot.dropped,
            max_dropped_fraction=made.max_dropped,
            experiment=made.experiment,
            mix=snapshot.mix,
            mix_shortfalls=snapshot.shortfalls,
            **self.of_rows(),
            lineage=sidecars["lineage"],
            report=sidecars["report"],
        )

    def _count(self, clip: Clip) -> None:
        row = clip.row
        values = (row.duration_s, clip.peak_dbfs, clip.rms_dbfs, len(row.text) / max(row.duration_s, 1e-3))
        for histogram, value in zip(self._histograms, values, strict=True):
            histogram.add(row.split, value)
        if row.split == "train":
            self._alphabet.update(row.text)
            self._characters.add(row.text, row.utterance)


def _splits(snapshot: Snapshot, shards: dict[SplitName, list[str]]) -> dict[SplitName, SplitSummary]:
    found = {split: _counts(counts) for split, *counts in snapshot.grouped("split")}
    nothing = Counts(utterances=0, speakers=0, hours=0)
    return {split: SplitSummary(**dict(found.get(split, nothing)), shards=shards[split]) for split in SPLITS}


def _by_split(snapshot: Snapshot) -> dict[SplitName, dict[str, Counts]]:
    found: dict[SplitName, dict[str, Counts]] = {split: {} for split in SPLITS}
    for split, source, *counts in snapshot.grouped("split, source"):
        found[split][source] = _counts(counts)
    return found


def _corpora(snapshot: Snapshot) -> dict[str, CorpusSummary]:
    by_split: dict[str, dict[SplitName, int]] = {}
    for corpus, split, number, *_ in snapshot.grouped("corpus, split"):
        by_split.setdefault(corpus, {})[split] = number
    return {
        corpus: CorpusSummary(source=source, utterances=by_split[corpus], speakers=speakers, hours=hours)
        for corpus, source, _, speakers, hours in snapshot.grouped("corpus, source")
    }


def _test_sets(snapshot: Snapshot) -> dict[str, Counts]:
    kept = "split = 'test' AND published = 'test'"
    return {corpus: _counts(counts) for corpus, *counts in snapshot.grouped("corpus", kept)}


def _counts(values: list[Any]) -> Counts:
    utterances, speakers, hours = values
    return Counts(utterances=utterances, speakers=speakers, hours=hours)
