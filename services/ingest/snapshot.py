"""What is stored at one moment as the rows of a dataset; what is left out has a counted reason."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

from services.ingest import mixing, near, rules
from services.ingest.catalogue import Catalogue
from services.ingest.records import Found
from services.ingest.refusals import MAX_EXAMPLES, ReportLine
from services.ingest.reviewed import Reviewer, nobody
from services.ingest.split import why
from voxloom import keys
from voxloom.dataset_report import LineageLine
from voxloom.manifest import LEFT_OUT_BY_DESIGN, SPLITS, Shortfall, SplitName, Utterance
from voxloom.mix import Mix
from voxloom.text import NORMALIZER_VERSION

BUILDER_VERSION = 1  # of what a dataset with the same rows looks like

_ROW = "utterance, source, speaker, text, language, corpus, duration_s, audio_sha256, split"
_MORE = "named, published, origin, details, created_at, peak_dbfs, rms_dbfs"


@dataclass(frozen=True)
class Clip:
    """A row with what else is known of it."""

    row: Utterance
    lineage: LineageLine
    peak_dbfs: float
    rms_dbfs: float


class Snapshot:
    """Rows by id, on disk. Used by one thread, and closed by its `with`."""

    def __init__(self, catalogue: Catalogue, mix: Mix | None, shortfalls: dict[str, Shortfall]) -> None:
        self._catalogue = catalogue
        self.mix = mix
        self.shortfalls = shortfalls  # by the mix' name of the source
        self.stored = catalogue.number("SELECT count(DISTINCT utterance) FROM clips")
        self.overlapping_test_sentences = rules.overlapping_test_sentences(catalogue)
        catalogue.db.execute(
            f"CREATE TABLE rows AS SELECT {_ROW}, {_MORE} FROM clips WHERE fate IS NULL ORDER BY utterance"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._catalogue.__exit__()

    @cached_property
    def dataset(self) -> str:
        """The id: a hash of the content, so that building twice changes nothing. Settable, for a dataset of
        which something was withdrawn keeps its id, though the same rows may come back."""
        digest = hashlib.sha256(f"{BUILDER_VERSION} {NORMALIZER_VERSION}\n".encode())
        for row in self.rows():
            digest.update(row.model_dump_json().encode() + b"\n")
        return f"d-{digest.hexdigest()[:12]}"

    @cached_property
    def counts(self) -> dict[SplitName, int]:
        found = dict(self._catalogue.each("SELECT split, count(*) FROM rows GROUP BY split"))
        return {split: found.get(split, 0) for split in SPLITS}

    @cached_property
    def dropped(self) -> dict[str, dict[str, int]]:
        """Counts by source and reason."""
        found: dict[str, dict[str, int]] = {}
        counted = (
            "SELECT source, fate, count(*) FROM clips WHERE fate IS NOT NULL GROUP BY source, fate",
            "SELECT source, reason, count(*) FROM refusals GROUP BY source, reason",
        )
        for sql in counted:
            for source, reason, number in self._catalogue.each(sql):
                found.setdefault(source, {})[reason] = number
        return {source: dict(sorted(reasons.items())) for source, reasons in sorted(found.items())}

    @property
    def dropped_by_reason(self) -> dict[str, int]:
        total: Counter[str] = Counter()
        for reasons in self.dropped.values():
            total.update(reasons)
        return dict(sorted(total.items()))

    @cached_property
    def by_source(self) -> dict[str, int]:
        return dict(self._catalogue.each("SELECT source, count(*) FROM rows GROUP BY source ORDER BY source"))

    def lost(self, source: str) -> tuple[int, int]:
        """Clips of a source that faults cost, and all of it that was looked at."""
        reasons = self.dropped.get(source, {})
        lost = sum(number for reason, number in reasons.items() if reason not in LEFT_OUT_BY_DESIGN)
        return lost, self.by_source.get(source, 0) + sum(reasons.values())

    def examples(self) -> dict[str, list[str]]:
        """A few of each reason, in the order in which they were found."""
        clips = "SELECT coalesce(example, utterance) FROM clips WHERE fate = ? ORDER BY id LIMIT ?"
        refused = "SELECT example FROM refusals WHERE reason = ? ORDER BY rowid LIMIT ?"
        found = {}
        for reason in self.dropped_by_reason:
            each = self._catalogue.each(
                refused if reason.startswith("import_") else clips, reason, MAX_EXAMPLES
            )
            found[reason] = [example for (example,) in each]
        return found

    def rows(self, split: SplitName | None = None) -> Iterator[Utterance]:
        """By id."""
        for values in self._select(_ROW, split):
            yield _row(*values)

    def clips(self) -> Iterator[Clip]:
        """Every row with its lineage, by id."""
        for values in self._select(f"{_ROW}, {_MORE}"):
            row = _row(*values[:9])
            named, published, origin, details, created_at, peak_dbfs, rms_dbfs = values[9:]
            reason = why(row.source, published, bool(named), row.split)
            lineage = LineageLine(
                utterance=row.utterance,
                split=row.split,
                why=reason,
                source=row.source,
                corpus=row.corpus,
                speaker=row.speaker,
                language=row.language,
                record_key=row.audio_key.removesuffix(".wav") + ".json",
                origin=origin,
                details=json.loads(details),
                created_at=created_at,
                audio_sha256=row.audio_sha256,
            )
            yield Clip(row, lineage, peak_dbfs, rms_dbfs)

    def grouped(self, columns: str, where: str = "1") -> Iterator[tuple[Any, ...]]:
        """(*columns, utterances, speakers, hours) of groups of rows."""
        return self._catalogue.each(
            f"SELECT {columns}, count(*), count(DISTINCT source || '/' || speaker), total(duration_s) / 3600 "
            f"FROM rows WHERE {where} GROUP BY {columns} ORDER BY {columns}"
        )

    def distinct(self, column: str) -> list[str]:
        return [value for (value,) in self._catalogue.each(f"SELECT DISTINCT {column} FROM rows ORDER BY 1")]

    def top_speakers(self, limit: int) -> Iterator[tuple[str, str, int, float]]:
        """(source, speaker, utterances, hours) of those who train most."""
        return self._catalogue.each(
            "SELECT source, speaker, count(*), total(duration_s) / 3600 FROM rows WHERE split = 'train' "
            "GROUP BY source, speaker ORDER BY 3 DESC, 1, 2 LIMIT ?",
            limit,
        )

    def _select(self, columns: str, split: SplitName | None = None) -> Iterator[tuple[Any, ...]]:
        if split is None:
            return self._catalogue.each(f"SELECT {columns} FROM rows ORDER BY rowid")
        return self._catalogue.each(f"SELECT {columns} FROM rows WHERE split = ? ORDER BY rowid", split)


def take_snapshot(
    records: Iterable[Found],
    refused: Iterable[tuple[str, ReportLine]] = (),
    *,
    mix: Mix | None = None,
    damaged: frozenset[str] = frozenset(),
    reviewer: Reviewer | None = None,
    check: Callable[[], None] = lambda: None,
) -> Snapshot:
    """`refused`: lines of import reports, each with its source; `damaged`: ids of audio found to be so.
    Without a reviewer nothing was rejected and nothing chosen."""
    catalogue = Catalogue(mix.seed if mix else 0)
    reviewer = reviewer or nobody()
    try:
        for found in records:
            check()
            reviewer.note(catalogue, catalogue.add(found, damaged), found)
        for source, line in refused:
            if mix is None or mix.wants(source, line.corpus):
                example = f"{line.corpus}: {line.path}"
                catalogue.refuse(line.utterance, source, f"import_{line.reason}", example)
        catalogue.settle_refusals()
        rules.apply(catalogue, check)
        near.drop_near_duplicates(catalogue, check)
        return Snapshot(catalogue, mix, mixing.apply(catalogue, mix) if mix else {})
    except BaseException:
        catalogue.__exit__()
        raise


def _row(
    utterance: str,
    source: str,
    speaker: str,
    text: str,
    language: str,
    corpus: str,
    duration_s: float,
    audio_sha256: str,
    split: SplitName,
) -> Utterance:
    return Utterance(
        utterance=utterance,
        audio_key=keys.raw_audio(source, speaker, utterance),
        text=text,
        speaker=speaker,
        language=language,
        source=source,
        corpus=corpus,
        duration_s=duration_s,
        audio_sha256=audio_sha256,
        split=split,
    )
