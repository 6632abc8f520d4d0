"""A store of the usual layout with small contents, and a store whose reads and writes can be watched."""

import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

from voxloom import keys
from voxloom.jobs import JobRecord, JobState
from voxloom.manifest import DatasetRecord, SplitSummary
from voxloom.storage import FolderStore, ObjectStore, exists, list_all, write_model
from voxloom.store_backup import MARK

LONG_AGO = "2026-01-01T00:00:00+00:00"


def add_take(store: ObjectStore, name: str, audio: bytes = b"RIFF") -> None:
    store.put(keys.raw_audio("user_recorded", "ada", name), audio)
    document = {"schema_version": 1, "audio": audio.decode()}
    store.put(keys.raw_record("user_recorded", "ada", name), json.dumps(document).encode())


def add_dataset(store: ObjectStore, dataset: str, created_at: str = LONG_AGO) -> None:
    shards = [keys.shard(dataset, "train", 0), keys.shard(dataset, "train", 1)]
    for key in shards:
        store.put(key, f"shard of {dataset}".encode())
    store.put(keys.manifest(dataset, "test"), b"utterance,...")
    record = DatasetRecord(
        dataset=dataset,
        created_at=created_at,
        considered=1,
        splits={"train": SplitSummary(shards=shards)},
        utterances_by_source={},
        dropped_by_reason={},
        dropped_examples={},
        dropped_fraction=0,
        overlapping_test_sentences=0,
        alphabet=" a",
        languages=["en"],
        normalizer_version=1,
    )
    write_model(store, keys.dataset_record(dataset), record)


def add_run(store: ObjectStore, run: str, dataset: str, state: JobState, updated_at: str = LONG_AGO) -> None:
    store.put(keys.run_record(run), b'{"schema_version": 1}')
    store.put(keys.run_metrics(run), b'{"schema_version": 1, "step": 1}\n')
    add_checkpoint(store, run, 10)
    if state is JobState.DONE:
        add_export(store, run)
    add_job(store, "train", run, state, updated_at, dataset=dataset, run=run)


def add_checkpoint(store: ObjectStore, run: str, step: int) -> None:
    """As the trainer does: best, the checkpoint, the record, then all but the last two go."""
    name = f"step-{step:09d}.safetensors"
    store.put(keys.checkpoint(run, "best.safetensors"), b"best at %09d" % step)
    store.put(keys.checkpoint(run, name), b"state at %09d" % step)
    latest = {"schema_version": 1, "name": name, "step": step}
    store.put(keys.checkpoint(run, "latest.json"), json.dumps(latest).encode())
    steps = [info.key for info in list_all(store, keys.checkpoint(run, "step-"))]
    for key in steps[:-2]:
        store.delete(key)


def add_export(store: ObjectStore, run: str) -> None:
    _add_named(store, lambda name: keys.export_file(run, name), ["model.onnx", "tokens.txt"], "export.json")


def add_model(store: ObjectStore, model: str) -> None:
    names = ["model.onnx", "model.int8.onnx", "tokens.txt"]
    _add_named(store, lambda name: keys.model_file(model, name), names, "bundle.json")
    store.put(keys.model_file(model, "decision.json"), b'{"schema_version": 1}')


def promote(store: ObjectStore, model: str) -> None:
    store.put(keys.PRODUCTION, json.dumps({"schema_version": 1, "model": model}).encode())


def add_job(
    store: ObjectStore, kind: str, name: str, state: JobState, updated_at: str = LONG_AGO, **spec: Any
) -> None:
    record = JobRecord(
        id=name, kind=kind, state=state, spec=spec, created_at=updated_at, updated_at=updated_at
    )
    write_model(store, keys.job(kind, name), record)


def add_import(store: ObjectStore, name: str, state: JobState) -> None:
    upload = keys.upload(name)
    if state is JobState.ACCEPTED:
        store.put(upload, b"a corpus")
    else:
        store.put(keys.import_report(name), b"")
    add_job(store, "import", name, state, upload=upload)


def fill(store: ObjectStore) -> None:
    """Something of everything: an ended run with its model in production, a run and an import under way."""
    for name in ("u-1", "u-2"):
        add_take(store, name)
    add_import(store, "done", JobState.DONE)
    add_import(store, "waits", JobState.ACCEPTED)
    for day, dataset in enumerate(("d-1", "d-2"), start=1):
        add_dataset(store, dataset, f"2026-01-0{day}T00:00:00+00:00")
    add_run(store, "r-1", "d-1", JobState.DONE)
    add_run(store, "r-2", "d-2", JobState.RUNNING)
    add_model(store, "m-1")
    promote(store, "m-1")


def content(store: ObjectStore) -> dict[str, bytes]:
    """All objects, without the mark of a backup."""
    return {info.key: store.get(info.key) for info in list_all(store, "") if info.key != MARK}


def faults(store: ObjectStore) -> list[str]:
    """What is named and not there, or not in the form in which it was named."""
    found = []
    for key, data in content(store).items():
        found += [f"{key} lacks {name}" for name in _named(key, data) if not exists(store, name)]
        if key.startswith("raw/") and key.endswith(".json"):
            wav = key.replace(".json", ".wav")
            if exists(store, wav) and store.get(wav).decode() != json.loads(data)["audio"]:
                found.append(f"{key} speaks of other audio")
    return found


def hours_ago(hours: float) -> str:
    return (datetime.now(UTC) - timedelta(hours=hours)).isoformat()


def _add_named(store: ObjectStore, key: Callable[[str], str], names: list[str], record: str) -> None:
    for name in names:
        store.put(key(name), f"content of {key(name)}".encode())
    store.put(key(record), json.dumps({"schema_version": 1, "files": {name: {} for name in names}}).encode())


def _named(key: str, data: bytes) -> list[str]:
    if not key.endswith(".json"):
        return []
    document, folder = json.loads(data), key.rpartition("/")[0]
    match key.split("/"):
        case ["raw", *_]:
            return [key.replace(".json", ".wav")]
        case [_, _, "dataset.json"]:
            return [shard for split in document["splits"].values() for shard in split["shards"]]
        case [*_, "export.json"] | [*_, "bundle.json"]:
            return [f"{folder}/{name}" for name in document["files"]]
        case [*_, "latest.json"]:
            return [f"{folder}/{document['name']}"]
        case ["models", "production.json"]:
            return [keys.model_file(document["model"], name) for name in ("bundle.json", "decision.json")]
        case ["jobs", *_]:
            return _needed_by_job(JobRecord.model_validate(document))
        case _:
            return []


def _needed_by_job(job: JobRecord) -> list[str]:
    match job.kind, job.state:
        case "import", JobState.ACCEPTED:
            return [str(job.spec["upload"])]
        case "import", JobState.DONE:
            return [keys.import_report(job.id)]
        case "train", JobState.DONE:
            return [keys.run_record(job.id), keys.export_file(job.id, "export.json")]
        case "train", _:
            return [keys.run_record(job.id), keys.dataset_record(str(job.spec["dataset"]))]
        case _:
            return []


class Watched(FolderStore):
    """Calls `before_read` and `before_write` with the key of each object that is about to be."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.before_read: Callable[[str], None] = lambda key: None
        self.before_write: Callable[[str], None] = lambda key: None
        self.written: list[str] = []

    def get(self, key: str) -> bytes:
        self.before_read(key)
        return super().get(key)

    def open(self, key: str) -> AbstractContextManager[BinaryIO]:
        self.before_read(key)
        return super().open(key)

    def put(self, key: str, data: bytes, **conditions: Any) -> str:
        self.before_write(key)
        self.written.append(key)
        return super().put(key, data, **conditions)

    def put_new(self, objects: Mapping[str, bytes]) -> set[str]:
        for key in objects:
            self.before_write(key)
            self.written.append(key)
        return super().put_new(objects)

    def put_stream(self, key: str, chunks: Any) -> str:
        self.before_write(key)
        self.written.append(key)
        return super().put_stream(key, chunks)
