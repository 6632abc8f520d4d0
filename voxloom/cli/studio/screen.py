"""What a session looks like on a terminal."""

from collections.abc import Iterator

from rich import box
from rich.align import Align
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.text import Text

from voxloom.cli.output import plain
from voxloom.cli.studio.level import Level
from voxloom.cli.studio.session import ROOM_S, Phase, Session
from voxloom.v1 import recorder_pb2 as pb

_WIDTH = 40  # of the meter
_QUIETEST_DBFS = -60.0
_HOT_DBFS = -6.0
_KEYS = {
    Phase.READY: "SPACE record   P play the last take   B or R back   S skip   F flag   Q quit",
    Phase.RECORDING: "SPACE stop   R or ESC throw away   Q quit",
    Phase.FAULTY: "R or SPACE record again   A accept anyway   P play   S skip   F flag   B back   Q quit",
    Phase.TYPING: "ENTER done   ESC never mind",
    Phase.FAILED: "T try again   P play   Q quit",
    Phase.DONE: "B back   P play the last take   Q quit",
}


def render(session: Session, title: str) -> RenderableType:
    return Group(
        Text(plain(f"{title}   {tell(session)}"), "dim"),
        Panel(
            Padding(Align.center(_prompt(session)), (1, 2)), box=box.ROUNDED, border_style=_border(session)
        ),
        _state(session),
        *(_finding(each) for each in session.findings),
        *([_words(session.hearing)] if session.hearing is not None and session.findings else []),
        Text(plain(session.notice), "red" if session.phase is Phase.FAILED else "green"),
        Text(_KEYS.get(session.phase, "Q quit"), "dim"),
    )


def tell(session: Session) -> str:
    """Progress in one line."""
    progress = session.progress
    done = progress.recorded + progress.skipped
    return (
        f"prompt {min(done + 1, progress.prompts)} of {progress.prompts}   {progress.minutes:.1f} min   "
        f"{progress.characters_covered} of {progress.characters} characters   "
        f"{progress.sounds_covered} of {progress.sounds} pairs of sounds"
    )


def meter(level: Level) -> Text:
    """A bar of the level, with the peak as a number."""
    share = (level.rms_dbfs - _QUIETEST_DBFS) / -_QUIETEST_DBFS
    filled = max(0, min(_WIDTH, round(share * _WIDTH)))
    style = "red" if level.clips else "yellow" if level.peak_dbfs > _HOT_DBFS else "green"
    bar = Text("█" * filled + "░" * (_WIDTH - filled), style)
    return bar.append(f" peak {level.peak_dbfs:4.0f} dBFS{'  CLIPS' if level.clips else ''}", style)


def _prompt(session: Session) -> Text:
    if session.phase is Phase.ROOM:
        return Text(f"Please be quiet for {ROOM_S:.0f} seconds: the room is measured.", "bold")
    if session.prompt is None:
        told = "Everything is read. Thank you!" if session.phase is Phase.DONE else "..."
        return Text(told, "bold")
    text = Text(plain(session.prompt.text), "bold", justify="center")
    if session.prompt.because:
        text.append(f"\n{plain(session.prompt.because)}", "dim")
    return text


def _border(session: Session) -> str:
    return {Phase.RECORDING: "red", Phase.FAULTY: "yellow", Phase.FAILED: "red"}.get(session.phase, "dim")


def _state(session: Session) -> Text:
    match session.phase:
        case Phase.TYPING:
            what = "skip" if session.skipping else "is wrong with"
            return Text(plain(f"why {what} this prompt? {session.typed}_"))
        case Phase.WAITING:
            return Text("one moment ...", "dim")
        case Phase.RECORDING:
            return Text(f"● {session.take_s:4.1f} s ", "red").append_text(meter(session.level))
        case _:
            return Text("  ready  ", "dim").append_text(meter(session.level))


def _finding(finding: pb.TakeFinding) -> Text:
    return Text(plain(f"{finding.check}: {finding.message}"), "dim" if finding.hint else "yellow")


def _words(hearing: pb.Hearing) -> Text:
    """The prompt as it was heard; what differs stands out."""
    line = Text("heard: ")
    for text, style in _pieces(hearing):
        line.append(f"{plain(text)} ", style)
    return line


def _pieces(hearing: pb.Hearing) -> Iterator[tuple[str, str]]:
    for pair in hearing.words:
        if pair.prompt == pair.heard:
            yield pair.heard, ""
        elif not pair.heard:
            yield f"[{pair.prompt}]", "red strike"
        else:
            yield pair.heard, "bold red"
