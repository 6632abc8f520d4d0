"""What a learning curve foretells, in a few sentences, as a table, as JSON and as a page."""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from voxloom.cli import html
from voxloom.cli.experiment import rate_text
from voxloom.cli.experiment_html import STYLE
from voxloom.cli.experiment_plot import drawing, text_plot
from voxloom.cli.output import percent, say, table
from voxloom.learning_curve import MAX_EXTRAPOLATION, Fit, Forecast

_DEAF = 0.9  # an error rate at which a curve shows how training begins, not what data is worth


@dataclass(frozen=True)
class Point:
    """One amount of data as it was measured."""

    part: float  # 0 to 1, of what was thinned out
    dataset: str
    runs: list[str]
    clips: int  # of the sources that were thinned out
    hours: float
    rate: float
    low: float
    high: float


@dataclass(frozen=True)
class Foretold:
    mix: str
    thinned: list[str]  # sources
    decoder: str
    rate_name: str  # WER or CER
    utterances: int  # tested on
    points: list[Point]  # the smallest first
    fit: Fit
    forecast: Forecast
    recipe: str
    rule: str
    seeds: tuple[int, ...]
    failures: list[str]

    @property
    def seen(self) -> Point:
        return self.points[-1]

    @property
    def pairs(self) -> list[tuple[float, float]]:
        return [(float(point.clips), point.rate) for point in self.points]

    def as_dict(self) -> dict[str, Any]:
        """Infinite sizes become null: JSON has no infinity."""
        whole = {name: value for name, value in vars(self).items() if name not in ("fit", "forecast")}
        sizes = {
            name: (_finite(value) if isinstance(value, float) else value)
            for name, value in asdict(self.forecast).items()
        }
        more = {name: _more(self, getattr(self.forecast, name)) for name in ("size", "low", "high")}
        return {
            **whole,
            "points": [asdict(point) for point in self.points],
            "curve": asdict(self.fit.curve),
            "forecast": sizes,
            "more_utterances": {name: _finite(value) for name, value in more.items()},
            "more_hours": {name: _finite(_hours(self, value)) for name, value in more.items()},
            "answer": answer(self),
        }


def answer(found: Foretold) -> str:
    """How much more is to be recorded, or why that is not known."""
    if found.seen.rate >= _DEAF:
        return (
            f"Nothing can be foretold: with {found.rate_name} {percent(found.seen.rate)} the model of all "
            "the data recognises next to nothing; train for longer."
        )
    forecast, seen = found.forecast, found.seen
    wanted = f"{found.rate_name} {percent(forecast.target)}"
    now = f"{percent(found.fit.curve.error(found.fit.seen))} with the {seen.clips} utterances there are"
    match forecast.verdict:
        case "reached":
            return f"{wanted} is reached: the curve is at {now}."
        case "flat":
            return (
                f"Nothing can be foretold of {wanted}: within what chance explains, the error does not fall "
                f"with more data ({now}). Train longer, with more seeds, or on larger parts."
            )
        case "out of reach":
            return (
                f"{wanted} is out of reach of this curve: it is at {now} and levels off at "
                f"{percent(found.fit.curve.c)} ({_ends(found)}). More of the same recordings will hardly do; "
                "try other data, a larger recipe, or a language model."
            )
        case "far":
            return (
                f"{wanted} is too far to say: the curve is at {now} and comes there at about "
                f"{_count(forecast.size)} ({_ends(found)}); but beyond {MAX_EXTRAPOLATION:g} times the data "
                "seen that is a guess. Record more, then ask again."
            )
        case "reachable":
            return (
                f"Record about {_amount(found, forecast.size)} more for {wanted} ({_ends(found)}); now {now}."
            )


def _ends(found: Foretold) -> str:
    """The interval, as what is still to be recorded."""
    low, high = found.forecast.low, found.forecast.high
    if math.isinf(low):
        return "95 % interval: no amount does"
    if math.isinf(high):
        return f"95 % interval from {_amount(found, low)} more, without an upper end"
    beyond = ", beyond what can be trusted" * (high > MAX_EXTRAPOLATION * found.fit.seen)
    return f"95 % interval {_amount(found, low)} to {_amount(found, high)} more{beyond}"


def _amount(found: Foretold, size: float) -> str:
    more = _more(found, size)
    return f"{_count(more)} ({_hours(found, more):.1f} h)"


def _more(found: Foretold, size: float) -> float:
    return max(0.0, size - found.seen.clips)


def _hours(found: Foretold, clips: float) -> float:
    """At the mean length of those there are."""
    return clips * found.seen.hours / max(found.seen.clips, 1)


def _count(clips: float) -> str:
    """Two figures are more than it can be known to."""
    if clips < 1:
        return "0 utterances"
    if clips > 1e12:
        return "over 10^12 utterances"
    step = 10 ** max(0, math.floor(math.log10(clips)) - 1)
    return f"{round(clips / step) * step:,} utterances"


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def point_table(found: Foretold) -> tuple[list[str], list[list[object]]]:
    rows: list[list[object]] = [
        [
            f"{each.part:.4g}",
            each.clips,
            f"{each.hours:.2f} h",
            rate_text(each.rate, each.low, each.high),
            percent(found.fit.curve.error(each.clips)),
            each.dataset,
        ]
        for each in found.points
    ]
    return ["part", "utterances", "audio", f"{found.rate_name} (95 %)", "curve", "dataset"], rows


def remarks(found: Foretold) -> Iterator[str]:
    """Under which conditions all of it holds."""
    curve = found.fit.curve
    yield f"mix {found.mix}, of which {' and '.join(found.thinned)} was thinned out; decoder {found.decoder}"
    yield f"recipe {found.recipe}, seeds {', '.join(map(str, found.seeds))}, {found.rule}"
    yield (
        f"tested on the same {found.utterances} held-out utterances; "
        f"{found.rate_name}(n) = {curve.a:.3g} n^-{curve.b:.2f} + {curve.c:.3f}"
    )
    yield f"{percent(found.forecast.p_reach)} of the curves through resampled tests reach the wanted rate"
    if len(found.seeds) == 1:
        yield "one seed: the intervals hold what the test set leaves to chance, not what a training does"


def show(found: Foretold) -> None:
    table(*point_table(found))
    say()
    for line in text_plot(found.fit, found.pairs, found.forecast.target):
        say(line)
    say()
    for line in remarks(found):
        say(line)
    for line in found.failures:
        say(line, "yellow")
    say()
    say(answer(found), "bold")


def page(found: Foretold) -> str:
    title = f"How much more for {found.rate_name} {percent(found.forecast.target)}?"
    body = [
        f"<h1>{html.text(title)}</h1>",
        f"<p><strong>{html.text(answer(found))}</strong></p>",
        drawing(found.fit, found.pairs, found.forecast.target),
        html.table("As measured", *point_table(found)),
        *(f"<p>{html.text(line)}.</p>" for line in remarks(found)),
        *(f'<p class="warn">{html.text(line)}</p>' for line in found.failures),
    ]
    return html.document(title, body, STYLE)
