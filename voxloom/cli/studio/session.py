"""A recording session as a state machine: keys, audio and answers in, what is to be done out."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from voxloom.cli.studio.level import Block, Ending, Level, judge_room, measure
from voxloom.cli.studio.steps import (
    Answer,
    Call,
    Check,
    Do,
    Failed,
    Fetch,
    Fetched,
    Mark,
    Play,
    Quit,
    Refused,
    Store,
)
from voxloom.v1 import recorder_pb2 as pb

ROOM_S = 2.0
MAX_TAKE_S = 34.0  # the recorder takes 35
_BEFORE_S = 0.25  # kept from before the key: nobody's first word is cut
MAX_REASON = 200
ENTER, SPACE, ESCAPE, BACKSPACE, INTERRUPT, LEFT, RIGHT = "\n", " ", "\x1b", "\x7f", "\x03", "left", "right"


class Phase(StrEnum):
    ROOM = "room"  # two seconds of silence are measured
    WAITING = "waiting"  # for an answer
    READY = "ready"
    RECORDING = "recording"
    FAULTY = "faulty"  # the take has faults, or is none
    TYPING = "typing"  # why a prompt is skipped or flagged
    FAILED = "failed"  # a call did not get through
    DONE = "done"  # nothing is left to be read


@dataclass
class Session:
    rate_hz: int
    auto_stop: bool = False
    phase: Phase = Phase.ROOM
    visited: list[pb.Prompt] = field(default_factory=list)
    at: int = 0  # in `visited`; behind its end when all is read
    progress: pb.Progress = field(default_factory=pb.Progress)
    notice: str = ""  # one line of news
    findings: Sequence[pb.TakeFinding] = ()
    hearing: pb.Hearing | None = None
    can_accept: bool = False  # of a faulty take: it may be stored all the same
    level: Level = field(default_factory=Level)
    floor_dbfs: float | None = None
    typed: str = ""
    skipping: bool = False  # else flagging
    last_take: bytes = b""
    _room: list[Level] = field(default_factory=list)
    _room_s: float = 0.0
    _blocks: deque[Block] = field(default_factory=deque)
    _seconds: float = 0.0  # of the blocks
    _ending: Ending | None = None
    _pending: Call | None = None
    _before_typing: Phase = Phase.READY

    @property
    def prompt(self) -> pb.Prompt | None:
        return self.visited[self.at] if self.at < len(self.visited) else None

    @property
    def take_s(self) -> float:
        return self._seconds

    def start(self) -> list[Do]:
        """The first thing to do. The room is measured meanwhile."""
        self._pending = Fetch()
        return [self._pending]

    def key(self, key: str) -> list[Do]:
        if key == INTERRUPT:
            return [Quit()]
        if self.phase is Phase.TYPING:
            return self._type(key)
        key = key.lower()
        if key == "q":
            return [Quit()]
        keys = _KEYS.get(self.phase, {})
        return keys[key](self) if key in keys else []

    def audio(self, block: Block) -> list[Do]:
        self.level = measure(block)
        seconds = len(block) / self.rate_hz
        if self.phase is Phase.ROOM:
            self._measure_room(seconds)
        self._blocks.append(block)
        self._seconds += seconds
        if self.phase is not Phase.RECORDING:
            while self._seconds - len(self._blocks[0]) / self.rate_hz > _BEFORE_S:
                self._seconds -= len(self._blocks.popleft()) / self.rate_hz
            return []
        over = self._ending is not None and self._ending.is_over(self.level, seconds)
        return self._stop() if over or self._seconds >= MAX_TAKE_S else []

    def answer(self, answer: Answer) -> list[Do]:
        match answer:
            case Failed(message):
                self.phase, self.notice = Phase.FAILED, message
                return []
            case Refused(message):
                found = pb.TakeFinding(check="refused", message=message)
                return self._fault([found], can_accept=isinstance(self._pending, Store))
            case Fetched():
                return self._arrive(answer)
            case pb.CheckTakeResponse():
                return self._judge(answer)
            case pb.UploadTakeResponse():
                self.notice = (
                    f"stored: {answer.checks.duration_s:.1f} s, {answer.quality.loudness_lufs:.0f} LUFS, "
                    f"{answer.quality.snr_db:.0f} dB above the noise"
                )
                self.at += 1
                return self._call(Fetch())
            case _:  # of MarkPrompt
                self.at += self.skipping
                return self._call(Fetch())

    def _measure_room(self, seconds: float) -> None:
        self._room.append(self.level)
        self._room_s += seconds
        if self._room_s >= ROOM_S:
            self.floor_dbfs, self.notice = judge_room(self._room)
            self._settle()

    def _arrive(self, answer: Fetched) -> list[Do]:
        self.progress = answer.progress
        if answer.prompt is not None and self.at >= len(self.visited):
            self.visited.append(answer.prompt)
        self._pending = None
        self._settle()
        return []

    def _settle(self) -> None:
        """To where a prompt can be read, unless something is waited for."""
        if self.floor_dbfs is None:
            self.phase = Phase.ROOM
        elif self._pending is not None:
            self.phase = Phase.WAITING
        else:
            self.phase = Phase.READY if self.prompt else Phase.DONE

    def _judge(self, checked: pb.CheckTakeResponse) -> list[Do]:
        hearing = checked.hearing if checked.HasField("hearing") else None
        if any(not finding.hint for finding in checked.findings):
            return self._fault(checked.findings, can_accept=True, hearing=hearing)
        self.findings, self.hearing = list(checked.findings), hearing
        return self._store(anyway=False)

    def _fault(
        self, findings: Sequence[pb.TakeFinding], *, can_accept: bool, hearing: pb.Hearing | None = None
    ) -> list[Do]:
        self.phase, self.notice, self._pending = Phase.FAULTY, "", None
        self.findings, self.hearing, self.can_accept = list(findings), hearing, can_accept
        return []

    def _call(self, call: Call) -> list[Do]:
        self.phase, self._pending = Phase.WAITING, call
        return [call]

    def _again(self) -> list[Do]:
        return self._call(self._pending) if self._pending else []

    def _record(self) -> list[Do]:
        self.phase, self.notice = Phase.RECORDING, ""
        self.findings, self.hearing = (), None
        floor = self.floor_dbfs if self.floor_dbfs is not None else Level().rms_dbfs
        self._ending = Ending(floor) if self.auto_stop else None
        return []

    def _stop(self) -> list[Do]:
        self.last_take = np.concatenate(self._blocks).astype("<i2").tobytes()
        self._drop()
        assert self.prompt is not None, "nothing but a prompt is recorded"
        return self._call(Check(self.prompt, self.last_take))

    def _drop(self) -> None:
        self._blocks.clear()
        self._seconds = 0.0

    def _cancel(self) -> list[Do]:
        self._drop()
        self.phase, self.notice = Phase.READY, "the take is thrown away"
        return []

    def _accept(self) -> list[Do]:
        return self._store(anyway=True) if self.can_accept else []

    def _store(self, *, anyway: bool) -> list[Do]:
        assert self.prompt is not None, "a take is of a prompt"
        return self._call(Store(self.prompt, self.last_take, anyway))

    def _play(self) -> list[Do]:
        return [Play(self.last_take)] if self.last_take else []

    def _move(self, step: int) -> list[Do]:
        """Back to a prompt that was read or skipped, or forward again; not beyond the one to be read next."""
        if 0 <= self.at + step < len(self.visited):
            self.at += step
            self.phase, self.notice = Phase.READY, ""
            self.findings, self.hearing = (), None
        return []

    def _ask_why(self, *, skip: bool) -> list[Do]:
        self._before_typing, self.phase = self.phase, Phase.TYPING
        self.skipping, self.typed = skip, ""
        return []

    def _type(self, key: str) -> list[Do]:
        if key == ESCAPE:
            self.phase = self._before_typing
        elif key == BACKSPACE:
            self.typed = self.typed[:-1]
        elif key == ENTER and self.typed.strip():
            assert self.prompt is not None, "only prompts are marked"
            self.findings, self.hearing = (), None
            self.notice = "skipped" if self.skipping else "flagged"
            return self._call(Mark(self.prompt, self.skipping, self.typed.strip()))
        elif len(key) == 1 and key.isprintable() and len(self.typed) < MAX_REASON:
            self.typed += key
        return []


_Keys = dict[str, Callable[[Session], list[Do]]]
_ANYWHERE: _Keys = {
    "p": Session._play,
    "b": lambda session: session._move(-1),
    LEFT: lambda session: session._move(-1),
}
_AT_A_PROMPT: _Keys = {
    **_ANYWHERE,
    SPACE: Session._record,
    ENTER: Session._record,
    "s": lambda session: session._ask_why(skip=True),
    "f": lambda session: session._ask_why(skip=False),
    "n": lambda session: session._move(1),
    RIGHT: lambda session: session._move(1),
}
_KEYS: dict[Phase, _Keys] = {
    Phase.READY: {**_AT_A_PROMPT, "r": lambda session: session._move(-1)},
    Phase.RECORDING: {
        SPACE: Session._stop,
        ENTER: Session._stop,
        "r": Session._cancel,
        ESCAPE: Session._cancel,
    },
    Phase.FAULTY: {**_AT_A_PROMPT, "r": Session._record, "a": Session._accept},
    Phase.FAILED: {"t": Session._again, SPACE: Session._again, ENTER: Session._again, "p": Session._play},
    Phase.DONE: _ANYWHERE,
}
