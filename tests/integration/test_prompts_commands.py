"""`voxloom prompts` against a recorder process: what is added is listed, read, skipped and removed."""

import io
import json
import wave
from collections.abc import Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest
from service_process import ServiceProcess, code_of
from typer.testing import CliRunner

from voxloom import rpc
from voxloom.cli import app
from voxloom.v1 import recorder_pb2 as pb
from voxloom.v1 import recorder_pb2_grpc


def wav() -> bytes:
    time_s = np.arange(32000) / 16000
    buzz = sum(np.sin(2 * np.pi * 140 * k * time_s) / k for k in range(1, 12))
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setparams((1, 2, 16000, 32000, "NONE", ""))
        file.writeframes((6000 * buzz * np.sin(2 * np.pi * 2 * time_s) ** 2).astype("<i2").tobytes())
    return out.getvalue()


@pytest.fixture(scope="module")
def recorder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    with ServiceProcess("recorder", tmp_path_factory.mktemp("store")) as process:
        yield process


@pytest.fixture
def stub(recorder: ServiceProcess) -> recorder_pb2_grpc.RecorderServiceStub:
    return recorder_pb2_grpc.RecorderServiceStub(recorder.channel)  # type: ignore[no-untyped-call]


@pytest.fixture(autouse=True)
def address(recorder: ServiceProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    port = recorder.find(lambda line: "port" in line)["port"]
    monkeypatch.setenv("VOXLOOM_RECORDER_ADDRESS", f"127.0.0.1:{port}")


def voxloom(*arguments: str) -> str:
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_a_list_from_file_to_the_last_prompt(
    stub: recorder_pb2_grpc.RecorderServiceStub, tmp_path: Path
) -> None:
    file = tmp_path / "fish.txt"
    file.write_text("one fish\ntwo fish\n2\n")
    told = voxloom("prompts", "add", str(file))
    assert "fish: 2 prompts (en, txt)" in told
    assert "1 not_readable (fish.txt:3" in told
    assert json.loads(voxloom("prompts", "list", "--json"))[1]["prompts"] == 2
    assert "harvard_001   The birch canoe" in voxloom("prompts", "show", "english")

    first = json.loads(voxloom("prompts", "next", "fish", "--speaker", "Ada", "--json"))["prompts"][0]
    take = pb.Take(prompt=first["text"], speaker="Ada", prompt_list="fish", prompt_id=first["id"])
    parts = [pb.UploadTakeRequest(take=take), pb.UploadTakeRequest(audio=wav())]
    stored = stub.UploadTake(iter(parts))
    second = json.loads(voxloom("prompts", "next", "fish", "--speaker", "Ada", "--json"))["prompts"]
    assert {first["text"], *(each["text"] for each in second)} == {"one fish", "two fish"}

    skip = pb.MarkPromptRequest(list="fish", speaker=stored.speaker, prompt_id=second[0]["id"])
    skip.mark, skip.reason = pb.PROMPT_MARK_SKIP, "too many fish"
    stub.MarkPrompt(skip)
    assert "Ada has read or skipped every prompt of fish" in voxloom(
        "prompts", "next", "fish", "--speaker", "Ada"
    )
    shown = voxloom("prompts", "show", "fish", "--speaker", "Ada")
    assert "skipped: too many fish" in shown
    assert "1 of 2 recorded (0.0 min), 1 skipped, 0 flagged" in shown
    assert "fish is removed" in voxloom("prompts", "remove", "fish")
    assert len(json.loads(voxloom("prompts", "list", "--json"))) == 1


def test_a_folder_of_pipers(tmp_path: Path) -> None:
    folder = tmp_path / "prompts" / "Deutsch_de-DE"
    folder.mkdir(parents=True)
    (folder / "0_9.txt").write_text("0\tDie Kälte kam früh.\n", encoding="utf-8")
    (folder / ".hidden.txt").write_bytes(b"\xff")
    (folder / "link.txt").symlink_to("/etc/hostname")
    assert "prompts: 1 prompts (de-DE, piper)" in voxloom("prompts", "add", str(tmp_path / "prompts"))


@pytest.mark.parametrize(
    ("messages", "says"),
    [
        ([], "the first message must be `list`"),
        ([pb.ImportPromptsRequest(file=pb.PromptFilePart(path="a", data=b"x"))], "must be `list`"),
        ([pb.ImportPromptsRequest(list=pb.PromptListHead(name="x"))], "no line at all"),
        ([pb.ImportPromptsRequest(list=pb.PromptListHead(name="x"))] * 2, "only `file` may follow"),
        (
            [
                pb.ImportPromptsRequest(list=pb.PromptListHead(name="x")),
                *(
                    pb.ImportPromptsRequest(file=pb.PromptFilePart(path=path, data=b"go\n"))
                    for path in ("a.txt", "b.txt", "a.txt")
                ),
            ],
            "a.txt comes twice",
        ),
        (
            [
                pb.ImportPromptsRequest(list=pb.PromptListHead(name="x")),
                *(
                    pb.ImportPromptsRequest(file=pb.PromptFilePart(path="a.txt", data=b"go\n" * 250_000))
                    for _ in range(23)
                ),
            ],
            "over 16 MiB",
        ),
    ],
)
def test_what_is_no_list_is_refused_with_the_reason(
    stub: recorder_pb2_grpc.RecorderServiceStub, messages: list[pb.ImportPromptsRequest], says: str
) -> None:
    with pytest.raises(grpc.RpcError) as error:
        stub.ImportPrompts(iter(messages), timeout=20)
    assert code_of(error.value) is grpc.StatusCode.INVALID_ARGUMENT
    assert says in str(rpc.friendly(error.value))


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        (pb.MarkPromptRequest(list="english", speaker="A", prompt_id="harvard_001", reason="x"), "mark 0"),
        (pb.MarkPromptRequest(list="english", speaker="A", prompt_id="harvard_001", mark=1), "say why"),
        (
            pb.MarkPromptRequest(list="english", speaker="", prompt_id="harvard_001", mark=1, reason="x"),
            "speaker",
        ),
    ],
)
def test_a_mark_needs_its_kind_reason_and_speaker(
    stub: recorder_pb2_grpc.RecorderServiceStub, request_: pb.MarkPromptRequest, says: str
) -> None:
    with pytest.raises(grpc.RpcError) as error:
        stub.MarkPrompt(request_, timeout=20)
    assert code_of(error.value) is grpc.StatusCode.INVALID_ARGUMENT
    assert says in str(rpc.friendly(error.value))
