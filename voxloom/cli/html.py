"""Web pages that need nothing else: no script, no font, no network. Every text in them is escaped."""

from collections.abc import Iterable, Sequence
from html import escape

from voxloom.cli.output import plain

_NARROW = 20  # characters of a cell that is never broken
_N = ' class="n"'  # numbers
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; media-src data:"
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


def document(title: str, body: Iterable[str], style: str = "") -> str:
    """A whole page of parts that are HTML already; `title` is not."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f"<title>{text(title)}</title>\n<style>{_STYLE}{style}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(body)
        + "\n</main>\n</body>\n</html>\n"
    )


class Html(str):
    """What is HTML already, in a cell of a table."""


def table(caption: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A wide one is moved sideways by itself, not the page."""
    lines = list(rows)
    numbers = {index for row in lines for index, cell in enumerate(row) if isinstance(cell, int)}
    head = "".join(_head(name, index in numbers) for index, name in enumerate(header))
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in lines)
    top = f"<caption>{text(caption)}</caption><thead><tr>{head}</tr></thead>"
    return f'<div class="wide"><table>{top}<tbody>{body}</tbody></table></div>'


def _head(name: str, of_numbers: bool) -> str:
    return f'<th scope="col"{_N if of_numbers else ""}>{text(name)}</th>'


def _cell(value: object) -> str:
    if isinstance(value, int):
        return f"<td{_N}>{value:,}</td>"
    shown = value if isinstance(value, Html) else text(value).replace("_", "_<wbr>")
    return f'<td class="long">{shown}</td>' if len(str(value)) > _NARROW else f"<td>{shown}</td>"


def folded(summary: str, inside: str) -> str:
    return f"<details><summary>{text(summary)}</summary>{inside}</details>"


def text(value: object) -> str:
    """Escaped, without control codes."""
    return escape(plain(value), quote=True)
