"""What every speech engine keeps, on those installed; piper with VOXLOOM_TEST_PIPER_VOICE=voice.onnx."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from voxloom.audio import Audio, decode, find_fault, measure
from voxloom.errors import BadInput
from voxloom.synthesis.engine import Engine, Settings
from voxloom.synthesis.espeak import Espeak
from voxloom.synthesis.flite import Flite
from voxloom.synthesis.piper import Piper

SENTENCE = "Glue the sheet to the dark blue background."


def piper() -> Piper:
    model = os.environ.get("VOXLOOM_TEST_PIPER_VOICE")
    return Piper((Path(model),) if model else ())


@pytest.fixture(params=[Espeak, Flite, piper], ids=["espeak-ng", "flite", "piper"])
def engine(request: pytest.FixtureRequest) -> Engine:
    make: Callable[[], Engine] = request.param
    try:
        return make()
    except BadInput as error:
        pytest.skip(str(error))


def said(engine: Engine, text: str = SENTENCE, settings: Settings | None = None, voice: int = 0) -> Audio:
    return decode(engine.speak(text, engine.voices("en-US")[voice], settings or Settings()))


def test_a_sentence_is_speech_of_its_length(engine: Engine) -> None:
    short, long = said(engine, "Yes."), said(engine, f"{SENTENCE} {SENTENCE}")
    for clip in (short, long):
        assert find_fault(clip, measure(clip)) is None
    assert long.duration_s > 2 * short.duration_s
    assert 2 < long.duration_s < 15


def test_voices_are_listed_alike_each_time_and_by_one_name_each(engine: Engine) -> None:
    names = [voice.name for voice in engine.voices("en-US")]
    assert names == [voice.name for voice in engine.voices("en-US")]
    assert len(set(names)) == len(names) > 0
    assert engine.version
    with pytest.raises(BadInput):
        engine.voices("qaa")


def test_faster_is_shorter(engine: Engine) -> None:
    speeds = sorted({manner.speed for manner in engine.manners})
    assert Settings() in engine.manners
    slow, fast = said(engine, settings=Settings(speeds[0])), said(engine, settings=Settings(speeds[-1]))
    assert slow.duration_s > 1.1 * fast.duration_s


def test_several_threads_get_what_one_gets(engine: Engine) -> None:
    with ThreadPoolExecutor(4) as pool:
        durations = list(pool.map(lambda number: said(engine, f"{SENTENCE} {number}").duration_s, range(8)))
    alone = [said(engine, f"{SENTENCE} {number}").duration_s for number in range(8)]
    assert durations == pytest.approx(alone, rel=0.25)  # piper draws its noise anew each time


@pytest.mark.parametrize("text", ["-v is no option", "--help", "5 < 6 & so on; $(id) `id`", "naïve"])
def test_a_text_is_a_text_and_no_option(engine: Engine, text: str) -> None:
    assert 0.3 < said(engine, text).duration_s < 10
