"""What an ablation found, in one sentence, as tables, as JSON and as a page."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from voxloom.cli import html
from voxloom.cli.experiment import Built, rate_text
from voxloom.cli.experiment_html import STYLE, picture
from voxloom.cli.experiment_scores import GREEDY, Comparison, Difference, Result
from voxloom.cli.output import audio_time, percent, say, table
from voxloom.mix import FOLDERS, SourceName

BASE, GENERAL = "own", "general"
_DEAF = 0.9  # an error rate at which differences between models mean nothing
_ROW, _LEFT, _WIDTH = 34, 170, 640  # of the plot, in SVG units


@dataclass(frozen=True)
class Ablation:
    base: SourceName
    datasets: list[Built]
    runs: dict[str, list[str]]
    left_out: dict[str, str]  # arms, with the reason
    failures: list[str]
    comparisons: list[Comparison]
    not_in_all: int  # test utterances that some arm lacks
    recipe: str
    rule: str
    seeds: tuple[int, ...]

    @property
    def question(self) -> str:
        return f"Does more than {self.datasets[0].name} pay here?"

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "question": self.question, "answer": answer(self)}


def answer(found: Ablation) -> str:
    """One sentence on the hybrid, or the arm with most data, against the first; by greedy decoding."""
    own = [each for each in found.comparisons if each.group == BASE]
    compared = next((each for each in own if each.decoder == GREEDY), own[0] if own else None)
    rivals = [each for each in compared.results if each.versus] if compared else []
    if compared is None or not rivals:
        return "Nothing can be said: fewer than two mixes were trained to their end."
    chosen = next((each for each in rivals if each.arm == "hybrid"), rivals[-1])
    assert chosen.versus
    if min(chosen.rate, compared.results[0].rate) >= _DEAF:
        return (
            f"Nothing can be said: with {compared.rate_name} {percent(chosen.rate)} and "
            f"{percent(compared.results[0].rate)} neither model recognises anything; train for longer."
        )
    return _sentence(compared, compared.results[0], chosen, chosen.versus)


def _sentence(compared: Comparison, base: Result, chosen: Result, versus: Difference) -> str:
    figures = (
        f"{compared.rate_name} {percent(chosen.rate)} with {chosen.arm}, {percent(base.rate)} with "
        f"{base.arm} on {compared.utterances} held-out utterances, difference {_points(versus)}"
    )
    if versus.high < 0:
        return f"Yes, {chosen.arm} pays here: {figures}, {_relative(base, chosen)} fewer errors."
    if versus.low > 0:
        return f"No, {chosen.arm} does harm here: {figures}."
    return (
        f"It is not shown that {chosen.arm} pays here: {figures}; more test sentences, seeds or minutes "
        "may tell."
    )


def _relative(base: Result, chosen: Result) -> str:
    return percent(1 - chosen.rate / base.rate)


def _points(versus: Difference) -> str:
    """-8.9 points (-11.0 to -6.8)"""
    return f"{100 * versus.delta:+.1f} points ({100 * versus.low:+.1f} to {100 * versus.high:+.1f})"


def data_table(datasets: Sequence[Built]) -> tuple[list[str], list[list[object]]]:
    """Clips and audio of each source that any of them trains on."""
    sources = [name for name in FOLDERS if any(each.clips.get(name) for each in datasets)]
    rows = [
        [each.name, each.num_clips, *(_amount(each, name) for name in sources), each.dataset]
        for each in datasets
    ]
    return ["mix", "clips", *sources, "dataset"], rows


def _amount(built: Built, source: SourceName) -> str:
    clips = built.clips.get(source, 0)
    return f"{clips} ({audio_time(built.hours.get(source, 0.0))})" if clips else "-"


def score_table(compared: Comparison) -> tuple[list[str], list[list[object]]]:
    header = ["mix", f"{compared.rate_name} (95 %)", f"difference to {compared.results[0].arm} (95 %)"]
    rows: list[list[object]] = [
        [each.arm, rate_text(each.rate, each.low, each.high), _points(each.versus) if each.versus else ""]
        for each in compared.results
    ]
    if max(len(each.by_training) for each in compared.results) < 2:
        return header, rows
    seeds = [" ".join(f"{100 * rate:.1f}" for rate in each.by_training) for each in compared.results]
    return [*header, "each seed"], [[*row, each] for row, each in zip(rows, seeds, strict=True)]


def title_of(compared: Comparison, base: SourceName) -> str:
    who = f"{base} speech held out" if compared.group == BASE else "speech of others held out"
    counted = f"{compared.utterances} utterances, {compared.reference} {compared.unit}"
    return f"{who}, decoder {compared.decoder}: {counted}"


def show(found: Ablation) -> None:
    header, rows = data_table(found.datasets)
    table(header, rows)
    say(f"recipe {found.recipe}, seeds {', '.join(map(str, found.seeds))}, {found.rule}")
    for compared in found.comparisons:
        say()
        say(title_of(compared, found.base), "bold")
        table(*score_table(compared))
    for line in _remarks(found):
        say(line, "yellow")
    say()
    say(answer(found), "bold")


def _remarks(found: Ablation) -> Iterator[str]:
    yield from (f"left out: {name}, for {why}" for name, why in found.left_out.items())
    yield from found.failures
    if found.not_in_all:
        yield f"{found.not_in_all} test utterances are not compared, for not every mix tests on them"
    if len(found.seeds) == 1:
        yield "one seed: the intervals hold what the test set leaves to chance, not what a training does"


def page(found: Ablation) -> str:
    """Self-contained: the answer, a plot of each comparison, the tables."""
    header, rows = data_table(found.datasets)
    budget = f"Recipe {found.recipe}, seeds {', '.join(map(str, found.seeds))}, {found.rule}."
    body = [
        f"<h1>{html.text(found.question)}</h1>",
        f"<p><strong>{html.text(answer(found))}</strong></p>",
        html.table("What was trained on", header, rows),
        f"<p>{html.text(budget)}</p>",
    ]
    for compared in found.comparisons:
        title = title_of(compared, found.base)
        body += [
            f"<h2>{html.text(title)}</h2>",
            _plot(title, compared),
            html.table("", *score_table(compared)),
        ]
    body += [f'<p class="warn">{html.text(line)}</p>' for line in _remarks(found)]
    return html.document(found.question, body, STYLE)


def _plot(title: str, compared: Comparison) -> str:
    """A dot with its interval for each mix, from 0 to the highest end of an interval."""
    most = max(*(each.high for each in compared.results), 1e-6)
    scale = (_WIDTH - _LEFT - 60) / most
    parts = []
    for index, each in enumerate(compared.results):
        y, (low, at, high) = index * _ROW + 20, (_LEFT + scale * x for x in (each.low, each.rate, each.high))
        parts += [
            f'<text x="0" y="{y + 4}">{html.text(each.arm)}</text>',
            f'<line class="mark" x1="{low:.1f}" x2="{high:.1f}" y1="{y}" y2="{y}"/>',
            f'<circle class="mark" cx="{at:.1f}" cy="{y}" r="4"/>',
            f'<text x="{high + 8:.1f}" y="{y + 4}">{100 * each.rate:.1f} %</text>',
        ]
    bottom = len(compared.results) * _ROW + 6
    parts.append(f'<line class="axis" x1="{_LEFT}" x2="{_LEFT}" y1="4" y2="{bottom}"/>')
    told = "; ".join(f"{each.arm} {rate_text(each.rate, each.low, each.high)}" for each in compared.results)
    return picture(_WIDTH, bottom + 4, title, told, parts)
