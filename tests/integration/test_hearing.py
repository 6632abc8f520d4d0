"""A take that the model in production listens to: recorder and inference as processes, over one store."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from integration import bundle_maker
from protocol_process import address_of, promote, speaking, wav
from report_maker import report_line
from service_process import ServiceProcess, code_of

from voxloom import keys
from voxloom.bundle import Bundle
from voxloom.record import to_line
from voxloom.storage import FolderStore, read_model
from voxloom.v1 import recorder_pb2 as pb
from voxloom.v1.recorder_pb2_grpc import RecorderServiceStub

SAID = "bed cafe had a bag"


@pytest.fixture(scope="module")
def recorder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    root = tmp_path_factory.mktemp("heard") / "store"
    promote(root, "m-a")
    store = FolderStore(root)
    run = read_model(store, keys.model_file("m-a", "bundle.json"), Bundle).run
    lines = [report_line(n, text, greedy=text) for n, text in enumerate(bundle_maker.sentences(60))]
    store.put(keys.run_utterances(run), b"".join(map(to_line, lines)))
    with speaking(root) as inference:
        address = address_of(inference, "grpc")
        with ServiceProcess("recorder", root, inference_address=address) as process:
            yield process


def take(prompt: str, **more: Any) -> Iterator[pb.UploadTakeRequest]:
    wanted = pb.Take(prompt=prompt, speaker="Ada", **more)
    return iter([pb.UploadTakeRequest(take=wanted), pb.UploadTakeRequest(audio=wav(SAID))])


def stub(process: ServiceProcess) -> Any:
    return RecorderServiceStub(process.channel)  # type: ignore[no-untyped-call]


def test_what_was_heard_stands_beside_the_prompt(recorder: ServiceProcess) -> None:
    checked = stub(recorder).CheckTake(take("Bed, cafe had a bad bag!", listen=True), timeout=30)
    assert (checked.hearing.model, checked.hearing.text) == ("m-a", SAID)
    assert [(each.prompt, each.heard) for each in checked.hearing.words] == [
        *((word, word) for word in ("bed", "cafe", "had", "a")),
        ("bad", ""),
        ("bag", "bag"),
    ]
    assert checked.hearing.wer == pytest.approx(1 / 6)
    assert "other_words" not in [each.check for each in checked.findings]


def test_other_words_are_a_fault_that_can_be_overruled(recorder: ServiceProcess) -> None:
    other = "rice is often served in round bowls"
    checked = stub(recorder).CheckTake(take(other, listen=True), timeout=30)
    found = {each.check: each for each in checked.findings}
    assert "heard 'bed cafe had a bag'" in found["other_words"].message
    assert not found["other_words"].hint
    with pytest.raises(grpc.RpcError) as error:
        stub(recorder).UploadTake(take(other, listen=True, faults=pb.FAULT_POLICY_REFUSE_ALL), timeout=30)
    assert code_of(error.value) is grpc.StatusCode.INVALID_ARGUMENT
    kept = take(other, listen=True, faults=pb.FAULT_POLICY_ACCEPT_ALL)
    assert stub(recorder).UploadTake(kept, timeout=30).hearing.text == SAID


def test_nobody_listens_unasked_nor_in_a_language_that_the_model_does_not_know(
    recorder: ServiceProcess,
) -> None:
    for more in ({}, {"listen": True, "language": "cy"}):
        checked = stub(recorder).CheckTake(take("rice is often served in bowls", **more), timeout=30)
        assert not checked.HasField("hearing")
        assert "other_words" not in [each.check for each in checked.findings]


def test_without_inference_a_take_is_taken_all_the_same(tmp_path: Path) -> None:
    with ServiceProcess("recorder", tmp_path, inference_address="127.0.0.1:9") as process:
        stored = stub(process).UploadTake(take(SAID, listen=True), timeout=30)
        assert stored.utterance
        assert not stored.HasField("hearing")
