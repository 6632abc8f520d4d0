"""Put back for a day: a release on a store where a newer one has been harms nothing and says what to do."""

import json
import signal
import tarfile
import time
from pathlib import Path

import pytest
from embedded_process import STOP_S, Outcome, up, voxloom_here, wait_until_served, wait_until_up

from voxloom.errors import NewerSchema
from voxloom.jobs import JobRecord, Jobs, JobState
from voxloom.storage import FolderStore, list_all

pytestmark = pytest.mark.slow

ARCHIVE = Path(__file__).parents[1] / "data" / "store-0.1.tar.xz"
SETTINGS = {
    "VOXLOOM_STORE": "",
    "VOXLOOM_BUS": "",
    "VOXLOOM_TRAIN_AUTO": "false",
    "VOXLOOM_RETRAIN_FIRST": "1",
    "VOXLOOM_RETRAIN_NEW": "1",
    "VOXLOOM_RETRAIN_QUIET_S": "0",
    "VOXLOOM_RECONCILE_PERIOD_S": "0.5",
}
NEWER = ("/latest.json", "/decision.json", "raw/user_recorded/", "jobs/import/village")


def test_what_a_newer_release_wrote_is_left_alone_and_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    data = tmp_path / "store"
    store, jobs = FolderStore(data), Jobs(FolderStore(data))
    written = raise_versions(store)
    assert len(written) >= 6
    with up(data, env=SETTINGS) as process:
        wait_until_up(data, process)
        training = wait_for_word(jobs, "train")
        building = wait_for_word(jobs, "dataset")

        def ask(what: str) -> Outcome:
            return voxloom_here(monkeypatch, *what.split(), "--data", str(data))

        wait_until_served(data)
        said = {what: ask(what) for what in ("runs list", "models list", "dataset list --json")}
        process.send_signal(signal.SIGTERM)
        assert process.wait(STOP_S) == 0
    assert "checkpoints/latest.json has schema version 99" in training.error
    assert "raw/user_recorded/" in building.error
    assert all("upgrade voxloom" in job.error and not job.failures for job in (training, building))
    assert [answer.err for answer in said.values() if answer.code] == []
    assert len(json.loads(said["dataset list --json"].out)) == 1
    assert {key: store.get(key) for key in written} == written


def raise_versions(store: FolderStore) -> dict[str, bytes]:
    """Some documents as a much newer release would have left them."""
    written = {}
    for info in list_all(store, ""):
        if info.key.endswith(".json") and any(part in info.key for part in NEWER):
            document = json.loads(store.get(info.key)) | {"schema_version": 99}
            written[info.key] = json.dumps(document).encode()
            store.put(info.key, written[info.key])
    return written


def wait_for_word(jobs: Jobs, kind: str) -> JobRecord:
    """The job that waits for a newer release."""
    deadline = time.monotonic() + 60
    while True:
        found = [job for job in jobs.list(kind) if job.state is JobState.ACCEPTED and job.error]
        if found:
            return found[0]
        assert time.monotonic() < deadline, jobs.list(kind)
        time.sleep(0.2)


def test_the_message_is_one_line(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.put("jobs/import/a.json", b'{"schema_version": 2}')
    with pytest.raises(NewerSchema) as refused:
        Jobs(store).get("import", "a")
    assert str(refused.value) == (
        "jobs/import/a.json has schema version 2, written by a newer voxloom; this release knows JobRecord "
        "up to version 1 and leaves it as it is: upgrade voxloom"
    )
