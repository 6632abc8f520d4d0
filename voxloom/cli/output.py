"""What people see: plain lines and tables anywhere, live bars only on a terminal."""

import json
import sys
import time
from collections.abc import Iterable, Sequence
from datetime import datetime
from types import TracebackType
from typing import Annotated, Any, Self

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

QUIET_S = 10.0  # between two progress lines when nobody watches a terminal
_CONTROLS = dict.fromkeys((*range(9), *range(11, 32), *range(127, 160)), "�")

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]


def console() -> Console:
    return Console(highlight=False, soft_wrap=True)


def plain(text: object) -> str:
    """Text from outside without the control codes that could repaint a terminal."""
    return str(text).translate(_CONTROLS)


def say(text: object = "", style: str = "") -> None:
    """One line to standard output; colour only on a terminal, and never markup out of data."""
    console().print(Text(plain(text), style))


def complain(text: object) -> None:
    """One line to standard error."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(Text(plain(text)))


def print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def print_json_line(value: Any) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Columns padded to their widest cell, nothing cut off; the last column is free text."""
    cells = [[plain(cell).replace("\n", " ") for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in [list(header), *cells]) for i in range(len(header))]
    say(_line(header, widths), "bold")
    for row in cells:
        say(_line(row, widths))


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    padded = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
    return "  ".join(padded).rstrip()


def percent(fraction: float) -> str:
    return f"{100 * fraction:.1f} %"


def clock(seconds: float) -> str:
    """m:ss, or h:mm:ss from an hour on."""
    whole = max(0, round(seconds))
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def when(timestamp: str) -> str:
    """An ISO 8601 time as this place's clock shows it; as it is if it cannot be read."""
    try:
        return f"{datetime.fromisoformat(timestamp).astimezone():%Y-%m-%d %H:%M}"
    except ValueError:
        return timestamp


def audio_time(hours: float) -> str:
    """Minutes below an hour."""
    return f"{hours:.1f} h" if hours >= 1 else f"{60 * hours:.1f} min"


def size(num_bytes: float) -> str:
    for unit in ("B", "kB", "MB"):
        if num_bytes < 1000:
            return f"{num_bytes:.0f} {unit}" if unit == "B" else f"{num_bytes:.1f} {unit}"
        num_bytes /= 1000
    return f"{num_bytes:.1f} GB"


class Meter:
    """A progress bar on a terminal; elsewhere a line every few seconds, so that logs stay readable."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._bar = _bar() if console().is_terminal else None
        self._task = self._bar.add_task(label, total=None, note="") if self._bar else None
        self._last_line_at = time.monotonic()

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

    def update(self, done: float, total: float, note: str = "") -> None:
        """Moves the bar; a total of 0 means that it is not known yet."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done, total=total or None, note=plain(note))
        elif time.monotonic() - self._last_line_at > QUIET_S:
            self._last_line_at = time.monotonic()
            share = f" {100 * done / total:.0f} %" if total else ""
            say(f"{self._label}{share}  {note}".rstrip())

    def line(self, text: str, style: str = "") -> None:
        """A line that stays, above the bar."""
        if self._bar:
            self._bar.console.print(Text(plain(text), style))
        else:
            say(text, style)


def _bar() -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}", markup=False),
    )
    return Progress(*columns, console=console(), transient=True)
