"""`voxloom transcribe` and `voxloom models` on a running `voxloom up` with a model that hears tones."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from embedded_process import STOP_S, Outcome, up, voxloom_here, wait_until_served, wait_until_up
from integration import bundle_maker

from voxloom.audio import encode_wav
from voxloom.storage import FolderStore

pytestmark = pytest.mark.slow

TEXT = "bed cafe had a bag"
Cli = Callable[..., Outcome]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("cli") / "data"
    store = FolderStore(folder)
    for model in ("m-old", "m-new"):
        bundle_maker.write_model_bundle(store, model, bundle_maker.graph())
        bundle_maker.point_to(store, model)
    with up(folder) as process:
        wait_until_up(folder, process)
        wait_until_served(folder)
        yield folder
        process.terminate()
        assert process.wait(STOP_S) == 0


@pytest.fixture
def voxloom(monkeypatch: pytest.MonkeyPatch, data: Path) -> Cli:
    def call(*arguments: str, stdin: bytes = b"") -> Outcome:
        return voxloom_here(monkeypatch, *arguments, "--data", str(data), stdin=stdin)

    return call


@pytest.fixture
def speech(tmp_path: Path) -> Path:
    path = tmp_path / "speech.wav"
    path.write_bytes(encode_wav(bundle_maker.say(TEXT)))
    return path


def test_one_file_is_its_text_and_nothing_else(voxloom: Cli, speech: Path) -> None:
    assert voxloom("transcribe", str(speech)) == Outcome(0, f"{TEXT}\n", "")


def test_several_files_are_named_and_a_bad_one_does_not_stop_them(
    voxloom: Cli, speech: Path, tmp_path: Path
) -> None:
    (tmp_path / "bad.wav").write_bytes(b"RIFF nonsense")
    found = voxloom("transcribe", str(speech), str(tmp_path / "bad.wav"), str(speech))
    assert found.code == 1
    assert found.out == f"{speech}: {TEXT}\n" * 2
    assert "bad.wav: " in found.err
    assert len(found.err.splitlines()) == 1


@pytest.mark.parametrize("options", [(), ("--stream",)])
def test_json_has_words_with_times(voxloom: Cli, speech: Path, options: tuple[str, ...]) -> None:
    found = json.loads(voxloom("transcribe", str(speech), "--format", "json", *options).out)
    assert found["text"] == TEXT
    assert [word["text"] for word in found["words"]] == TEXT.split()
    assert found["model"] == "m-new"
    assert found["audio_s"] == pytest.approx(len(bundle_maker.say(TEXT)) / 16000, abs=0.1)


@pytest.mark.parametrize(("fmt", "start"), [("srt", "1\n00:00:0"), ("vtt", "WEBVTT\n")])
def test_subtitles(voxloom: Cli, speech: Path, tmp_path: Path, fmt: str, start: str) -> None:
    found = voxloom("transcribe", str(speech), "--format", fmt)
    assert found.out.startswith(start)
    assert f"\n{TEXT}\n" in found.out
    written = voxloom("transcribe", str(speech), "--format", fmt, "--output-dir", str(tmp_path / "out"))
    assert written.code == 0
    assert (tmp_path / "out" / f"speech.wav.{fmt}").read_text() == found.out


def test_standard_input_whole_and_live(voxloom: Cli, speech: Path) -> None:
    wav = speech.read_bytes()
    for options, stdin in (((), wav), (("--stream",), wav), (("--stream",), wav[44:])):
        assert voxloom("transcribe", "-", *options, stdin=stdin) == Outcome(0, f"{TEXT}\n", "")


def test_a_live_result_is_printed_at_each_pause(voxloom: Cli) -> None:
    wav = encode_wav(bundle_maker.say(f"{TEXT}|head dad", pause_s=2.0))
    assert voxloom("transcribe", "--stream", "-", stdin=wav).out.splitlines() == [TEXT, "head dad"]


def test_a_pipe_too_large_for_one_call_is_told_to_be_streamed(voxloom: Cli) -> None:
    found = voxloom("transcribe", "-", stdin=bytes(65 << 20))
    assert found.code == 1
    assert "send it with --stream" in found.err


def test_files_that_would_overwrite_each_other_are_refused(
    voxloom: Cli, speech: Path, tmp_path: Path
) -> None:
    found = voxloom("transcribe", str(speech), str(speech), "--output-dir", str(tmp_path))
    assert found.code == 2


def test_models_are_listed_and_rolled_back(voxloom: Cli) -> None:
    listed = json.loads(voxloom("models", "list", "--json").out)
    assert {model["model"]: model["production"] for model in listed} == {"m-old": False, "m-new": True}
    assert "m-old is in production again, instead of m-new" in voxloom("models", "rollback").out
    assert "m-new is still being measured" in voxloom("models", "promote", "m-new").err
    shown = voxloom("models", "show").out
    assert "model m-old" in shown
    assert "in production" in shown
    status = json.loads(voxloom("status", "--json").out)
    assert status["production"]["model"] == "m-old"
    assert status["services"]["inference"]["health"] == "serving"
