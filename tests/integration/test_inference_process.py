"""Inference as it is deployed: a process of its own, a folder store, real gRPC."""

import contextlib
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from integration import bundle_maker
from service_process import ServiceProcess, code_of, eventually

from voxloom.audio import encode_wav
from voxloom.storage import FolderStore
from voxloom.v1 import audio_pb2
from voxloom.v1 import inference_pb2 as pb
from voxloom.v1.inference_pb2_grpc import InferenceServiceStub

pytestmark = pytest.mark.slow

NAME = "voxloom.v1.InferenceService"
TEXT = "bed cafe had a bag"
PCM16 = audio_pb2.AudioFormat(encoding=audio_pb2.AUDIO_ENCODING_PCM16, sample_rate_hz=16000)


def promote(root: Path, model: str, deaf_to: str = "", **language: Any) -> None:
    store = FolderStore(root)
    bundle_maker.write_model_bundle(store, model, bundle_maker.graph(deaf_to), **language)
    bundle_maker.point_to(store, model)


def flip_byte(root: Path, key: str) -> None:
    store = FolderStore(root)
    data = bytearray(store.get(key))
    data[len(data) // 2] ^= 1
    store.put(key, bytes(data))


def pcm(text: str, pause_s: float = 0.0) -> bytes:
    return (bundle_maker.say(text, pause_s) * 32767).astype("<i2").tobytes()


def recognize(process: ServiceProcess, text: str = TEXT) -> pb.RecognizeResponse:
    request = pb.RecognizeRequest(audio=encode_wav(bundle_maker.say(text)))
    return InferenceServiceStub(process.channel).Recognize(request, timeout=30)


def serves(process: ServiceProcess, model: str) -> Callable[[], bool]:
    stub = InferenceServiceStub(process.channel)
    return lambda: stub.GetServingModel(pb.GetServingModelRequest(), timeout=10).model == model


def requests(chunks: Iterable[bytes], interim: bool = False) -> Iterator[pb.StreamingRecognizeRequest]:
    config = pb.StreamingConfig(format=PCM16, interim_results=interim)
    yield pb.StreamingRecognizeRequest(config=config)
    for chunk in chunks:
        yield pb.StreamingRecognizeRequest(audio=chunk)


def chunked(data: bytes, size: int = 3200) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


class OpenStream:
    """A stream that is fed and read by hand."""

    def __init__(self, process: ServiceProcess) -> None:
        self._chunks: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        stub = InferenceServiceStub(process.channel)
        self.call = stub.StreamingRecognize(requests(iter(self._chunks.get, None)), timeout=60)
        self.results: list[pb.StreamingRecognizeResponse] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def send(self, data: bytes) -> None:
        for chunk in chunked(data):
            self._chunks.put(chunk)

    def finish(self) -> list[pb.StreamingRecognizeResponse]:
        self._chunks.put(None)
        self._reader.join()
        return self.results

    def _read(self) -> None:
        with contextlib.suppress(grpc.RpcError):  # the test that cancels it knows
            self.results.extend(self.call)


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    """One process for all tests that change nothing."""
    root = tmp_path_factory.mktemp("lasting") / "store"
    promote(root, "m-a")
    with ServiceProcess("inference", root) as process:
        eventually(serves(process, "m-a"))
        yield process


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def served(root: Path) -> Iterator[ServiceProcess]:
    promote(root, "m-a")
    with ServiceProcess("inference", root) as process:
        eventually(serves(process, "m-a"))
        yield process


def test_before_the_first_model_it_says_so_and_then_serves_it(root: Path) -> None:
    with ServiceProcess("inference", root) as process:
        assert process.health("")
        assert not process.health(NAME)
        with pytest.raises(grpc.RpcError) as caught:
            recognize(process)
        assert code_of(caught.value) == grpc.StatusCode.UNAVAILABLE
        promote(root, "m-a")
        eventually(lambda: process.health(NAME))
        found = recognize(process)
    assert (found.text, found.model) == (TEXT, "m-a")
    assert [word.text for word in found.words] == TEXT.split()
    assert all(left.end_ms <= right.start_ms for left, right in pairwise(found.words))
    assert found.compute_s < found.audio_s


def test_a_model_with_a_language_model_is_served_with_it(root: Path, served: ServiceProcess) -> None:
    assert recognize(served, "bed beg face").text == "bed beg face"
    promote(root, "m-lm", **bundle_maker.knows("bed", "face"))
    eventually(serves(served, "m-lm"))
    found = recognize(served, "bed beg face")
    assert (found.text, found.model) == ("bed face", "m-lm")
    assert [word.text for word in found.words] == ["bed", "face"]
    assert 0 < found.confidence <= 1
    stub = InferenceServiceStub(served.channel)
    results = list(stub.StreamingRecognize(requests(chunked(pcm("bed beg face")), interim=True), timeout=60))
    assert [result.text for result in results if result.is_final] == ["bed face"]


def test_a_damaged_language_model_is_not_served(root: Path, served: ServiceProcess) -> None:
    language = bundle_maker.knows("bed", "face")
    promote(
        root, "m-lm", arpa=language["arpa"].replace(b"ngram 2=", b"ngram 2=9"), decoding=language["decoding"]
    )
    served.find(lambda line: "m-lm/lm/lm.arpa line" in str(line))
    assert recognize(served).model == "m-a"


def test_a_stream_gives_interim_and_final_results(lasting: ServiceProcess) -> None:
    stub = InferenceServiceStub(lasting.channel)
    data = pcm("had a bag|face", pause_s=2.0)
    results = list(stub.StreamingRecognize(requests(chunked(data), interim=True), timeout=60))
    finals = [result for result in results if result.is_final]
    assert [result.text for result in finals] == ["had a bag", "face"]
    assert finals[0].end_ms == finals[1].start_ms > 0
    assert len(results) > len(finals)
    assert {result.model for result in results} == {"m-a"}


def test_a_file_and_a_stream_have_the_same_text(lasting: ServiceProcess) -> None:
    stub = InferenceServiceStub(lasting.channel)
    (final,) = stub.StreamingRecognize(requests(chunked(pcm(TEXT))), timeout=60)
    assert final.text == recognize(lasting).text == TEXT


def test_a_stream_keeps_its_model_when_another_is_promoted(root: Path, served: ServiceProcess) -> None:
    before = OpenStream(served)
    half = pcm("had ")
    before.send(half)
    stub = InferenceServiceStub(served.channel)
    eventually(lambda: stub.GetServingModel(pb.GetServingModelRequest()).active_streams == 1)
    promote(root, "m-deaf", deaf_to="h")
    eventually(serves(served, "m-deaf"))
    assert recognize(served, "had").model == "m-deaf"
    before.send(pcm("had"))
    (result,) = before.finish()
    assert (result.text.split()[-1], result.model) == ("had", "m-a")
    after = OpenStream(served)
    after.send(pcm("had"))
    (result,) = after.finish()
    assert "h" not in result.text
    assert result.model == "m-deaf"


def test_a_damaged_model_is_refused_and_the_old_one_serves_on(root: Path, served: ServiceProcess) -> None:
    store = FolderStore(root)
    bundle_maker.write_model_bundle(store, "m-bad", bundle_maker.graph())
    flip_byte(root, "models/m-bad/model.onnx")
    bundle_maker.point_to(store, "m-bad")
    line = served.find(lambda line: line["level"] == "error")
    assert "m-bad is refused, m-a stays" in line["message"]
    assert "models/m-bad/model.onnx has sha256" in line["message"]
    assert recognize(served).model == "m-a"
    promote(root, "m-b")
    eventually(serves(served, "m-b"))
    assert sum(line["level"] == "error" for line in served.log) == 1


def test_killed_it_serves_again_and_terminated_it_ends_well(root: Path) -> None:
    promote(root, "m-a")
    with ServiceProcess("inference", root) as process:
        eventually(serves(process, "m-a"))
        process.process.kill()
        process.process.wait()
    with ServiceProcess("inference", root) as process:
        eventually(serves(process, "m-a"))
        assert recognize(process).text == TEXT
        assert process.terminate() == 0


@pytest.mark.parametrize(
    ("audio", "form", "words"),
    [
        (b"", None, "empty"),
        (encode_wav(np.zeros(16000, np.float32))[:9000], None, "cut short|shorter|truncated"),
        (b"\x1aE\xdf\xa3 webm", None, "WebM"),
        (b"123", PCM16, "whole number"),
        (bytes(3200), audio_pb2.AudioFormat(encoding=audio_pb2.AUDIO_ENCODING_PCM16), "sample_rate_hz"),
    ],
)
def test_bad_audio_is_invalid_argument(
    lasting: ServiceProcess, audio: bytes, form: audio_pb2.AudioFormat | None, words: str
) -> None:
    with pytest.raises(grpc.RpcError, match=words) as caught:
        InferenceServiceStub(lasting.channel).Recognize(pb.RecognizeRequest(audio=audio, format=form))
    assert code_of(caught.value) == grpc.StatusCode.INVALID_ARGUMENT


def test_misused_streams_are_invalid_argument(lasting: ServiceProcess) -> None:
    stub = InferenceServiceStub(lasting.channel)
    config = pb.StreamingRecognizeRequest(config=pb.StreamingConfig(format=PCM16))
    audio = pb.StreamingRecognizeRequest(audio=bytes(3200))
    no_format = pb.StreamingRecognizeRequest(config=pb.StreamingConfig())
    for messages in ([], [audio], [config], [config, config], [no_format, audio]):
        with pytest.raises(grpc.RpcError) as caught:
            list(stub.StreamingRecognize(iter(messages)))
        assert code_of(caught.value) == grpc.StatusCode.INVALID_ARGUMENT


def test_a_full_house_refuses_and_a_cancelled_stream_makes_room(root: Path) -> None:
    promote(root, "m-a")
    with ServiceProcess("inference", root, inference_max_streams="1") as process:
        eventually(serves(process, "m-a"))
        stub = InferenceServiceStub(process.channel)
        first = OpenStream(process)
        first.send(pcm("bed"))
        eventually(lambda: stub.GetServingModel(pb.GetServingModelRequest()).active_streams == 1)
        with pytest.raises(grpc.RpcError) as caught:
            list(stub.StreamingRecognize(requests([bytes(3200)])))
        assert code_of(caught.value) == grpc.StatusCode.RESOURCE_EXHAUSTED
        first.call.cancel()
        first.finish()
        eventually(lambda: stub.GetServingModel(pb.GetServingModelRequest()).active_streams == 0)
        (result,) = stub.StreamingRecognize(requests(chunked(pcm("bed"))))
        assert result.text == "bed"


def test_a_stream_says_which_pause_ends_a_result(lasting: ServiceProcess) -> None:
    said = pcm("bed |cafe", pause_s=0.7)
    stub = InferenceServiceStub(lasting.channel)

    def finals(pause_s: float) -> list[str]:
        config = pb.StreamingConfig(format=PCM16, pause_s=pause_s)
        first = pb.StreamingRecognizeRequest(config=config)
        rest = (pb.StreamingRecognizeRequest(audio=chunk) for chunk in chunked(said))
        return [result.text for result in stub.StreamingRecognize(iter([first, *rest]), timeout=30)]

    assert finals(0.4) == ["bed", "cafe"]
    assert finals(5) == ["bed cafe"]
    for wrong in (-1.0, 0.1, 11.0, float("nan")):
        with pytest.raises(grpc.RpcError) as error:
            finals(wrong)
        assert code_of(error.value) is grpc.StatusCode.INVALID_ARGUMENT
