"""Workers of one import are killed again and again, and the dataset is that of an undisturbed import."""

import json
import os
import random
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from commonvoice_maker import packed
from servers import StoreAddress
from service_process import ServiceProcess
from voices import encoded, speech

from voxloom.errors import NotFound
from voxloom.manifest import SPLITS
from voxloom.storage import FolderStore, ObjectStore, list_all
from voxloom.v1 import ingest_pb2, ingest_pb2_grpc

pytestmark = [pytest.mark.connected, pytest.mark.slow]
NUM_CLIPS = 2000
KILLS = 10
QUICK = {"job_lease_s": "1", "retrain_first": "1000000", "ingest_threads": "1"}


class Workers:
    """Ingest processes on one store and one broker; the first takes our calls, a killed one is replaced."""

    def __init__(self, number: int, **settings: str) -> None:
        self._settings = QUICK | settings
        self._stack = ExitStack()
        self._pool = self._stack.enter_context(ThreadPoolExecutor())
        started = [self._pool.submit(self._start) for _ in range(number)]
        self.processes = [each.result() for each in started]

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def stub(self) -> Any:
        return ingest_pb2_grpc.IngestServiceStub(self.processes[0].channel)

    def kill(self, pid: int) -> None:
        """SIGKILL; the one that takes its place comes up meanwhile."""
        os.kill(pid, signal.SIGKILL)
        self._pool.submit(lambda: self.processes.append(self._start()))

    def at_work(self, store: ObjectStore) -> list[int]:
        """Process ids of those that hold a chunk now, but for the one that takes our calls."""
        holders = {owner for state, owner in chunk_owners(store) if state == "running"}
        mine = {each.process.pid for each in self.processes[1:] if each.process.poll() is None}
        return sorted(mine & {int(owner.split("-")[-1]) for owner in holders})

    def _start(self) -> ServiceProcess:
        return self._stack.enter_context(ServiceProcess("ingest", **self._settings))


def chunk_owners(store: ObjectStore) -> set[tuple[str, str]]:
    """(state, host and process id of the worker) of each chunk job that somebody took."""
    found = set()
    for info in list_all(store, "jobs/chunk/"):
        with suppress(NotFound):
            record = json.loads(store.get(info.key))
            found.add((record["state"], record["owner"].rpartition("-")[0]))
    return {(state, owner) for state, owner in found if owner}


def test_ten_kills_leave_the_dataset_of_an_undisturbed_import(
    tmp_path: Path, s3_address: StoreAddress, amqp_url: str
) -> None:
    archive = corpus(NUM_CLIPS)
    with Workers(1, store=(tmp_path / "quiet").as_uri()) as quiet:
        imported(quiet, archive)
        wanted = built(quiet, FolderStore(tmp_path / "quiet"))
    dice = random.Random()  # other deaths in each run
    store = s3_address.open()
    with Workers(3, **connected(s3_address, amqp_url)) as workers:
        job = send(workers, archive)
        for _ in range(KILLS):
            while not (busy := workers.at_work(store)):
                assert not is_done(workers, job), "the import was over before the last kill: make it longer"
            workers.kill(dice.choice(busy))
            time.sleep(dice.uniform(0, 0.4))
        followed(workers, job)
        found = built(workers, store)
    assert found.keys() == wanted.keys()
    assert [key for key in wanted if found[key] != wanted[key]] == []


def test_every_worker_gets_a_share(s3_address: StoreAddress, amqp_url: str) -> None:
    store, owners = s3_address.open(), set()
    with Workers(3, **connected(s3_address, amqp_url)) as workers:
        job = send(workers, corpus(600))
        while not is_done(workers, job):
            owners |= {owner for _, owner in chunk_owners(store)}
    assert len(owners) == 3, owners


def connected(s3: StoreAddress, amqp_url: str) -> dict[str, str]:
    """Settings of a service that works on the real servers."""
    secrets = {"s3_access_key": s3.access_key, "s3_secret_key": s3.secret_key}
    return {"store": s3.url, "bus": amqp_url, **secrets}


def corpus(num_clips: int) -> bytes:
    """Sentences of many speakers as FLAC; some rows and clips are broken, to be counted alike each time."""
    rows, files = ["path,text,speaker"], {}
    for index in range(num_clips):
        rows.append(f"c/{index}.flac,{sentence(index)},s{index % 40}")
        files[f"c/{index}.flac"] = b"broken" if index % 97 == 0 else encoded(speech(1.5, seed=index), "FLAC")
    return packed({"manifest.csv": "\n".join([*rows, ""]).encode()} | files)


def sentence(index: int) -> str:
    return " ".join("abcdefghij"[int(digit)] * 3 for digit in f"{index:04d}")


def send(workers: Workers, archive: bytes) -> ingest_pb2.Job:
    spec = ingest_pb2.ImportSpec(corpus="village", format=ingest_pb2.CORPUS_FORMAT_CSV)
    parts = [archive[start : start + 65536] for start in range(0, len(archive), 65536)]
    requests = [ingest_pb2.ImportCorpusRequest(tar=part) for part in parts]
    job: ingest_pb2.Job = workers.stub.ImportCorpus(
        iter([ingest_pb2.ImportCorpusRequest(spec=spec), *requests]), timeout=120
    )
    return job


def imported(workers: Workers, archive: bytes) -> None:
    followed(workers, send(workers, archive))


def followed(workers: Workers, job: ingest_pb2.Job) -> None:
    for update in workers.stub.WatchJob(ingest_pb2.WatchJobRequest(id=job.id, kind=job.kind), timeout=300):
        job = update
    assert job.state == ingest_pb2.JOB_STATE_DONE, job


def is_done(workers: Workers, job: ingest_pb2.Job) -> bool:
    first = next(workers.stub.WatchJob(ingest_pb2.WatchJobRequest(id=job.id, kind=job.kind), timeout=60))
    return bool(first.state == ingest_pb2.JOB_STATE_DONE)


def built(workers: Workers, store: ObjectStore) -> dict[str, bytes]:
    """Manifests and shards of a new dataset by their keys; dataset.json also says when it was built."""
    job = workers.stub.BuildDataset(ingest_pb2.BuildDatasetRequest(), timeout=60)
    followed(workers, job)
    wanted = [f"{split}.csv" for split in SPLITS]
    keys = [info.key for info in list_all(store, "manifests/")]
    kept = [key for key in keys if key.rpartition("/")[2] in wanted or "/shards/" in key]
    assert kept
    return {key: store.get(key) for key in kept}
