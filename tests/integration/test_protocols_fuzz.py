"""Whatever comes in, the service answers clearly and goes on; `tests/bench/fuzz.py` sends more of it."""

from collections import Counter
from collections.abc import Iterator

import pytest
from fuzzing import SENDERS
from protocol_process import promote, serving, speaking, wav
from service_process import ServiceProcess, eventually

from voxloom.v1 import inference_pb2, inference_pb2_grpc

pytestmark = pytest.mark.slow

CASES = 300
GOOD = {"grpc": "OK", "http": "200", "wyoming": "OK"}


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    root = tmp_path_factory.mktemp("fuzz") / "store"
    promote(root, "m-a")
    with speaking(root) as process:
        yield process


@pytest.mark.parametrize("protocol", list(SENDERS))
def test_no_message_does_any_harm(process: ServiceProcess, protocol: str) -> None:
    answers = Counter(SENDERS[protocol](process, seed) for seed in range(CASES))
    assert answers[GOOD[protocol]] > CASES // 20, answers  # many go all the way
    assert len(answers) > 1, answers  # and many do not
    assert [line for line in process.log if line.get("level") == "error"] == []
    eventually(lambda: serving(process).active_streams == 0)
    stub = inference_pb2_grpc.InferenceServiceStub(process.channel)
    request = inference_pb2.RecognizeRequest(audio=wav("bed cafe"))
    assert stub.Recognize(request, timeout=20).text == "bed cafe"
