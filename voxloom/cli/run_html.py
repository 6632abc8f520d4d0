"""A run as one web page that needs nothing else: curves, rates with intervals, confusions, the worst."""

from collections.abc import Iterable, Mapping, Sequence

from voxloom.cli.html import Html, document, folded, table, text
from voxloom.cli.output import clock, percent, when
from voxloom.cli.run_curves import Curve, Curves, source_name
from voxloom.cli.run_marks import marked, player
from voxloom.cli.run_plots import STYLE, Bar, Series, intervals, lines
from voxloom.cli.run_show import choose, confusion_row, group_row, interval, settings
from voxloom.cli.run_suspects import section
from voxloom.cli.runview import state_name
from voxloom.run_report import Group, Result, RunSummary, Suspects, Worst
from voxloom.v1 import trainer_pb2

_MOST_BARS = 20
_MOST_EPOCHS = 12  # of a followed transcript
_MARKS = """
ins { text-decoration: underline; color: var(--warn) } del { color: var(--warn) }
audio { width: 100%; max-width: 24rem; height: 2.2rem; display: block } h3 { margin: 1.6rem 0 .3rem }
h3 small { font-weight: 400 } .big { font-size: 1.5rem; font-weight: 600 } .worst { margin: 1.2rem 0 }
.worst p { margin: .1rem 0 } .dim { opacity: .75; font-size: .9rem }
"""


def page(
    run: trainer_pb2.Run,
    curves: Curves,
    summary: RunSummary | None,
    clips: Mapping[str, bytes] | None = None,
    suspects: Suspects | None = None,
) -> str:
    """Every text in it is escaped: transcripts, names and ids come from outside. `clips`: WAV files by
    utterance, to be heard in the page."""
    result = choose(summary) if summary else None
    body = [
        *_head(run, result),
        *_results(summary),
        *_curves(curves),
        *_examples(curves),
        *(_of_result(result, clips or {}) if result else ()),
        *section(suspects, run.id, clips or {}),
        *_settings(run),
    ]
    return document(f"Run {run.id}", body, STYLE + _MARKS)


def _head(run: trainer_pb2.Run, result: Result | None) -> Iterable[str]:
    yield f"<h1>Run {text(run.id)}</h1>"
    if result:
        words = result.total.words
        told = f"{result.split} WER {percent(words.rate)}"
        span = f" (95 %: {interval(words)})" if words.low is not None else ""
        yield f'<p class="big">{text(told + span)}</p>'
    where = f"{state_name(run.state)}; on dataset {run.dataset}, created {when(run.created_at)}."
    yield f"<p>{text(where)}</p>"
    yield f"<p>Recipe {text(run.recipe)}: {text(run.recipe_reason or 'as asked')}.</p>"
    if run.error:
        yield f'<p class="warn">{text(run.error)}</p>'
    if run.withdrawn_utterances:
        number = run.withdrawn_utterances
        yield f'<p class="warn">{number} utterances of its data were withdrawn since.</p>'


def _results(summary: RunSummary | None) -> Iterable[str]:
    if summary is None:
        yield "<p>There is no report of val and test: it is written when the training ends.</p>"
        return
    yield "<h2>What the finished weights make of val and test</h2>"
    rows = [
        (
            each.split,
            each.decoder,
            percent(each.total.words.rate),
            interval(each.total.words),
            percent(each.total.characters.rate),
            each.total.words.substitutions,
            each.total.words.deletions,
            each.total.words.insertions,
            each.total.words.reference,
            each.total.utterances,
        )
        for each in summary.results
    ]
    header = ("split", "decoder", "WER", "95 %", "CER", "sub", "del", "ins", "words", "utterances")
    yield table("Errors", header, rows)


def _curves(curves: Curves) -> Iterable[str]:
    yield "<h2>Curves</h2>"
    yield from (f'<p class="warn">{text(each)}</p>' for each in curves.messages)
    for name, total, sources in (
        ("Validation WER", curves.wer, curves.wer_by_source),
        ("Validation CER", curves.cer, curves.cer_by_source),
    ):
        yield lines(name, "%", "epoch", _rates(total, sources))
    yield folded("As a table", _epochs(curves))
    steps = [("Loss", "per token", curves.loss), ("Learning rate", "", curves.learning_rate)]
    steps += [("Gradient norm", "before clipping", curves.gradient_norm)]
    steps += [("Throughput", "seconds of audio a second", curves.audio_s_per_s)]
    for name, unit, curve in steps:
        yield lines(name, unit, "step", [Series(name.lower(), curve.points)])


def _rates(total: Curve, sources: Mapping[str, Curve]) -> list[Series]:
    named = {"all": total}
    if len(sources) > 1:
        named |= {source_name(source): curve for source, curve in sources.items()}
    return [Series(name, [(at, 100 * value) for at, value in each.points]) for name, each in named.items()]


def _epochs(curves: Curves) -> str:
    rows = [
        (each.number, clock(each.trained_s), f"{each.loss:.3f}", percent(each.wer), percent(each.cer))
        for each in curves.epochs
    ]
    return table("Epochs", ("epoch", "trained", "loss", "val WER", "val CER"), rows)


def _examples(curves: Curves) -> Iterable[str]:
    """How the transcripts of a few utterances became what they are; an epoch without a change is left out."""
    said = [reference for reference, _ in curves.epochs[-1].examples] if curves.epochs else []
    if said:
        yield "<h2>Getting better</h2>"
    for reference in said:
        heard = [
            (each.number, text_)
            for each in curves.epochs
            for reference_, text_ in each.examples
            if reference_ == reference
        ]
        changed = [
            each for before, each in zip([(0, None), *heard], heard, strict=False) if each[1] != before[1]
        ]
        rows = [(number, Html(marked(reference, each))) for number, each in _spread(changed)]
        yield table(reference, ("epoch", "heard"), rows)


def _spread(changed: Sequence[tuple[int, str]]) -> list[tuple[int, str]]:
    """Some of them, the first and the last among these."""
    if len(changed) <= _MOST_EPOCHS:
        return list(changed)
    step = (len(changed) - 1) / (_MOST_EPOCHS - 1)
    return [changed[round(index * step)] for index in range(_MOST_EPOCHS)]


def _of_result(result: Result, clips: Mapping[str, bytes]) -> Iterable[str]:
    yield f"<h2>Where the errors are: {text(result.split)}, {text(result.decoder)}</h2>"
    by_source = [each.model_copy(update={"name": source_name(each.name)}) for each in result.by_source]
    yield from _groups("WER by source", by_source)
    yield from _groups("WER by length", result.by_length)
    worst_first = sorted(result.by_speaker, key=lambda each: -each.words.rate)
    yield from _groups("WER by speaker, worst first", worst_first)
    if result.speakers_left_out:
        yield f"<p>{result.speakers_left_out} speakers who said less are not told apart.</p>"
    header = ("times", "said", "", "heard")
    for unit, found in (("words", result.word_confusions), ("characters", result.character_confusions)):
        if found:
            yield folded(f"{unit} most often mistaken", table(unit, header, map(confusion_row, found)))
    yield from _worst(result.worst, clips)


def _groups(title: str, groups: Sequence[Group]) -> Iterable[str]:
    yield f"<h3>{text(title)} <small>(%, with 95 % intervals)</small></h3>"
    bars = [
        Bar(each.name, 100 * each.words.rate, _percentage(each.words.low), _percentage(each.words.high))
        for each in groups[:_MOST_BARS]
    ]
    yield intervals(title, bars)
    rows = table(
        title,
        ("", "WER", "95 %", "CER", "words", "utterances"),
        map(group_row, groups),
    )
    yield folded("As a table", rows)


def _percentage(rate: float | None) -> float | None:
    return None if rate is None else 100 * rate


def _worst(worst: Sequence[Worst], clips: Mapping[str, bytes]) -> Iterable[str]:
    yield "<h2>Worst utterances</h2>"
    if not clips:
        yield "<p>To hear them: <code>voxloom runs listen</code>, or make this page with "
        yield "<code>--audio</code>.</p>"
    for each in worst:
        errors = f"{each.words.errors} errors in {each.words.reference} words, {each.duration_s:.1f} s"
        yield f'<div class="worst"><p>{marked(each.reference, each.hypothesis)}</p>'
        yield f'<p class="dim">{text(errors)}, {text(each.audio_key)}</p>'
        yield from player(each.utterance, clips)
        yield "</div>"


def _settings(run: trainer_pb2.Run) -> Iterable[str]:
    yield "<h2>Settings</h2>"
    yield folded("All of run.json", table("Settings", ("name", "value"), settings(run).items()))
