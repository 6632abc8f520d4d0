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
NAMES = ("under 1", "1 to 2", "2 or more")
VOID = {"meta", "rect", "line", "wbr"}


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


def test_every_column_has_a_name_and_a_wide_table_moves_by_itself() -> None:
    text = page(record(), report())
    assert not re.search("<th[^>]*></th>", text)
    assert text.count('<div class="wide"><table>') == text.count("<table>")


def test_text_of_a_plot_has_its_size_on_any_screen_and_no_bar_runs_into_its_count() -> None:
    found = Page(page(record(), report()))
    plot = next(svg for svg in found.all("svg") if svg.get("role") == "img")
    assert (plot["width"], plot["height"]) == ("100%", "60")
    assert not any("viewbox" in svg for svg in found.all("svg"))
    bars = [bar for bar in found.all("rect") if "x" in bar]
    widths = [float(str(bar["width"]).removesuffix("%")) for bar in bars]
    assert [bar["class"] for bar in bars] == ["test", "train", "train", "val"]
    assert [each / widths[1] for each in widths] == pytest.approx([1 / 5, 1, 1 / 5, 2 / 5], abs=0.01)
    assert all(float(str(bar["x"])[:-1]) + width <= 80.01 for bar, width in zip(bars, widths, strict=True))


def test_what_is_drawn_and_written_stands_out_in_light_and_dark() -> None:
    """Contrast as WCAG 2 asks for: 4.5 of text, 3 of what a plot is read from."""
    light, dark = page(record(), report()).split("prefers-color-scheme: dark")
    for scheme in (light, dark):
        colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", scheme))
        for name, least in {"ink": 4.5, "warn": 4.5, "train": 3, "val": 3, "test": 3}.items():
            assert contrast(colours[name], colours["paper"]) >= least, name


def contrast(a: str, b: str) -> float:
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    linear = (x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts)
    return sum(share * x for share, x in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_every_count_is_in_a_table_beside_the_plot() -> None:
    text = page(record(), report())
    row = '<td>{}</td><td class="n">{}</td><td class="n">{}</td><td class="n">{}</td>'
    for name, *counts in zip(
        ("under 1", "1 to 2", "2 or more"), (0, 5, 1), (0, 0, 2), (1, 0, 0), strict=True
    ):
        assert row.format(name, *counts) in text


def test_a_value_falls_between_its_edges() -> None:
    histogram = Histogram(name="n", unit="u", edges=[1, 2], counts={"train": [0, 0, 0]})
    for value in (0.5, 1.0, 1.5, 2.0, 9.0):
        histogram.add("train", value)
    assert histogram.counts["train"] == [1, 2, 2]
    assert bin_names(histogram) == ["under 1", "1 to 2", "2 or more"]


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
