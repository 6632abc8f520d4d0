"""A learning curve in plain characters and as a drawing."""

import math
from collections.abc import Iterator, Sequence

from voxloom.cli.experiment_html import picture
from voxloom.learning_curve import MAX_EXTRAPOLATION, Fit

Points = Sequence[tuple[float, float]]  # (utterances, error rate), as measured
_COLUMNS, _ROWS = 64, 14
_WIDTH, _HEIGHT, _MARGIN = 640.0, 300.0, 44.0  # of the drawing, in SVG units
_STEPS = 80


class _Scale:
    """Utterances by their logarithm, up to as far as the curve may be trusted; errors from 0."""

    def __init__(self, fit: Fit, points: Points, target: float) -> None:
        self.low, self.high = math.log(fit.smallest), math.log(MAX_EXTRAPOLATION * fit.seen)
        top = max(target, *(rate for _, rate in points), fit.curve.error(fit.smallest))
        self.top = min(top * 1.05, max(1.0, top))

    def x(self, size: float) -> float:
        """0 to 1"""
        return (math.log(size) - self.low) / (self.high - self.low)

    def y(self, rate: float) -> float:
        """0 to 1, upwards"""
        return min(rate / self.top, 1.0)

    def size(self, x: float) -> float:
        return math.exp(self.low + x * (self.high - self.low))


def text_plot(fit: Fit, points: Points, target: float) -> Iterator[str]:
    """Lines: `o` was measured, `.` is the curve, `-` the wanted rate."""
    scale = _Scale(fit, points, target)
    grid = [[" "] * _COLUMNS for _ in range(_ROWS)]

    def put(x: float, rate: float, mark: str) -> None:
        row = _ROWS - 1 - round(scale.y(rate) * (_ROWS - 1))
        grid[row][round(x * (_COLUMNS - 1))] = mark

    for column in range(_COLUMNS):
        x = column / (_COLUMNS - 1)
        put(x, target, "-")
        put(x, fit.curve.error(scale.size(x)), ".")
    for size, rate in points:
        put(scale.x(size), rate, "o")
    for number, row in enumerate(grid):
        rate = scale.top * (1 - number / (_ROWS - 1))
        yield f"{100 * rate:5.1f} % |{''.join(row)}".rstrip()
    yield " " * 8 + "+" + "-" * _COLUMNS
    first, last = f"{fit.smallest:.0f}", f"{MAX_EXTRAPOLATION * fit.seen:.0f} utterances"
    yield " " * 9 + first + last.rjust(_COLUMNS - len(first))


def drawing(fit: Fit, points: Points, target: float) -> str:
    """The same as SVG, with the band of the curve's 95 % interval."""
    scale = _Scale(fit, points, target)

    def at(x: float, rate: float) -> str:
        return f"{_MARGIN + x * (_WIDTH - 2 * _MARGIN):.1f},{_HEIGHT - _MARGIN - _tall(scale.y(rate)):.1f}"

    steps = [step / _STEPS for step in range(_STEPS + 1)]
    sizes = [scale.size(x) for x in steps]
    bands = [fit.band(size) for size in sizes]
    edge = [*zip(steps, (low for low, _ in bands), strict=True)]
    edge += reversed([*zip(steps, (high for _, high in bands), strict=True)])
    line = " ".join(at(x, fit.curve.error(size)) for x, size in zip(steps, sizes, strict=True))
    (left, wish), (right, _) = at(0, target).split(","), at(1, target).split(",")
    parts = [
        f'<polygon class="band" points="{" ".join(at(x, rate) for x, rate in edge)}"/>',
        f'<polyline class="curve" points="{line}"/>',
        f'<line class="wish" x1="{left}" x2="{right}" y1="{wish}" y2="{wish}"/>',
        *(_dot(at(scale.x(size), rate), f"{100 * rate:.1f} %") for size, rate in points),
        *_axes(fit, scale, left, right),
    ]
    told = "; ".join(f"{size:.0f} utterances: {100 * rate:.1f} %" for size, rate in points)
    return picture(_WIDTH, _HEIGHT, "Learning curve", told, parts)


def _tall(y: float) -> float:
    return y * (_HEIGHT - 1.5 * _MARGIN)


def _dot(at: str, label: str) -> str:
    x, y = at.split(",")
    above = float(y) - 9
    return (
        f'<circle class="mark" cx="{x}" cy="{y}" r="4"/>'
        f'<text x="{x}" y="{above:.1f}" text-anchor="middle">{label}</text>'
    )


def _axes(fit: Fit, scale: _Scale, left: str, right: str) -> Iterator[str]:
    bottom = _HEIGHT - _MARGIN
    yield f'<line class="axis" x1="{left}" x2="{right}" y1="{bottom:g}" y2="{bottom:g}"/>'
    for size in (fit.smallest, fit.seen, MAX_EXTRAPOLATION * fit.seen):
        x = _MARGIN + scale.x(size) * (_WIDTH - 2 * _MARGIN)
        yield f'<text x="{x:.1f}" y="{bottom + 16:g}" text-anchor="middle">{size:.0f}</text>'
    yield f'<text x="{_WIDTH / 2:g}" y="{bottom + 34:g}" text-anchor="middle">utterances to train on</text>'
