"""Broker and store go away and come back while work goes on."""

import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pika
import pytest
from servers import StoreAddress, patiently, server, services
from trainer_maker import make_dataset

from services.trainer.metrics import read_metrics
from services.trainer.runs import submit
from voxloom import keys
from voxloom.bus import Event, new_event
from voxloom.bus_rabbit import RabbitBus
from voxloom.errors import Unavailable
from voxloom.jobs import Jobs, JobState
from voxloom.storage import exists, list_all, write_model
from voxloom.v1.events_pb2 import DatasetReady

pytestmark = [pytest.mark.connected, pytest.mark.slow]


def eventually(condition: Callable[[], object], patience_s: float = 60.0) -> None:
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)


@pytest.fixture
def s3_restored(s3_address: StoreAddress) -> Iterator[StoreAddress]:
    yield s3_address
    services("start", "s3")


@pytest.fixture
def queue(amqp_url: str) -> Iterator[str]:
    name = f"test-{uuid.uuid4().hex[:12]}"
    yield name
    services("start", "rabbit")
    connection = pika.BlockingConnection(pika.URLParameters(amqp_url))
    for suffix in ("", ".dead"):
        connection.channel().queue_delete(f"voxloom.{name}{suffix}")
    connection.close()


def test_a_restart_of_the_broker_loses_no_event(amqp_url: str, queue: str) -> None:
    bus = RabbitBus(amqp_url)
    mine, handled = f"subject-{uuid.uuid4()}", set()
    seen: set[str] = set()

    def handle(event: Event) -> None:
        if event.header.subject == mine:
            time.sleep(0.02)
            handled.add(event.header.id)

    bus.subscribe(queue, ["dataset_ready"], handle)
    bus.tail(lambda event: seen.add(event.header.id))
    published: set[str] = set()
    stop = threading.Event()

    def publish() -> None:
        while not stop.wait(0.05):
            event = new_event("test", mine, DatasetReady())
            try:
                bus.publish(event)
                published.add(event.header.id)
            except Unavailable:
                pass  # said, not lost

    publishers = [threading.Thread(target=publish) for _ in range(3)]
    for publisher in publishers:
        publisher.start()
    eventually(lambda: len(handled) > 20)
    services("restart", "rabbit")
    before = len(published)
    eventually(lambda: len(published) > before + 30)
    stop.set()
    for publisher in publishers:
        publisher.join()
    eventually(lambda: published <= handled)

    def watched_again() -> (
        bool
    ):  # nothing is kept for who watches, so one event before it is back is not enough
        event = new_event("test", mine, DatasetReady())
        bus.publish(event)
        time.sleep(0.2)
        return event.header.id in seen

    eventually(watched_again)
    assert bus.dead_letters(queue) == []
    bus.close()


def test_while_the_broker_is_down_publishing_says_so(
    amqp_url: str, queue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voxloom.bus_rabbit_publisher.PUBLISH_TIMEOUT_S", 3.0)
    bus = RabbitBus(amqp_url)
    handled: list[str] = []
    bus.subscribe(queue, ["dataset_ready"], lambda event: handled.append(event.header.subject))
    services("stop", "rabbit")
    with pytest.raises(Unavailable, match="did not take the event dataset_ready within 3 s"):
        bus.publish(new_event("test", "lost", DatasetReady()))
    with pytest.raises(Unavailable, match="cannot be reached"):
        bus.dead_letters(queue)
    monkeypatch.undo()
    services("start", "rabbit")
    bus.publish(new_event("test", queue, DatasetReady()))
    eventually(lambda: queue in handled)
    bus.close()


def test_the_store_is_unavailable_then_comes_back(s3_restored: StoreAddress) -> None:
    store = s3_restored.open()
    etag = store.put("a", b"one")
    services("stop", "s3")
    for act in (
        lambda: store.get("a"),
        lambda: store.stat("a"),
        lambda: store.list_page(""),
        lambda: store.put("a", b"two", if_match=etag),
        lambda: store.put_stream("b", [b"x"]),
        lambda: store.delete("a"),
    ):
        with pytest.raises(Unavailable, match="cannot be reached"):
            act()
    services("start", "s3")
    assert patiently(lambda: store.get("a")) == b"one"
    patiently(lambda: store.put("a", b"two", if_match=etag))
    assert [info.key for info in store.list_page("")] == ["a"]


def test_a_write_outlasts_a_short_outage(s3_restored: StoreAddress) -> None:
    store = s3_restored.open()
    services("stop", "s3")
    starter = threading.Thread(target=services, args=("start", "s3"))
    starter.start()
    deadline = time.monotonic() + 60
    while True:
        try:
            store.put("a", b"one", if_absent=True)
            break
        except Unavailable:
            assert time.monotonic() < deadline
    starter.join()
    assert patiently(lambda: store.get("a")) == b"one"


WORKER = """
import os, sys, time
from servers import StoreAddress
from voxloom.jobs import Jobs, JobWorker

store = StoreAddress(*sys.argv[1:4]).open()

def run(record, lease):
    print("begin", record.id, flush=True)
    for step in range(20):
        lease.progress(step + 1, 20)
        store.put(f"steps/{record.id}/{step:02d}", str(os.getpid()).encode())
        time.sleep(0.1)
    return {"by": os.getpid()}

worker = JobWorker(Jobs(store, lease_s=2.0), "import", run, print)
worker.start()
time.sleep(600)
"""


def start_worker(address: StoreAddress) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-c", WORKER, address.url, address.access_key, address.secret_key]
    path = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(command, stdout=subprocess.PIPE, env=path)


def test_a_killed_workers_job_is_finished_once_by_the_other(s3_address: StoreAddress) -> None:
    jobs = Jobs(s3_address.open())
    jobs.submit("import", "j1", {})
    first = start_worker(s3_address)
    second = None
    try:
        assert first.stdout is not None
        assert first.stdout.readline() == b"begin j1\n"
        second = start_worker(s3_address)
        time.sleep(1)
        assert str(first.pid) in jobs.get("import", "j1").owner
        first.send_signal(signal.SIGKILL)
        eventually(lambda: jobs.get("import", "j1").state is JobState.DONE, 60)
        record = jobs.get("import", "j1")
        assert record.result == {"by": second.pid}
        assert (record.failures, record.done) == (0, 20)
        assert jobs.claim("import") is None
    finally:
        for process in (first, second):
            if process is not None:
                process.kill()
                process.communicate()


def test_two_workers_share_jobs_without_doing_one_twice(s3_address: StoreAddress) -> None:
    jobs = Jobs(s3_address.open())
    for number in range(4):
        jobs.submit("import", f"j{number}", {})
    workers = [start_worker(s3_address) for _ in range(2)]
    try:
        eventually(lambda: all(record.state is JobState.DONE for record in jobs.list("import")), 90)
        records = jobs.list("import")
    finally:
        for worker in workers:
            worker.kill()
    begun = sorted(line for worker in workers for line in worker.communicate()[0].splitlines())
    assert begun == [b"begin j%d" % number for number in range(4)]
    assert {record.result["by"] for record in records} == {worker.pid for worker in workers}


NOT_SAVED = "no checkpoint could be written"


def test_a_training_outlasts_an_outage_of_the_store(s3_restored: StoreAddress, tmp_path: Path) -> None:
    folder, dataset, _ = make_dataset(tmp_path / "store", clips=60)
    store = s3_restored.open()
    for info in list_all(folder, ""):
        store.put(info.key, folder.get(info.key))
    record = submit(store, Jobs(store), dataset, "smoke", seed=1, budget_minutes=0)
    longer = record.model_copy(update={"recipe": {**record.recipe, "epochs": 40}})
    write_model(store, keys.run_record(record.run), longer)
    env = os.environ | {
        "VOXLOOM_STORE": s3_restored.url,
        "VOXLOOM_S3_ACCESS_KEY": s3_restored.access_key,
        "VOXLOOM_S3_SECRET_KEY": s3_restored.secret_key,
        "VOXLOOM_TRAIN_CHECKPOINT_S": "0",
        "VOXLOOM_TRAIN_THREADS": "1",
    }
    command = [sys.executable, "-m", "services.trainer", "run", record.run]
    log = tmp_path / "log"
    with log.open("w") as out:
        process = subprocess.Popen(command, env=env, stdout=out, stderr=subprocess.STDOUT)
    try:
        latest = keys.checkpoint(record.run, "latest.json")
        eventually(lambda: exists(store, latest), 120)
        services("stop", "s3")
        eventually(lambda: process.poll() is not None or NOT_SAVED in log.read_text(), 120)
        assert process.poll() is None, log.read_text()[-3000:]
        services("start", "s3")
        assert process.wait(timeout=300) == 0, log.read_text()[-3000:]
    finally:
        process.kill()
        process.wait()
    assert patiently(lambda: exists(store, keys.export_file(record.run, "export.json")))
    told = " ".join(line.message for line in read_metrics(store, record.run))
    assert NOT_SAVED in told
    assert "cannot be reached" in told
    assert "checkpoints are written again" in told


def test_a_store_that_starts_later_than_its_client_is_told_apart_from_a_wrong_key(
    s3_restored: StoreAddress,
) -> None:
    services("stop", "s3")
    with pytest.raises(Unavailable, match="cannot be reached"):
        replace(s3_restored, secret_key="wrong").open()
    services("start", "s3")
    assert server("VOXLOOM_TEST_S3")
