"""NVIDIA's own client, unchanged, against a running inference service."""

import io
import queue
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import riva.client
import soundfile
import soxr
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from integration import bundle_maker
from protocol_process import KEY, address_of, pcm, promote, serving, speaking, wav
from riva.client import AudioEncoding, RecognitionConfig, StreamingRecognitionConfig
from riva.client.proto import riva_asr_pb2
from service_process import ServiceProcess, code_of, eventually

pytestmark = pytest.mark.slow

NAME = "nvidia.riva.asr.RivaSpeechRecognition"
TEXT = "bed cafe had a bag"
LOW = "bed a bad"  # letters below 4 kHz


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    root = tmp_path_factory.mktemp("riva") / "store"
    promote(root, "m-a")
    with speaking(root) as process:
        yield process


@pytest.fixture
def asr(process: ServiceProcess) -> riva.client.ASRService:
    return service_at(process)


def service_at(process: ServiceProcess, **auth: Any) -> riva.client.ASRService:
    return riva.client.ASRService(riva.client.Auth(uri=address_of(process, "grpc"), **auth))


def streamed(
    asr: riva.client.ASRService, chunks: Iterator[bytes] | list[bytes], interim: bool = False, **fields: Any
) -> list[Any]:
    config = StreamingRecognitionConfig(config=RecognitionConfig(**fields), interim_results=interim)
    responses = asr.streaming_response_generator(audio_chunks=chunks, streaming_config=config)
    return [result for response in responses for result in response.results]


def cut(data: bytes, size: int = 3200) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def packed(text: str, rate_hz: int, **kind: str) -> bytes:
    samples = soxr.resample(bundle_maker.say(text), 16000, rate_hz)
    file = io.BytesIO()
    soundfile.write(file, samples, rate_hz, **kind)
    return file.getvalue()


def test_a_file_offline_with_word_times(asr: riva.client.ASRService, tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(wav(TEXT))
    config = RecognitionConfig(language_code="en-US", max_alternatives=3, enable_word_time_offsets=True)
    riva.client.add_audio_file_specs_to_config(config, path)
    response = asr.offline_recognize(path.read_bytes(), config)
    (result,) = response.results
    best, *others = result.alternatives
    assert len(others) == 2
    assert all(other.transcript not in ("", best.transcript) for other in others)
    assert best.transcript == TEXT + " "
    assert best.confidence > 0.9
    assert [word.word for word in best.words] == TEXT.split()
    assert best.words[0].start_time == pytest.approx(200, abs=50)
    assert result.audio_processed == pytest.approx(len(bundle_maker.say(TEXT)) / 16000)


def test_words_come_only_with_their_times(asr: riva.client.ASRService) -> None:
    response = asr.offline_recognize(wav(TEXT), RecognitionConfig())
    assert not response.results[0].alternatives[0].words


@pytest.mark.parametrize(
    ("make", "fields"),
    [
        (lambda: pcm(LOW), {"encoding": AudioEncoding.LINEAR_PCM, "sample_rate_hertz": 16000}),
        (lambda: pcm(LOW), {"sample_rate_hertz": 16000}),
        (lambda: packed(LOW, 16000, format="WAV", subtype="FLOAT"), {}),
        (lambda: packed(LOW, 48000, format="WAV"), {"sample_rate_hertz": 16000}),
        (lambda: packed(LOW, 22050, format="FLAC"), {"encoding": AudioEncoding.FLAC}),
        (lambda: packed(LOW, 48000, format="OGG", subtype="OPUS"), {"encoding": AudioEncoding.OGGOPUS}),
        (
            lambda: packed(LOW, 8000, format="RAW", subtype="ULAW"),
            {"encoding": AudioEncoding.MULAW, "sample_rate_hertz": 8000},
        ),
        (
            lambda: packed(LOW, 8000, format="RAW", subtype="ALAW"),
            {"encoding": AudioEncoding.ALAW, "sample_rate_hertz": 8000, "audio_channel_count": 1},
        ),
        (lambda: packed(LOW, 8000, format="WAV", subtype="ULAW"), {}),
    ],
)
def test_encodings_give_one_text_offline_and_streaming(
    asr: riva.client.ASRService, make: Callable[[], bytes], fields: dict[str, Any]
) -> None:
    data = make()
    offline = asr.offline_recognize(data, RecognitionConfig(**fields))
    assert offline.results[0].alternatives[0].transcript.strip() == LOW
    (final,) = streamed(asr, cut(data, 1001), **fields)
    assert final.alternatives[0].transcript.strip() == LOW
    assert final.is_final


def test_a_file_streamed_as_the_clients_script_does(asr: riva.client.ASRService, tmp_path: Path) -> None:
    """The header of the file goes along."""
    path = tmp_path / "a.wav"
    path.write_bytes(wav("had a bag|face", pause_s=2.0))
    config = RecognitionConfig(language_code="en-US", enable_word_time_offsets=True)
    riva.client.add_audio_file_specs_to_config(config, path)
    streaming = StreamingRecognitionConfig(config=config, interim_results=True)
    shown = io.StringIO()
    with riva.client.AudioChunkFileIterator(path, 1600) as chunks:
        responses = list(asr.streaming_response_generator(chunks, streaming))
    riva.client.print_streaming(iter(responses), shown)
    assert [line.split() for line in shown.getvalue().splitlines()] == [
        ["##", "had", "a", "bag"],
        ["##", "face"],
    ]
    results = [result for response in responses for result in response.results]
    first, second = (result for result in results if result.is_final)
    assert second.alternatives[0].words[0].start_time > 1000 * first.audio_processed
    assert len(results) > 4


def test_silence_ends_a_result_when_the_client_says(asr: riva.client.ASRService) -> None:
    data = cut(pcm("had a bag|face", pause_s=0.9))
    fields: dict[str, Any] = {"sample_rate_hertz": 16000}
    assert len(streamed(asr, data, **fields)) == 1
    config = RecognitionConfig(**fields)
    riva.client.add_endpoint_parameters_to_config(config, 0, 0.0, 500, 0, 0.0, 0.0)
    streaming = StreamingRecognitionConfig(config=config)
    responses = list(asr.streaming_response_generator(data, streaming))
    assert [response.results[0].alternatives[0].transcript for response in responses] == [
        "had a bag ",
        "face ",
    ]


def test_interim_results_only_when_asked_for(asr: riva.client.ASRService) -> None:
    assert all(result.is_final for result in streamed(asr, cut(pcm(TEXT)), sample_rate_hertz=16000))
    interim = streamed(asr, cut(pcm(TEXT)), interim=True, sample_rate_hertz=16000)
    assert sum(not result.is_final for result in interim) >= 5


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"language_code": "de-DE"}, "trained on"),
        ({"encoding": AudioEncoding.LINEAR_PCM}, "sample rate"),
        ({"encoding": 77, "sample_rate_hertz": 16000}, "encoding 77"),
        ({"sample_rate_hertz": 100}, "sample rate 100"),
        ({"sample_rate_hertz": -1}, "-1 Hz"),
        ({"sample_rate_hertz": 16000, "audio_channel_count": 99}, "99 channels"),
        ({"max_alternatives": -1}, "max_alternatives"),
        ({"speech_contexts": [{"phrases": ["voxloom"], "boost": 20}]}, "hot word 'voxloom'"),
        ({"diarization_config": {"enable_speaker_diarization": True}}, "speakers apart"),
        ({"endpointing_config": {"stop_history": 5}, "sample_rate_hertz": 16000}, "0.005 s"),
        ({"audio_channel_count": 2, "enable_separate_recognition_per_channel": True}, "channels are mixed"),
    ],
)
def test_what_is_not_done_is_refused_by_name(
    asr: riva.client.ASRService, fields: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(grpc.RpcError, match=complaint) as caught:
        streamed(asr, cut(pcm(LOW)), **fields)
    assert code_of(caught.value) == grpc.StatusCode.INVALID_ARGUMENT
    if "endpointing_config" in fields:
        return  # a file has no pauses to end at
    with pytest.raises(grpc.RpcError, match=complaint) as caught:
        asr.offline_recognize(pcm(LOW), RecognitionConfig(**fields))
    assert code_of(caught.value) == grpc.StatusCode.INVALID_ARGUMENT


def test_error_codes(asr: riva.client.ASRService) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        asr.offline_recognize(wav(TEXT), RecognitionConfig(model="conformer-en"))
    assert code_of(caught.value) == grpc.StatusCode.NOT_FOUND
    assert "m-a" in caught.value.details()
    for audio in (b"", b"RIFF....WAVEnothing", b"fLaC and no more", bytes(100)):
        with pytest.raises(grpc.RpcError) as caught:
            asr.offline_recognize(audio, RecognitionConfig())
        assert code_of(caught.value) == grpc.StatusCode.INVALID_ARGUMENT
    for requests in ([], [riva_asr_pb2.StreamingRecognizeRequest(audio_content=b"a")]):
        with pytest.raises(grpc.RpcError) as caught:
            list(asr.stub.StreamingRecognize(iter(requests)))
        assert code_of(caught.value) == grpc.StatusCode.INVALID_ARGUMENT
    with pytest.raises(grpc.RpcError, match="without audio"):
        streamed(asr, [], sample_rate_hertz=16000)


def test_the_model_is_listed_as_rivas_are(asr: riva.client.ASRService) -> None:
    response = asr.stub.GetRivaSpeechRecognitionConfig(riva_asr_pb2.RivaSpeechRecognitionConfigRequest())
    found = {each.parameters["type"]: each for each in response.model_config}
    assert set(found) == {"online", "offline"}
    assert {each.model_name for each in found.values()} == {"m-a"}
    assert found["online"].parameters["language_code"] == "en"


def test_reflection_describes_it_to_tools_without_files(process: ServiceProcess) -> None:
    database = ProtoReflectionDescriptorDatabase(process.channel)
    assert NAME in database.get_services()
    service = DescriptorPool(database).FindServiceByName(NAME)
    assert [method.name for method in service.methods][:2] == ["Recognize", "StreamingRecognize"]
    assert (
        "speech_contexts"
        in service.methods[0].input_type.fields_by_name["config"].message_type.fields_by_name
    )


def test_the_id_of_a_request_comes_back(asr: riva.client.ASRService) -> None:
    request = riva_asr_pb2.RecognizeRequest(audio=wav(LOW))
    request.id.value = "17"
    assert asr.stub.Recognize(request).id.value == "17"


def test_a_stream_keeps_its_model_when_another_is_promoted(tmp_path: Path) -> None:
    root = tmp_path / "store"
    promote(root, "m-a")
    with speaking(root) as process:
        chunks: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        config = StreamingRecognitionConfig(config=RecognitionConfig(sample_rate_hertz=16000))
        responses = service_at(process).streaming_response_generator(iter(chunks.get, None), config)
        for chunk in cut(pcm("had ")):
            chunks.put(chunk)
        heard: list[Any] = []
        call = threading.Thread(target=lambda: heard.extend(responses))
        call.start()
        eventually(lambda: serving(process).active_streams == 1)
        promote(root, "m-deaf", deaf_to="h")
        eventually(lambda: serving(process).model == "m-deaf")
        for chunk in cut(pcm("had")):
            chunks.put(chunk)
        chunks.put(None)
        call.join()
        assert heard[-1].results[0].alternatives[0].transcript.split()[-1] == "had"
        after = service_at(process).offline_recognize(wav("had"), RecognitionConfig())
        assert "h" not in after.results[0].alternatives[0].transcript


def test_keys_and_limits_are_those_of_our_own_protocol(tmp_path: Path) -> None:
    root = tmp_path / "store"
    promote(root, "m-a")
    with speaking(root, api_key=KEY, inference_max_streams="1") as process:
        with pytest.raises(grpc.RpcError) as caught:
            service_at(process).offline_recognize(wav(LOW), RecognitionConfig())
        assert code_of(caught.value) == grpc.StatusCode.UNAUTHENTICATED
        asr = service_at(process, metadata_args=[["authorization", f"Bearer {KEY}"]])
        assert asr.offline_recognize(wav(LOW), RecognitionConfig()).results
        chunks: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        chunks.put(pcm("had a bag|", pause_s=2.0))
        config = StreamingRecognitionConfig(config=RecognitionConfig(sample_rate_hertz=16000))
        open_stream = asr.streaming_response_generator(iter(chunks.get, None), config)
        next(open_stream)
        with pytest.raises(grpc.RpcError) as caught:
            streamed(asr, cut(pcm(LOW)), sample_rate_hertz=16000)
        assert code_of(caught.value) == grpc.StatusCode.RESOURCE_EXHAUSTED
        chunks.put(None)
        list(open_stream)
        assert streamed(asr, cut(pcm(LOW)), sample_rate_hertz=16000)


def test_health_follows_the_model(tmp_path: Path, process: ServiceProcess) -> None:
    assert process.health(NAME)
    with ServiceProcess("inference", tmp_path / "store") as empty:
        assert not empty.health(NAME)
        with pytest.raises(grpc.RpcError) as caught:
            service_at(empty).offline_recognize(wav(LOW), RecognitionConfig())
        assert code_of(caught.value) == grpc.StatusCode.UNAVAILABLE


def test_stereo_is_mixed(asr: riva.client.ASRService) -> None:
    stereo = np.repeat(np.frombuffer(pcm(LOW), "<i2"), 2).tobytes()
    config = RecognitionConfig(sample_rate_hertz=16000, audio_channel_count=2)
    assert asr.offline_recognize(stereo, config).results[0].alternatives[0].transcript.strip() == LOW
