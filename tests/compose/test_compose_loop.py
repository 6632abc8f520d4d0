"""The loop in containers, seen from outside, while each container is killed and the servers are restarted."""

import contextlib
import csv
import io
import json
import secrets
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from commonvoice_maker import Wish, make_release
from mini_corpus import EXAMPLE
from stack import BUCKET, ROOT, TEST, TRAIN, Stack, eventually

from voxloom.cli import importing
from voxloom.cli.sending import send_take
from voxloom.v1 import inference_pb2, ingest_pb2, recorder_pb2
from voxloom.v1.events_pb2 import Event

pytestmark = pytest.mark.compose

TAKES = 10
WANTED_EVENTS = {
    "recording_stored",
    "corpus_imported",
    "dataset_ready",
    "model_trained",
    "model_promoted",
    "model_serving",
}


class Recorder(threading.Thread):
    """Somebody who records takes one after the other, and does each again until it is acknowledged."""

    def __init__(self, stack: Stack, clips: list[tuple[Path, str]]) -> None:
        super().__init__(daemon=True)
        self.acknowledged: dict[str, str] = {}  # utterance -> prompt
        self._stack, self._clips = stack, clips

    def run(self) -> None:
        for path, text in self._clips:
            take = recorder_pb2.Take(prompt=text, speaker="Ada", language="en")
            stored = eventually(lambda path=path, take=take: self._send(take, path), 180, f"take {path.name}")
            self.acknowledged[stored.utterance] = text

    def _send(self, take: recorder_pb2.Take, path: Path) -> Any:
        with self._stack.client("recorder") as recorder:
            return send_take(recorder, take, path.read_bytes())


class Witness(threading.Thread):
    """Reads the events from a queue of its own at the broker, connecting again when it is restarted."""

    def __init__(self, stack: Stack) -> None:
        super().__init__(daemon=True)
        self.seen: list[Event] = []
        self.bound = threading.Event()
        self._stack = stack

    def run(self) -> None:
        while True:
            with contextlib.suppress(Exception):
                self._read()
            time.sleep(0.5)

    def _read(self) -> None:
        channel = self._stack.broker().channel()
        channel.queue_declare("witness", durable=True)
        channel.queue_bind("witness", "voxloom.events", "#")
        self.bound.set()
        for method, _, body in channel.consume("witness", auto_ack=False):
            self.seen.append(Event.FromString(body))
            channel.basic_ack(method.delivery_tag)

    def kinds(self) -> set[str]:
        return {str(event.WhichOneof("body")) for event in self.seen}


@pytest.fixture(scope="module")
def witness(stack: Stack) -> Witness:
    found = Witness(stack)
    found.start()
    assert found.bound.wait(60)
    return found


def spoken(corpus: Path) -> list[tuple[Path, str]]:
    """Clips of the example corpus that the small one lacks, each with a sentence of its own."""
    known = {line.split("\t")[0] for line in (corpus / "manifest.tsv").read_text().splitlines()}
    lines = [line.split("\t") for line in (EXAMPLE / "manifest.tsv").read_text().splitlines()[1:]]
    others = [fields for fields in lines if fields[0] not in known and len(fields[1].split()) > 2]
    return [(EXAMPLE / path, f"{text} {number}") for number, (path, text, *_) in enumerate(others[:TAKES])]


def test_killed_at_every_turn_the_loop_ends_with_one_promoted_model(
    stack: Stack, witness: Witness, corpus: Path
) -> None:
    def tell() -> str:
        return stack.logs()

    def until(holds: Any, what: str, timeout_s: float = 240) -> Any:
        return eventually(holds, timeout_s, what, tell)

    recorder = Recorder(stack, spoken(corpus))
    recorder.start()
    until(lambda: recorder.acknowledged, "the first take")
    stack.kill("recorder")
    job = import_corpus(stack, corpus, "mini")
    stack.kill("ingest")
    until(lambda: stack.document(f"jobs/import/{job}.json")["state"] == "done", "the import")
    stack.kill("gateway")
    recorder.join(240)
    assert len(recorder.acknowledged) == TAKES
    until(lambda: [key for key in stack.keys("runs/") if "/checkpoints/" in key], "a checkpoint")
    stack.kill("trainer")
    stack.compose("restart", "--timeout", "30", "rabbitmq")
    stack.compose("restart", "--timeout", "30", "minio")
    until(lambda: [key for key in stack.keys("runs/") if key.endswith("export.json")], "the export", 400)
    stack.kill("optimizer")
    pointer = until(lambda: stack.document("models/production.json"), "the promotion")
    stack.kill("inference")
    until(lambda: serving(stack) == pointer["model"], "the model is served")

    clip = next((corpus / "test").iterdir()).relative_to(corpus)
    heard = json.loads(stack.cli("transcribe", f"/corpus/{clip}", "--format", "json", mount=corpus))
    assert heard["model"] == pointer["model"]
    until(lambda: all_settled(stack), "the end of all jobs")
    check_that_all_is_there_once(stack, recorder.acknowledged, pointer)
    until(lambda: witness.kinds() >= WANTED_EVENTS, f"events {WANTED_EVENTS}; seen {witness.kinds()}", 60)
    assert "stage_failed" not in witness.kinds()


def import_corpus(stack: Stack, corpus: Path, name: str) -> str:
    """The id of the accepted job."""
    spec = ingest_pb2.ImportSpec(corpus=name, language="en", keep_published_split=True)
    with stack.client("ingest") as ingest:
        return str(importing.send(ingest, corpus, spec).id)


def ended(stack: Stack, key: str) -> dict[str, Any] | None:
    job = stack.document(key)
    return job if job["state"] in ("done", "failed") else None


def serving(stack: Stack) -> str:
    status = json.loads(stack.cli("status", "--json"))
    return (
        str(status["production"]["model"]) if status["services"]["inference"]["health"] == "serving" else ""
    )


def all_settled(stack: Stack) -> bool:
    jobs = [stack.document(key) for key in stack.keys("jobs/")]
    return {job["state"] for job in jobs} == {"done"} and {job["kind"] for job in jobs} >= {
        "train",
        "optimize",
    }


def check_that_all_is_there_once(stack: Stack, acknowledged: dict[str, str], pointer: dict[str, Any]) -> None:
    keys = stack.keys()
    recorded = {
        Path(key).stem for key in keys if key.startswith("raw/user_recorded/") and key.endswith(".json")
    }
    assert recorded == set(acknowledged)
    imported = [key for key in keys if key.startswith("raw/imported/") and key.endswith(".json")]
    assert len(imported) == TRAIN + TEST
    assert {key.removesuffix(".json") + ".wav" for key in imported} <= set(keys)
    datasets = [stack.document(key) for key in keys if key.endswith("/dataset.json")]
    newest = max(datasets, key=lambda each: each["created_at"])
    counted = sum(each["utterances"] for each in newest["splits"].values())
    assert counted + sum(newest["dropped_by_reason"].values()) == newest["considered"] == TRAIN + TEST + TAKES
    assert set(acknowledged) <= set(listed(stack, newest["dataset"]))
    assert len(pointer["history"]) == 1
    assert len([key for key in keys if key.endswith("/decision.json")]) == len(datasets)
    with stack.client("ingest") as ingest:
        policy = ingest.GetRetrainPolicy(ingest_pb2.GetRetrainPolicyRequest(), timeout=20)
    assert policy.new_utterances == 0


def listed(stack: Stack, dataset: str) -> list[str]:
    """The utterances of a dataset, from its manifests."""
    rows: list[str] = []
    for split in ("train", "val", "test"):
        found = stack.s3().get_object(Bucket=BUCKET, Key=f"manifests/{dataset}/{split}.csv")["Body"].read()
        rows += [row["utterance"] for row in csv.DictReader(io.StringIO(found.decode()))]
    return rows


def test_more_containers_share_the_work(stack: Stack, corpus: Path) -> None:
    stack.up("--no-recreate", "--scale", "ingest=3", "--scale", "inference=2")
    assert len(stack.containers("ingest")) == 3
    clip = next((corpus / "test").iterdir()).relative_to(corpus)
    for _ in range(3):
        assert json.loads(stack.cli("transcribe", f"/corpus/{clip}", "--format", "json", mount=corpus))[
            "model"
        ]
    answered = eventually(
        lambda: served_by(stack, 2), 60, "calls reach both inference containers", stack.logs
    )
    assert answered
    job = import_corpus(stack, corpus, "mini-again")
    done = eventually(lambda: ended(stack, f"jobs/import/{job}.json"), 120, "the import", stack.logs)
    assert (done["state"], done["error"]) == ("done", "")
    with mounted_release() as name:
        told = stack.cli("import", "commonvoice", f"mounted:{name}", "--max-clips", "500")
    assert "utterances imported" in told
    workers = {
        line.split("|")[0].strip() for line in stack.logs("ingest").splitlines() if "taken in: chunk" in line
    }
    assert sum("ingest" in worker for worker in workers) >= 2, workers
    stack.up("--no-recreate", "--scale", "ingest=1", "--scale", "inference=1")


@contextlib.contextmanager
def mounted_release() -> Iterator[str]:
    """A release in the folder that the ingest containers see; its name there."""
    folder = ROOT / "imports" / f"test-{secrets.token_hex(4)}"
    made = make_release(folder, Wish(train=600))
    try:
        yield f"{folder.name}/{made.path.name}"
    finally:
        shutil.rmtree(folder)


def served_by(stack: Stack, containers: int) -> bool:
    """Whether so many containers have answered a GetServingModel, by their logs."""
    with stack.client("inference") as inference:
        for _ in range(8):
            inference.GetServingModel(inference_pb2.GetServingModelRequest(), timeout=10)
    lines = stack.compose("logs", "--no-color", "inference").splitlines()
    return len({line.split()[0] for line in lines if "GetServingModel" in line}) == containers
