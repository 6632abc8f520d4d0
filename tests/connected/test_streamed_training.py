"""Training audio streamed from a real S3 server, which goes away in the middle of it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from servers import StoreAddress, patiently, services
from test_outages import eventually
from trainer_maker import make_dataset

from services.trainer.metrics import read_metrics
from services.trainer.runs import read_run, submit
from voxloom import keys
from voxloom.jobs import Jobs
from voxloom.storage import exists, list_all, write_model

pytestmark = [pytest.mark.connected, pytest.mark.slow]
SHARDS = 8


@pytest.fixture
def s3_restored(s3_address: StoreAddress) -> Iterator[StoreAddress]:
    yield s3_address
    services("start", "s3")


def test_a_streamed_training_outlasts_an_outage_of_the_store(
    s3_restored: StoreAddress, tmp_path: Path
) -> None:
    folder, dataset, _ = make_dataset(tmp_path / "store", clips=64, shards=SHARDS)
    store = s3_restored.open()
    for info in list_all(folder, ""):
        store.put(info.key, folder.get(info.key))
    largest = max(store.stat(key).size for key in dataset.splits["train"].shards)
    record = submit(store, Jobs(store), dataset, "smoke", seed=1, budget_minutes=0)
    changes = {"epochs": 12, "batch_s": 2.0}
    write_model(
        store, keys.run_record(record.run), record.model_copy(update={"recipe": {**record.recipe, **changes}})
    )
    (tmp_path / "local").mkdir()
    env = os.environ | {
        "VOXLOOM_STORE": s3_restored.url,
        "VOXLOOM_S3_ACCESS_KEY": s3_restored.access_key,
        "VOXLOOM_S3_SECRET_KEY": s3_restored.secret_key,
        "VOXLOOM_TRAIN_CHECKPOINT_S": "0",
        "VOXLOOM_TRAIN_THREADS": "1",
        "VOXLOOM_TRAIN_CACHE_GB": f"{4.2 * largest / 1e9:.9f}",
        "TMPDIR": str(tmp_path / "local"),
    }
    log, local = tmp_path / "log", tmp_path / "local"
    with log.open("w") as out:
        command = [sys.executable, "-m", "services.trainer", "run", record.run]
        process = subprocess.Popen(command, env=env, stdout=out, stderr=subprocess.STDOUT)
    try:
        eventually(lambda: exists(store, keys.checkpoint(record.run, "latest.json")), 240)
        assert 1 <= len(list(local.glob("voxloom-train-*/train-*.tar"))) <= 4
        services("stop", "s3")
        waits = "fetches manifests/d-tones/shards/train-"
        eventually(lambda: process.poll() is not None or waits in log.read_text(), 240)
        assert process.poll() is None, log.read_text()[-3000:]
        services("start", "s3")
        assert process.wait(timeout=400) == 0, log.read_text()[-3000:]
    finally:
        process.kill()
        process.wait()
    assert patiently(lambda: exists(store, keys.export_file(record.run, "export.json")))
    assert read_run(store, record.run).window_shards == 2
    assert max(line.epoch for line in read_metrics(store, record.run)) >= 11
    assert list(local.glob("voxloom-train-*")) == []
