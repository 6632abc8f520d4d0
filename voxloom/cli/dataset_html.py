"""The report of a dataset as one web page that needs nothing else: no script, no font, no network."""

from collections.abc import Iterable, Sequence
from html import escape

from voxloom.cli.dataset_view import bin_names, share_text, total_counts
from voxloom.cli.output import audio_time, percent, plain, when
from voxloom.dataset_report import DatasetReport, Histogram
from voxloom.manifest import LEFT_OUT_BY_DESIGN, SPLITS, DatasetRecord
from voxloom.mix import NAMES

_WIDTH, _HEIGHT, _BELOW = 640, 200, 34  # of a plot, in SVG units
_MAX_EXAMPLES = 5
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_STYLE = """
:root { color-scheme: light dark; --ink: #1c1c22; --paper: #fcfcfa; --line: #c9c9c4; --train: #35608f;
  --val: #b07a1e; --test: #8a3f74; --warn: #9a4a00 }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e8e4; --paper: #17181c; --line: #45464d;
  --train: #7fb0e6; --val: #e0b463; --test: #d58fbd; --warn: #f0b070 } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 46rem;
  margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums; display: block;
  overflow-x: auto }
th, td { text-align: left; padding: .2rem .9rem .2rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; overflow-wrap: anywhere }
td.n, th.n { text-align: right; white-space: nowrap }
caption { text-align: left; font-weight: 600 }
svg { width: 100%; height: auto } svg text { fill: var(--ink); font-size: 11px }
.train { fill: var(--train) } .val { fill: var(--val) } .test { fill: var(--test) }
.key span { margin-right: 1.2rem } .key svg { width: .8rem }
.warn { color: var(--warn) } summary { cursor: pointer }
"""


def page(record: DatasetRecord, report: DatasetReport, withdrawn: int = 0) -> str:
    """Every text in it is escaped: transcripts, names and ids come from outside. `withdrawn`: utterances that
    are gone since it was built."""
    body = [
        f"<h1>Dataset {_text(record.dataset)}</h1>",
        f"<p>Created {_text(when(record.created_at))}; languages: {_text(', '.join(record.languages))}.</p>",
        f'<p class="warn">{withdrawn} utterances were withdrawn since; the counts include them.</p>'
        * bool(withdrawn),
        *_sizes(record, report),
        *_mix(record),
        *_left_out(record),
        *(part for histogram in report.histograms for part in _histogram(histogram)),
        *_characters(report),
        *_speakers(report),
    ]
    title = f"Dataset {_text(record.dataset)}"
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(body)
        + "\n</main>\n</body>\n</html>\n"
    )


def _sizes(record: DatasetRecord, report: DatasetReport) -> Iterable[str]:
    yield "<h2>What is in it</h2>"
    rows = [
        (split, NAMES.get(source, source), each.utterances, each.speakers, audio_time(each.hours))
        for split in SPLITS
        for source, each in report.by_split.get(split, {}).items()
    ]
    yield _table("Splits and sources", ("split", "source", "utterances", "speakers", "audio"), rows)
    corpora = [
        (name, NAMES.get(each.source, each.source), *(each.utterances.get(split, 0) for split in SPLITS))
        for name, each in record.corpora.items()
    ]
    yield _table("Corpora", ("corpus", "source", *SPLITS), corpora)
    tests = [
        (name, each.utterances, each.speakers, audio_time(each.hours))
        for name, each in record.test_sets.items()
    ]
    if tests:
        yield _table("Published test sets", ("corpus", "utterances", "speakers", "audio"), tests)
    if record.overlapping_test_sentences:
        number = record.overlapping_test_sentences
        yield f'<p class="warn">{number} test sentences also occur in train (published split).</p>'


def _mix(record: DatasetRecord) -> Iterable[str]:
    if not record.mix:
        return
    yield f"<h2>Mix {_text(record.mix.name)}</h2>"
    shares = [(name, share_text(share)) for name, share in record.mix.sources.items()]
    yield _table("What is wanted of each source", ("source", "utterances"), shares)
    for name, each in record.mix_shortfalls.items():
        wanted = f"{each.found} usable utterances, the mix wants {each.wanted}"
        yield f'<p class="warn">{_text(name)}: {wanted}.</p>'


def _left_out(record: DatasetRecord) -> Iterable[str]:
    yield "<h2>What was left out</h2>"
    rows = [
        (NAMES.get(source, source), reason, "by design" if reason in LEFT_OUT_BY_DESIGN else "fault", number)
        for source, reasons in record.dropped_by_source.items()
        for reason, number in reasons.items()
    ]
    lost = f"{percent(record.lost_fraction)} of {record.considered} clips were lost to faults"
    yield f"<p>{lost}; allowed were {percent(record.max_dropped_fraction or 0)} of each source.</p>"
    yield _table("Reasons", ("source", "reason", "", "utterances"), rows)
    examples = [
        (reason, example)
        for reason, found in record.dropped_examples.items()
        for example in found[:_MAX_EXAMPLES]
    ]
    if examples:
        yield _folded("Examples", _table("Examples", ("reason", "utterance"), examples))


def _histogram(histogram: Histogram) -> Iterable[str]:
    title = f"{histogram.name.capitalize()} in {histogram.unit}"
    yield f"<h2>{_text(title)}</h2>"
    keys = (
        f'<span><svg viewBox="0 0 10 10"><rect class="{split}" width="10" height="10"/></svg> {split}</span>'
        for split in SPLITS
    )
    yield f'<p class="key" aria-hidden="true">{" ".join(keys)}</p>'
    yield _plot(title, histogram)
    names = bin_names(histogram)
    counts = [histogram.counts.get(split, [0] * len(names)) for split in SPLITS]
    yield _folded("As a table", _table(title, ("from - to", *SPLITS), zip(names, *counts, strict=True)))


def _plot(title: str, histogram: Histogram) -> str:
    """Bars of the three splits on top of each other."""
    names, totals = bin_names(histogram), total_counts(histogram)
    highest, step = max(*totals, 1), _WIDTH / len(names)
    parts = []
    for index, total in enumerate(totals):
        top = float(_HEIGHT)
        for split in SPLITS:
            count = histogram.counts.get(split, [0] * len(names))[index]
            height = count / highest * (_HEIGHT - 16)
            top -= height
            where = f'x="{index * step + 1:.1f}" y="{top:.1f}" width="{step - 2:.1f}" height="{height:.1f}"'
            parts.append(f'<rect class="{split}" {where}/>' if count else "")
        middle = index * step + step / 2
        parts.append(f'<text x="{middle:.1f}" y="{top - 3:.1f}" text-anchor="middle">{total or ""}</text>')
    for index, edge in enumerate(histogram.edges):
        at = (index + 1) * step
        parts.append(f'<text x="{at:.1f}" y="{_HEIGHT + 14}" text-anchor="middle">{edge:g}</text>')
    most = names[totals.index(max(totals))]
    told = f"{sum(totals)} utterances; most, {max(totals)}, are {most} {histogram.unit}."
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT + _BELOW}" role="img" aria-label="{_text(f"{title}: {told}")}">'
        f"<title>{_text(title)}</title><desc>{_text(told)}</desc>{''.join(parts)}</svg>"
    )


def _characters(report: DatasetReport) -> Iterable[str]:
    yield f"<h2>{len(report.characters)} characters of the training texts</h2>"
    rows = [
        (_visible(each), f"U+{ord(each[:1] or ' '):04X}", count) for each, count in report.characters.items()
    ]
    yield _folded("As a table", _table("Characters", ("character", "code point", "times"), rows))
    if report.characters_left_out:
        yield f"<p>{report.characters_left_out} rarer characters are not listed.</p>"


def _speakers(report: DatasetReport) -> Iterable[str]:
    yield "<h2>Who trains most</h2>"
    rows = [
        (NAMES.get(each.source, each.source), each.speaker, each.utterances, audio_time(each.hours))
        for each in report.top_speakers
    ]
    yield _table("Speakers of train", ("source", "speaker", "utterances", "audio"), rows)


def _table(caption: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    head = "".join(f'<th scope="col">{_text(name)}</th>' for name in header)
    lines = ("".join(_cell(cell) for cell in row) for row in rows)
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    top = f"<caption>{_text(caption)}</caption><thead><tr>{head}</tr></thead>"
    return f"<table>{top}<tbody>{body}</tbody></table>"


def _cell(value: object) -> str:
    return f'<td class="n">{value:,}</td>' if isinstance(value, int) else f"<td>{_text(value)}</td>"


def _folded(summary: str, inside: str) -> str:
    return f"<details><summary>{_text(summary)}</summary>{inside}</details>"


def _visible(character: str) -> str:
    return "(space)" if character == " " else character


def _text(value: object) -> str:
    return escape(plain(value), quote=True)
