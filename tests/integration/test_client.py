"""The Python client and `voxloom transcribe` with all that they can ask for, on a real process."""

import io
import os
import queue
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from embedded_process import Outcome, voxloom_here
from integration import bundle_maker
from protocol_process import address_of, promote, serving
from service_process import ServiceProcess, eventually

from voxloom.audio import encode_wav
from voxloom.cli import asking
from voxloom.client import Client, Form, Options, Result, Transcript
from voxloom.errors import BadInput, NotFound, Unavailable
from voxloom.storage import FolderStore

pytestmark = pytest.mark.slow

TEXT = "bed cafe had a bag"
PCM16 = Form("pcm16", 16000)
MIXED = encode_wav((0.75 * bundle_maker.say("bag") + 0.25 * bundle_maker.say("bad")).astype(np.float32))
LONG = encode_wav(np.tile(bundle_maker.say("bed cafe "), 150))
Cli = Callable[..., Outcome]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    root = tmp_path_factory.mktemp("client") / "store"
    bundle_maker.write_model_bundle(FolderStore(root), "m-deaf", bundle_maker.graph(deaf_to="h"))
    promote(root, "m-a")
    with ServiceProcess("inference", root) as process:
        eventually(lambda: serving(process).model == "m-a")
        yield address_of(process, "grpc")


@pytest.fixture
def client(address: str) -> Iterator[Client]:
    with Client.connect(address) as client:
        yield client


@pytest.fixture
def voxloom(monkeypatch: pytest.MonkeyPatch, address: str, tmp_path: Path) -> Cli:
    monkeypatch.setenv("VOXLOOM_INFERENCE_ADDRESS", address)
    monkeypatch.chdir(tmp_path)
    return lambda *arguments, stdin=b"": voxloom_here(monkeypatch, *arguments, stdin=stdin)


def pcm(text: str) -> bytes:
    return (bundle_maker.say(text) * 32767).astype("<i2").tobytes()


def test_a_file(client: Client) -> None:
    found = client.recognize(encode_wav(bundle_maker.say(TEXT)))
    assert (found.text, found.model, found.alternatives) == (TEXT, "m-a", [])
    assert [word.text for word in found.words] == TEXT.split()
    assert found.words[0].start_ms == pytest.approx(200, abs=50)
    assert client.recognize(pcm(TEXT), PCM16).text == TEXT


def test_options(client: Client) -> None:
    asked = Options(hot_words={"bad": 3.0}, alternatives=3, model="m-deaf")
    found = client.recognize(MIXED, options=asked)
    assert (found.text, found.model) == ("bad", "m-deaf")
    assert found.alternatives[0].text == "bad"
    assert len(found.alternatives) == 3


def test_live_speech_grows_and_is_final(client: Client) -> None:
    data = pcm(TEXT)
    chunks = (data[at : at + 6400] for at in range(0, len(data), 6400))
    *shown, final = client.stream(chunks, PCM16, Options(alternatives=2))
    assert (final.text, final.is_final, len(final.alternatives)) == (TEXT, True, 2)
    assert shown
    assert not any(each.is_final for each in shown)
    assert [each.text for each in client.stream([data[:64_000]], PCM16, interim=False)][-1] in TEXT


def test_a_long_recording_comes_piece_by_piece(client: Client) -> None:
    *pieces, whole = client.batch(io.BytesIO(LONG))
    assert len(pieces) > 3
    assert all(isinstance(each, Result) for each in pieces)
    assert {each.total_ms for each in pieces} == {(len(LONG) - 44) // 32}
    assert isinstance(whole, Transcript)
    assert whole.text == " ".join(each.text for each in pieces)
    assert whole.audio_s == pytest.approx(len(LONG) / 32000, abs=0.1)


def test_whoever_stops_ends_the_work(client: Client, address: str) -> None:
    pieces = client.batch(io.BytesIO(LONG))
    assert next(pieces).text
    pieces.close()  # type: ignore[attr-defined]
    assert client.recognize(encode_wav(bundle_maker.say("bed"))).text == "bed"


def test_errors_are_those_of_voxloom(client: Client) -> None:
    with pytest.raises(NotFound, match="no model m-none"):
        client.recognize(MIXED, options=Options(model="m-none"))
    with pytest.raises(BadInput, match="WebM"):
        client.recognize(b"\x1aE\xdf\xa3 webm")
    with pytest.raises(BadInput, match="encoding 'gsm' is not known"):
        client.recognize(MIXED, Form("gsm", 8000))
    with pytest.raises(BadInput, match="empty"):
        list(client.batch(io.BytesIO()))
    with Client.connect("127.0.0.1:9") as nobody, pytest.raises(Unavailable, match="nothing answers at 127"):
        nobody.recognize(MIXED)


def test_folders_hot_words_alternatives_and_a_model_on_the_command_line(voxloom: Cli, tmp_path: Path) -> None:
    (tmp_path / "day" / "one").mkdir(parents=True)
    (tmp_path / "day" / "one" / "a.wav").write_bytes(MIXED)
    (tmp_path / "day" / "b.WAV").write_bytes(encode_wav(bundle_maker.say("bed")))
    (tmp_path / "day" / "notes.txt").write_text("no recording")
    (tmp_path / "hot.txt").write_text("# names\nBad!\t3\n\nface\n")
    assert voxloom("transcribe", "day") == Outcome(0, "day/b.WAV: bed\nday/one/a.wav: bag\n", "")
    found = voxloom("transcribe", "day/one", "--hot-words", "hot.txt", "--alternatives", "2")
    assert found.out.splitlines()[0] == "bad"
    assert found.out.splitlines()[1].startswith("    ")
    assert voxloom("transcribe", "--stream", "day/one/a.wav", "--hot-words", "hot.txt").out == "bad\n"
    told = voxloom("transcribe", "day/b.WAV", "--model", "m-deaf", "--format", "json").out
    assert '"model": "m-deaf"' in told
    found = voxloom("transcribe", "day/b.WAV", "--model", "m-none")
    assert (found.code, "no model m-none in the store" in found.err) == (1, True)


def test_a_long_file_goes_as_a_batch(voxloom: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "_LONG_S", 60.0)
    (tmp_path / "long.wav").write_bytes(LONG)
    monkeypatch.setattr(Client, "recognize", None)  # the other way is closed
    found = voxloom("transcribe", "long.wav")
    assert (found.code, found.out.split()[:4], len(found.out.split())) == (
        0,
        ["bed", "cafe", "bed", "cafe"],
        300,
    )


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"bad\tmuch\n", "hot.txt line 1: the boost is 'much'"),
        (b"\xff\xfe", "is not UTF-8"),
        (None, "cannot be read"),
    ],
)
def test_a_list_of_hot_words_that_is_none(
    voxloom: Cli, tmp_path: Path, content: bytes | None, complaint: str
) -> None:
    if content is not None:
        (tmp_path / "hot.txt").write_bytes(content)
    (tmp_path / "a.wav").write_bytes(MIXED)
    found = voxloom("transcribe", "a.wav", "--hot-words", "hot.txt")
    assert found.code != 0
    assert complaint in found.err


def test_without_a_microphone_it_says_what_to_do(voxloom: Cli) -> None:
    found = voxloom("transcribe", "--microphone")
    assert found.code == 1
    assert "pip install sounddevice" in found.err or "no microphone can be opened" in found.err
    assert voxloom("transcribe").code == voxloom("transcribe", "--microphone", "a.wav").code == 2


def test_the_first_interrupt_ends_a_recording_and_the_second_the_program() -> None:
    before = signal.getsignal(signal.SIGINT)
    heard: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    try:
        asking.end_at_interrupt(heard)
        os.kill(os.getpid(), signal.SIGINT)
        assert heard.get(timeout=5) == b""
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
