"""Small corpora as tars, good and hostile, for the tests of ingest."""

import io
import tarfile
from collections.abc import Callable, Mapping
from typing import Any

from voices import encoded, speech

from services.ingest.chunk import KIND as CHUNK
from services.ingest.chunk import ChunkWorker
from services.ingest.config import IngestConfig
from services.ingest.corpus import ImportSpec
from services.ingest.importer import KIND, Importer
from voxloom.bus import MemoryBus
from voxloom.jobs import JobRecord, Jobs, JobWorker, Lease
from voxloom.storage import ObjectStore, list_all
from voxloom.v1.events_pb2 import Event

Files = Mapping[str, bytes]


class HeardBus(MemoryBus):
    """Keeps what was published."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[Event] = []

    def publish(self, event: Event) -> None:
        super().publish(event)
        self.events.append(event)


def clip(seed: int, seconds: float = 1.0, container: str = "WAV") -> bytes:
    """A second of something like speech; every seed is another recording."""
    return encoded(speech(seconds, seed=seed), container)


def tar(files: Files, *members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    """The files in order, then the given members, headers as they are."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in files.items():
            archive.addfile(member(name, content), io.BytesIO(content))
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def member(name: str, content: bytes = b"", **fields: Any) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for field, value in fields.items():
        setattr(info, field, value)
    return info


def csv_corpus(num_clips: int, *, speakers: int = 3) -> dict[str, bytes]:
    """manifest.csv and clips of sentences that all differ."""
    rows = [f"clips/{i}.wav,sentence number {_word(i)},s{i % speakers}" for i in range(num_clips)]
    files = {"manifest.csv": "\n".join(["path,text,speaker", *rows, ""]).encode()}
    return files | {f"clips/{i}.wav": clip(i) for i in range(num_clips)}


def spec(**fields: Any) -> ImportSpec:
    return ImportSpec(**({"corpus": "village", "format": "csv", "upload": "uploads/u.tar"} | fields))


def accept_import(
    store: ObjectStore, jobs: Jobs, archive: bytes, job_id: str = "job", **fields: Any
) -> JobRecord:
    """The upload and the job record, as the servicer leaves them."""
    wanted = spec(upload=f"uploads/{job_id}.tar", **fields)
    store.put(wanted.upload, archive)
    return jobs.submit(KIND, job_id, wanted.model_dump(), "trace")


class Taker:
    """An import worker with a chunk worker beside it, as in a service."""

    def __init__(self, store: ObjectStore, bus: MemoryBus, jobs: Jobs, **config: Any) -> None:
        settings = IngestConfig(ingest_threads=2, **config)
        self._jobs = jobs
        self._take_chunk = ChunkWorker(settings, store).run
        self.importer = Importer(settings, store, bus, jobs, lambda: None)

    def run(self) -> dict[str, Any]:
        """Claims and runs the oldest import; exceptions come out."""
        return run_next(self._jobs, KIND, self._run)

    def _run(self, job: JobRecord, lease: Lease) -> dict[str, Any]:
        worker = JobWorker(self._jobs, CHUNK, self._take_chunk, lambda job: None)
        self.importer._wake = worker.wake
        worker.start()
        try:
            return self.importer.run(job, lease)
        finally:
            worker.stop(10)


Run = Callable[[JobRecord, Lease], dict[str, Any]]


def run_next(jobs: Jobs, kind: str, run: Run) -> dict[str, Any]:
    """Claims and runs the oldest job, as a worker does; exceptions come out."""
    lease = jobs.claim(kind)
    assert lease is not None
    with lease:
        result = run(lease.record, lease)
        lease.complete(result)
    return result


def raw_objects(store: ObjectStore) -> dict[str, bytes]:
    return objects(store, "raw/")


def objects(store: ObjectStore, prefix: str) -> dict[str, bytes]:
    return {info.key: store.get(info.key) for info in list_all(store, prefix)}


def _word(number: int) -> str:
    """0 -> 'a', 25 -> 'z', 26 -> 'ba': letters only, as sentences have."""
    letters = ""
    while True:
        letters = chr(ord("a") + number % 26) + letters
        number //= 26
        if not number:
            return letters
