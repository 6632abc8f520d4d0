"""The demo's account of itself: phases with their times on the screen, everything in demo-report.json."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from voxloom.cli.output import clock, say


class Report:
    """Gathers figures; the file is written after each phase, `finished` turns true at the very end."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.was_begun = path.exists()  # by an earlier walk that was interrupted
        self._began = time.monotonic()
        self._content: dict[str, Any] = {
            "finished": False,
            "started_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "phases": [],
        }

    @contextmanager
    def phase(self, title: str) -> Iterator[None]:
        """Names the phase with the time since the start, and keeps how long it took."""
        began = time.monotonic()
        say(f"\n[{clock(began - self._began):>5}] {title}", "bold")
        yield
        took_s = round(time.monotonic() - began, 1)
        self._content["phases"].append({"title": title, "seconds": took_s})
        self._write()

    def add(self, **figures: Any) -> None:
        self._content.update(figures)

    def finish(self) -> None:
        total_s = time.monotonic() - self._began
        self._content |= {"finished": True, "total_s": round(total_s, 1)}
        self._write()
        say(f"\n[{clock(total_s):>5}] done", "bold")

    def _write(self) -> None:
        part = self._path.with_name("." + self._path.name)
        part.write_text(json.dumps(self._content, indent=2, ensure_ascii=False) + "\n")
        part.replace(self._path)


def read_finished(path: Path) -> dict[str, Any] | None:
    """The report of a demo that has come to its end, or None."""
    try:
        content = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return None
    return content if isinstance(content, dict) and content.get("finished") else None
