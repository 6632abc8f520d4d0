"""The terminal session without a terminal: keys, audio and answers in, what is to be done out."""

import io
from collections.abc import Sequence

import numpy as np
import pytest
from rich.console import Console

from voxloom.cli.studio.level import Block, Ending, judge_room, measure
from voxloom.cli.studio.loop import split_keys
from voxloom.cli.studio.screen import render
from voxloom.cli.studio.session import MAX_TAKE_S, Phase, Session
from voxloom.cli.studio.steps import (
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

RATE_HZ = 16000
GOOD = pb.CheckTakeResponse()
NOISY = pb.CheckTakeResponse(findings=[pb.TakeFinding(check="noisy", message="switch off fans")])
STORED = pb.UploadTakeResponse(utterance="u-1")


def quiet(seconds: float) -> list[Block]:
    return _blocks(np.random.default_rng(0).normal(0, 10, int(seconds * RATE_HZ)))


def speech(seconds: float) -> list[Block]:
    return _blocks(3000 * np.sin(np.arange(int(seconds * RATE_HZ)) / 10))


def _blocks(samples: np.ndarray) -> list[Block]:
    return [block.astype(np.int16) for block in np.array_split(samples, max(1, len(samples) // 640))]


class Reader:
    """Somebody at the microphone, and a recorder with some prompts."""

    def __init__(self, *texts: str, auto_stop: bool = False) -> None:
        self.session = Session(RATE_HZ, auto_stop=auto_stop)
        self.left = [pb.Prompt(id=f"p{n}", text=text) for n, text in enumerate(texts)]
        assert self.session.start() == [Fetch()]
        self.fetched()
        self.hear(quiet(2.1))

    def fetched(self) -> None:
        assert self.session.answer(Fetched(self.left[0] if self.left else None, pb.Progress())) == []

    def hear(self, blocks: Sequence[Block]) -> list[Do]:
        return [each for block in blocks for each in self.session.audio(block)]

    def key(self, *keys: str) -> list[Do]:
        return [each for key in keys for each in self.session.key(key)]

    def read(self) -> Check:
        self.key(" ")
        self.hear(speech(1))
        (check,) = self.key(" ")
        assert isinstance(check, Check)
        return check

    def store(self) -> Store:
        """A good take, to the next prompt."""
        check = self.read()
        (store,) = self.session.answer(GOOD)
        assert store == Store(check.prompt, check.pcm, anyway=False)
        assert self.session.answer(STORED) == [Fetch()]
        self.left = [each for each in self.left if each.id != store.prompt.id]
        self.fetched()
        return store

    @property
    def prompt(self) -> str:
        assert self.session.prompt
        return self.session.prompt.text


def test_the_room_is_measured_before_anything_is_read() -> None:
    session = Session(RATE_HZ)
    session.start()
    for block in quiet(1.9):
        session.audio(block)
    session.answer(Fetched(pb.Prompt(id="p", text="one"), pb.Progress()))
    assert (session.phase, session.key(" ")) == (Phase.ROOM, [])
    for block in quiet(0.2):
        session.audio(block)
    assert session.phase is Phase.READY
    assert "a quiet room" in session.notice


@pytest.mark.parametrize(
    ("amplitude", "says"),
    [(0, "muted"), (10, "quiet room"), (200, "it will do"), (900, "noisy"), (40000, "clips")],
)
def test_rooms(amplitude: float, says: str) -> None:
    noise = np.random.default_rng(0).normal(0, amplitude, 32000).clip(-32768, 32767)
    assert says in judge_room([measure(block) for block in _blocks(noise)])[1]


def test_good_takes_lead_from_prompt_to_prompt_to_the_end() -> None:
    reader = Reader("one", "two")
    assert [reader.store().prompt.text, reader.store().prompt.text] == ["one", "two"]
    assert reader.session.phase is Phase.DONE
    assert reader.key(" ", "r", "a", "s") == []
    assert reader.key("q") == [Quit()]


def test_a_take_holds_a_moment_before_the_key_and_all_after_it() -> None:
    reader = Reader("one")
    reader.key(" ")
    words = speech(1)
    reader.hear(words)
    (check,) = reader.key("\n")
    assert isinstance(check, Check)
    pcm = np.frombuffer(check.pcm, "<i2")
    assert 1.2 < len(pcm) / RATE_HZ < 1.3
    assert np.array_equal(pcm[-RATE_HZ:], np.concatenate(words))


def test_a_faulty_take_can_be_read_again_or_accepted() -> None:
    reader = Reader("one")
    reader.read()
    assert reader.session.answer(NOISY) == []
    assert reader.session.phase is Phase.FAULTY
    reader.key("r")
    assert reader.session.phase is Phase.RECORDING
    reader.hear(speech(1))
    (second,) = reader.key(" ")
    reader.session.answer(NOISY)
    assert reader.key("a") == [Store(second.prompt, second.pcm, anyway=True)]  # type: ignore[union-attr]


def test_a_take_that_is_none_cannot_be_accepted() -> None:
    reader = Reader("one")
    reader.read()
    reader.session.answer(Refused("nobody is heard"))
    assert reader.key("a") == []
    assert reader.session.phase is Phase.FAULTY


def test_what_the_recorder_refuses_at_last_can_be_accepted() -> None:
    """Between the check and the upload the speaker's pace may have become known."""
    reader = Reader("one")
    reader.read()
    reader.session.answer(GOOD)
    reader.session.answer(Refused("much more text than you usually read"))
    assert [type(each) for each in reader.key("a")] == [Store]


def test_hints_do_not_hold_anybody_up() -> None:
    reader = Reader("one")
    reader.read()
    hint = pb.TakeFinding(check="long", message="20 s", hint=True)
    assert [type(each) for each in reader.session.answer(pb.CheckTakeResponse(findings=[hint]))] == [Store]
    assert reader.session.findings == [hint]


@pytest.mark.parametrize(("key", "skip"), [("s", True), ("f", False)])
def test_a_prompt_is_skipped_or_flagged_with_a_reason(key: str, skip: bool) -> None:
    reader = Reader("one", "two")
    assert reader.key(key, "\n") == []  # a reason is needed
    assert reader.key(*"qux", "\x7f", "it is") == []
    (mark,) = reader.key("\n")
    assert mark == Mark(pb.Prompt(id="p0", text="one"), skip, "qu")
    assert reader.session.answer(pb.MarkPromptResponse()) == [Fetch()]
    reader.left = reader.left[1:] if skip else reader.left
    reader.fetched()
    assert reader.prompt == ("two" if skip else "one")


def test_typing_can_be_given_up() -> None:
    reader = Reader("one")
    reader.read()
    reader.session.answer(NOISY)
    reader.key("s", "x", "\x1b")
    assert reader.session.phase is Phase.FAULTY
    assert reader.key("s", "\x03") == [Quit()]


def test_back_and_forward_again() -> None:
    reader = Reader("one", "two", "three")
    reader.store()
    reader.store()
    assert reader.prompt == "three"
    reader.key("b", "left", "b")
    assert reader.prompt == "one"
    assert reader.read().prompt.text == "one"  # another take of it
    reader.session.answer(GOOD)
    reader.session.answer(STORED)
    reader.fetched()
    assert reader.prompt == "two"
    reader.key("n", "right")
    assert reader.prompt == "three"


def test_a_take_is_thrown_away_and_played() -> None:
    reader = Reader("one")
    assert reader.key("p") == []
    reader.key(" ")
    reader.hear(speech(1))
    assert reader.key("\x1b") == []
    assert reader.session.phase is Phase.READY
    take = reader.read()
    reader.session.answer(NOISY)
    assert reader.key("p") == [Play(take.pcm)]


def test_a_lost_connection_loses_no_take() -> None:
    reader = Reader("one")
    reader.read()
    (store,) = reader.session.answer(GOOD)
    reader.session.answer(Failed("the recorder does not answer"))
    assert reader.session.phase is Phase.FAILED
    assert reader.key("r", "a", "s") == []
    assert reader.key("t") == [store]


def test_while_it_waits_only_leaving_counts() -> None:
    reader = Reader("one")
    reader.read()
    assert reader.session.phase is Phase.WAITING
    assert reader.key(" ", "a", "b", "s", "f", "p") == []
    assert reader.key("Q") == [Quit()]


class TestAutoStop:
    def test_a_second_of_silence_after_speech_ends_a_take(self) -> None:
        reader = Reader("one", auto_stop=True)
        reader.key(" ")
        assert reader.hear([*quiet(3), *speech(1), *quiet(0.8), *speech(0.5), *quiet(0.9)]) == []
        (check,) = reader.hear(quiet(0.3))
        assert isinstance(check, Check)

    def test_without_it_only_the_longest_take_ends_by_itself(self) -> None:
        reader = Reader("one")
        reader.key(" ")
        assert reader.hear([*speech(1), *quiet(5)]) == []
        assert [type(each) for each in reader.hear(speech(MAX_TAKE_S))] == [Check]

    def test_a_click_is_no_speech(self) -> None:
        ending = Ending(floor_dbfs=-60)
        blocks = [*speech(0.1), *quiet(4)]
        assert not any(ending.is_over(measure(block), len(block) / RATE_HZ) for block in blocks)


@pytest.mark.parametrize(
    ("typed", "keys"),
    [("a\r", ["a", "\n"]), ("\x1b", ["\x1b"]), ("\x1b[Db", ["left", "b"]), ("\x1b[15~x", []), ("é", ["é"])],
)
def test_keys_of_what_a_terminal_sends(typed: str, keys: list[str]) -> None:
    assert list(split_keys(typed)) == keys


def shown(session: Session) -> str:
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(render(session, "Ada   english"))
    return console.export_text()


def test_the_screen_shows_prompt_faults_and_what_was_heard() -> None:
    reader = Reader("go \x1b[31mleft")
    reader.session.progress = pb.Progress(prompts=9, recorded=2, minutes=0.3, characters=26)
    assert "prompt 3 of 9" in shown(reader.session)
    assert "\x1b" not in shown(reader.session)
    reader.read()
    words = [pb.WordPair(prompt="go", heard="go"), pb.WordPair(prompt="left"), pb.WordPair(heard="lift")]
    checked = pb.CheckTakeResponse(findings=NOISY.findings, hearing=pb.Hearing(text="go lift", words=words))
    reader.session.answer(checked)
    text = shown(reader.session)
    assert "noisy: switch off fans" in text
    assert "heard: go [left] lift" in text
    assert "A accept anyway" in text
