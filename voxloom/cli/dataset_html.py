"""The report of a dataset as one web page that needs nothing else: no script, no font, no network."""

from collections.abc import Iterable

from voxloom.characters import code_point, name_of
from voxloom.cli.dataset_view import bin_names, share_text, total_counts
from voxloom.cli.html import document, folded, table, text
from voxloom.cli.output import audio_time, percent, when
from voxloom.dataset_report import DatasetReport, Histogram
from voxloom.manifest import LEFT_OUT_BY_DESIGN, SPLITS, DatasetRecord
from voxloom.mix import NAMES

_ROW_PX = 20  # of a plot, one bin a row
_BARS_FROM, _BARS_TO = 27.0, 80.0  # per cent of its width: names of bins before, counts behind
_MAX_EXAMPLES = 5


def page(record: DatasetRecord, report: DatasetReport, withdrawn: int = 0) -> str:
    """Every text in it is escaped: transcripts, names and ids come from outside. `withdrawn`: utterances that
    are gone since it was built."""
    body = [
        f'<h1>Dataset <span class="id">{text(record.dataset)}</span></h1>',
        f"<p>Created {text(when(record.created_at))}; languages: {text(', '.join(record.languages))}.</p>",
        f'<p class="warn">{withdrawn} utterances were withdrawn since; the counts include them.</p>'
        * bool(withdrawn),
        *_sizes(record, report),
        *_mix(record),
        *_left_out(record),
        *(part for histogram in report.histograms for part in _histogram(histogram)),
        *_characters(report),
        *_speakers(report),
    ]
    return document(f"Dataset {record.dataset}", body)


def _sizes(record: DatasetRecord, report: DatasetReport) -> Iterable[str]:
    yield "<h2>What is in it</h2>"
    rows = [
        (split, NAMES.get(source, source), each.utterances, each.speakers, audio_time(each.hours))
        for split in SPLITS
        for source, each in report.by_split.get(split, {}).items()
    ]
    yield table("Splits and sources", ("split", "source", "utterances", "speakers", "audio"), rows)
    corpora = [
        (name, NAMES.get(each.source, each.source), *(each.utterances.get(split, 0) for split in SPLITS))
        for name, each in record.corpora.items()
    ]
    yield table("Corpora", ("corpus", "source", *SPLITS), corpora)
    tests = [
        (name, each.utterances, each.speakers, audio_time(each.hours))
        for name, each in record.test_sets.items()
    ]
    if tests:
        yield table("Published test sets", ("corpus", "utterances", "speakers", "audio"), tests)
    if record.overlapping_test_sentences:
        number = record.overlapping_test_sentences
        yield f'<p class="warn">{number} test sentences also occur in train (published split).</p>'


def _mix(record: DatasetRecord) -> Iterable[str]:
    if not record.mix:
        return
    yield f"<h2>Mix {text(record.mix.name)}</h2>"
    shares = [(name, share_text(share)) for name, share in record.mix.sources.items()]
    yield table("What is wanted of each source", ("source", "utterances"), shares)
    for name, each in record.mix_shortfalls.items():
        wanted = f"{each.found} usable utterances, the mix wants {each.wanted}"
        yield f'<p class="warn">{text(name)}: {wanted}.</p>'


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
    yield table("Reasons", ("source", "reason", "kind", "utterances"), rows)
    examples = [
        (reason, example)
        for reason, found in record.dropped_examples.items()
        for example in found[:_MAX_EXAMPLES]
    ]
    if examples:
        yield folded("Examples", table("Examples", ("reason", "utterance"), examples))


def _histogram(histogram: Histogram) -> Iterable[str]:
    title = f"{histogram.name.capitalize()} in {histogram.unit}"
    yield f"<h2>{text(title)}</h2>"
    square = '<svg width="13" height="13"><rect class="{0}" width="13" height="13"/></svg> {0}'
    keys = (f"<span>{square.format(split)}</span>" for split in SPLITS)
    yield f'<p class="key" aria-hidden="true">Utterances: {" ".join(keys)}</p>'
    yield _plot(title, histogram)
    names = bin_names(histogram)
    counts = [histogram.counts.get(split, [0] * len(names)) for split in SPLITS]
    yield folded("As a table", table(title, (histogram.unit, *SPLITS), zip(names, *counts, strict=True)))


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
        f'<svg width="100%" height="{height}" role="img" aria-label="{text(f"{title}: {told}")}">'
        f"<title>{text(title)}</title><desc>{text(told)}</desc>{rows}{axis}</svg>"
    )


def _bar(histogram: Histogram, index: int, name: str, per_utterance: float) -> str:
    """Name, parts and count, in per cent from the left and pixels from the top."""
    top, end, total = index * _ROW_PX, _BARS_FROM, 0
    base = top + _ROW_PX - 6
    parts = [f'<text x="{end - 1:.1f}%" y="{base}" text-anchor="end">{text(name)}</text>']
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
    yield folded("As a table", table("Characters", header, rows))
    where = f"voxloom text alphabet --dataset {report.dataset} --split train"
    yield f"<p>Where the rare ones are, and what looks mistyped: <code>{text(where)}</code></p>"
    if report.characters_left_out:
        yield f"<p>{report.characters_left_out} rarer characters are not listed.</p>"


def _speakers(report: DatasetReport) -> Iterable[str]:
    yield "<h2>Who trains most</h2>"
    rows = [
        (NAMES.get(each.source, each.source), each.speaker, each.utterances, audio_time(each.hours))
        for each in report.top_speakers
    ]
    yield table("Speakers of train", ("source", "speaker", "utterances", "audio"), rows)


def _visible(character: str) -> str:
    return "(space)" if character == " " else character
