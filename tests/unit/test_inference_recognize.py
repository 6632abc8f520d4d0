"""One file and one stream give the same text, whatever the chunks; pauses end results."""

import asyncio
import itertools
from collections.abc import Callable, Coroutine
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import soxr
from integration import bundle_maker

from services.inference import windows
from services.inference.models import ServedModel, load
from services.inference.pool import Pool
from services.inference.recognize import Pcm16, Recognition, hear, read_audio, recognize
from services.inference.segments import Segment
from services.inference.streaming import MAX_CHUNK_BYTES, Pace, Result, StreamTranscriber
from voxloom.audio import encode_flac, encode_wav
from voxloom.decode import Hypothesis
from voxloom.errors import BadInput, Exhausted
from voxloom.storage import FolderStore

TEXT = "bed cafe had a bag"
PACE = Pace.of(interim_s=0.3, pause_s=1.2)
PCM = Pcm16(16000, 1)


@pytest.fixture(scope="module", params=["windows", "live"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ServedModel:
    """Without and with a streaming graph: streams keep the same promises."""
    store = FolderStore(tmp_path_factory.mktemp("store"))
    live = bundle_maker.streaming_graph(chunk=128) if request.param == "live" else b""
    bundle_maker.write_model_bundle(store, "m-a", bundle_maker.graph(), live=live)
    return load(store, "m-a")


def in_pool(work: Callable[[Pool], Coroutine[Any, Any, Any]]) -> Any:
    pool = Pool(threads=2, max_calls=4, max_streams=4)
    try:
        return asyncio.run(work(pool))
    finally:
        pool.close()


def recognized(model: ServedModel, data: bytes, pcm: Pcm16 | None = None, limit_s: float = 60) -> Recognition:
    return in_pool(lambda pool: recognize(model, pool, partial(read_audio, data, pcm, limit_s)))


def streamed(
    model: ServedModel,
    data: bytes,
    chunk: int = 3200,
    pcm: Pcm16 = PCM,
    interim: bool = True,
    clock: Callable[[], float] = lambda: 0.0,  # a machine that always keeps up
) -> list[Result]:
    async def work(pool: Pool) -> list[Result]:
        stream = StreamTranscriber(model, pool, pcm, interim, PACE, clock=clock)
        pieces = [data[at : at + chunk] for at in range(0, len(data), chunk)]
        results = [result for piece in pieces async for result in stream.push(piece)]
        return results + [result async for result in stream.finish()]

    return in_pool(work)


def pcm16(samples: np.ndarray) -> bytes:
    return (samples * 32767).astype("<i2").tobytes()


def finals(results: list[Result]) -> list[Result]:
    return [each for each in results if each.is_final]


def texts(results: list[Result]) -> list[str]:
    return [each.hypothesis.text for each in results]


def test_a_file_is_heard_with_times_and_confidence(model: ServedModel) -> None:
    for data in (encode_wav(bundle_maker.say(TEXT)), encode_flac(bundle_maker.say(TEXT))):
        found = recognized(model, data)
        assert found.text == TEXT
        assert [word.text for word in found.words] == TEXT.split()
        assert found.words[0].start_s == pytest.approx(0.2, abs=0.05)
        assert found.audio_s == pytest.approx(len(bundle_maker.say(TEXT)) / 16000)
        assert found.confidence > 0.9
        assert 0 < found.compute_s < 5


def test_raw_samples_at_another_rate_and_in_stereo(model: ServedModel) -> None:
    at_8k = bundle_maker.say("bed")[::2]
    stereo = np.stack([bundle_maker.say("bed")] * 2, axis=1)
    assert recognized(model, pcm16(at_8k), Pcm16(8000, 1)).text == "bed"
    assert recognized(model, pcm16(stereo), Pcm16(16000, 2)).text == "bed"


def test_silence_is_no_text_and_no_error(model: ServedModel) -> None:
    silence = np.zeros(32000, np.float32)
    assert recognized(model, encode_wav(silence)).text == ""
    (result,) = streamed(model, pcm16(silence))
    assert (result.hypothesis.text, result.is_final, result.end_ms) == ("", True, 2000)


@pytest.mark.parametrize(
    ("data", "pcm", "complaint"),
    [
        (b"", None, "empty"),
        (b"", PCM, "no samples"),
        (b"abc", PCM, "whole number"),
        (b"\x1aE\xdf\xa3 webm", None, "WebM"),
        (encode_wav(np.zeros(16000, np.float32))[:20000], None, "truncated|shorter|cut"),
        (bytes(3200), Pcm16(0, 1), "sample_rate_hz is 0"),
        (bytes(3200), Pcm16(-5, 1), "sample_rate_hz is -5"),
        (bytes(3200), Pcm16(16000, -1), "channels"),
    ],
)
def test_what_cannot_be_read_is_refused(
    model: ServedModel, data: bytes, pcm: Pcm16 | None, complaint: str
) -> None:
    with pytest.raises(BadInput, match=complaint):
        recognized(model, data, pcm)


def test_what_is_too_long_is_refused(model: ServedModel) -> None:
    with pytest.raises(Exhausted, match="longer than 1 s"):
        recognized(model, bytes(64000), PCM, limit_s=1)
    with pytest.raises((BadInput, Exhausted), match="longer than 1 s"):
        recognized(model, encode_wav(np.zeros(32000, np.float32)), limit_s=1)


def test_long_audio_is_heard_whole(model: ServedModel) -> None:
    sentence = bundle_maker.say(TEXT + " ")
    repeats = 12
    data = encode_wav(np.concatenate([sentence] * repeats))
    found = recognized(model, data, limit_s=600)
    assert found.text == " ".join([TEXT] * repeats)
    assert found.words[-1].end_s == pytest.approx(found.audio_s, abs=0.5)


@pytest.mark.parametrize("chunk", [320, 3200, MAX_CHUNK_BYTES, 3201])
def test_a_stream_ends_with_the_text_of_the_file(model: ServedModel, chunk: int) -> None:
    data = pcm16(bundle_maker.say(TEXT))
    (final,) = finals(streamed(model, data, chunk))
    whole = recognized(model, data, PCM)
    assert final.hypothesis.text == whole.text == TEXT
    assert final.hypothesis.words == whole.words
    assert (final.start_ms, final.end_ms) == (0, round(1000 * whole.audio_s, -1))


@pytest.mark.parametrize(("rate_hz", "channels"), [(8000, 1), (44100, 2), (48000, 1)])
def test_a_stream_may_come_at_any_rate(model: ServedModel, rate_hz: int, channels: int) -> None:
    """The letters used lie below 4 kHz."""
    samples = soxr.resample(bundle_maker.say("bed a bad"), 16000, rate_hz)
    data = pcm16(np.stack([samples] * channels, axis=1))
    (final,) = finals(streamed(model, data, 4001, Pcm16(rate_hz, channels)))
    assert final.hypothesis.text == "bed a bad"


def test_decoding_a_stream_costs_a_bounded_multiple(
    model: ServedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[int] = []

    def counting(model: ServedModel, segment: Segment) -> Hypothesis:
        decoded.append(len(segment.features_TF))
        return hear(model, segment)

    monkeypatch.setattr(windows, "_hear", counting)
    monkeypatch.setattr(windows, "_draft", counting)
    samples = np.concatenate([bundle_maker.say(text + " ") for text in bundle_maker.sentences(6)])
    streamed(model, pcm16(samples))
    assert sum(decoded) <= 12 * len(samples) / 160


def test_chunks_change_no_result(model: ServedModel) -> None:
    data = pcm16(bundle_maker.say("had a|bed", pause_s=2.5))
    expected = streamed(model, data, 3200)
    for chunk in (640, 1001, 20000):
        assert streamed(model, data, chunk) == expected
    assert streamed(model, data, interim=False) == finals(expected)


def test_interim_results_grow_into_the_final_one(model: ServedModel) -> None:
    results = streamed(model, pcm16(bundle_maker.say(TEXT)))
    shown = [each for each in results if not each.is_final]
    assert len(shown) >= 5
    assert all(TEXT.startswith(text) for text in texts(shown))
    assert all(left.end_ms + 300 <= right.end_ms for left, right in pairwise(shown))


def test_a_machine_that_cannot_keep_up_looks_less_often(model: ServedModel) -> None:
    """Each look seems to take a second, so that one in two seconds of audio is all there is time for; with a
    streaming graph nothing but the chunks is looked at after the first look."""
    data = pcm16(np.concatenate([bundle_maker.say(TEXT + " ")] * 2))
    slow = itertools.count()
    results = streamed(model, data, clock=lambda: float(next(slow)))
    assert finals(results) == finals(streamed(model, data))
    shown = [each for each in results if not each.is_final]
    shown, least = (shown[1:], 1280) if model.live else (shown, 2000)
    assert all(right.end_ms - left.end_ms >= least for left, right in pairwise(shown))


def test_a_pause_ends_a_result_while_the_stream_goes_on(model: ServedModel) -> None:
    data = pcm16(bundle_maker.say("had a bag|face|bed", pause_s=2.0))
    first, second, third = finals(streamed(model, data))
    assert texts([first, second, third]) == ["had a bag", "face", "bed"]
    assert first.end_ms == second.start_ms
    assert second.hypothesis.words[0].start_s * 1000 >= second.start_ms
    assert recognized(model, data, PCM).text == "had a bagfacebed"  # without a space between: it was not said


def test_short_pauses_end_nothing(model: ServedModel) -> None:
    assert len(finals(streamed(model, pcm16(bundle_maker.say("had |a |bag", pause_s=0.8))))) == 1


def test_a_pause_is_told_of_soon(model: ServedModel) -> None:
    """The final result comes within 0.4 s of audio after the pause is 1.2 s long."""
    speech = bundle_maker.say("had a bag face bed cafe fade")
    data = pcm16(np.concatenate([speech, np.zeros(48000, np.float32)]))

    async def work(pool: Pool) -> int:
        stream = StreamTranscriber(model, pool, PCM, False, PACE, clock=lambda: 0.0)
        for at in range(0, len(data), 640):
            async for _ in stream.push(data[at : at + 640]):
                return at + 640
        return 0

    ended_s = (in_pool(work) / 2 - len(speech)) / 16000
    assert 0 < ended_s <= 1.2 + 0.4


def test_a_stream_without_pauses_is_cut_like_a_file(model: ServedModel) -> None:
    data = pcm16(np.concatenate([bundle_maker.say(text) for text in bundle_maker.sentences(10, words=4)]))
    results = finals(streamed(model, data, MAX_CHUNK_BYTES))
    assert len(results) > 1
    said = recognized(model, data, PCM).text
    assert "".join(texts(results)).replace(" ", "") == said.replace(" ", "")  # between them no space was said


def test_a_stream_of_silence_does_not_grow(model: ServedModel) -> None:
    async def work(pool: Pool) -> int:
        stream = StreamTranscriber(model, pool, PCM, True, PACE)
        for _ in range(20):
            async for _ in stream.push(bytes(MAX_CHUNK_BYTES)):
                raise AssertionError("silence has no result")
        hearing = stream._hearing
        if isinstance(hearing, windows.Windows):
            return len(hearing._segmenter.open.features_TF)
        return 4 * len(hearing._open_TV) + len(hearing._waiting_TF)

    assert in_pool(work) <= 3500 + 2 * 128


def test_misused_streams_are_refused(model: ServedModel) -> None:
    with pytest.raises(BadInput, match="without audio"):
        streamed(model, b"")
    with pytest.raises(BadInput, match="send less"):
        streamed(model, bytes(MAX_CHUNK_BYTES + 1), chunk=MAX_CHUNK_BYTES + 1)
    with pytest.raises(BadInput, match="sample rate"):
        streamed(model, bytes(10), pcm=Pcm16(0, 1))


def test_a_cancelled_call_leaves_the_pool_to_others(model: ServedModel) -> None:
    """A long file is cancelled in the middle; the next call is served at once."""
    long = encode_wav(np.concatenate([bundle_maker.say(TEXT)] * 30))

    async def work(pool: Pool) -> str:
        read = partial(read_audio, long, None, 600)
        calls = [asyncio.create_task(recognize(model, pool, read)) for _ in range(3)]
        await asyncio.sleep(0.05)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        async with asyncio.timeout(5):
            read = partial(read_audio, encode_wav(bundle_maker.say("bed")), None, 60)
            return (await recognize(model, pool, read)).text

    assert in_pool(work) == "bed"
