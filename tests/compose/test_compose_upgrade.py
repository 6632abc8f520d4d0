"""Containers that are replaced, stopped and started: calls end, trainings go on, secrets can be changed."""

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from stack import Stack, eventually

from voxloom.audio import decode
from voxloom.datadir import SERVICES
from voxloom.v1 import audio_pb2, inference_pb2, trainer_pb2

pytestmark = pytest.mark.compose

RATE_HZ = 16000
SPOKEN_S = 6.0


@pytest.fixture(scope="module")
def served(stack: Stack) -> Stack:
    """The stack, with the model that the loop's test has promoted."""
    if "models/production.json" not in stack.keys("models/"):
        pytest.skip("needs a promoted model: run test_compose_loop.py before, in the same call of pytest")
    return stack


def speech(corpus: Path) -> bytes:
    """Some seconds of PCM16 from the small corpus."""
    clips = sorted((corpus / "test").iterdir())
    pcm = b"".join((decode(clip.read_bytes()).samples * 32767).astype("<i2").tobytes() for clip in clips)
    return pcm[: int(2 * RATE_HZ * SPOKEN_S)]


def said_live(pcm: bytes, begun: threading.Event) -> Iterator[inference_pb2.StreamingRecognizeRequest]:
    """In real time, as from a microphone."""
    audio_format = audio_pb2.AudioFormat(
        encoding=audio_pb2.AUDIO_ENCODING_PCM16, sample_rate_hz=RATE_HZ, channels=1
    )
    yield inference_pb2.StreamingRecognizeRequest(
        config=inference_pb2.StreamingConfig(format=audio_format, interim_results=False)
    )
    step = 2 * RATE_HZ // 10
    for start in range(0, len(pcm), step):
        yield inference_pb2.StreamingRecognizeRequest(audio=pcm[start : start + step])
        begun.set()
        time.sleep(0.1)


def test_a_stream_ends_before_its_container_is_replaced(served: Stack, corpus: Path) -> None:
    pcm, begun = speech(corpus), threading.Event()
    [old] = served.containers("inference")
    replace = threading.Thread(
        target=lambda: (
            begun.wait(20)
            and served.compose("up", "--detach", "--wait", "--no-deps", "--force-recreate", "inference")
        )
    )
    replace.start()
    with served.client("inference") as inference:
        results = list(inference.StreamingRecognize(said_live(pcm, begun), timeout=60))
    replace.join()
    [new] = served.containers("inference")
    assert new["Id"] != old["Id"]
    assert results[-1].is_final
    with served.client("inference") as inference:
        again = list(inference.StreamingRecognize(said_live(pcm, threading.Event()), timeout=60))
    assert [each.text for each in again] == [each.text for each in results]


def steps(stack: Stack, run: str) -> list[int]:
    with stack.client("trainer") as trainer:
        found = trainer.GetRun(trainer_pb2.GetRunRequest(run=run), timeout=20)
        if found.state in (trainer_pb2.RUN_STATE_DONE, trainer_pb2.RUN_STATE_FAILED):
            assert not found.error
        return [found.latest.step, found.state]


def test_down_and_up_goes_on_with_a_training_and_takes_new_secrets(served: Stack) -> None:
    with served.client("trainer") as trainer:
        wish = trainer_pb2.StartRunRequest(recipe="tiny", seed=7, budget_minutes=1.0)
        run = trainer.StartRun(wish, timeout=20).id
    eventually(lambda: steps(served, run)[0] > 5, 120, "some steps", served.logs)
    eventually(lambda: latest_step(served, run) > 0, 60, "a checkpoint", served.logs)
    old_key, old_password = served.api_key, served.bus_password
    served.compose("down", "--timeout", "90")
    kept = change_secrets(served)
    assert kept == "s3_secret_key"
    served.up()
    served.remember_secrets()
    assert served.api_key != old_key
    assert served.bus_password != old_password
    with served.client("trainer", old_key) as trainer, pytest.raises(grpc.RpcError) as refused:
        trainer.ListRuns(trainer_pb2.ListRunsRequest(), timeout=10)
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED  # type: ignore[attr-defined]
    eventually(lambda: steps(served, run)[1] == trainer_pb2.RUN_STATE_DONE, 240, "the run's end", served.logs)
    told = served.compose("logs", "--no-color", "trainer")
    assert "resumes at epoch" in told
    assert "begins at epoch" not in told


def latest_step(stack: Stack, run: str) -> int:
    return int(stack.document(f"runs/{run}/checkpoints/latest.json")["counters"]["step"])


def change_secrets(stack: Stack) -> str:
    """Removes two of them while all is down; the next start makes new ones. Returns what is kept."""
    shell = "cd /run/voxloom && rm api_key rabbitmq_password && ls | grep key"
    command = ("run", "--rm", "-T", "--no-deps", "--entrypoint", "sh", "secrets", "-c", shell)
    return stack.compose(*command).strip()


def test_a_backup_brings_everything_back(served: Stack, tmp_path: Path) -> None:
    eventually(lambda: all_done(served), 120, "the gate's word on the last training", served.logs)
    tmp_path.chmod(0o755)
    me = ("--user", f"{os.getuid() or 10001}:{os.getgid()}", "--volume", f"{tmp_path}:/backup")
    tmp_path.joinpath("store").mkdir()
    tmp_path.joinpath("store").chmod(0o777)
    told = served.compose("run", "--rm", "-T", *me, "cli", "store", "backup", "/backup/store", "--verify")
    assert "backed up" in told
    before = {key: served.document(key) for key in ("models/production.json", newest_dataset(served))}
    takes = served.keys("raw/")
    served.down()
    served.up()
    served.remember_secrets()
    assert served.keys("raw/") == []
    served.compose("stop", "gateway", *SERVICES)
    served.compose("run", "--rm", "-T", *me, "cli", "store", "restore", "/backup/store")
    served.up()
    assert served.keys("raw/") == takes
    assert {key: served.document(key) for key in before} == before
    with served.client("inference") as inference:
        now = inference.GetServingModel(inference_pb2.GetServingModelRequest(), timeout=20)
    assert now.model == before["models/production.json"]["model"]


def all_done(stack: Stack) -> bool:
    """Every training that ended has been judged, and no job goes on."""
    ended, judged = (
        sum(key.endswith(name) for key in stack.keys(folder))
        for folder, name in (("runs/", "/export.json"), ("models/", "/decision.json"))
    )
    records = [stack.document(key) for key in stack.keys("jobs/") if key.endswith(".json")]
    return ended == judged and all(record["state"] in ("done", "failed") for record in records)


def newest_dataset(stack: Stack) -> str:
    found = [key for key in stack.keys("manifests/") if key.endswith("/dataset.json")]
    return max(found, key=lambda key: str(stack.document(key)["created_at"]))
