"""The page of a dataset: whole by itself, readable for all, and safe whatever corpora call themselves."""

import re
from html.parser import HTMLParser

import pytest

from voxloom.cli.dataset_diff import Change, changes
from voxloom.cli.dataset_html import page
from voxloom.cli.dataset_view import bin_names
from voxloom.dataset_report import DatasetReport, Histogram, Speaker
from voxloom.manifest import (
    CorpusSummary,
    Counts,
    DatasetRecord,
    Shortfall,
    SplitName,
    SplitSummary,
    Utterance,
)
from voxloom.mix import Mix, Share

EVIL = "</title><script>alert('x')</script><img src=x onerror=\"alert(1)\">\x1b[2J"
VOID = {"meta", "rect", "br"}


def record() -> DatasetRecord:
    return DatasetRecord(
        dataset="d-1",
        created_at="2026-01-01T00:00:00+00:00",
        considered=9,
        splits={split: SplitSummary(utterances=2) for split in ("train", "val", "test")},
        utterances_by_source={"imported": 6},
        dropped_by_reason={EVIL: 2, "not_in_mix": 1},
        dropped_examples={EVIL: [EVIL]},
        dropped_fraction=1 / 3,
        overlapping_test_sentences=1,
        alphabet="ab",
        languages=[EVIL],
        normalizer_version=1,
        dropped_by_source={"imported": {EVIL: 2, "not_in_mix": 1}},
        mix=Mix(name="mine", sources={"own": Share(min=1, corpora=(EVIL,))}),
        mix_shortfalls={EVIL: Shortfall(wanted=3, found=1)},
        corpora={EVIL: CorpusSummary(source=EVIL, utterances={"train": 2}, speakers=1, hours=1)},
        test_sets={EVIL: Counts(utterances=2, speakers=1, hours=0.1)},
    )


def report() -> DatasetReport:
    counts: dict[SplitName, list[int]] = {"train": [0, 5, 1], "val": [0, 0, 2], "test": [1, 0, 0]}
    return DatasetReport(
        dataset="d-1",
        by_split={"train": {EVIL: Counts(utterances=2, speakers=1, hours=1)}, "val": {}, "test": {}},
        histograms=[Histogram(name=EVIL, unit="<s>", edges=[1, 2], counts=counts)],
        characters={"<": 3, "&": 2, " ": 1, "": 1},
        top_speakers=[Speaker(source="imported", speaker=EVIL, utterances=2, hours=1)],
    )


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def test_the_page_is_whole_and_nothing_in_it_comes_alive() -> None:
    text = page(record(), report())
    found = Page(text)
    names = {name for name, _ in found.tags}
    assert not names & {"script", "img", "link", "iframe", "object", "s"}
    assert not any(key.startswith("on") or key in ("src", "href") for _, attrs in found.tags for key in attrs)
    assert not re.search(r"url\(|@import|\x1b", text)
    assert "default-src &#x27;none&#x27;" in text or "default-src 'none'" in text


def test_the_page_is_readable_for_all() -> None:
    found = Page(page(record(), report()))
    assert found.all("html") == [{"lang": "en"}]
    plots = [svg for svg in found.all("svg") if svg.get("role") == "img"]
    assert len(plots) == 1
    assert all(plot["aria-label"] for plot in plots)
    assert len(found.all("caption")) == len(found.all("table"))
    assert all(head.get("scope") == "col" for head in found.all("th"))
    assert "prefers-color-scheme: dark" in page(record(), report())


def test_every_count_is_in_a_table_beside_the_plot() -> None:
    text = page(record(), report())
    row = '<td>{}</td><td class="n">{}</td><td class="n">{}</td><td class="n">{}</td>'
    for name, *counts in zip(("under 1", "1 - 2", "2 or more"), (0, 5, 1), (0, 0, 2), (1, 0, 0), strict=True):
        assert row.format(name, *counts) in text


def test_a_value_falls_between_its_edges() -> None:
    histogram = Histogram(name="n", unit="u", edges=[1, 2], counts={"train": [0, 0, 0]})
    for value in (0.5, 1.0, 1.5, 2.0, 9.0):
        histogram.add("train", value)
    assert histogram.counts["train"] == [1, 2, 2]
    assert bin_names(histogram) == ["under 1", "1 - 2", "2 or more"]


def row(utterance: str, split: SplitName) -> Utterance:
    named = dict.fromkeys(("audio_key", "text", "speaker", "language", "corpus", "audio_sha256"), "x")
    return Utterance(utterance=utterance, source="imported", split=split, duration_s=1, **named)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("a", "b", "found"),
    [
        ({}, {}, []),
        ({"a": "train"}, {"a": "train"}, []),
        ({"a": "train"}, {}, [Change("went", "a", "imported", "train")]),
        ({}, {"a": "val"}, [Change("came", "a", "imported", "val")]),
        ({"a": "test"}, {"a": "train"}, [Change("moved", "a", "imported", "test -> train")]),
        (
            {"a": "train", "b": "train", "d": "val"},
            {"b": "train", "c": "test"},
            [
                Change("went", "a", "imported", "train"),
                Change("came", "c", "imported", "test"),
                Change("went", "d", "imported", "val"),
            ],
        ),
    ],
)
def test_what_came_went_and_moved(
    a: dict[str, SplitName], b: dict[str, SplitName], found: list[Change]
) -> None:
    first, second = (iter([row(*each) for each in sorted(rows.items())]) for rows in (a, b))
    assert list(changes(first, second)) == found
