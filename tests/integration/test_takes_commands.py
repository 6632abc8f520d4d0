"""`voxloom takes` and `voxloom speakers` against a recorder process, and what they export, imported again."""

import io
import json
import wave
import zipfile
from collections.abc import Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest
import typer
from service_process import ServiceProcess, code_of, eventually
from typer.testing import CliRunner

from voxloom import rpc
from voxloom.cli import app
from voxloom.cli.studio.consent import ask_once
from voxloom.errors import BadInput
from voxloom.v1 import recorder_pb2 as pb
from voxloom.v1 import recorder_pb2_grpc


def wav(pitch: int) -> bytes:
    time_s = np.arange(32000) / 16000
    buzz = sum(np.sin(2 * np.pi * pitch * k * time_s) / k for k in range(1, 12))
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setparams((1, 2, 16000, 32000, "NONE", ""))
        file.writeframes((6000 * buzz * np.sin(2 * np.pi * 2 * time_s) ** 2).astype("<i2").tobytes())
    return out.getvalue()


class Studio:
    def __init__(self, process: ServiceProcess) -> None:
        self.stub = recorder_pb2_grpc.RecorderServiceStub(process.channel)  # type: ignore[no-untyped-call]

    def read(self, text: str, speaker: str = "Ada", pitch: int = 140, prompt: str = "") -> str:
        take = pb.Take(prompt=text, speaker=speaker)
        if prompt:
            take.prompt_list, take.prompt_id = "fish", prompt
        parts = [pb.UploadTakeRequest(take=take), pb.UploadTakeRequest(audio=wav(pitch))]
        return str(self.stub.UploadTake(iter(parts)).utterance)


@pytest.fixture(scope="module")
def processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, ServiceProcess]]:
    folder = tmp_path_factory.mktemp("store")
    with ServiceProcess("recorder", folder) as recorder, ServiceProcess("ingest", folder) as ingest:
        yield {"recorder": recorder, "ingest": ingest}


@pytest.fixture
def studio(processes: dict[str, ServiceProcess], monkeypatch: pytest.MonkeyPatch) -> Studio:
    for name, process in processes.items():
        port = process.find(lambda line: "port" in line)["port"]
        monkeypatch.setenv(f"VOXLOOM_{name.upper()}_ADDRESS", f"127.0.0.1:{port}")
    return Studio(processes["recorder"])


def voxloom(*arguments: str) -> str:
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def takes(*arguments: str) -> list[dict[str, object]]:
    return list(json.loads(voxloom("takes", "list", "--json", *arguments))["takes"])


def test_takes_from_the_microphone_to_the_dataset(studio: Studio) -> None:
    first = studio.read("one fish", prompt="p1")
    second = studio.read("one fish", pitch=150, prompt="p1")
    third = studio.read("too fish", pitch=160, prompt="p2")
    assert [take["utterance"] for take in takes("--prompts", "fish")] == [third, second, first]
    assert len(takes("--speaker", "Ada", "--search", "FISH one")) == 2
    best = [str(take["utterance"]) for take in takes("--prompt", "p1") if take["best"]]
    (other,) = {first, second} - set(best)

    assert f"{other} is the take of its prompt" in voxloom("takes", "choose", other)
    assert [take["utterance"] for take in takes("--prompt", "p1") if take["chosen"]] == [other]
    assert "1 rejected" in voxloom("takes", "reject", other, "--reason", "a dog")
    shown = voxloom("takes", "list", "--verdict", "rejected")
    assert "rejected: a dog" in shown
    assert "1 takes, 0.0 min" in shown
    assert "1 accepted" in voxloom("takes", "accept", *best, *best)
    assert "0 accepted, 1 were before" in voxloom("takes", "accept", *best)
    told = voxloom("takes", "correct", third, "--text", "two fish")
    corrected = told.splitlines()[0].split()[-1]
    assert [take["text"] for take in takes("--prompt", "p2")] == ["two fish"]

    voxloom("dataset", "build", "--max-dropped", "0")
    report = voxloom("dataset", "report")
    assert "rejected_in_review" in report
    voxloom("takes", "delete", corrected, "--speaker", "Ada", "--yes")
    assert takes("--prompt", "p2") == []
    assert "1 no longer judged" in voxloom("takes", "accept", "--undo", *best)


def test_a_text_of_consent_is_set_and_who_agreed_to_it_is_known(studio: Studio, tmp_path: Path) -> None:
    text = tmp_path / "ours.txt"
    assert "voxloom's own text" in voxloom("speakers", "consent")
    for words, version in (("First words.", "cy/1"), ("Second\nwords.", "cy/2")):
        text.write_text(words, encoding="utf-8")
        assert version in voxloom("speakers", "consent", str(text), "--language", "cy")
        voxloom("speakers", "add", f"Agreed to {version}", "--consent", str(text), "--language", "cy")
    assert agreed() >= {"Agreed to cy/1": "cy/1", "Agreed to cy/2": "cy/2"}.items()
    assert "cy/2" in voxloom("speakers", "list")
    asked = typer.Typer()
    asked.command()(lambda: ask_once(studio.stub, "Agreed at the terminal", "cy", "CC0-1.0"))
    shown = CliRunner().invoke(asked, input="y\n", catch_exceptions=False).output
    assert "Second\nwords." in shown
    assert ("Agreed at the terminal", "cy/2") in agreed()
    assert "the text of voxloom" in voxloom("speakers", "consent", "--remove", "--language", "cy")
    versions = json.loads(voxloom("speakers", "consent", "--json"))
    assert [(each["version"], each["current"]) for each in versions] == [("cy/2", False), ("cy/1", False)]
    text.write_text(" \n")
    refused = CliRunner().invoke(app, ["speakers", "consent", str(text)])
    assert isinstance(refused.exception, BadInput)


def agreed() -> set[tuple[str, str]]:
    """(speaker, version of the text of consent)"""
    return {
        (each["name"], each["consent_version"]) for each in json.loads(voxloom("speakers", "list", "--json"))
    }


def test_speakers_are_registered_and_invited(studio: Studio, tmp_path: Path) -> None:
    consent = tmp_path / "consent.txt"
    consent.write_text("I agree.\n\nEverybody may use it.\n")
    added = voxloom("speakers", "add", "Zoë", "--consent", str(consent), "--licence", "CC0-1.0")
    assert "Zoë is registered as zoe-" in added
    assert voxloom("speakers", "invite", "Zoë").startswith("zoe-")
    found = {each["name"]: each for each in json.loads(voxloom("speakers", "list", "--json"))}
    assert (found["Zoë"]["invited"], found["Zoë"]["licence"], found["Zoë"]["takes"]) == (True, "CC0-1.0", 0)
    assert found["Zoë"]["consent"] == "I agree.\n\nEverybody may use it."
    voxloom("forget", "--speaker", "Zoë", "--yes")
    eventually(lambda: "Zoë" not in voxloom("speakers", "list"))
    again = CliRunner().invoke(app, ["speakers", "add", "Zoë", "--consent", str(consent)])
    assert "was withdrawn" in str(again.exception)


@pytest.mark.parametrize(("fmt", "name"), [("csv", "takes.csv"), ("ljspeech", "."), ("jsonl", "takes.jsonl")])
def test_what_is_exported_is_imported_again(studio: Studio, tmp_path: Path, fmt: str, name: str) -> None:
    texts = {f'say {word}, "{word}" | {fmt}' for word in ("one", "two", "three")}
    for pitch, text in enumerate(texts):
        studio.read(text, speaker=f"Bob {fmt}", pitch=200 + 10 * pitch + len(fmt))
    archive = tmp_path / "takes.zip"
    voxloom("takes", "export", "--speaker", f"Bob {fmt}", "--format", fmt, "--out", str(archive))
    with zipfile.ZipFile(archive) as found:
        found.extractall(tmp_path / "out")
    told = voxloom("import", str(tmp_path / "out" / name), "--corpus", f"again-{fmt}", "--max-refused", "0")
    assert "3" in told
    assert list(tmp_path.glob("*.part")) == []


def test_the_wav_of_a_take_is_read_in_parts(studio: Studio) -> None:
    utterance = studio.read("read me", speaker="Eve", pitch=300)
    parts = [
        part.data for part in studio.stub.ReadTake(pb.ReadTakeRequest(utterance=utterance, speaker="Eve"))
    ]
    with wave.open(io.BytesIO(b"".join(parts))) as file:
        assert (file.getframerate(), file.getnframes()) == (16000, 32000)
    assert all(len(part) <= 65536 for part in parts)
    with pytest.raises(grpc.RpcError) as error:
        list(studio.stub.ReadTake(pb.ReadTakeRequest(utterance=utterance, speaker="Ada")))
    assert code_of(error.value) is grpc.StatusCode.NOT_FOUND
    assert "'Ada' has no recording" in str(rpc.friendly(error.value))
