"""The optimizer as it is deployed: exports in, bundles and a pointer out, commands over gRPC."""

import json
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from embedded_process import voxloom_here
from integration import bundle_maker
from service_process import ServiceProcess, code_of, eventually

from voxloom.bundle import read_pointer
from voxloom.storage import FolderStore
from voxloom.v1 import optimizer_pb2 as pb
from voxloom.v1.optimizer_pb2_grpc import OptimizerServiceStub

pytestmark = pytest.mark.slow


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    store = FolderStore(tmp_path / "store")
    bundle_maker.write_dataset(
        store, "d-1", bundle_maker.sentences(8, words=2), ("user_recorded", "imported")
    )
    return store


@pytest.fixture
def optimizer(store: FolderStore, tmp_path: Path) -> Iterator[ServiceProcess]:
    with ServiceProcess("optimizer", tmp_path / "store") as process:
        yield process


def export(store: FolderStore, name: str, deaf_to: str = "", ballast: int = 0) -> None:
    bundle_maker.write_export(store, f"r-{name}", "d-1", bundle_maker.graph(deaf_to, ballast))


def decided(stub: OptimizerServiceStub, model: str) -> pb.Model:
    """The model once it has a decision."""
    found: list[pb.Model] = []

    def look() -> bool:
        models = stub.ListModels(pb.ListModelsRequest()).models
        found.extend(each for each in models if each.id == model and each.decision)
        return bool(found)

    eventually(look)
    return found[0]


def production(store: FolderStore) -> str:
    pointer, _ = read_pointer(store)
    return pointer.model if pointer else ""


def test_models_are_measured_promoted_rejected_forced_and_rolled_back(
    store: FolderStore, optimizer: ServiceProcess
) -> None:
    stub = OptimizerServiceStub(optimizer.channel)
    assert optimizer.health("voxloom.v1.OptimizerService")
    with pytest.raises(grpc.RpcError) as caught:
        stub.RollbackModel(pb.RollbackModelRequest())
    assert code_of(caught.value) == grpc.StatusCode.FAILED_PRECONDITION

    export(store, "one", ballast=512)
    one = decided(stub, "m-one")
    assert one.decision == "promoted"
    assert one.test.wer == 0
    assert one.test.reference_words == 16
    assert one.served_bytes > 0
    assert 0 < one.real_time_factor < 1
    assert json.loads(one.bundle_json)["served_file"] == one.served_file
    assert json.loads(one.decision_json)["parity"]["max_abs_difference"] <= 1e-3
    eventually(lambda: production(store) == "m-one")

    export(store, "two", deaf_to="h")
    two = decided(stub, "m-two")
    assert (two.decision, production(store)) == ("rejected", "m-one")
    assert "than m-one" in two.reasons[0]
    with pytest.raises(grpc.RpcError, match="force") as caught:
        stub.PromoteModel(pb.PromoteModelRequest(model="m-two"))
    assert code_of(caught.value) == grpc.StatusCode.FAILED_PRECONDITION
    assert stub.PromoteModel(pb.PromoteModelRequest(model="m-two", force=True)).previous == "m-one"
    assert stub.GetModel(pb.GetModelRequest()).id == "m-two"

    assert stub.PinModel(pb.PinModelRequest(why="for the test")).model == "m-two"
    pinned = stub.GetModel(pb.GetModelRequest())
    assert (pinned.pinned, pinned.pinned_why) == (True, "for the test")
    with pytest.raises(grpc.RpcError, match="m-two has been pinned") as caught:
        stub.RollbackModel(pb.RollbackModelRequest())
    assert code_of(caught.value) == grpc.StatusCode.FAILED_PRECONDITION
    assert stub.UnpinModel(pb.UnpinModelRequest()).model == "m-two"

    assert stub.RollbackModel(pb.RollbackModelRequest()).model == "m-one"
    assert production(store) == "m-one"
    listed = stub.ListModels(pb.ListModelsRequest())
    assert [model.id for model in listed.models] == ["m-two", "m-one"]
    assert listed.production == "m-one"


def test_the_commands_tell_pin_and_write_a_page(
    store: FolderStore, optimizer: ServiceProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = optimizer.find(lambda line: "port" in line)["port"]
    monkeypatch.setenv("VOXLOOM_OPTIMIZER_ADDRESS", f"127.0.0.1:{port}")

    def done(*arguments: str) -> str:
        outcome = voxloom_here(monkeypatch, "models", *arguments)
        assert outcome.code == 0, outcome.err
        return outcome.out

    for name, deaf_to in (("one", ""), ("two", "h")):
        export(store, name, deaf_to)
        decided(OptimizerServiceStub(optimizer.channel), f"m-{name}")
    shown = done("show", "m-two")
    for part in ("graphs  measured on 8 test", "model.int8-static.onnx", "gate    against m-one", "not made"):
        assert part in shown
    assert "pinned" in done("pin", "--why", "until Sunday")
    assert "(until Sunday)" in done("show")
    assert "(until Sunday)" in done("list")
    refused = voxloom_here(monkeypatch, "models", "promote", "m-two", "--force")
    assert refused.code != 0
    assert "voxloom models unpin" in refused.err
    assert "no longer pinned" in done("unpin")
    assert "m-two is in production" in done("promote", "m-two", "--force")
    page = tmp_path / "model.html"
    assert "m-two" in done("report", "m-two", "--html", str(page))
    assert "Which graph is served" in page.read_text(encoding="utf-8")
    assert json.loads(done("report", "m-two", "--json"))["outcome"] == "rejected"
    assert voxloom_here(monkeypatch, "models", "report").code != 0


@pytest.mark.parametrize(
    ("model", "code"),
    [("m-none", grpc.StatusCode.NOT_FOUND), ("../secret", grpc.StatusCode.INVALID_ARGUMENT)],
)
def test_unknown_and_impossible_models(optimizer: ServiceProcess, model: str, code: grpc.StatusCode) -> None:
    stub = OptimizerServiceStub(optimizer.channel)
    for call in (
        lambda: stub.GetModel(pb.GetModelRequest(model=model)),
        lambda: stub.PromoteModel(pb.PromoteModelRequest(model=model, force=True)),
    ):
        with pytest.raises(grpc.RpcError) as caught:
            call()
        assert code_of(caught.value) == code


def test_a_damaged_export_fails_loudly_and_the_next_one_is_measured(
    store: FolderStore, optimizer: ServiceProcess
) -> None:
    bundle_maker.write_export(store, "r-bad", "d-1", b"no graph")
    export(store, "good")
    assert decided(OptimizerServiceStub(optimizer.channel), "m-good").decision == "promoted"
    assert "onnxruntime cannot load" in optimizer.find(lambda line: line["level"] == "error")["message"]


def test_killed_in_its_work_it_begins_again(store: FolderStore, tmp_path: Path) -> None:
    export(store, "one", ballast=512)
    with ServiceProcess("optimizer", tmp_path / "store") as process:
        process.find(lambda line: line["message"].startswith("measuring"))
        process.process.kill()
        process.process.wait()
    with ServiceProcess("optimizer", tmp_path / "store") as process:
        assert decided(OptimizerServiceStub(process.channel), "m-one").decision == "promoted"
        eventually(lambda: production(store) == "m-one")
        assert process.terminate() == 0
