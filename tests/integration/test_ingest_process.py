"""Ingest as a process over real gRPC: from an upload to a dataset, refusals, broken uploads, kill -9."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from voices import speech

from voxloom.audio import encode_wav
from voxloom.rpc import channel
from voxloom.v1 import ingest_pb2, ingest_pb2_grpc

pytestmark = pytest.mark.slow
TIMEOUT_S = 60.0
NUM_KILLED = 600  # so many that the kill comes before the last


@dataclass
class Running:
    process: "subprocess.Popen[bytes]"
    stub: Any
    log: Path


@contextmanager
def ingest(store: Path, **settings: str) -> Iterator[Running]:
    """The service on a folder store; policy and leases are quick, so that the tests are."""
    log = store.with_suffix(f".{time.monotonic_ns()}.log")
    env = {
        "VOXLOOM_STORE": store.as_uri(),
        "VOXLOOM_INGEST_PORT": "0",
        "VOXLOOM_RETRAIN_FIRST": "10",
        "VOXLOOM_RETRAIN_QUIET_S": "0.3",
        "VOXLOOM_JOB_LEASE_S": "1",
    } | {f"VOXLOOM_{name.upper()}": value for name, value in settings.items()}
    with open(log, "wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "services.ingest"], stderr=output, env=os.environ | env
        )
    try:
        port = wait_for(lambda: _port(log, process))
        with channel(f"127.0.0.1:{port}") as open_channel:
            yield Running(process, ingest_pb2_grpc.IngestServiceStub(open_channel), log)
    finally:
        process.kill()
        process.wait()


def _port(log: Path, process: "subprocess.Popen[bytes]") -> int | None:
    assert process.poll() is None, log.read_text()
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.endswith("}")]
    return next((line["port"] for line in lines if "port" in line), None)


def wait_for(look: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.02)
    raise AssertionError("waited in vain")


def corpus(num_clips: int, **more: bytes) -> bytes:
    """A tar with manifest.csv and clips of something like speech."""
    rows = [
        f"{i}.wav,sentence {'abcdefghij'[i % 10]} {'klmnopqrst'[i // 10 % 10]},s{i % 10}"
        for i in range(num_clips)
    ]
    files = {"manifest.csv": "\n".join(["path,text,speaker", *rows, ""]).encode()}
    files |= {f"{i}.wav": encode_wav(tones(i)) for i in range(num_clips)}
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in (files | more).items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def tones(seed: int) -> Any:
    return speech(1.0, seed=seed + 1, level=0.3)


def messages(data: bytes, **spec: Any) -> Iterator[ingest_pb2.ImportCorpusRequest]:
    wanted = {"corpus": "village", "format": ingest_pb2.CORPUS_FORMAT_CSV} | spec
    yield ingest_pb2.ImportCorpusRequest(spec=ingest_pb2.ImportSpec(**wanted))
    for start in range(0, len(data), 65536):
        yield ingest_pb2.ImportCorpusRequest(tar=data[start : start + 65536])


def watch(running: Running, job: ingest_pb2.Job) -> ingest_pb2.Job:
    asked = ingest_pb2.WatchJobRequest(id=job.id, kind=job.kind)
    states = list(running.stub.WatchJob(asked, timeout=TIMEOUT_S))
    assert [state.state for state in states] == sorted(state.state for state in states)
    return states[-1]


def num_objects(store: Path, folder: str) -> int:
    return sum(path.is_file() for path in (store / folder).rglob("*"))


def objects(store: Path, *folders: str) -> dict[str, bytes]:
    found = [path for folder in folders for path in (store / folder).rglob("*") if path.is_file()]
    return {str(path.relative_to(store)): path.read_bytes() for path in found}


def test_from_an_upload_to_a_dataset_by_itself(tmp_path: Path) -> None:
    store, archive = tmp_path / "store", corpus(20)
    with ingest(store) as running:
        job = running.stub.ImportCorpus(messages(archive))
        done = watch(running, job)
        assert (done.state, done.accepted_utterances, done.refused_utterances) == (
            ingest_pb2.JOB_STATE_DONE,
            20,
            0,
        )

        datasets = wait_for(lambda: running.stub.ListDatasets(ingest_pb2.ListDatasetsRequest()).datasets)
        assert (
            sum(split.utterances for split in datasets[0].splits.values())
            + sum(datasets[0].dropped_by_reason.values())
            == 20
        )
        assert running.stub.GetDataset(ingest_pb2.GetDatasetRequest()) == datasets[0]
        assert json.loads(datasets[0].record_json)["dataset"] == datasets[0].id

        policy = wait_for(lambda: _policy_of(running, datasets[0].id))
        assert (policy.new_utterances, policy.needed_utterances) == (0, 50)
        before = objects(store, "raw", "manifests", "imports")
        assert running.stub.ImportCorpus(messages(archive)).id == job.id
        built = watch(running, running.stub.BuildDataset(ingest_pb2.BuildDatasetRequest()))
        assert built.dataset == datasets[0].id
        assert objects(store, "raw", "manifests", "imports") == before
        wait_for(lambda: not objects(store, "uploads"))

        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(20) == 0


def _policy_of(running: Running, dataset: str) -> ingest_pb2.RetrainPolicy | None:
    policy = running.stub.GetRetrainPolicy(ingest_pb2.GetRetrainPolicyRequest())
    return policy if policy.latest_dataset == dataset else None


def test_a_killed_import_ends_as_one_that_was_not(tmp_path: Path) -> None:
    killed, undisturbed = tmp_path / "killed", tmp_path / "undisturbed"
    archive = corpus(NUM_KILLED, **{"stray.wav": encode_wav(tones(777))})
    with ingest(killed, retrain_first="1000000", ingest_threads="1") as running:
        job = running.stub.ImportCorpus(messages(archive))
        wait_for(lambda: num_objects(killed, "raw") > 40)
        running.process.kill()
        running.process.wait()
    assert 40 < num_objects(killed, "raw") < 2 * NUM_KILLED
    done_so_far = shutil.ignore_patterns("raw", "imports", "chunk")  # records, reports and jobs of its chunks
    shutil.copytree(killed, undisturbed, ignore=done_so_far)
    for store in (killed, undisturbed):
        with ingest(store, retrain_first="1000000") as running:
            done = watch(running, job)
            assert (done.state, done.accepted_utterances, done.refused_utterances) == (
                ingest_pb2.JOB_STATE_DONE,
                NUM_KILLED,
                1,
            )
            watch(running, running.stub.BuildDataset(ingest_pb2.BuildDatasetRequest()))
    assert num_objects(killed, "raw") == 2 * NUM_KILLED
    assert objects(killed, "raw", "imports") == objects(undisturbed, "raw", "imports")
    shards = {name: data for name, data in objects(killed, "manifests").items() if "dataset.json" not in name}
    assert shards.items() <= objects(undisturbed, "manifests").items()


def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    with ingest(tmp_path / "store") as running:
        archive = corpus(4, **{"a.wav": b"", "b.wav": b"", "../c.wav": b"x"})
        failed = watch(running, running.stub.ImportCorpus(messages(archive)))
        assert failed.state == ingest_pb2.JOB_STATE_FAILED
        assert "3 of 7 clips are refused" in failed.error
        assert (failed.accepted_utterances, failed.refused_utterances) == (4, 3)
        assert dict(failed.refused_by_reason) == {"no_transcript": 2, "unsafe_path": 1}

        cut = watch(running, running.stub.ImportCorpus(messages(corpus(4)[:70_000], corpus="cut")))
        assert (cut.state, "whole" in cut.error) == (ingest_pb2.JOB_STATE_FAILED, True)

        tar_first = iter([ingest_pb2.ImportCorpusRequest(tar=b"x")])
        spec_twice = iter([*messages(b""), *messages(b"")])
        for asked in (
            tar_first,
            spec_twice,
            iter([]),
            messages(b"\x1f\x8b" + bytes(99)),
            messages(b"x", corpus=""),
        ):
            assert (
                _code(lambda asked=asked: running.stub.ImportCorpus(asked))
                == grpc.StatusCode.INVALID_ARGUMENT
            )
        unknown = ingest_pb2.WatchJobRequest(id="nobody", kind="import")
        assert _code(lambda: list(running.stub.WatchJob(unknown))) == grpc.StatusCode.NOT_FOUND
        evil = ingest_pb2.WatchJobRequest(id="../../x", kind="import")
        assert _code(lambda: list(running.stub.WatchJob(evil))) == grpc.StatusCode.INVALID_ARGUMENT
        none = ingest_pb2.GetDatasetRequest(dataset="d-1")
        assert _code(lambda: running.stub.GetDataset(none)) == grpc.StatusCode.NOT_FOUND
        assert (
            _code(lambda: running.stub.GetDataset(ingest_pb2.GetDatasetRequest()))
            == grpc.StatusCode.NOT_FOUND
        )


def _code(call: Callable[[], Any]) -> grpc.StatusCode:
    with pytest.raises(grpc.RpcError) as raised:
        call()
    code: grpc.StatusCode = raised.value.code()  # type: ignore[attr-defined]
    return code


def test_an_upload_that_its_client_gives_up_leaves_nothing(tmp_path: Path) -> None:
    store = tmp_path / "store"
    with ingest(store) as running:

        def endless() -> Iterator[ingest_pb2.ImportCorpusRequest]:
            yield from messages(corpus(4))
            while True:
                time.sleep(0.05)
                yield ingest_pb2.ImportCorpusRequest(tar=bytes(65536))

        calls = [running.stub.ImportCorpus.future(endless()) for _ in range(5)]
        refused = wait_for(lambda: [call for call in calls if call.done()])
        assert [call.code() for call in refused] == [grpc.StatusCode.RESOURCE_EXHAUSTED]  # four at a time
        for call in calls:
            call.cancel()
        time.sleep(0.5)
        assert objects(store, "uploads", "jobs") == {}
        assert watch(running, running.stub.ImportCorpus(messages(corpus(12)))).accepted_utterances == 12
