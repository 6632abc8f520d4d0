"""How an upload becomes a job, what is asked of its spec, and what becomes of leftovers."""

import math
from pathlib import Path

import pytest
from ingest_corpora import objects, run_next, spec

from services.ingest import importer, messages, uploads
from services.ingest.chunk import KIND as CHUNK
from services.ingest.chunk import chunk_id
from voxloom import keys
from voxloom.errors import BadInput, Exhausted
from voxloom.jobs import JobRecord, Jobs, JobState
from voxloom.storage import FolderStore
from voxloom.v1 import ingest_pb2

MIB = 2**20


class World:
    def __init__(self, root: Path) -> None:
        self.store = FolderStore(root)
        self.jobs = Jobs(self.store)

    def send(self, data: bytes = b"tar", **fields: object) -> JobRecord:
        key, digest = uploads.receive(self.store, iter([data[:1], data[1:]]), MIB)
        return uploads.accept(self.store, self.jobs, spec(upload="", **fields), key, digest)

    def uploads(self) -> set[str]:
        return set(objects(self.store, "uploads/"))

    def end(self, error: str = "") -> None:
        if not error:
            run_next(self.jobs, importer.KIND, lambda record, lease: {})
            return
        lease = self.jobs.claim(importer.KIND)
        assert lease is not None
        with lease:
            lease.fail(error, retry=False)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_the_same_upload_again_is_the_same_job(world: World) -> None:
    first, again = world.send(), world.send()
    assert first == again
    assert first.id.startswith("village-")
    assert world.uploads() == {first.spec["upload"]}
    world.end()
    assert world.send().id == first.id


def test_another_content_or_wish_is_another_job(world: World) -> None:
    ids = {
        world.send().id,
        world.send(b"other").id,
        world.send(language="cy").id,
        world.send(corpus="town").id,
    }
    assert len(ids) == 4


def test_after_a_failure_the_same_upload_gets_another_try(world: World) -> None:
    first = world.send()
    world.end(error="the disk was full")
    second = world.send()
    assert second.id == f"{first.id}-2"
    assert second.state is JobState.ACCEPTED


def test_an_upload_that_breaks_off_leaves_nothing(world: World) -> None:
    def broken():  # type: ignore[no-untyped-def]
        yield b"some"
        raise Exhausted("gone")

    with pytest.raises(Exhausted):
        uploads.receive(world.store, broken(), MIB)
    assert world.uploads() == set()


@pytest.mark.parametrize(
    "start", [b"\x1f\x8b\x08", b"PK\x03\x04", b"BZh9", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd"]
)
def test_compressed_archives_are_refused_at_once(world: World, start: bytes) -> None:
    with pytest.raises(BadInput, match="expected a plain tar"):
        uploads.receive(world.store, iter([start + bytes(100)]), MIB)


def test_too_much_and_nothing_are_refused(world: World) -> None:
    with pytest.raises(Exhausted, match="larger than"):
        uploads.receive(world.store, iter([bytes(MIB), b"x"]), MIB)
    with pytest.raises(BadInput, match="no archive"):
        uploads.receive(world.store, iter([]), MIB)
    assert world.uploads() == set()


def test_the_sweep_removes_what_no_import_needs(world: World) -> None:
    job = world.send()
    world.store.put("uploads/u-1000-orphan.tar", b"old")
    fresh, _ = uploads.receive(world.store, iter([b"still coming"]), MIB)
    now_s = uploads._received_at(fresh)
    uploads.sweep(world.store, world.jobs, now_s)
    assert world.uploads() == {job.spec["upload"], fresh}
    world.end()
    uploads.sweep(world.store, world.jobs, now_s)
    assert world.uploads() == {fresh}


def test_no_upload_is_an_orphan_while_a_job_cannot_be_read(world: World) -> None:
    world.store.put("uploads/u-1000-orphan.tar", b"of a job of a newer release")
    world.store.put("jobs/import/newer.json", b'{"schema_version": 2}')
    uploads.sweep(world.store, world.jobs, 1e9)
    assert world.uploads() == {"uploads/u-1000-orphan.tar"}


def message(**fields: object) -> ingest_pb2.ImportSpec:
    values = {"corpus": "village", "format": ingest_pb2.CORPUS_FORMAT_CSV} | fields
    return ingest_pb2.ImportSpec(**values)


def test_a_spec_has_defaults() -> None:
    found = messages.import_spec(message())
    assert (found.language, found.max_refused_fraction, found.source) == ("en", 0.1, "imported")


@pytest.mark.parametrize(
    "fields",
    [
        {"corpus": ""},
        {"corpus": "  "},
        {"corpus": "own"},
        {"corpus": "x" * 101},
        {"corpus": "a\nb"},
        {"format": ingest_pb2.CORPUS_FORMAT_UNSPECIFIED},
        {"format": 99},
        {"language": "not a tag"},
        {"max_refused_fraction": 1.5},
        {"max_refused_fraction": -0.1},
        {"max_refused_fraction": math.nan},
        {"format": ingest_pb2.CORPUS_FORMAT_FOLDER, "keep_published_split": True},
    ],
)
def test_a_spec_is_checked(fields: dict[str, object]) -> None:
    with pytest.raises(BadInput):
        messages.import_spec(message(**fields))


def test_job_messages(world: World) -> None:
    world.send()
    result = {"accepted": 7, "refused": 1, "refused_by_reason": {"silent": 1}}
    run_next(world.jobs, importer.KIND, lambda record, lease: result)
    (job,) = world.jobs.list(importer.KIND)
    found = messages.job_message(job, {"silent": 1})
    assert (found.state, found.accepted_utterances, found.refused_utterances) == (
        ingest_pb2.JOB_STATE_DONE,
        7,
        1,
    )
    assert dict(found.refused_by_reason) == {"silent": 1}
    failed = job.model_copy(
        update={"state": JobState.FAILED, "result": {}, "done": 8, "error": "why", "failures": 1}
    )
    found = messages.job_message(failed, {"silent": 5})
    assert (found.accepted_utterances, found.refused_utterances, found.attempts) == (3, 5, 1)


def test_the_lists_of_an_ended_import_are_swept_away_and_those_of_an_open_one_stay(world: World) -> None:
    ended, open_job = world.send(corpus="ended"), world.send(corpus="open")
    for job in (open_job, ended):
        world.jobs.submit(CHUNK, chunk_id(job.id, 0), {"job": job.id})
        world.store.put(keys.import_chunk(job.id, 0), b"{}")
        world.store.put(keys.import_report(job.id), b"")
    world.jobs.submit(CHUNK, "orphan-00000", {"job": "orphan"})
    world.end()
    uploads.sweep_chunks(world.store, world.jobs)
    assert [job.id for job in world.jobs.list(CHUNK)] == [chunk_id(open_job.id, 0)]
    left = objects(world.store, "imports/")
    assert keys.import_chunk(open_job.id, 0) in left
    assert keys.import_chunk(ended.id, 0) not in left
    assert keys.import_report(ended.id) in left
