"""A corpus on its way in: the tar goes to the store as it comes, then an import job is accepted for it."""

import hashlib
import itertools
import time
import uuid
from collections.abc import Callable, Iterable, Iterator

from services.ingest import importer
from services.ingest.chunk import KIND as CHUNK
from services.ingest.corpus import ImportSpec
from voxloom import keys
from voxloom.errors import BadInput, Exhausted
from voxloom.forgotten import changed_at
from voxloom.jobs import JobRecord, Jobs, JobState
from voxloom.storage import ObjectStore, list_all

_ORPHAN_AFTER_S = 86_400.0
_NOT_TAR = {
    b"\x1f\x8b": "gzip",
    b"PK\x03\x04": "zip",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\x28\xb5\x2f\xfd": "zstandard",
}


def receive(store: ObjectStore, chunks: Iterable[bytes], max_bytes: int) -> tuple[str, str]:
    """Stores the tar; returns its key and the hash of its content. Nothing stays when `chunks` raises."""
    key = new_key()
    digest = hashlib.sha256()
    store.put_stream(key, _checked(chunks, digest.update, max_bytes))
    return key, digest.hexdigest()


def await_fetch(jobs: Jobs, spec: ImportSpec) -> JobRecord:
    """The import job of an archive that the service itself will fetch; the same wish joins an open one."""
    for job in jobs.list(importer.KIND):
        known = {**job.spec, "upload": ""}
        if job.state in (JobState.ACCEPTED, JobState.RUNNING) and known == spec.model_dump():
            return job
    name = f"{keys.slug(spec.corpus)}-{uuid.uuid4().hex[:12]}"
    fields = spec.model_copy(update={"upload": new_key()}).model_dump()
    return jobs.submit(importer.KIND, name, fields, uuid.uuid4().hex)


def new_key() -> str:
    return keys.upload(f"u-{int(time.time())}-{uuid.uuid4().hex[:12]}")


def accept(store: ObjectStore, jobs: Jobs, spec: ImportSpec, key: str, digest: str) -> JobRecord:
    """The import job of this content. The same upload again is the same job, unless that one has failed, or
    something was forgotten or let come back since it ended."""
    asked = hashlib.sha256(f"{spec.model_dump_json()}\n{digest}".encode()).hexdigest()[:12]
    base = f"{keys.slug(spec.corpus)}-{asked}"
    trace = uuid.uuid4().hex
    for attempt in itertools.count(1):
        job_id = base if attempt == 1 else f"{base}-{attempt}"
        fields = spec.model_copy(update={"upload": key}).model_dump()
        job = jobs.submit(importer.KIND, job_id, fields, trace)
        if job.spec.get("upload") == key:
            return job
        overtaken = job.state is JobState.DONE and job.updated_at < changed_at(store)
        if job.state is not JobState.FAILED and not overtaken:
            break
    store.delete(key)
    return job


def sweep(store: ObjectStore, jobs: Jobs, now_s: float) -> None:
    """Removes the uploads of finished imports, and those a day old that no import knows. While there is a job
    record that cannot be read, no upload counts as unknown."""
    states = {job.spec.get("upload"): job.state for job in jobs.list(importer.KIND)}
    all_known = not jobs.unreadable(importer.KIND)
    for info in list_all(store, "uploads/"):
        state = states.get(info.key)
        orphan = state is None and all_known and now_s - _received_at(info.key) > _ORPHAN_AFTER_S
        if orphan or state in (JobState.DONE, JobState.FAILED):
            store.delete(info.key)


def sweep_chunks(store: ObjectStore, jobs: Jobs) -> None:
    """Removes the chunk jobs of imports that have ended, and the lists and outcomes beside their plan."""
    imports = {job.id: job.state for job in jobs.list(importer.KIND)}
    all_known = not jobs.unreadable(importer.KIND)
    ended = set()
    for each in jobs.list(CHUNK):
        parent = str(each.spec.get("job"))
        state = imports.get(parent)
        if state in (JobState.DONE, JobState.FAILED) or (state is None and all_known):
            ended.add(parent)
            jobs.remove(CHUNK, each.id)
    for parent in ended:
        for info in list_all(store, f"{keys.IMPORT_REPORTS}{parent}/"):
            store.delete(info.key)


def _received_at(key: str) -> float:
    """From the key's own time; 0 for a key that none of us made."""
    parts = key.split("-")
    return float(parts[1]) if len(parts) > 1 and parts[1].isdigit() else 0.0


def _checked(chunks: Iterable[bytes], update: Callable[[bytes], None], max_bytes: int) -> Iterator[bytes]:
    received = 0
    for chunk in chunks:
        if received == 0:
            _check_start(chunk)
        received += len(chunk)
        if received > max_bytes:
            raise Exhausted(
                f"the archive is larger than {max_bytes / 2**30:g} GiB; import it in parts with names of "
                "their own, or raise VOXLOOM_IMPORT_MAX_GIB"
            )
        update(chunk)
        yield chunk
    if received == 0:
        raise BadInput("no archive was sent; expected `tar` messages after the spec")


def _check_start(chunk: bytes) -> None:
    for magic, name in _NOT_TAR.items():
        if chunk.startswith(magic):
            raise BadInput(f"the archive is {name}, expected a plain tar: unpack it, or use `voxloom import`")
