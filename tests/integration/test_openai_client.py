"""OpenAI's own package, unchanged, against a running inference service; and what a browser or curl sends."""

import http.client
import json
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from protocol_process import KEY, address_of, long_wav, promote, serving, speaking, wav
from service_process import ServiceProcess, eventually

pytestmark = pytest.mark.slow

TEXT = "bed cafe had a bag"
SLOW = 1800  # width of the ballast: about a second for two minutes of audio


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    root = tmp_path_factory.mktemp("openai") / "store"
    promote(root, "m-a")
    with speaking(root, api_key=KEY) as process:
        yield process


@pytest.fixture
def client(process: ServiceProcess) -> Iterator[openai.OpenAI]:
    with client_of(process) as client:
        yield client


def client_of(process: ServiceProcess, key: str = KEY) -> openai.OpenAI:
    return openai.OpenAI(base_url=base_of(process) + "/v1", api_key=key, max_retries=0)


def base_of(process: ServiceProcess) -> str:
    return f"http://{address_of(process, 'openai')}"


def transcribe(client: openai.OpenAI, audio: bytes = b"", **options: Any) -> Any:
    file = ("speech.wav", audio or wav(TEXT))
    return client.audio.transcriptions.create(**{"model": "whisper-1", "file": file, **options})


def test_every_format(client: openai.OpenAI) -> None:
    plain = transcribe(client)
    assert plain.text == TEXT
    assert plain.usage.seconds == 4
    assert transcribe(client, response_format="text") == TEXT + "\n"
    assert transcribe(client, response_format="srt").startswith("1\n00:00:00,200 --> 00:00:03,760\nbed cafe")
    assert transcribe(client, response_format="vtt").startswith("WEBVTT\n\n00:00:00.200 --> ")


def test_verbose_json_has_the_times_that_were_asked_for(client: openai.OpenAI) -> None:
    audio = wav("had a bag |face", pause_s=2.0)
    found = transcribe(client, audio, response_format="verbose_json")
    assert [segment.text for segment in found.segments] == ["had a bag", "face"]
    assert found.words is None
    assert found.language == "en"
    assert found.segments[1].start > found.segments[0].end + 1.9
    assert -0.2 < found.segments[0].avg_logprob <= 0
    found = transcribe(client, audio, response_format="verbose_json", timestamp_granularities=["word"])
    assert [word.word for word in found.words] == ["had", "a", "bag", "face"]
    assert found.segments is None
    assert found.duration == pytest.approx((len(audio) - 44) / 32000, abs=0.01)


def test_a_streamed_answer_comes_piece_by_piece(client: openai.OpenAI) -> None:
    audio = long_wav(20)
    events = list(transcribe(client, audio, stream=True))
    deltas = [event.delta for event in events if event.type == "transcript.text.delta"]
    assert len(deltas) >= 2
    assert events[-1].type == "transcript.text.done"
    assert "".join(deltas) == events[-1].text == transcribe(client, audio).text


def test_models_are_listed_and_shown(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["m-a"]
    assert client.models.retrieve("m-a").owned_by == "voxloom"
    assert transcribe(client, model="m-a").text == TEXT
    with pytest.raises(openai.NotFoundError, match="m-a is"):
        client.models.retrieve("gpt-9")
    with pytest.raises(openai.NotFoundError, match="m-a is") as caught:
        transcribe(client, model="gpt-9")
    assert caught.value.code == "model_not_found"
    assert caught.value.request_id


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"response_format": "diarized_json"}, "json, text, srt, vtt, verbose_json"),
        ({"timestamp_granularities": ["word"]}, "verbose_json"),
        ({"timestamp_granularities": ["letter"], "response_format": "verbose_json"}, "word or segment"),
        ({"stream": True, "response_format": "srt"}, "stream=true"),
        ({"include": ["logprobs"]}, "log probabilities"),
        ({"language": "de"}, "trained on"),
        ({"file": ("a.wav", b"")}, "empty"),
        ({"file": ("a.webm", b"\x1aE\xdf\xa3 webm")}, "WebM"),
        ({"file": ("a.wav", wav(TEXT)[:20_000])}, "truncated"),
        ({"file": ("a.wav", wav(TEXT)[:20_000]), "stream": True}, "truncated"),
    ],
)
def test_what_cannot_be_done_is_a_bad_request(
    client: openai.OpenAI, options: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(openai.BadRequestError, match=complaint):
        transcribe(client, **options)


def test_hints_that_change_nothing_are_taken(client: openai.OpenAI) -> None:
    options = {"language": "en", "prompt": "Names: Ada.", "temperature": 0.2, "chunking_strategy": "auto"}
    assert transcribe(client, **options).text == TEXT


def test_a_key_is_needed_except_for_health(process: ServiceProcess) -> None:
    with client_of(process, "another-key-of-enough-length") as stranger:
        with pytest.raises(openai.AuthenticationError, match="API key"):
            transcribe(stranger)
        with pytest.raises(openai.AuthenticationError):
            stranger.models.list()
    with urllib.request.urlopen(base_of(process) + "/health", timeout=10) as answer:
        assert json.load(answer) == {"status": "SERVING", "model": "m-a"}


def ask(
    process: ServiceProcess, method: str, path: str, body: bytes = b"", **headers: str
) -> tuple[int, Any]:
    connection = http.client.HTTPConnection(address_of(process, "openai"), timeout=30)
    connection.request(method, path, body, {"Authorization": f"Bearer {KEY}", **headers})
    answer = connection.getresponse()
    status, text = answer.status, answer.read()
    connection.close()
    return status, json.loads(text)


def form(*parts: tuple[str, bytes]) -> bytes:
    whole = b"".join(
        b'--cut\r\nContent-Disposition: form-data; name="%s"; filename="a"\r\n\r\n%s\r\n'
        % (name.encode(), value)
        for name, value in parts
    )
    return whole + b"--cut--\r\n"


MULTIPART = {"Content-Type": "multipart/form-data; boundary=cut"}


def test_what_is_no_form_is_refused_in_words(process: ServiceProcess) -> None:
    path = "/v1/audio/transcriptions"
    status, found = ask(process, "POST", path, b"{}", **{"Content-Type": "application/json"})
    assert (status, "multipart" in found["error"]["message"]) == (400, True)
    assert ask(process, "POST", path, form(("model", b"whisper-1")), **MULTIPART)[0] == 400
    assert ask(process, "POST", path, b"--cut\r\nnonsense", **MULTIPART)[0] == 400
    assert ask(process, "POST", path, b"", **{"Content-Type": "multipart/form-data"})[0] == 400
    assert ask(process, "POST", path, form(*[("x", b"1")] * 100), **MULTIPART)[0] == 400
    assert ask(process, "GET", path)[0] == 405
    status, found = ask(process, "POST", "/v1/audio/translations")
    assert (status, "docs/clients.md" in found["error"]["message"]) == (404, True)


def test_a_file_without_a_model_is_heard_by_the_one_in_production(process: ServiceProcess) -> None:
    status, found = ask(process, "POST", "/v1/audio/transcriptions", form(("file", wav(TEXT))), **MULTIPART)
    assert (status, found["text"]) == (200, TEXT)


def test_too_large_a_file_is_refused_while_it_comes(process: ServiceProcess) -> None:
    body = form(("file", bytes(65 << 20)))
    status, found = ask(process, "POST", "/v1/audio/transcriptions", body, **MULTIPART)
    assert (status, "larger than" in found["error"]["message"]) == (413, True)


def test_without_a_model_it_says_so(tmp_path: Path) -> None:
    with ServiceProcess("inference", tmp_path / "store", inference_http_port="0") as empty:
        with client_of(empty) as client, pytest.raises(openai.APIStatusError, match="no model") as caught:
            transcribe(client)
        assert caught.value.status_code == 503
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(base_of(empty) + "/health", timeout=10)
        assert refused.value.code == 503
        refused.value.close()
        with client_of(empty) as client:
            assert list(client.models.list()) == []


def test_a_full_house_and_a_client_that_goes_away(tmp_path: Path) -> None:
    """One call is allowed; when its client is gone its place is free long before it would have ended."""
    root = tmp_path / "store"
    promote(root, "m-slow", ballast=SLOW)
    with speaking(root, inference_max_calls="1") as process, client_of(process) as client:
        body = form(("file", long_wav(80)))
        head = (
            f"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
            f"Content-Type: {MULTIPART['Content-Type']}\r\n\r\n"
        )
        host, _, port = address_of(process, "openai").rpartition(":")
        gone = socket.create_connection((host, int(port)))
        gone.sendall(head.encode() + body)
        eventually(lambda: is_full(client))
        began_s = time.monotonic()
        gone.close()
        eventually(lambda: not is_full(client))
        freed_s = time.monotonic() - began_s
        process.find(lambda line: " 499 in " in line["message"])
        began_s = time.monotonic()
        transcribe(client, long_wav(80))
        assert freed_s < 0.5 * (time.monotonic() - began_s)


def is_full(client: openai.OpenAI) -> bool:
    try:
        transcribe(client, wav("bed"))
    except openai.RateLimitError as error:
        return error.response.headers["retry-after"] == "1"
    return False


def test_a_request_keeps_the_model_that_it_began_with(tmp_path: Path) -> None:
    root = tmp_path / "store"
    promote(root, "m-slow", ballast=SLOW)
    with speaking(root) as process, client_of(process) as client:
        events = iter(transcribe(client, long_wav(90), stream=True))
        next(events)
        promote(root, "m-deaf", deaf_to="h", ballast=64)
        eventually(lambda: serving(process).model == "m-deaf")
        *_, done = events
        assert done.text.split().count("had") == 90
        assert "h" not in transcribe(client).text


def test_a_stop_lets_requests_end(tmp_path: Path) -> None:
    root = tmp_path / "store"
    promote(root, "m-slow", ballast=SLOW)
    found: list[str] = []
    limits = {"inference_max_calls": "1", "drain_s": "60"}
    with speaking(root, **limits) as process, client_of(process) as client:
        patient = client.with_options(max_retries=9)  # `is_full` may come first
        call = threading.Thread(target=lambda: found.append(transcribe(patient, long_wav(30)).text))
        call.start()
        eventually(lambda: is_full(client))
        assert process.terminate() == 0
        call.join()
    assert found[0].split().count("bed") == 30
