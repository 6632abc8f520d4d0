"""Runs a session on a terminal: keys, audio and answers wait in one line, and the screen follows."""

import os
import queue
import select
import sys
import termios
import threading
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
from rich.console import Console
from rich.live import Live

from voxloom.cli.studio.calls import Caller
from voxloom.cli.studio.level import Block
from voxloom.cli.studio.screen import render
from voxloom.cli.studio.session import BACKSPACE, ESCAPE, INTERRUPT, LEFT, RIGHT, Session
from voxloom.cli.studio.sound import Sound
from voxloom.cli.studio.steps import Answer, Call, Do, Play, Quit

_FRAME_S = 0.08  # between two looks of the meter
_POLL_S = 0.1
_ARROWS = {"\x1b[D": LEFT, "\x1b[C": RIGHT, "\x1bOD": LEFT, "\x1bOC": RIGHT}
_SAME = {"\r": "\n", "\b": BACKSPACE}

Event = str | Block | Answer
Events = queue.SimpleQueue[Event]
Calls = queue.SimpleQueue[Call | None]


def run(session: Session, caller: Caller, sound: Sound, title: str) -> None:
    """Until somebody leaves. BadInput where there is no microphone, before the screen is taken."""
    events: Events = queue.SimpleQueue()
    with (
        sound.opened(events.put),
        _keys_to(events),
        _answering(caller, events) as calls,
        Live(console=Console(highlight=False), screen=True, auto_refresh=False) as live,
    ):
        _follow(session, events, calls, sound, lambda: live.update(render(session, title), refresh=True))


def _follow(session: Session, events: Events, calls: Calls, sound: Sound, show: Callable[[], None]) -> None:
    todo = session.start()
    next_look_s = 0.0
    while _do(todo, calls, sound):
        event = events.get()
        todo = _tell(session, event)
        if not isinstance(event, np.ndarray) or time.monotonic() > next_look_s:
            show()
            next_look_s = time.monotonic() + _FRAME_S


def _tell(session: Session, event: Event) -> list[Do]:
    if isinstance(event, str):
        return session.key(event)
    if isinstance(event, np.ndarray):
        return session.audio(event)
    return session.answer(event)


def _do(todo: list[Do], calls: Calls, sound: Sound) -> bool:
    """False when somebody leaves."""
    for each in todo:
        if isinstance(each, Quit):
            return False
        if isinstance(each, Play):
            sound.play(each.pcm)
        else:
            calls.put(each)
    return True


@contextmanager
def _answering(caller: Caller, events: Events) -> Iterator[Calls]:
    """Calls are made one after the other by a thread; at the end what is on its way is still stored."""
    calls: Calls = queue.SimpleQueue()

    def work() -> None:
        while (call := calls.get()) is not None:
            events.put(caller.answer(call))

    thread = threading.Thread(target=work, name="studio-calls")
    thread.start()
    try:
        yield calls
    finally:
        calls.put(None)
        thread.join()


@contextmanager
def _keys_to(events: Events) -> Iterator[None]:
    """Every key as it is pressed; the terminal is as before afterwards."""
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    over = threading.Event()

    def read() -> None:
        while not over.is_set():
            if select.select([terminal], [], [], _POLL_S)[0]:
                typed = os.read(terminal, 1024).decode(errors="ignore")
                for key in split_keys(typed) if typed else [INTERRUPT]:  # nothing: the terminal is gone
                    events.put(key)
                if not typed:
                    return

    thread = threading.Thread(target=read, name="studio-keys")
    tty.setcbreak(terminal)
    mode = termios.tcgetattr(terminal)
    mode[3] &= ~termios.ISIG  # Ctrl-C is a key here: the terminal is put right in the end
    termios.tcsetattr(terminal, termios.TCSANOW, mode)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


def split_keys(typed: str) -> Iterator[str]:
    """Keys of what a terminal sent at once. Special keys come as sequences, of which arrows count."""
    while typed:
        arrow = next((code for code in _ARROWS if typed.startswith(code)), "")
        if arrow:
            yield _ARROWS[arrow]
            typed = typed.removeprefix(arrow)
        elif typed[0] == ESCAPE and len(typed) > 1:
            return  # another sequence
        else:
            yield _SAME.get(typed[0], typed[0])
            typed = typed[1:]
