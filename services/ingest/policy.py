"""When is there enough news for a new dataset? A pure function of what is seen."""

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True)
class Thresholds:
    first: int  # utterances before the first dataset
    new: int  # utterances since the latest one
    quiet_s: float  # nothing has changed for so long


@dataclass(frozen=True)
class Seen:
    quiet_s: float  # time since the last change
    open_imports: int = 0
    open_builds: int = 0
    stored: int = 0  # utterances in the store
    built: int | None = None  # how many the latest build looked at; None before the first
    failed: str = ""  # the error of a build of this very state


@dataclass(frozen=True)
class Decision:
    build: bool
    new: int  # utterances since the latest dataset
    needed: int  # for the next one
    summary: str  # one sentence for people


class Obstacle(NamedTuple):
    """Why it is to wait, whatever is stored."""

    why: str
    look_again_s: float


def obstacle(seen: Seen, thresholds: Thresholds) -> Obstacle | None:
    pause_s = max(thresholds.quiet_s, 1.0)
    if seen.open_imports:
        return Obstacle(f"it waits for {seen.open_imports} import(s) to end", pause_s)
    if seen.open_builds:
        return Obstacle("one is being built just now", pause_s)
    rest_s = thresholds.quiet_s - seen.quiet_s
    if rest_s > 0:
        return Obstacle(f"it is built once nothing has come for {thresholds.quiet_s:g} s", rest_s)
    return None


def decide(seen: Seen, thresholds: Thresholds) -> Decision:
    """Deleted utterances count against new ones: the store then holds no more to learn from than before."""
    new = max(seen.stored - (seen.built or 0), 0)
    what, needed = ("first", thresholds.first) if seen.built is None else ("next", thresholds.new)
    blocked = obstacle(seen, thresholds)
    if new < needed:
        rest = f"{needed - new} to go"
    elif seen.failed:
        rest = f"building failed: {seen.failed}"
    else:
        rest = blocked.why if blocked else "it is due now"
    due = new >= needed and not seen.failed and not blocked
    counted = f"{new} new utterances are stored, {needed} are needed for the {what} dataset"
    return Decision(due, new, needed, f"{counted}; {rest}.")
