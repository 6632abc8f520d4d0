"""What the CLI says when something is wrong: one line with the next step, no traceback, an exit code."""

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from embedded_process import STOP_S, Outcome, tone, up, voxloom_here, wait_until_up

from voxloom.audio import encode_wav

pytestmark = pytest.mark.slow

Cli = Callable[..., Outcome]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A running `voxloom up` with nothing in it."""
    folder = tmp_path_factory.mktemp("cli") / "data"
    with up(folder) as process:
        wait_until_up(folder, process)
        yield folder
        process.terminate()
        assert process.wait(STOP_S) == 0
    assert "Traceback" not in (folder.parent / "up.out").read_text()
    assert "Traceback" not in (folder / "voxloom.log").read_text()


@pytest.fixture
def voxloom(monkeypatch: pytest.MonkeyPatch) -> Cli:
    return partial(voxloom_here, monkeypatch)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return tone(tmp_path / "tone.wav")


def failed(found: Outcome, code: int = 1) -> str:
    """The complaint: no traceback, no control codes."""
    assert found.code == code, found.err
    assert "Traceback" not in found.err
    assert "\x1b" not in found.err
    return found.err


def test_status_of_a_loop_that_waits(voxloom: Cli, data: Path) -> None:
    found = voxloom("status", "--data", str(data), "--json")
    assert found.code == 0, found.err
    status = json.loads(found.out)
    health = {name: service["health"] for name, service in status["services"].items()}
    assert health == {**dict.fromkeys(health, "serving"), "inference": "waiting"}
    assert status["production"] is None
    assert status["dataset"] is None
    assert status["runs"] == []
    assert status["retrain_policy"]["needed_utterances"] > 0
    text = voxloom("status", "--data", str(data)).out
    assert "production  no model yet" in text
    assert "\x1b" not in text


def test_lists_that_are_empty_say_what_fills_them(voxloom: Cli, data: Path) -> None:
    for command, words in (
        ("dataset", "import a corpus"),
        ("runs", "voxloom train"),
        ("models", "voxloom runs"),
    ):
        found = voxloom(command, "list", "--data", str(data))
        assert found.code == 0, found.err
        assert words in found.out
        assert json.loads(voxloom(command, "list", "--json", "--data", str(data)).out) == []


def test_transcribe_without_a_model_fails_and_goes_on(voxloom: Cli, data: Path, clip: Path) -> None:
    found = voxloom("transcribe", str(clip), "gone.wav", "--format", "json", "--data", str(data))
    error = failed(found)
    assert "gone.wav cannot be read: No such file" in error
    lines = [json.loads(line) for line in found.out.splitlines()]
    assert [line["file"] for line in lines] == [str(clip), "gone.wav"]
    assert all("error" in line for line in lines)


@pytest.mark.parametrize(
    "arguments",
    [
        ("models", "promote", "m-nowhere"),
        ("models", "rollback"),
        ("models", "show"),
        ("dataset", "show"),
        ("dataset", "show", "d-nowhere"),
        ("runs", "show", "r-nowhere"),
        ("runs", "watch", "../../etc"),
        ("train",),
        ("train", "--recipe", "nonsense"),
        ("import", "/nowhere"),
        ("record", "/nowhere.wav", "--text", "hi", "--speaker", "ada"),
    ],
    ids=" ".join,
)
def test_what_does_not_exist_is_said_in_one_line(
    voxloom: Cli, data: Path, arguments: tuple[str, ...]
) -> None:
    error = failed(voxloom(*arguments, "--data", str(data)))
    assert len(error.strip().splitlines()) == 1
    assert error.startswith("voxloom: ")


def test_a_corpus_that_reaches_out_is_refused(voxloom: Cli, data: Path, tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text("path,text\n../../etc/hostname,hi\n")
    error = failed(voxloom("import", str(tmp_path), "--data", str(data)))
    assert "leads out of the corpus folder" in error


def test_a_take_that_is_no_audio_or_silent_is_refused(voxloom: Cli, data: Path, tmp_path: Path) -> None:
    who = ("--text", "hello", "--speaker", "Ada", "--data", str(data))
    failed(voxloom("record", "-", *who, stdin=b"this is text, not audio" * 100))
    failed(voxloom("record", "-", *who, stdin=b""))
    silence = encode_wav(np.zeros(16000, np.float32))
    assert "nobody is heard" in failed(voxloom("record", "-", *who, stdin=silence))


def test_a_take_with_faults_is_refused_where_a_second_one_would_mend_them(
    voxloom: Cli, data: Path, clip: Path
) -> None:
    who = ("--text", "a hum", "--speaker", "Bea", "--data", str(data))
    refused = voxloom("record", str(clip), *who, "--strict")
    assert refused.code == 1
    assert "there is much noise in the take" in refused.err
    told = voxloom("record", str(clip), *who)
    assert told.code == 0, told.err
    assert "noisy: there is much noise" in told.out
    assert voxloom("record", str(clip), *who, "--strict", "--accept-anyway").code == 1


def test_a_take_from_standard_input_is_stored(voxloom: Cli, data: Path, clip: Path) -> None:
    who = ("--text", "a tone", "--speaker", "Ada", "--data", str(data))
    found = voxloom("record", "-", *who, stdin=clip.read_bytes())
    assert found.code == 0, found.err
    assert "stored" in found.out
    events = voxloom("events", "--past", "--no-wait", "--data", str(data))
    assert json.loads(events.out.splitlines()[0])["kind"] == "recording_stored"


def test_an_import_reports_what_it_refuses(voxloom: Cli, data: Path, tmp_path: Path, clip: Path) -> None:
    (tmp_path / "good.wav").write_bytes(clip.read_bytes())
    (tmp_path / "bad.wav").write_bytes(b"RIFF")
    (tmp_path / "manifest.csv").write_text("path,text\ngood.wav,a tone\nbad.wav,nothing\ngone.wav,gone\n")
    tolerant = voxloom("import", str(tmp_path), "--corpus", "c", "--max-refused", "0.9", "--data", str(data))
    assert tolerant.code == 0, tolerant.err
    text = tolerant.out
    assert "1 utterances imported, 2 refused" in text
    assert "audio_missing" in text
    strict = voxloom("import", str(tmp_path), "--corpus", "c", "--data", str(data))
    assert "refused" in failed(strict)


def test_usage_errors_exit_with_2(voxloom: Cli, data: Path) -> None:
    failed(voxloom("transcribe"), 2)
    failed(voxloom("transcribe", "a.wav", "b.wav", "--format", "srt"), 2)
    failed(voxloom("transcribe", "a.wav", "--format", "docx"), 2)
    failed(voxloom("record", "a.wav"), 2)
    failed(voxloom("up", "--port-base", "70000"), 2)


def test_a_service_that_does_not_answer(
    voxloom: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VOXLOOM_TRAINER_ADDRESS", "127.0.0.1:9")
    error = failed(voxloom("runs", "list"))
    assert "trainer service does not answer at 127.0.0.1:9" in error
    assert "voxloom up" in error
