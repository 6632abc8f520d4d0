"""What a recognition may ask for, and long recordings: over gRPC, of a real process."""

import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import soundfile
import soxr
from integration import bundle_maker
from protocol_process import promote, serving
from service_process import ServiceProcess, code_of, eventually

from voxloom.audio import encode_flac, encode_wav
from voxloom.storage import FolderStore
from voxloom.v1 import audio_pb2
from voxloom.v1 import inference_pb2 as pb
from voxloom.v1.inference_pb2_grpc import InferenceServiceStub

pytestmark = pytest.mark.slow

TEXT = "bed cafe had a bag"
LOW = "bed a bad"  # its letters lie below 4 kHz
MULAW, ALAW, PCM16 = (
    audio_pb2.AudioFormat(encoding=encoding, sample_rate_hz=8000)
    for encoding in (
        audio_pb2.AUDIO_ENCODING_MULAW,
        audio_pb2.AUDIO_ENCODING_ALAW,
        audio_pb2.AUDIO_ENCODING_PCM16,
    )
)
FILE = audio_pb2.AudioFormat()


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    root = tmp_path_factory.mktemp("asked") / "store"
    bundle_maker.write_model_bundle(FolderStore(root), "m-deaf", bundle_maker.graph(deaf_to="h"))
    promote(root, "m-a")
    with ServiceProcess("inference", root, inference_max_batch_mib="8") as process:
        eventually(lambda: serving(process).model == "m-a")
        yield process


@pytest.fixture
def stub(process: ServiceProcess) -> Any:
    return InferenceServiceStub(process.channel)


def encoded(samples: np.ndarray, rate_hz: int, **kind: str) -> bytes:
    """By libsndfile, which wrote neither of our decoders."""
    file = io.BytesIO()
    soundfile.write(file, soxr.resample(samples, 16000, rate_hz), rate_hz, **kind)
    return file.getvalue()


LOW_SPEECH = bundle_maker.say(LOW)
FORMS = {
    "mulaw": (MULAW, encoded(LOW_SPEECH, 8000, format="RAW", subtype="ULAW")),
    "alaw": (ALAW, encoded(LOW_SPEECH, 8000, format="RAW", subtype="ALAW")),
    "pcm": (PCM16, encoded(LOW_SPEECH, 8000, format="RAW", subtype="PCM_16")),
    "wav": (FILE, encoded(LOW_SPEECH, 44100, format="WAV", subtype="PCM_16")),
    "wav-24": (FILE, encoded(LOW_SPEECH, 22050, format="WAV", subtype="PCM_24")),
    "wav-mulaw": (FILE, encoded(LOW_SPEECH, 8000, format="WAV", subtype="ULAW")),
    "flac": (FILE, encoded(LOW_SPEECH, 48000, format="FLAC")),
    "ogg-vorbis": (FILE, encoded(LOW_SPEECH, 32000, format="OGG", subtype="VORBIS")),
    "ogg-opus": (FILE, encoded(LOW_SPEECH, 48000, format="OGG", subtype="OPUS")),
    "mp3": (FILE, encoded(LOW_SPEECH, 16000, format="MP3")),
}


def streamed(stub: Any, form: audio_pb2.AudioFormat, data: bytes, **config: Any) -> list[Any]:
    return list(
        stub.StreamingRecognize(
            messages(pb.StreamingRecognizeRequest, pb.StreamingConfig, form, data, **config)
        )
    )


def batched(stub: Any, form: audio_pb2.AudioFormat, data: bytes, **config: Any) -> list[Any]:
    return list(stub.BatchRecognize(messages(pb.BatchRecognizeRequest, pb.BatchConfig, form, data, **config)))


def messages(
    request: Any, kind: Any, form: audio_pb2.AudioFormat, data: bytes, **config: Any
) -> Iterable[Any]:
    yield request(config=kind(format=form, **config))
    for at in range(0, len(data), 7001):
        yield request(audio=data[at : at + 7001])


@pytest.mark.parametrize("name", FORMS)
def test_every_form_is_heard_by_every_call(stub: Any, name: str) -> None:
    form, data = FORMS[name]
    assert stub.Recognize(pb.RecognizeRequest(format=form, audio=data)).text == LOW
    assert [each.text for each in streamed(stub, form, data)] == [LOW]
    *pieces, last = batched(stub, form, data)
    assert [each.piece.text for each in pieces] == [LOW]
    assert last.summary.model == "m-a"
    assert last.summary.audio_s == pytest.approx(len(LOW_SPEECH) / 16000, abs=0.1)


def test_a_call_may_ask_for_a_model_hot_words_and_alternatives(stub: Any) -> None:
    mixed = 0.75 * bundle_maker.say("bag") + 0.25 * bundle_maker.say("bad")
    data = encode_wav(mixed.astype(np.float32))
    asked = pb.RecognitionOptions(hot_words=[pb.HotWord(phrase="bad", boost=3)], max_alternatives=3)
    assert stub.Recognize(pb.RecognizeRequest(audio=data)).text == "bag"
    found = stub.Recognize(pb.RecognizeRequest(audio=data, options=asked))
    assert found.text == found.alternatives[0].text == "bad"
    assert found.alternatives[0].words == found.words
    assert len({each.text for each in found.alternatives}) == 3
    (result,) = streamed(stub, FILE, data, options=asked)
    piece, _ = batched(stub, FILE, data, options=asked)
    assert result.alternatives == piece.piece.alternatives == found.alternatives
    deaf = pb.RecognitionOptions(model="m-deaf")
    had = encode_wav(bundle_maker.say("had"))
    found = stub.Recognize(pb.RecognizeRequest(audio=had, options=deaf))
    assert (found.model, "h" in found.text) == ("m-deaf", False)
    (result,) = streamed(stub, FILE, had, options=deaf)
    assert (result.model, result.text) == ("m-deaf", found.text)
    assert batched(stub, FILE, had, options=deaf)[-1].summary.model == "m-deaf"
    assert stub.Recognize(pb.RecognizeRequest(audio=had)).model == "m-a"


@pytest.mark.parametrize(
    ("options", "code", "complaint"),
    [
        ({"model": "m-none"}, grpc.StatusCode.NOT_FOUND, "no model m-none in the store"),
        ({"max_alternatives": 99}, grpc.StatusCode.INVALID_ARGUMENT, "expected 0 to 20"),
        ({"hot_words": [{"phrase": "xyz"}]}, grpc.StatusCode.INVALID_ARGUMENT, "cannot write: x, y, z"),
    ],
)
def test_what_cannot_be_had_is_told_of(
    stub: Any, options: Any, code: grpc.StatusCode, complaint: str
) -> None:
    asked, data = pb.RecognitionOptions(**options), encode_wav(LOW_SPEECH)
    calls = (
        lambda: stub.Recognize(pb.RecognizeRequest(audio=data, options=asked)),
        lambda: streamed(stub, FILE, data, options=asked),
        lambda: batched(stub, FILE, data, options=asked),
    )
    for call in calls:
        with pytest.raises(grpc.RpcError, match=complaint) as caught:
            call()
        assert code_of(caught.value) == code


def test_a_long_recording_comes_in_pieces_that_are_all_of_it(stub: Any) -> None:
    sentences = bundle_maker.sentences(60, words=3)
    samples = np.concatenate([bundle_maker.say(f"{text} ") for text in sentences])
    *pieces, last = (each for each in batched(stub, FILE, encode_flac(samples)))
    found = [each.piece for each in pieces]
    assert len(found) >= 3
    assert " ".join(each.text for each in found) == " ".join(sentences)
    assert [each.start_ms for each in found] == [0, *(each.end_ms for each in found[:-1])]
    assert all(
        each.start_ms <= word.start_ms <= word.end_ms <= each.end_ms for each in found for word in each.words
    )
    assert {each.total_ms for each in found} == {round(len(samples) / 16)}
    assert last.summary.audio_s == pytest.approx(len(samples) / 16000, abs=0.02)
    assert 0 < last.summary.compute_s < last.summary.audio_s


@pytest.mark.parametrize(
    ("form", "data", "code", "complaint"),
    [
        (FILE, b"", grpc.StatusCode.INVALID_ARGUMENT, "empty"),
        (FILE, b"no audio at all", grpc.StatusCode.INVALID_ARGUMENT, "text, not a recording"),
        (
            FILE,
            encode_flac(LOW_SPEECH)[:20_000],
            grpc.StatusCode.INVALID_ARGUMENT,
            "cannot be decoded|cannot be read",
        ),
        (FILE, encode_wav(LOW_SPEECH)[:20_000], grpc.StatusCode.INVALID_ARGUMENT, "cut short"),
        (audio_pb2.AudioFormat(encoding=2), b"1234", grpc.StatusCode.INVALID_ARGUMENT, "sample rate"),
        (audio_pb2.AudioFormat(encoding=9), b"1234", grpc.StatusCode.INVALID_ARGUMENT, "encoding 9"),
        (PCM16, bytes(9 << 20), grpc.StatusCode.RESOURCE_EXHAUSTED, "over 8388608 bytes"),
    ],
)
def test_a_batch_that_cannot_be_heard_is_refused(
    stub: Any, form: audio_pb2.AudioFormat, data: bytes, code: grpc.StatusCode, complaint: str
) -> None:
    with pytest.raises(grpc.RpcError, match=complaint) as caught:
        batched(stub, form, data)
    assert code_of(caught.value) == code


def test_streams_and_batches_begin_with_their_configuration(stub: Any) -> None:
    for call, request in (
        (stub.BatchRecognize, pb.BatchRecognizeRequest),
        (stub.StreamingRecognize, pb.StreamingRecognizeRequest),
    ):
        for sent in ([], [request(audio=b"1")]):
            with pytest.raises(grpc.RpcError, match="must be its configuration") as caught:
                list(call(iter(sent)))
            assert code_of(caught.value) == grpc.StatusCode.INVALID_ARGUMENT


def test_a_cancelled_batch_and_one_past_its_deadline_leave_nothing(tmp_path: Path, monkeypatch: Any) -> None:
    """The one place is free at once, and no file is left."""
    spool = tmp_path / "spool"
    spool.mkdir()
    monkeypatch.setenv("TMPDIR", str(spool))
    promote(tmp_path / "store", "m-slow", ballast=400)
    with ServiceProcess("inference", tmp_path / "store", inference_max_calls="1") as process:
        eventually(lambda: serving(process).model == "m-slow")
        stub = InferenceServiceStub(process.channel)
        long = np.tile(bundle_maker.say("bed cafe had a bag "), 450)
        sent = lambda: messages(pb.BatchRecognizeRequest, pb.BatchConfig, FILE, encode_flac(long))  # noqa: E731
        call = stub.BatchRecognize(sent())
        assert next(call).piece.text.startswith("bed cafe")
        assert list(spool.glob("voxloom-batch-*"))
        call.cancel()
        eventually(lambda: recognises(stub), 5)
        assert not list(spool.glob("voxloom-batch-*"))
        with pytest.raises(grpc.RpcError) as caught:
            list(stub.BatchRecognize(sent(), timeout=2.0))
        assert code_of(caught.value) == grpc.StatusCode.DEADLINE_EXCEEDED
        eventually(lambda: recognises(stub), 5)
        eventually(lambda: not list(spool.glob("voxloom-batch-*")), 5)


def recognises(stub: Any) -> bool:
    """Whether the one place is free."""
    request = pb.RecognizeRequest(audio=encode_wav(bundle_maker.say("bed")))
    call = stub.Recognize.future(request)
    error = call.exception()
    assert error is None or code_of(error) == grpc.StatusCode.RESOURCE_EXHAUSTED
    return error is None and call.result().text == "bed"
