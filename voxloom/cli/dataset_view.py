"""A dataset as lines and tables."""

import json
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from voxloom.cli.output import audio_time, percent, say, table, when
from voxloom.dataset_report import DatasetReport, Histogram
from voxloom.manifest import LEFT_OUT_BY_DESIGN, SPLITS, DatasetRecord
from voxloom.mix import NAMES, Share
from voxloom.record import parse_model
from voxloom.v1 import ingest_pb2

_BAR = 40
_MAX_CHARACTERS = 100


def document_of(dataset: ingest_pb2.Dataset) -> Any:
    return json.loads(dataset.record_json)


def record_of(dataset: ingest_pb2.Dataset) -> DatasetRecord:
    return parse_model("dataset.json", dataset.record_json, DatasetRecord)


def show(record: DatasetRecord) -> None:
    say(f"dataset {record.dataset}, created {when(record.created_at)}", "bold")
    splits = ((name, record.splits[name]) for name in SPLITS)
    table(
        ("split", "utterances", "speakers", "audio"),
        ((name, each.utterances, each.speakers, audio_time(each.hours)) for name, each in splits),
    )
    for source, number in sorted(record.utterances_by_source.items()):
        say(f"{number} utterances from {source}")
    if record.experiment:
        say("built for an experiment: no run on it leads to a model that is served")
    if record.mix:
        told = ", ".join(f"{name} {share_text(share)}" for name, share in record.mix.sources.items())
        say(f"mix {record.mix.name}: {told}")
    for name, each in record.mix_shortfalls.items():
        say(f"{name}: {each.found} usable utterances, the mix wants {each.wanted}", "yellow")
    for corpus, test in record.test_sets.items():
        say(f"test set {corpus}: {test.utterances} utterances of {test.speakers} speakers")
    _show_dropped(record)


def _show_dropped(record: DatasetRecord) -> None:
    for reason, number in sorted(record.dropped_by_reason.items()):
        say(f"{number} dropped: {reason}", "" if reason in LEFT_OUT_BY_DESIGN else "yellow")
    if record.overlapping_test_sentences:
        say(
            f"{record.overlapping_test_sentences} test sentences also occur in train (published split)",
            "yellow",
        )


def share_text(share: Share) -> str:
    """400 to 500, at most 2 h, en"""
    most = "" if share.max is None else str(share.max)
    parts = [f"{share.min} to {most}" if most else f"{share.min} or more"]
    if share.max_hours is not None:
        parts.append(f"at most {share.max_hours:g} h")
    if share.fraction is not None:
        parts.append(f"{percent(share.fraction)} of the sentences")
    return ", ".join([*parts, *share.corpora, *share.languages])


def show_report(report: DatasetReport) -> None:
    """What `show` does not say."""
    say()
    table(("split", "source", "utterances", "speakers", "audio"), _by_split(report))
    for histogram in report.histograms:
        _show_histogram(histogram)
    say()
    say("who trains most", "bold")
    table(
        ("source", "speaker", "utterances", "audio"),
        (
            (each.source, each.speaker, each.utterances, audio_time(each.hours))
            for each in report.top_speakers
        ),
    )
    say()
    say(f"{len(report.characters)} characters of the training texts, most frequent first", "bold")
    shown = list(report.characters.items())[:_MAX_CHARACTERS]
    say("  ".join(f"{character!r} {count}" for character, count in shown))


def _by_split(report: DatasetReport) -> Iterator[tuple[object, ...]]:
    for split in SPLITS:
        for source, each in report.by_split.get(split, {}).items():
            yield split, NAMES.get(source, source), each.utterances, each.speakers, audio_time(each.hours)


def _show_histogram(histogram: Histogram) -> None:
    totals = total_counts(histogram)
    everything = max(sum(totals), 1)
    say()
    say(f"{histogram.name} in {histogram.unit}", "bold")
    rows = zip(bin_names(histogram), totals, strict=True)
    highest = max(*totals, 1)
    table(
        (histogram.unit, "utterances", "share", ""),
        ((name, n, percent(n / everything), "#" * round(_BAR * n / highest)) for name, n in rows if n),
    )


def total_counts(histogram: Histogram) -> list[int]:
    """Of all splits."""
    return [sum(each) for each in zip(*histogram.counts.values(), strict=True)]


def bin_names(histogram: Histogram) -> list[str]:
    """'under 1', '1 to 2', '2 or more'."""
    edges = [f"{edge:g}" for edge in histogram.edges]
    between = [f"{low} to {high}" for low, high in pairwise(edges)]
    return [f"under {edges[0]}", *between, f"{edges[-1]} or more"]
