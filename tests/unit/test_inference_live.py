"""A stream on the streaming graph: the right frames are computed, at the right times, and held no longer."""

import asyncio
from pathlib import Path

import numpy as np
import pytest
from integration import bundle_maker

from services.inference.live import Live, place_to_cut
from services.inference.models import ServedModel, load
from services.inference.pool import Pool
from services.inference.recognize import Pcm16
from services.inference.results import Pace, Result, stability
from services.inference.streaming import StreamTranscriber
from voxloom.decode import Word
from voxloom.errors import BadInput
from voxloom.storage import FolderStore
from voxloom.streaming_engine import Caches, Step

PACE = Pace.of(interim_s=0.3, pause_s=1.2)


@pytest.fixture
def model(tmp_path: Path) -> ServedModel:
    store = FolderStore(tmp_path)
    bundle_maker.write_model_bundle(
        store, "m-a", bundle_maker.graph(), live=bundle_maker.streaming_graph(chunk=128)
    )
    return load(store, "m-a")


def streamed(model: ServedModel, samples: np.ndarray, interim: bool = True) -> list[Result]:
    data = (samples * 32767).astype("<i2").tobytes()

    async def work(pool: Pool) -> list[Result]:
        stream = StreamTranscriber(model, pool, Pcm16(16000, 1), interim, PACE, clock=lambda: 0.0)
        results = []
        for at in range(0, len(data), 3200):
            results += [result async for result in stream.push(data[at : at + 3200])]
        return results + [result async for result in stream.finish()]

    pool = Pool(threads=2, max_calls=4, max_streams=4)
    try:
        return asyncio.run(work(pool))
    finally:
        pool.close()


def steps(model: ServedModel, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The frames of each step from now on."""
    engine, taken = model.live, []
    assert engine
    real = engine.step

    def counting(features_TF: np.ndarray, caches: Caches) -> Step:
        taken.append(len(features_TF))
        return real(features_TF, caches)

    monkeypatch.setattr(engine, "step", counting)
    return taken


@pytest.mark.parametrize("seconds", [10, 100])
def test_steps_are_linear_in_the_audio(
    model: ServedModel, monkeypatch: pytest.MonkeyPatch, seconds: int
) -> None:
    """A step for each chunk, one for what may be a pause; and for interim results at most 4 in its 1.28 s."""
    speech = np.concatenate([bundle_maker.say(text + " ") for text in bundle_maker.sentences(40)])
    speech = speech[: seconds * 16000]
    chunks = -(-seconds * 100 // 128)
    taken = steps(model, monkeypatch)
    streamed(model, speech, interim=False)
    assert taken.count(128) == chunks - 1
    assert len(taken) <= 1.4 * chunks
    taken.clear()
    streamed(model, speech)
    assert chunks < len(taken) <= 4 * chunks


def test_words_that_stand_are_not_taken_back_and_are_told_stable(model: ServedModel) -> None:
    results = streamed(model, bundle_maker.say("bed cafe had a bag"))
    *shown, final = results
    assert final.is_final
    assert final.stability == 1.0
    assert [each.stability for each in shown] == [
        stability(before, each.hypothesis.text)
        for before, each in zip(["", *(each.hypothesis.text for each in shown)], shown, strict=False)
    ]
    assert shown[0].stability == 0.0
    assert shown[-1].stability > 0.7


@pytest.mark.parametrize(
    ("before", "text", "share"),
    [
        ("", "a", 0),
        ("a", "", 0),
        ("one two", "one two", 1),
        ("one tw", "one two", 0.5),
        ("x two", "one two", 0),
    ],
)
def test_stability_is_the_share_of_letters_that_stay(before: str, text: str, share: float) -> None:
    assert stability(before, text) == share


def test_a_word_that_begins_in_the_last_silence_is_whole(model: ServedModel) -> None:
    """A result ends soon after its last word: what follows belongs to the next one, wherever chunks end."""
    for more in range(0, 20480, 2048):
        speech = bundle_maker.say("had a bag|face", pause_s=1.6)
        samples = np.concatenate([np.zeros(more, np.float32), speech])
        finals = [each for each in streamed(model, samples) if each.is_final]
        assert [each.hypothesis.text for each in finals] == ["had a bag", "face"]
        assert finals[0].end_ms == finals[1].start_ms


def test_memory_is_that_of_the_open_segment(model: ServedModel) -> None:
    """Ten minutes of speech without a pause."""
    assert model.live
    speech = np.concatenate([bundle_maker.say(text + " ") for text in bundle_maker.sentences(20)])
    pool = Pool(threads=1, max_calls=4, max_streams=4)
    hearing = Live(model, model.live, pool, True, PACE, lambda: 0.0)

    async def work() -> int:
        most = 0
        for at in range(0, 600 * 16000, 16000):
            hearing.take_in(np.take(speech, range(at, at + 16000), mode="wrap"))
            [_ async for _ in hearing.results()]
            held = [hearing._open_TV, hearing._waiting_TF, *hearing._caches.values()]
            most = max(most, sum(max(each.nbytes, getattr(each.base, "nbytes", 0)) for each in held))
        return most

    try:
        assert asyncio.run(work()) < 500_000
    finally:
        pool.close()


def word(start: int, end: int) -> Word:
    return Word("w", start * 0.04, end * 0.04, 1.0)


def test_long_speech_is_cut_in_its_longest_gap() -> None:
    words = [word(0, 400), word(460, 600), word(610, 700), word(730, 800), word(802, 900)]
    assert place_to_cut(words) == 715, "that at 430 is longer, but leaves less than 20 s"
    assert place_to_cut([word(0, 890)]) == 875
    assert place_to_cut([]) == 875


@pytest.mark.parametrize(
    ("graph", "complaint"),
    [
        (bundle_maker.streaming_graph(poison=float("nan")), "gives no numbers"),
        (bundle_maker.graph(), "streaming graph's inputs"),
    ],
)
def test_a_bundle_whose_streams_cannot_be_heard_is_refused(
    tmp_path: Path, graph: bytes, complaint: str
) -> None:
    store = FolderStore(tmp_path)
    bundle_maker.write_model_bundle(store, "m-bad", bundle_maker.graph(), live=graph)
    with pytest.raises(BadInput, match=complaint):
        load(store, "m-bad")
    store.delete("models/m-bad/streaming.onnx")
    with pytest.raises(BadInput, match=r"streaming\.onnx is missing"):
        load(store, "m-bad")
