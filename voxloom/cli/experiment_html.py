"""What the pages of experiments share: their style, drawings, and writing the file."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol, TypeVar

from voxloom.cli.html import text
from voxloom.cli.output import print_json, say
from voxloom.errors import BadInput

STYLE = """
.axis { stroke: var(--line) } .mark { stroke: var(--train); fill: var(--train) }
.curve { stroke: var(--train); fill: none; stroke-width: 1.5 } .band { fill: var(--train); opacity: .15 }
.wish { stroke: var(--warn); stroke-dasharray: 4 3 }
"""


class Findings(Protocol):
    def as_dict(self) -> dict[str, Any]: ...


Found = TypeVar("Found", bound=Findings)


def picture(width: float, height: float, title: str, told: str, parts: Iterable[str]) -> str:
    """An SVG drawing of such units; `told` says in words what it shows."""
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{text(f"{title}: {told}")}">'
        f"<title>{text(title)}</title><desc>{text(told)}</desc>{''.join(parts)}</svg>"
    )


def write(path: Path, page: str) -> None:
    """BadInput says why there is no such file now."""
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {error.strerror}") from error


def tell(
    found: Found,
    page: Callable[[Found], str],
    show: Callable[[Found], None],
    html: Path | None,
    json_: bool,
) -> None:
    """What was found: as a page where one is wanted, and as JSON or text."""
    if html is not None:
        write(html, page(found))
    if json_:
        print_json(found.as_dict())
        return
    show(found)
    if html is not None:
        say(f"{html} shows it as a page", "green")
