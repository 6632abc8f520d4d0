"""The report of a dataset as one web page that needs nothing else: no script, no font, no network."""

from collections.abc import Iterable, Sequence
from html import escape

from voxloom.characters import code_point, name_of
from voxloom.cli.dataset_view import bin_names, share_text, total_counts
from voxloom.cli.output import audio_time, percent, plain, when
from voxloom.dataset_report import DatasetReport, Histogram
from voxloom.manifest import LEFT_OUT_BY_DESIGN, SPLITS, DatasetRecord
from voxloom.mix import NAMES

_ROW_PX = 20  # of a plot, one bin a row
_BARS_FROM, _BARS_TO = 27.0, 80.0  # per cent of its width: names of bins before, counts behind
_NARROW = 20  # characters of a cell that is never broken
_N = ' class="n"'  # numbers
_MAX_EXAMPLES = 5
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
# Plots are drawn in per cent and pixels, without a viewBox: text has its size on any screen.
_STYLE = """
:root { color-scheme: light dark; --ink: #1c1c22; --paper: #fcfcfa; --line: #c9c9c4; --train: #27507d;
  --val: #b07a1e; --test: #bf5f9b; --warn: #9a4a00 }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e8e4; --paper: #17181c; --line: #45464d;
  --train: #5f95d0; --val: #e0b463; --test: #e3a3ce; --warn: #f0b070 } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 46rem;
  margin: 2rem auto; padding: 0 1rem; overflow-wrap: anywhere }
h1 { font-size: 1.6rem } h2 { font-size: 1.3rem; margin-top: 2rem } .id { white-space: nowrap }
.wide { overflow-x: auto; margin: 1rem 0 }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { text-align: left; padding: .2rem .9rem .2rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; white-space: nowrap }
td.n, th.n { text-align: right } td.long { white-space: normal; min-width: 10rem }
caption { text-align: left; font-weight: 600 }
svg text { fill: var(--ink); font-size: 13px; font-variant-numeric: tabular-nums }
svg rect { stroke: var(--paper) } svg line { stroke: var(--line) }
.train { fill: var(--train) } .val { fill: var(--val) } .test { fill: var(--test) }
.key span { margin-right: 1.2rem }
.warn { color: var(--warn) } summary { cursor: pointer }
@media (max-width: 30rem) { body { margin-top: 1rem } h1 { font-size: 1.4rem }
  table { font-size: .875rem } th, td { padding-right: .6rem } td.long { min-width: 6.5rem } }
"""


def page(record: DatasetRecord, report: DatasetReport, withdrawn: int = 0) -> str:
    """Every text in it is escaped: transcripts, names and ids come from outside. `withdrawn`: utterances that
    are gone since it was built."""
    body = [
        f'<h1>Dataset <span class="id">{_text(record.dataset)}</span></h1>',
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
        for source, reasons in (record.dropped_by_source or {"all": record.dropped_by_reason}).items()
        for reason, number in reasons.items()
    ]
    lost = f"{percent(record.lost_fraction)} of {record.considered:,} clips were lost to faults"
    allowed = record.max_dropped_fraction  # None: made by a release that did not say
    told = "" if allowed is None else f"; allowed were {percent(allowed)} of each source"
    yield f"<p>{lost}{told}.</p>"
    yield _table("Reasons", ("source", "reason", "kind", "utterances"), rows)
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
    square = '<svg width="13" height="13"><rect class="{0}" width="13" height="13"/></svg> {0}'
    keys = (f"<span>{square.format(split)}</span>" for split in SPLITS)
    yield f'<p class="key" aria-hidden="true">Utterances: {" ".join(keys)}</p>'
    yield _plot(title, histogram)
    names = bin_names(histogram)
    counts = [histogram.counts.get(split, [0] * len(names)) for split in SPLITS]
    yield _folded("As a table", _table(title, (histogram.unit, *SPLITS), zip(names, *counts, strict=True)))


def _plot(title: str, histogram: Histogram) -> str:
    """A bar for each bin, of the three splits one after the other."""
    names, totals = bin_names(histogram), total_counts(histogram)
    per_utterance = (_BARS_TO - _BARS_FROM) / max(*totals, 1)
    rows = "".join(_bar(histogram, index, name, per_utterance) for index, name in enumerate(names))
    height = _ROW_PX * len(names)
    axis = f'<line x1="{_BARS_FROM}%" x2="{_BARS_FROM}%" y1="0" y2="{height}"/>'
    most = names[totals.index(max(totals))]
    told = f"{sum(totals)} utterances; most, {max(totals)}, are {most} {histogram.unit}."
    return (
        f'<svg width="100%" height="{height}" role="img" aria-label="{_text(f"{title}: {told}")}">'
        f"<title>{_text(title)}</title><desc>{_text(told)}</desc>{rows}{axis}</svg>"
    )


def _bar(histogram: Histogram, index: int, name: str, per_utterance: float) -> str:
    """Name, parts and count, in per cent from the left and pixels from the top."""
    top, end, total = index * _ROW_PX, _BARS_FROM, 0
    base = top + _ROW_PX - 6
    parts = [f'<text x="{end - 1:.1f}%" y="{base}" text-anchor="end">{_text(name)}</text>']
    for split in SPLITS:
        if count := histogram.counts.get(split, [0] * (index + 1))[index]:
            width, total = count * per_utterance, total + count
            where = f'x="{end:.2f}%" y="{top + 2}" width="{width:.2f}%" height="{_ROW_PX - 4}"'
            parts.append(f'<rect class="{split}" {where}/>')
            end += width
    if total:
        parts.append(f'<text x="{end:.2f}%" dx="5" y="{base}">{total:,}</text>')
    return "".join(parts)


def _characters(report: DatasetReport) -> Iterable[str]:
    yield f"<h2>{len(report.characters)} characters of the training texts</h2>"
    rows = [
        (_visible(each), code_point(each[:1] or " "), name_of(each[:1] or " "), count)
        for each, count in report.characters.items()
    ]
    header = ("character", "code point", "name", "times")
    yield _folded("As a table", _table("Characters", header, rows))
    where = f"voxloom text alphabet --dataset {report.dataset} --split train"
    yield f"<p>Where the rare ones are, and what looks mistyped: <code>{_text(where)}</code></p>"
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
    """A wide one is moved sideways by itself, not the page."""
    lines = list(rows)
    numbers = {index for row in lines for index, cell in enumerate(row) if isinstance(cell, int)}
    head = "".join(_head(name, index in numbers) for index, name in enumerate(header))
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in lines)
    top = f"<caption>{_text(caption)}</caption><thead><tr>{head}</tr></thead>"
    return f'<div class="wide"><table>{top}<tbody>{body}</tbody></table></div>'


def _head(name: str, of_numbers: bool) -> str:
    return f'<th scope="col"{_N if of_numbers else ""}>{_text(name)}</th>'


def _cell(value: object) -> str:
    if isinstance(value, int):
        return f"<td{_N}>{value:,}</td>"
    text = _text(value).replace("_", "_<wbr>")
    return f'<td class="long">{text}</td>' if len(str(value)) > _NARROW else f"<td>{text}</td>"


def _folded(summary: str, inside: str) -> str:
    return f"<details><summary>{_text(summary)}</summary>{inside}</details>"


def _visible(character: str) -> str:
    return "(space)" if character == " " else character


def _text(value: object) -> str:
    return escape(plain(value), quote=True)
