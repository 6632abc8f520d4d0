"""A store with something to forget, and what still tells of it: for the tests of forgetting."""

import io
import json
import os
import re
import shutil
import tarfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from ingest_corpora import HeardBus, Taker, accept_import, csv_corpus, objects, run_next, tar

from services.ingest import dataset, importer
from services.ingest.config import IngestConfig
from services.ingest.dataset import DatasetBuilder
from services.ingest.forget import KIND, Forgetter
from services.ingest.forgetting import Forgetting
from services.ingest.lookup import look_up
from services.ingest.uploads import sweep, sweep_chunks
from voxloom import keys
from voxloom.bundle import Bundle, hash_bytes
from voxloom.errors import BadInput, Unavailable
from voxloom.jobs import Jobs
from voxloom.manifest import DatasetRecord, RawUtterance, ShardRow
from voxloom.storage import FolderStore, ObjectStore, read_model, write_model
from voxloom.v1 import ingest_pb2

CURVE = (
    b'{"step":1,"loss":2.5}\n{"step":2,"example_reference":"sentence number b","example_hypothesis":"b",'
    b'"examples":[{"reference":"sentence number b","hypothesis":"b"}]}\n'
)
GAVE_UP = "training gave up; the batches lie in runs/r-1/faults/. The last one held "
NEVER_STORED = "far too many words "
CHANGES = {"put", "put_stream", "delete"}


class DyingStore:
    """A real store that is cut off at its n-th change, before or after it was made."""

    def __init__(self, store: ObjectStore, changes: int) -> None:
        self._store = store
        self.left = changes

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            if name in CHANGES:
                self.left -= 1
                if self.left < 0:
                    raise Unavailable("cut off")
            return getattr(self._store, name)(*args, **kwargs)

        return call


class World:
    """A corpus of four speakers, a dataset of it, and a run and a model of that."""

    def __init__(self, root: Path) -> None:
        self.store = FolderStore(root)
        self.jobs = Jobs(self.store)

    def fill(self) -> None:
        self.imports()
        self.build()
        self.model()

    def imports(self) -> None:
        """A good one, and two that quote what is stored: one as an example, one as what it failed of."""
        taker, files = Taker(self.store, HeardBus(), self.jobs), csv_corpus(8, speakers=4)
        accept_import(self.store, self.jobs, tar(files))
        taker.run()
        files["manifest.csv"] = files["manifest.csv"].replace(b"number b", b"number one")
        files["manifest.csv"] += f"clips/99.wav,{NEVER_STORED * 9},s1\n".encode()
        files["clips/99.wav"] = files["clips/1.wav"]
        accept_import(self.store, self.jobs, tar(files), "other-text", max_refused_fraction=0.5)
        refused = {"differs_from_stored": 1, "too_fast_for_ctc": 1}
        assert taker.run()["refused_by_reason"] == refused
        accept_import(self.store, self.jobs, tar(files), "strict", max_refused_fraction=0.01)
        lease = self.jobs.claim(importer.KIND)
        assert lease is not None
        with pytest.raises(BadInput, match="sentence number b") as failed, lease:
            taker._run(lease.record, lease)
        lease.fail(str(failed.value), retry=False)
        sweep(self.store, self.jobs, time.time())
        sweep_chunks(self.store, self.jobs)

    @property
    def dataset(self) -> DatasetRecord:
        return dataset.list_datasets(self.store)[-1]

    def build(self) -> DatasetRecord:
        builder = DatasetBuilder(IngestConfig(), self.store, HeardBus(), self.jobs)
        self.jobs.submit(dataset.KIND, f"build-{len(self.jobs.list(dataset.KIND))}", {"max_dropped": 0.5})
        found = run_next(self.jobs, dataset.KIND, builder.run)
        return read_model(self.store, keys.dataset_record(found["dataset"]), DatasetRecord)

    def model(self) -> None:
        self.store.put("runs/r-1/run.json", json.dumps({"dataset": self.dataset.dataset}).encode())
        suspect = self.utterances()[0]
        left_out = json.dumps({"step": 3, "message": f"step 3 is left out, with {suspect}"}).encode() + b"\n"
        self.store.put("runs/r-1/metrics.jsonl", CURVE + left_out)
        for name in ("step-3.json", "step-3.safetensors"):
            self.store.put(keys.fault("r-1", name), suspect.encode())
        self.jobs.submit("train", "r-1", {"run": "r-1"})
        lease = self.jobs.claim("train")
        assert lease is not None
        lease.fail(GAVE_UP + suspect, retry=False)
        bundle = Bundle(
            model="m-1",
            run="r-1",
            dataset=self.dataset.dataset,
            created_at="",
            files={"model.onnx": hash_bytes(b"")},
            served_file="model.onnx",
            languages=["en"],
            normalizer_version=1,
            feature_version=1,
            subsampling=4,
            parameters=1,
            recipe="tiny",
        )
        write_model(self.store, keys.model_file("m-1", "bundle.json"), bundle)
        self.report()
        heard = [{"utterance": raw.utterance, "reference": raw.text} for raw in self.records("village-s1")]
        self.store.put("models/m-1/decision.json", json.dumps({"worst": heard}).encode())
        lines = [{"key": each["utterance"], **each} for each in heard]
        self.store.put(
            "models/m-1/test_hypotheses.jsonl", b"".join(json.dumps(x).encode() + b"\n" for x in lines)
        )

    def report(self) -> None:
        """What the run made of what two speakers said."""
        lines = [
            {"utterance": raw.utterance, "speaker": raw.speaker, "reference": raw.text}
            for raw in self.records("village-s1", "village-s2")
        ]
        data = b"".join(json.dumps(each).encode() + b"\n" for each in lines)
        self.store.put(keys.run_utterances("r-1"), data)
        self.store.put(keys.run_summary("r-1"), json.dumps({"worst": lines}).encode())
        self.store.put(keys.run_suspects("r-1"), json.dumps({"found": 4, "suspects": lines}).encode())

    def records(self, *speakers: str, utterances: Sequence[str] = ()) -> list[RawUtterance]:
        found = look_up(self.store, utterances, speakers).clips
        return [read_model(self.store, keys.raw_record(*vars(clip).values()), RawUtterance) for clip in found]

    def words(self, *utterances: str) -> list[str]:
        """All by which they can be known: ids, texts, hashes of the audio."""
        raws = self.records(utterances=utterances)
        return [word for raw in raws for word in (raw.utterance, raw.text, raw.audio_sha256)]

    def utterances(self, speaker: str = "village-s1") -> list[str]:
        return look_up(self.store, [], [speaker]).utterances

    def ask(self, **fields: Any) -> ingest_pb2.ForgetResponse:
        return Forgetting(self.store, self.jobs).ask(ingest_pb2.ForgetRequest(**fields))[0]

    def forget(self, **fields: Any) -> dict[str, Any]:
        self.ask(**fields)
        return run_next(self.jobs, KIND, Forgetter(self.store).run)


def copied(filled: Path, root: Path) -> World:
    shutil.copytree(filled, root, copy_function=os.link)  # objects are replaced, never changed in place
    return World(root)


def everything(store: ObjectStore) -> Iterator[tuple[str, bytes]]:
    """Every object; members of shards apart."""
    for key, content in objects(store, "").items():
        if key.endswith(".tar"):
            with tarfile.open(fileobj=io.BytesIO(content)) as archive:
                for member in archive:
                    file = archive.extractfile(member)
                    yield f"{key}/{member.name}", file.read() if file else b""
        yield key, content


def places(store: ObjectStore, words: list[str]) -> list[str]:
    """Where one of them still stands."""
    return [
        key
        for key, content in everything(store)
        if any(word in key or word.encode() in content for word in words)
    ]


def of_them(store: ObjectStore, utterances: list[str]) -> dict[str, bytes]:
    """Their own objects and members of shards."""
    return {key: data for key, data in everything(store) if any(name in key for name in utterances)}


def timeless(store: ObjectStore) -> tuple[dict[str, bytes], bytes]:
    """Every object, but of what says when only that it is there; and all that says when."""
    timed = re.compile(r"forgotten/|jobs/forget/|.*withdrawn\.json")
    found = objects(store, "")
    when = b"".join(content for key, content in found.items() if timed.match(key))
    return {key: b"" if timed.match(key) else content for key, content in found.items()}, when


def whole_row(utterance: str) -> bytes:
    row = ShardRow(
        utterance=utterance,
        audio_key="",
        text="a",
        speaker="s",
        language="en",
        source="imported",
        corpus="c",
        duration_s=1,
        audio_sha256="",
        split="train",
    )
    return row.model_dump_json().encode()
