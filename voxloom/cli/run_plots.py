"""Plots as SVG: lines over steps or epochs, and rates with their intervals; legible on a phone."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from voxloom.cli.html import text
from voxloom.cli.run_curves import Point, downsampled, finite

_WIDTH, _HEIGHT = 400.0, 200.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 46.0, 8.0, 8.0, 32.0
_MOST_POINTS = 200
_COLOURS = 6
_LOG_FROM = 30.0  # most against least: above it a straight scale shows but the beginning
_ROW, _NAME = 24.0, 130.0  # of a plot of intervals
STYLE = """
:root { --s0: #35608f; --s1: #b0561e; --s2: #5a7d1c; --s3: #8a3f74; --s4: #1c7d78; --s5: #6b5bb0 }
@media (prefers-color-scheme: dark) { :root { --s0: #7fb0e6; --s1: #f0a070; --s2: #a9cf6a; --s3: #e09fcb;
  --s4: #6fd0c8; --s5: #b3a5f0 } }
svg.plot { width: 100%; height: auto; max-width: 34rem; display: block } svg.plot text { font-size: 12px }
.line { fill: none; stroke-width: 1.8; stroke-linejoin: round } .axis { stroke: var(--line); stroke-width: 1 }
.s0 { stroke: var(--s0) } .s1 { stroke: var(--s1); stroke-dasharray: 6 3 }
.s2 { stroke: var(--s2); stroke-dasharray: 2 2 } .s3 { stroke: var(--s3); stroke-dasharray: 8 3 2 3 }
.s4 { stroke: var(--s4); stroke-dasharray: 10 4 } .s5 { stroke: var(--s5); stroke-dasharray: 4 4 }
.dot { fill: var(--s0) } .key span { display: inline-block } .key svg { width: 1.8rem; height: .8rem }
"""


@dataclass(frozen=True)
class Series:
    name: str
    points: Sequence[Point]


@dataclass(frozen=True)
class Bar:
    """A value with its interval, if it has one."""

    name: str
    value: float
    low: float | None
    high: float | None


class _Scale:
    """Values of an axis to places in the picture."""

    def __init__(self, low: float, high: float, start: float, end: float, logarithmic: bool = False) -> None:
        self._log = logarithmic
        self.low, self.high = low, high if high > low else low + 1
        self._start, self._end = start, end

    def __call__(self, value: float) -> float:
        low, high, at = (math.log(each) if self._log else each for each in (self.low, self.high, value))
        return self._start + (at - low) / (high - low) * (self._end - self._start)

    def ticks(self, most: int = 5) -> list[float]:
        if self._log:
            exponents = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            steps = [digit * 10.0**each for each in exponents for digit in (1, 2, 5)]
            found = [each for each in steps if self.low <= each <= self.high]
            decades = [each for each in found if each in steps[::3]]
            return found if len(found) <= most else decades[:: math.ceil(len(decades) / most)]
        step = _nice((self.high - self.low) / most)
        first = math.ceil(self.low / step)
        return [index * step for index in range(first, math.floor(self.high / step + 1e-9) + 1)]


def _nice(step: float) -> float:
    """The next of 1, 2, 5, 10, 20, ..."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(each * power for each in (1, 2, 5, 10) if each * power >= step * (1 - 1e-9))


def lines(title: str, unit: str, x_name: str, series: Sequence[Series]) -> str:
    """A figure with a legend where there are several; what is not finite breaks a line."""
    drawn = [Series(each.name, downsampled(each.points, _MOST_POINTS)) for each in series if each.points]
    values = finite(value for each in drawn for _, value in each.points)
    if not values:
        return f"<p>{text(title)}: nothing was measured.</p>"
    low, high = min(values), max(values)
    logarithmic = low > 0 and high / low > _LOG_FROM
    x = _Scale(*_range([at for each in drawn for at, _ in each.points]), _LEFT, _WIDTH - _RIGHT)
    floor = low if logarithmic else min(low, 0.0)
    y = _Scale(floor, high, _HEIGHT - _BOTTOM, _TOP, logarithmic)
    parts = [_axes(x, y, x_name)]
    parts += [_line(each, index, x, y) for index, each in enumerate(drawn)]
    what = ", ".join(each for each in (unit, "logarithmic" * logarithmic) if each)
    head = f"<h3>{text(title)} <small>{text(f'({what})' if what else '')}</small></h3>"
    told = "; ".join(_told(each) for each in drawn)
    return head + _legend(drawn) + _svg(f"{title} {unit}: {told}", _HEIGHT, parts)


def intervals(title: str, bars: Sequence[Bar], form: str = "{:.1f} %") -> str:
    """A dot for each value and a line for its interval, below each other."""
    if not bars:
        return ""
    height = _ROW * len(bars) + _BOTTOM
    most = max(each.high if each.high is not None else each.value for each in bars)
    x = _Scale(0.0, most, _NAME + 8, _WIDTH - 58)
    foot = height - _BOTTOM + 4
    parts = [_tick_down(x(tick), foot, f"{tick:g}") for tick in x.ticks(4)]
    parts += [_bar(each, index * _ROW + _ROW / 2, x, form) for index, each in enumerate(bars)]
    told = "; ".join(f"{each.name} {form.format(each.value)}" for each in bars)
    return _svg(f"{title}: {told}", height, parts)


def _bar(bar: Bar, y: float, x: _Scale, form: str) -> str:
    name = bar.name if len(bar.name) <= 19 else f"{bar.name[:18]}…"
    parts = [f'<text x="{_NAME}" y="{y + 4:.1f}" text-anchor="end">{text(name)}</text>']
    if bar.low is not None and bar.high is not None:
        ends = f'x1="{x(bar.low):.1f}" x2="{x(bar.high):.1f}"'
        parts.append(f'<line class="line s0" {ends} y1="{y:.1f}" y2="{y:.1f}"/>')
    parts.append(f'<circle class="dot" cx="{x(bar.value):.1f}" cy="{y:.1f}" r="4"/>')
    parts.append(f'<text x="{_WIDTH - 52:.1f}" y="{y + 4:.1f}">{text(form.format(bar.value))}</text>')
    return "".join(parts)


def _tick_down(x: float, y: float, label: str) -> str:
    return (
        f'<line class="axis" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{y:.1f}"/>'
        f'<text x="{x:.1f}" y="{y + 14:.1f}" text-anchor="middle">{label}</text>'
    )


def _svg(label: str, height: float, parts: Sequence[str]) -> str:
    view = f'viewBox="0 0 {_WIDTH:g} {height:g}"'
    return f'<svg class="plot" {view} role="img" aria-label="{text(label)}">{"".join(parts)}</svg>'


def _range(values: Sequence[float]) -> tuple[float, float]:
    return min(values), max(values)


def _axes(x: _Scale, y: _Scale, x_name: str) -> str:
    foot = _HEIGHT - _BOTTOM
    parts = []
    for tick in y.ticks():
        at = y(tick)
        parts.append(f'<line class="axis" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>')
        parts.append(f'<text x="{_LEFT - 5}" y="{at + 4:.1f}" text-anchor="end">{tick:.4g}</text>')
    for tick in x.ticks():
        anchor = "middle" if x(tick) < _WIDTH - 24 else "end"
        parts.append(f'<text x="{x(tick):.1f}" y="{foot + 14}" text-anchor="{anchor}">{tick:g}</text>')
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{foot + 28}" text-anchor="middle">{text(x_name)}</text>')
    return "".join(parts)


def _line(series: Series, index: int, x: _Scale, y: _Scale) -> str:
    pen, path = "M", []
    for at, value in series.points:
        if not math.isfinite(value):
            pen = "M"
            continue
        path.append(f"{pen}{x(at):.1f} {y(value):.1f}")
        pen = "L"
    only = ' stroke-linecap="round"' if len(path) == 1 else ""
    if only:
        path.append("h0.1")
    return f'<path class="line s{index % _COLOURS}" d="{" ".join(path)}"{only}/>'


def _legend(series: Sequence[Series]) -> str:
    if len(series) < 2:
        return ""
    marks = (
        '<span><svg class="mark" viewBox="0 0 28 10">'
        f'<path class="line s{index % _COLOURS}" d="M0 5H28"/></svg> {text(each.name)}</span>'
        for index, each in enumerate(series)
    )
    return f'<p class="key">{" ".join(marks)}</p>'


def _told(series: Series) -> str:
    values = finite(value for _, value in series.points)
    if not values:
        return f"{series.name} nothing"
    return f"{series.name} from {values[0]:.4g} to {values[-1]:.4g}, least {min(values):.4g}"
