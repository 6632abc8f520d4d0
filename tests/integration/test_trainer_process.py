"""The trainer as it is deployed: a service process, a training process below it, real gRPC."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest
from trainer_maker import make_dataset

from voxloom import keys, lm
from voxloom.bundle import Export, hash_bytes
from voxloom.engine import Engine
from voxloom.errors import NotFound
from voxloom.jobs import Jobs, JobState
from voxloom.lm import read_arpa
from voxloom.rpc import channel
from voxloom.storage import FolderStore, list_all, read_model
from voxloom.v1 import trainer_pb2 as pb
from voxloom.v1.trainer_pb2_grpc import TrainerServiceStub

pytestmark = pytest.mark.slow
RUN = "r-tones-smoke-s1"


class Trainer:
    """`python -m services.trainer` on a free port."""

    def __init__(self, store: Path, **settings: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        env = {
            **os.environ,
            "VOXLOOM_STORE": store.as_uri(),
            "VOXLOOM_TRAINER_PORT": str(self.port),
            "VOXLOOM_TRAIN_RECIPE": "smoke",
            "VOXLOOM_TRAIN_CHECKPOINT_S": "0",
            "VOXLOOM_TRAIN_THREADS": "1",
            **{f"VOXLOOM_{name.upper()}": value for name, value in settings.items()},
        }
        self.process = subprocess.Popen([sys.executable, "-m", "services.trainer"], env=env)
        self.channel = channel(f"127.0.0.1:{self.port}")
        self.stub = TrainerServiceStub(self.channel)

    def watch(self, run: str = RUN) -> list[pb.RunUpdate]:
        return list(self.stub.WatchRun(pb.WatchRunRequest(run=run), wait_for_ready=True, timeout=180))

    def children(self) -> list[int]:
        lists = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        return [int(pid) for each in lists for pid in each.read_text().split()]

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Trainer]]:
    started: list[Trainer] = []

    def one(**settings: str) -> Trainer:
        started.append(Trainer(tmp_path / "store", **settings))
        return started[-1]

    yield one
    for trainer in started:
        trainer.channel.close()
        if trainer.process.poll() is None:
            trainer.kill()


def wait_for(what: Callable[[], object], timeout_s: float = 120) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not what():
        assert time.monotonic() < deadline_s, "waited in vain"
        time.sleep(0.05)


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def checkpoints(store: FolderStore) -> list[str]:
    return [info.key for info in list_all(store, f"runs/{RUN}/checkpoints/step-")]


def test_a_new_dataset_is_trained_and_handed_over(tmp_path, start):
    store, _, _ = make_dataset(tmp_path / "store")
    updates = start().watch()
    run = updates[-1].run
    assert (run.state, run.error) == (pb.RUN_STATE_DONE, "")
    assert run.recipe == "smoke"
    assert "asked for" in run.recipe_reason
    assert any(update.metrics.HasField("val_wer") for update in updates)
    export = read_model(store, keys.export_file(RUN, "export.json"), Export)
    for name, expected in export.files.items():
        assert hash_bytes(store.get(keys.export_file(RUN, name))) == expected
    assert read_arpa(store.get(keys.export_file(RUN, lm.FILE))).words == {"ab", "c", "ba", "cab", "abc"}
    assert export.val_wer_lm is not None
    assert run.val_wer_lm == export.val_wer_lm
    assert "word errors with the language model" in run.decoding
    engine = Engine(store.get(keys.export_file(RUN, "model.onnx")))
    assert [len(each) for each in engine.log_probs([np.zeros((n, 80), np.float32) for n in (9, 200)])] == [
        3,
        50,
    ]
    tokens = store.get(keys.export_file(RUN, "tokens.txt")).decode().splitlines()
    assert tokens == ["<blk> 0", "▁ 1", "a 2", "b 3", "c 4"]


def test_sigkill_in_training_loses_nothing_but_the_last_steps(tmp_path, start):
    store, _, _ = make_dataset(tmp_path / "store", clips=300)
    first = start()
    wait_for(lambda: len(checkpoints(store)) > 1)
    children = first.children()
    assert len(children) == 1
    first.kill()
    wait_for(lambda: not is_alive(children[0]), 10)
    resumed_at = int(checkpoints(store)[-1].rsplit("-", 1)[1].split(".")[0])
    assert resumed_at > 0
    updates = start().watch()
    assert updates[-1].run.state == pb.RUN_STATE_DONE
    steps = [update.metrics.step for update in updates if update.metrics.step]
    assert steps == sorted(steps)
    assert len(Jobs(store).list("train")) == 1


def test_sigterm_saves_a_checkpoint_and_the_next_start_goes_on(tmp_path, start):
    store, _, _ = make_dataset(tmp_path / "store", clips=300)
    first = start()
    wait_for(lambda: checkpoints(store))
    assert first.stop() == 0
    assert Jobs(store).get("train", RUN).state == JobState.ACCEPTED
    assert start().watch()[-1].run.state == pb.RUN_STATE_DONE


def test_a_dataset_that_lost_too_much_is_not_trained_on(tmp_path, start):
    store, _, _ = make_dataset(tmp_path / "store", dropped={"silent": 4})
    trainer = start()
    updates = trainer.watch()
    assert updates[-1].run.state == pb.RUN_STATE_FAILED
    assert "lost 33% of its clips (4 silent)" in updates[-1].run.error
    with pytest.raises(grpc.RpcError) as refused:
        trainer.stub.StartRun(pb.StartRunRequest(), timeout=20)
    assert refused.value.code() == grpc.StatusCode.FAILED_PRECONDITION
    with pytest.raises(NotFound):
        store.stat(keys.export_file(RUN, "export.json"))


@pytest.mark.parametrize(
    ("request_", "code", "says"),
    [
        (pb.StartRunRequest(dataset="d-none"), grpc.StatusCode.NOT_FOUND, "voxloom dataset list"),
        (pb.StartRunRequest(dataset="../x"), grpc.StatusCode.INVALID_ARGUMENT, "not allowed"),
        (pb.StartRunRequest(recipe="huge"), grpc.StatusCode.INVALID_ARGUMENT, "smoke, tiny"),
        (pb.StartRunRequest(pieces=6), grpc.StatusCode.INVALID_ARGUMENT, "expected 7 to 10000"),
        (pb.StartRunRequest(seed=-1), grpc.StatusCode.INVALID_ARGUMENT, "0 or more"),
    ],
)
def test_wishes_that_cannot_be_met(tmp_path, start, request_, code, says):
    make_dataset(tmp_path / "store")
    trainer = start(train_auto="false")
    with pytest.raises(grpc.RpcError) as refused:
        trainer.stub.StartRun(request_, wait_for_ready=True, timeout=30)
    assert refused.value.code() == code
    assert says in refused.value.details()
    assert not trainer.stub.ListRuns(pb.ListRunsRequest(), timeout=10).runs
