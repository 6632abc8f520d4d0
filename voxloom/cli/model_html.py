"""A model as one web page that needs nothing else: verdict, graphs, speed, the gate, the worst utterances."""

from collections.abc import Iterable

from voxloom.cli.html import document, table, text
from voxloom.cli.model_view import (
    GRAPHS_HEADER,
    GROUPS_HEADER,
    Graph,
    confidence,
    confidence_note,
    decision_of,
    graph_rows,
    graphs_of,
    group_rows,
    pin_note,
    reliability_rows,
)
from voxloom.cli.output import percent, size, when
from voxloom.cli.run_plots import STYLE, Bar, Series, intervals, lines
from voxloom.v1 import optimizer_pb2

_BIG = ".big { font-size: 1.5rem; font-weight: 600 } h3 small { font-weight: 400 }"


def page(model: optimizer_pb2.Model) -> str:
    """Every text in it is escaped: transcripts, ids and reasons hold what came from outside."""
    graphs = graphs_of(model)
    body = [
        *_head(model),
        *_graphs(model, graphs),
        *_speed(graphs),
        *_gate(model),
        *_confidence(model),
        *_worst(model),
    ]
    return document(f"Model {model.id}", body, STYLE + _BIG)


def _head(model: optimizer_pb2.Model) -> Iterable[str]:
    yield f"<h1>Model {text(model.id)}</h1>"
    place = ", in production" if model.production else ""
    yield f'<p class="big">{text((model.decision or "being measured") + place)}</p>'
    if note := pin_note(model):
        yield f'<p class="warn">{text(note)}</p>'
    yield f"<ul>{''.join(f'<li>{text(reason)}</li>' for reason in model.reasons)}</ul>"
    yield f"<p>{text(f'Trained in {model.run} on {model.dataset}, created {when(model.created_at)}.')}</p>"
    if model.withdrawn_utterances:
        yield f'<p class="warn">{model.withdrawn_utterances} utterances of its data were withdrawn since.</p>'
    if model.test.reference_words:
        test = model.test
        told = (
            f"Test WER {percent(test.wer)} (95 %: {100 * test.wer_low:.1f} to {100 * test.wer_high:.1f}): "
            f"{test.substitutions} substitutions, {test.deletions} deletions, {test.insertions} insertions "
            f"in {test.reference_words} words of {test.utterances} utterances."
        )
        yield f"<p>{text(told)}</p>"


def _graphs(model: optimizer_pb2.Model, graphs: list[Graph]) -> Iterable[str]:
    if not graphs:
        return
    yield "<h2>Which graph is served</h2>"
    decision = decision_of(model)
    rules = decision.get("rules", {}).get("serve", {})
    if rules:
        rule = (
            f"The rule: the fastest that makes at most {100 * rules['max_loss']:g} points more errors than "
            f"float32, rounded up to a whole error, and is at least {rules['min_speedup']:g} times as fast; "
            "else float32."
        )
        yield f"<p>{text(rule)}</p>"
    yield table("Graphs; * is served", GRAPHS_HEADER, graph_rows(model))
    bars = [
        Bar(each.file, 100 * each.words["rate"], 100 * each.words["low"], 100 * each.words["high"])
        for each in graphs
        if each.words["reference"]
    ]
    if bars:
        yield "<h3>WER on the test set <small>(%, with the 95 % interval)</small></h3>"
        yield intervals("WER on the test set", bars)
    yield "<h3>Size <small>(MB)</small></h3>"
    sizes = [Bar(each.file, each.size / 1e6, None, None) for each in graphs]
    yield intervals(f"Size, of the served file {size(model.served_bytes)}", sizes, "{:.1f} MB")


def _speed(graphs: list[Graph]) -> Iterable[str]:
    measured = [each for each in graphs if each.latencies]
    if not measured:
        return
    yield "<h2>Speed</h2>"
    for threads in measured[0].latencies:
        series = [Series(each.file, each.latencies.get(threads, [])) for each in measured]
        name = "1 thread" if threads == 1 else f"{threads} threads"
        yield lines(f"The graph alone, {name}", "ms", "seconds of audio", series)


def _gate(model: optimizer_pb2.Model) -> Iterable[str]:
    if rows := list(group_rows(model)):
        production = decision_of(model).get("production", "")
        yield f"<h2>Against {text(production)}, which was in production</h2>"
        share = f"{100 * confidence(model):g} %"
        caption = f"Errors on the same utterances; difference in points, {share} interval, paired bootstrap"
        yield table(caption, GROUPS_HEADER, rows)


def _confidence(model: optimizer_pb2.Model) -> Iterable[str]:
    if rows := reliability_rows(model):
        yield "<h2>What a word's confidence is worth</h2>"
        yield f"<p>{text(confidence_note(model))}</p>"
        measured = Series("words of the test set", [(100 * sure, 100 * right) for sure, right, _ in rows])
        ideal = Series("as it should be", [(0.0, 0.0), (100.0, 100.0)])
        yield lines("Words that are right", "%", "% confidence", [measured, ideal])
        shown = [(f"{sure:.2f}", f"{right:.2f}", words) for sure, right, words in rows]
        yield table("Words by confidence", ("confidence", "right", "words"), shown)


def _worst(model: optimizer_pb2.Model) -> Iterable[str]:
    worst = decision_of(model).get("worst", [])
    if worst:
        yield "<h2>Where it errs most</h2>"
        rows = [(each["errors"], each["reference"], each["hypothesis"], each["source"]) for each in worst]
        yield table("Test utterances", ("errors", "said", "heard", "source"), rows)
