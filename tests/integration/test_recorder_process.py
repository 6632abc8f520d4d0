"""The recorder as it is deployed: a process of its own, a folder store, real gRPC."""

import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from voxloom import errors, rpc
from voxloom.manifest import RawUtterance
from voxloom.storage import FolderStore, list_all, read_model
from voxloom.v1 import audio_pb2, recorder_pb2_grpc
from voxloom.v1 import recorder_pb2 as pb

CHUNK_BYTES = 32_000


def speech(seconds: float = 2.0, rate_hz: int = 16000) -> np.ndarray[Any, Any]:
    time_s = np.arange(int(seconds * rate_hz)) / rate_hz
    buzz = sum(np.sin(2 * np.pi * 140 * k * time_s) / k for k in range(1, 12))
    return (6000 * buzz * np.sin(2 * np.pi * 2 * time_s) ** 2).astype("<i2")


def wav(samples: np.ndarray[Any, Any], rate_hz: int = 16000, channels: int = 1) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(samples.tobytes())
    return out.getvalue()


def take(
    data: bytes, prompt: str = "go left", speaker: str = "Ada", **form: Any
) -> Iterator[pb.UploadTakeRequest]:
    form_ = audio_pb2.AudioFormat(**form)
    yield pb.UploadTakeRequest(take=pb.Take(prompt=prompt, speaker=speaker, format=form_))
    for start in range(0, len(data), CHUNK_BYTES):
        yield pb.UploadTakeRequest(audio=data[start : start + CHUNK_BYTES])


class Process:
    """`python -m services.recorder` on a free port, its log read line by line."""

    def __init__(self, store: Path, before: str = "true", **settings: str) -> None:
        given = {f"VOXLOOM_{name.upper()}": value for name, value in settings.items()}
        kept = {name: value for name, value in os.environ.items() if not name.startswith("VOXLOOM_")}
        self.process = subprocess.Popen(
            ["sh", "-c", f"{before}; exec {sys.executable} -m services.recorder"],
            env=kept | {"VOXLOOM_STORE": store.as_uri(), "VOXLOOM_RECORDER_PORT": "0"} | given,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.log: list[dict[str, Any]] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr
        for line in self.process.stderr:
            self.log.append(json.loads(line) if line.startswith("{") else {"message": line})

    def find(self, what: Callable[[dict[str, Any]], bool], timeout_s: float = 20) -> dict[str, Any]:
        end_s = time.monotonic() + timeout_s
        while time.monotonic() < end_s:
            for line in list(self.log):
                if what(line):
                    return line
            time.sleep(0.01)
        raise AssertionError(f"not in the log: {self.log}")

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.find(lambda line: 'port' in line)['port']}"

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        try:
            return self.process.wait(20)
        finally:
            self.process.kill()
            self.process.wait()
            self._reader.join()
            assert self.process.stderr
            self.process.stderr.close()


class Running:
    def __init__(self, folder: Path, process: Process, channel: grpc.Channel) -> None:
        self.process = process
        self.store = FolderStore(folder)
        self.channel = channel
        self.stub = recorder_pb2_grpc.RecorderServiceStub(channel)  # type: ignore[no-untyped-call]

    def stored(self) -> list[str]:
        return [info.key for info in list_all(self.store, "raw/")]

    def refused(self, requests: Iterator[pb.UploadTakeRequest]) -> tuple[grpc.StatusCode, str]:
        with pytest.raises(grpc.RpcError) as error:
            self.stub.UploadTake(requests, timeout=20)
        return error.value.code(), str(rpc.friendly(error.value))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("store")
    process = Process(
        folder, recorder_max_upload_bytes="4000000", recorder_max_uploads="2", recorder_upload_s="2"
    )
    try:
        with rpc.channel(process.address) as channel:
            yield Running(folder, process, channel)
    finally:
        assert process.end() == 0


def test_a_file_is_uploaded_stored_and_deleted(running: Running) -> None:
    request = wav(np.repeat(speech(2.0, 44100), 2), 44100, 2)
    answer = running.stub.UploadTake(take(request, speaker="Zoë"))
    record = read_model(running.store, answer.record_key, RawUtterance)
    assert (record.text, record.speaker_name, record.speaker) == ("go left", "Zoë", answer.speaker)
    assert (answer.checks.source_sample_rate_hz, answer.checks.source_channels) == (44100, 2)
    assert answer.checks.duration_s == pytest.approx(2.0, abs=0.01)
    assert not answer.already_stored
    assert running.stub.UploadTake(take(request, speaker="Zoë")).already_stored
    wanted = pb.DeleteRecordingRequest(utterance=answer.utterance, speaker=answer.speaker)
    running.stub.DeleteRecording(wanted)
    assert not [key for key in running.stored() if answer.speaker in key]
    with pytest.raises(grpc.RpcError) as error:
        running.stub.DeleteRecording(wanted)
    assert error.value.code() is grpc.StatusCode.NOT_FOUND


def test_raw_samples_in_small_chunks_are_the_same_take_as_their_file(running: Running) -> None:
    form = {"encoding": audio_pb2.AUDIO_ENCODING_PCM16, "sample_rate_hz": 16000}
    raw = running.stub.UploadTake(take(speech().tobytes(), **form))
    file = running.stub.UploadTake(take(wav(speech())))
    assert raw.utterance == file.utterance
    assert file.already_stored


def _requests(*parts: pb.UploadTakeRequest) -> Iterator[pb.UploadTakeRequest]:
    return iter(parts)


GOOD = pb.Take(prompt="go left", speaker="Eve")


@pytest.mark.parametrize(
    ("requests", "says"),
    [
        (lambda: _requests(), "the first message must be `take`"),
        (lambda: _requests(pb.UploadTakeRequest()), "the first message must be `take`"),
        (lambda: _requests(pb.UploadTakeRequest(audio=b"x")), "the first message must be `take`"),
        (lambda: _requests(pb.UploadTakeRequest(take=GOOD)), "0 bytes"),
        (lambda: _requests(*[pb.UploadTakeRequest(take=GOOD)] * 2), "only `audio` may follow"),
        (lambda: take(wav(speech()), prompt="!!"), "no letters"),
        (lambda: take(wav(speech()), speaker=" "), "the speaker is empty"),
        (lambda: take(wav(speech())[:-30000], speaker="Eve"), "."),
        (lambda: take(wav(np.zeros(32000, "<i2")), speaker="Eve"), "nobody is heard"),
        (lambda: take(b"\0" * 5_000_000, speaker="Eve"), "larger than 4000000 bytes"),
        (lambda: take(b"ab" * 9000, speaker="Eve", encoding=1), "sample rate 0"),
        (lambda: take(b"ab" * 9000, speaker="Eve", encoding=77), "encoding 77 is unknown"),
        (
            lambda: _requests(
                pb.UploadTakeRequest(take=pb.Take(prompt="go", speaker="Eve", audio_bytes=70_000)),
                pb.UploadTakeRequest(audio=wav(speech())[:60_000]),
            ),
            "60000 of 70000 bytes of audio arrived; send the take again",
        ),
    ],
)
def test_what_cannot_be_used_is_refused_with_a_reason(running: Running, requests: Any, says: str) -> None:
    code, message = running.refused(requests())
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert says in message
    assert not [key for key in running.stored() if "eve" in key]


def test_an_upload_that_breaks_off_stores_nothing(running: Running) -> None:
    def broken() -> Iterator[pb.UploadTakeRequest]:
        form = {"encoding": audio_pb2.AUDIO_ENCODING_PCM16, "sample_rate_hz": 16000}
        yield from take(speech(3.0).tobytes(), speaker="Mallory", **form)
        time.sleep(5)

    call = running.stub.UploadTake.future(broken())
    time.sleep(0.2)
    call.cancel()
    time.sleep(0.5)
    assert not [key for key in running.stored() if "mallory" in key]


def test_an_upload_that_never_ends_is_ended_and_others_wait_their_turn(running: Running) -> None:
    release = threading.Event()

    def slow() -> Iterator[pb.UploadTakeRequest]:
        yield pb.UploadTakeRequest(take=GOOD)
        release.wait(20)

    calls = [running.stub.UploadTake.future(slow()) for _ in range(2)]
    time.sleep(0.3)
    code, _ = running.refused(take(wav(speech())))
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    for call in calls:
        assert call.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert "did not arrive within 2 s" in call.details()
    release.set()
    assert running.stub.UploadTake(take(wav(speech()))).utterance


def test_health_says_serving_and_each_call_is_in_the_log(running: Running) -> None:
    stub = health_pb2_grpc.HealthStub(running.channel)
    for name in ("", "voxloom.v1.RecorderService"):
        status = stub.Check(health_pb2.HealthCheckRequest(service=name)).status
        assert status == health_pb2.HealthCheckResponse.SERVING
    _, call = running.stub.UploadTake.with_call(take(wav(speech())))
    request_id = dict(call.trailing_metadata())["x-request-id"]
    line = running.process.find(lambda line: line.get("request") == request_id)
    assert "/voxloom.v1.RecorderService/UploadTake OK" in line["message"]
    assert line["service"] == "recorder"


def test_a_store_that_takes_no_more_is_unavailable_and_nothing_is_half_stored(tmp_path: Path) -> None:
    process = Process(tmp_path, before="ulimit -f 40")  # files of 20 KiB at most
    try:
        with rpc.channel(process.address) as channel:
            running = Running(tmp_path, process, channel)
            code, message = running.refused(take(wav(speech())))
            assert code is grpc.StatusCode.UNAVAILABLE
            assert "store" in message
            assert running.stored() == []
            assert running.stub.UploadTake(take(wav(speech(0.5)), prompt="go")).utterance
    finally:
        assert process.end() == 0


def test_without_its_broker_it_takes_recordings_all_the_same(tmp_path: Path) -> None:
    process = Process(tmp_path, bus="amqp://ada:pass-word@127.0.0.1:9/")
    try:
        with rpc.channel(process.address) as channel:
            running = Running(tmp_path, process, channel)
            answer = running.stub.UploadTake(take(wav(speech())), timeout=5)
        assert answer.record_key in running.stored()
        process.find(lambda line: f"recording_stored of {answer.utterance} is lost" in line["message"])
        process.find(lambda line: "127.0.0.1:9 cannot be reached" in line["message"])
    finally:
        assert process.end() == 0
    assert not [line for line in process.log if "pass-word" in str(line)]


def test_it_drains_on_sigint_and_finishes_the_upload(tmp_path: Path) -> None:
    process = Process(tmp_path)
    with rpc.channel(process.address) as channel:
        release = threading.Event()

        def slow() -> Iterator[pb.UploadTakeRequest]:
            first, *rest = take(wav(speech()))
            yield first
            release.wait(20)
            yield from rest

        call = recorder_pb2_grpc.RecorderServiceStub(channel).UploadTake.future(slow())  # type: ignore[no-untyped-call]
        time.sleep(0.3)
        process.process.send_signal(signal.SIGINT)
        process.find(lambda line: line["message"] == "recorder stops")
        release.set()
        answer = call.result(timeout=20)
    assert process.process.wait(20) == 0
    process.end()
    assert read_model(FolderStore(tmp_path), answer.record_key, RawUtterance).text == "go left"


def test_a_kill_between_the_writes_leaves_no_take_and_a_retry_completes_it(tmp_path: Path) -> None:
    data = wav(speech(20))
    for pause_s in (0.0, 0.02):
        process = Process(tmp_path)
        with rpc.channel(process.address) as channel:
            call = recorder_pb2_grpc.RecorderServiceStub(channel).UploadTake.future(take(data))  # type: ignore[no-untyped-call]
            time.sleep(0.15 + pause_s)
            process.end(signal.SIGKILL)
            call.cancel()
    stored = [info.key for info in list_all(FolderStore(tmp_path), "raw/")]
    for key in stored:
        assert key.endswith(".wav") or key.replace(".json", ".wav") in stored
    process = Process(tmp_path)
    with rpc.channel(process.address) as channel:
        answer = recorder_pb2_grpc.RecorderServiceStub(channel).UploadTake(take(data))  # type: ignore[no-untyped-call]
    assert process.end() == 0
    assert [info.key for info in list_all(FolderStore(tmp_path), "raw/")] == [
        answer.record_key,
        answer.record_key.replace(".json", ".wav"),
    ]


def test_settings_that_cannot_work_end_it_with_2_and_all_faults(tmp_path: Path) -> None:
    process = Process(tmp_path, recorder_port="x", recorder_max_s="-1", bus="smtp://")
    assert process.process.wait(20) == 2
    process.end()
    text = "".join(line["message"] for line in process.log)
    for name in ("VOXLOOM_RECORDER_PORT", "VOXLOOM_RECORDER_MAX_S", "VOXLOOM_BUS"):
        assert name in text
    assert "Traceback" not in text


def test_a_second_one_on_the_same_port_says_so_and_ends_with_1(running: Running, tmp_path: Path) -> None:
    port = running.process.address.rpartition(":")[2]
    second = Process(tmp_path, recorder_port=port)
    assert second.process.wait(20) == 1
    second.end()
    assert any("another program has the port" in line["message"] for line in second.log)


def test_nobody_there_is_told_with_the_address() -> None:
    with rpc.channel("127.0.0.1:9") as channel:
        with pytest.raises(grpc.RpcError) as error:
            recorder_pb2_grpc.RecorderServiceStub(channel).DeleteRecording(pb.DeleteRecordingRequest())  # type: ignore[no-untyped-call]
    assert isinstance(rpc.friendly(error.value), errors.Unavailable)
