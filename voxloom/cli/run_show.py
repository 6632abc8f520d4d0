"""A run as text: settings, curves, and what its finished weights make of val and test."""

import json
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from voxloom.cli.output import clock, percent, say, table, when
from voxloom.cli.run_curves import Curve, Curves, finite, source_name, sparkline
from voxloom.cli.runview import ENDED, first_and_last, progress_note, state_name
from voxloom.errors import BadInput
from voxloom.run_report import Confusion, Group, Measured, Result, RunSummary, Worst
from voxloom.v1 import trainer_pb2

_MOST_ROWS = 10
_WIDTH = 100
_OPS = {"substitute": "heard as", "delete": "left out", "insert": "put in"}


def show(run: trainer_pb2.Run) -> None:
    say(f"run {run.id}: {state_name(run.state)}", "bold")
    say(f"dataset {run.dataset}, created {when(run.created_at)}")
    say(f"recipe  {run.recipe}: {run.recipe_reason or 'as asked'}")
    say(f"writes  {f'pieces of words, {run.pieces} at most' if run.pieces else 'characters'}")
    if run.error:
        say(f"error   {run.error}", "red")
    tell_withdrawn(run)
    if run.best_val_wer:
        with_lm = f", {percent(run.val_wer_lm)} with the language model" * run.HasField("val_wer_lm")
        say(f"best val WER {percent(run.best_val_wer)} greedy{with_lm}")
    if run.decoding:
        say(f"decoded {run.decoding}")
    if run.HasField("latest") and run.state not in ENDED:
        say(progress_note(run.latest, run.latest.loss))
    if run.latest.message:
        say(f"note    {run.latest.message}", "yellow")
    if left_out := json.loads(run.record_json or "{}").get("left_out"):
        reasons = ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in left_out.items())
        say(f"left out of training: {reasons}", "yellow")


def tell_withdrawn(run: trainer_pb2.Run) -> None:
    if run.withdrawn_utterances:
        say(f"{run.id}: {run.withdrawn_utterances} utterances of its data were withdrawn since", "yellow")


def show_settings(run: trainer_pb2.Run) -> None:
    say()
    say("settings", "bold")
    told = ", ".join(f"{name} {value}" for name, value in settings(run).items())
    for line in textwrap.wrap(told, _WIDTH, break_long_words=False, break_on_hyphens=False):
        say(f"  {line}")


def settings(run: trainer_pb2.Run) -> dict[str, str]:
    """Of run.json, those in objects as `recipe.model.width`; neither ids nor times."""
    record: dict[str, Any] = json.loads(run.record_json or "{}")
    told = {"run", "created_at", "trace", "schema_version", "recipe_reason"}
    return dict(_flat({name: value for name, value in record.items() if name not in told}))


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            told = f"{value:g}" if isinstance(value, float) else str(value)
            yield prefix + name, told


def show_curves(curves: Curves) -> None:
    """A row for each curve, then the transcripts that are followed."""
    say()
    if not curves.epochs and not curves.loss.points:
        say("no curve yet")
        return
    trained = f", {clock(curves.epochs[-1].trained_s)} of training" if curves.epochs else ""
    say(f"curves over {len(curves.wer.points)} epochs{trained}", "bold")
    rows = [_curve_row(name, each, "{:.3g}") for name, each in curves.steps() if each.points]
    rows += [_curve_row(name, each, "") for name, each in curves.rates() if each.points]
    table(("", "first", "least", "last", ""), rows)
    for message in curves.messages[-3:]:
        say(f"  {message}", "yellow")
    for said, first, last in first_and_last(curves):
        say(f"  said         {said}")
        say(f"  heard first  {first or '(nothing)'}", "dim")
        say(f"  heard last   {last or '(nothing)'}")


def _curve_row(name: str, curve: Curve, form: str) -> tuple[str, ...]:
    values = curve.values
    picked = (values[0], min(finite(values), default=values[0]), values[-1])
    told = (form.format(each) if form else percent(each) for each in picked)
    return (name, *told, sparkline(curve.points))


def show_report(summary: RunSummary, split: str, decoder: str) -> None:
    """Every decoder on every split, then one of them in full."""
    say()
    say("what the finished weights make of val and test", "bold")
    table(
        ("split", "decoder", "WER", "95 %", "CER", "sub", "del", "ins", "words", "utterances"),
        (_result_row(each) for each in summary.results),
    )
    result = choose(summary, split, decoder)
    if result:
        _show_result(result)


def choose(summary: RunSummary, split: str = "", decoder: str = "") -> Result | None:
    """The result that was asked for; else of test, or val where there is no test, by the best decoder."""
    found = [each for each in summary.results if split in ("", each.split) and decoder in ("", each.decoder)]
    if not found and (split or decoder):
        there = ", ".join(f"{each.split} {each.decoder}" for each in summary.results) or "none"
        raise BadInput(f"the report of {summary.run} has no {split} {decoder}; it has: {there}")
    return min(found, key=lambda each: (each.split != "test", each.total.words.rate), default=None)


def _result_row(result: Result) -> tuple[object, ...]:
    words, characters = result.total.words, result.total.characters
    counts = (words.substitutions, words.deletions, words.insertions, words.reference)
    rates = (percent(words.rate), interval(words), percent(characters.rate))
    return (result.split, result.decoder, *rates, *counts, result.total.utterances)


def interval(measured: Measured) -> str:
    """5.2 to 9.3; - over too few utterances."""
    if measured.low is None or measured.high is None:
        return "-"
    return f"{100 * measured.low:.1f} to {100 * measured.high:.1f}"


def _show_result(result: Result) -> None:
    name = f"{result.split}, {result.decoder}"
    by_source = [each.model_copy(update={"name": source_name(each.name)}) for each in result.by_source]
    _show_groups(f"by source ({name})", by_source)
    _show_groups("by length", result.by_length)
    worst_first = sorted(result.by_speaker, key=lambda each: -each.words.rate)
    _show_groups("by speaker, worst first", worst_first)
    if result.speakers_left_out:
        say(f"  {result.speakers_left_out} speakers who said less are not told apart")
    show_confusions("words", result.word_confusions)
    show_confusions("characters", result.character_confusions)
    show_worst(result.worst[:_MOST_ROWS])


def _show_groups(title: str, groups: list[Group]) -> None:
    say()
    say(title, "bold")
    table(
        ("", "WER", "95 %", "CER", "words", "utterances"), (group_row(each) for each in groups[:_MOST_ROWS])
    )
    if len(groups) > _MOST_ROWS:
        say(f"  {len(groups) - _MOST_ROWS} more: --json, or voxloom runs report --html")


def group_row(group: Group) -> tuple[object, ...]:
    words = group.words
    rates = (percent(words.rate), interval(words), percent(group.characters.rate))
    return (group.name, *rates, words.reference, group.utterances)


def show_confusions(unit: str, confusions: list[Confusion]) -> None:
    if confusions:
        say()
        say(f"{unit} most often mistaken", "bold")
        table(("times", "said", "", "heard"), (confusion_row(each) for each in confusions[:_MOST_ROWS]))


def confusion_row(confusion: Confusion) -> tuple[object, ...]:
    said, heard = _visible(confusion.said), _visible(confusion.heard)
    return (confusion.count, said, _OPS.get(confusion.op, confusion.op), heard)


def _visible(text: str) -> str:
    return "(space)" if text == " " else text


def show_worst(worst: Iterable[Worst]) -> None:
    for number, each in enumerate(worst):
        if not number:
            say()
            say("worst utterances; to hear one: voxloom runs listen RUN UTTERANCE", "bold")
        errors = f"{each.words.errors} errors in {each.words.reference} words"
        say(f"{each.utterance}: {errors}, {each.duration_s:.1f} s, {each.audio_key}")
        say(f"  said  {each.reference}")
        say(f"  heard {each.hypothesis or '(nothing)'}")
