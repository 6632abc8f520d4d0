"""The import job: counted refusals, the share that may be refused, and running it again."""

from pathlib import Path

import pytest
from ingest_corpora import HeardBus, Run, Taker, accept_import, clip, csv_corpus, raw_objects, tar

from services.ingest import chunk, plan
from services.ingest.chunk import KIND as CHUNK
from services.ingest.chunk import ChunkWorker
from services.ingest.config import IngestConfig
from services.ingest.importer import KIND
from services.ingest.refusals import read_report
from voxloom import keys
from voxloom.bus import kind_of
from voxloom.corpora.refusal import Reason
from voxloom.errors import BadInput
from voxloom.jobs import JobInterrupted, Jobs, JobWorker
from voxloom.storage import FolderStore


class World:
    def __init__(self, root: Path) -> None:
        self.store = FolderStore(root)
        self.bus = HeardBus()
        self.jobs = Jobs(self.store)
        self.taker = Taker(self.store, self.bus, self.jobs)

    def run(self) -> dict[str, object]:
        return self.taker.run()


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_an_import_stores_every_clip_and_tells_of_it(world: World) -> None:
    accept_import(world.store, world.jobs, tar(csv_corpus(5)))
    result = world.run()
    assert (result["accepted"], result["added"], result["refused"]) == (5, 5, 0)
    assert len(raw_objects(world.store)) == 10
    ready, event = world.bus.events
    assert [kind_of(each) for each in (ready, event)] == ["import_chunk_ready", "corpus_imported"]
    assert (ready.import_chunk_ready.job, ready.import_chunk_ready.chunk) == ("job", "job-00000")
    assert (event.corpus_imported.utterances, event.header.trace) == (5, "trace")
    assert event.corpus_imported.duration_s == pytest.approx(5.0)
    job = world.jobs.get(KIND, "job")
    assert (job.done, job.total, job.message) == (5, 5, "5 added")


def test_importing_the_same_again_adds_nothing(world: World) -> None:
    archive = tar(csv_corpus(4))
    accept_import(world.store, world.jobs, archive, "one")
    world.run()
    before = raw_objects(world.store)
    accept_import(world.store, world.jobs, archive, "two")
    result = world.run()
    assert (result["accepted"], result["added"], result["already_stored"]) == (4, 0, 4)
    assert raw_objects(world.store) == before


def test_refusals_are_counted_with_examples_and_listed_whole(world: World) -> None:
    files = csv_corpus(20) | {"clips/3.wav": b"", "stray.wav": clip(99)}
    accept_import(world.store, world.jobs, tar(files), max_refused_fraction=0.2)
    result = world.run()
    assert (result["accepted"], result["refused"]) == (19, 2)
    assert result["refused_by_reason"] == {Reason.NO_TRANSCRIPT: 1, Reason.UNREADABLE_AUDIO: 1}
    assert result["refused_examples"][Reason.UNREADABLE_AUDIO][0].startswith("clips/3.wav: ")  # type: ignore[index]
    assert [(line.path, line.reason) for line in read_report(world.store, "job")] == [
        ("clips/3.wav", "unreadable_audio"),
        ("stray.wav", "no_transcript"),
    ]


def test_too_many_refusals_fail_the_job_and_keep_what_is_good(world: World) -> None:
    files = csv_corpus(10) | {"clips/3.wav": b"", "clips/4.wav": b""}
    accept_import(world.store, world.jobs, tar(files), "strict")
    with pytest.raises(
        BadInput, match=r"2 of 10 clips are refused \(20.0%, allowed 10.0%\): 2 unreadable_audio"
    ):
        world.run()
    assert len(raw_objects(world.store)) == 16
    assert len(list(read_report(world.store, "strict"))) == 2
    assert [kind_of(event) for event in world.bus.events] == ["import_chunk_ready"]


def test_a_corpus_of_nothing_but_refusals_fails_whatever_is_allowed(world: World) -> None:
    accept_import(
        world.store, world.jobs, tar(csv_corpus(1) | {"clips/0.wav": b""}), max_refused_fraction=1.0
    )
    with pytest.raises(BadInput, match="1 of 1 clips are refused"):
        world.run()


def test_an_archive_without_audio_fails(world: World) -> None:
    accept_import(world.store, world.jobs, tar({"manifest.csv": b"path,text\n"}))
    with pytest.raises(BadInput, match="holds no audio"):
        world.run()


def test_a_cut_off_archive_fails_before_anything_is_stored(world: World) -> None:
    archive = tar(csv_corpus(6))
    accept_import(world.store, world.jobs, archive[:150_000], "cut")
    with pytest.raises(BadInput, match=r"cut off|cannot be read"):
        world.run()
    assert raw_objects(world.store) == {}
    accept_import(world.store, world.jobs, archive, "whole")
    assert world.run()["added"] == 6


def test_a_stopped_chunk_lets_go_after_a_batch_and_another_worker_takes_it_over(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunk, "_BATCH_CLIPS", 1)
    accept_import(world.store, world.jobs, tar(csv_corpus(6)))
    interrupted(world, KIND, world.taker.importer.run, at=0)
    interrupted(world, CHUNK, ChunkWorker(IngestConfig(ingest_threads=1), world.store).run, at=2)
    stored = len(raw_objects(world.store)) // 2
    assert 2 <= stored < 6
    assert world.run()["accepted"] == 6
    assert len(raw_objects(world.store)) == 12


def interrupted(world: World, kind: str, run: Run, at: int) -> None:
    """Runs the oldest job of the kind until so many items are done, and asks it to stop."""
    lease = world.jobs.claim(kind)
    assert lease is not None
    with lease:
        real = lease.progress

        def progress(done: int, total: int, message: str = "") -> None:
            if message == f"{at} added":
                lease.ask_to_stop()
            real(done, total, message)

        lease.progress = progress  # type: ignore[method-assign]
        with pytest.raises(JobInterrupted):
            run(lease.record, lease)
        lease.interrupt()


def test_chunks_are_taken_in_by_many_workers_and_add_up_to_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "MIN_CLIPS", 3)
    files = csv_corpus(10) | {"clips/3.wav": b"", "stray.wav": clip(99)}
    accept_import(world.store, world.jobs, tar(files), max_refused_fraction=0.5)
    others = [
        JobWorker(Jobs(world.store), CHUNK, ChunkWorker(IngestConfig(), world.store).run, lambda job: None)
        for _ in range(3)
    ]
    for other in others:
        other.start()
    result = world.run()
    assert (result["accepted"], result["refused"]) == (9, 2)
    assert [line.path for line in read_report(world.store, "job")] == ["clips/3.wav", "stray.wav"]
    assert [job.total for job in world.jobs.list(CHUNK)] == [3, 3, 3, 2]
    assert all(other.stop(5) for other in others)


def test_a_chunk_that_cannot_be_taken_in_fails_the_import_and_is_named(world: World) -> None:
    accept_import(world.store, world.jobs, tar(csv_corpus(2)))
    interrupted(world, KIND, world.taker.importer.run, at=0)
    world.store.put(keys.import_chunk("job", 0), b"nonsense")
    with pytest.raises(BadInput, match="chunk job-00000 of the import"):
        world.run()


def test_hundreds_of_hostile_members_cost_nothing(world: World) -> None:
    files = csv_corpus(1) | {f"x/{i}.wav": b"RIFF" for i in range(400)}
    accept_import(world.store, world.jobs, tar(files))
    with pytest.raises(BadInput, match="400 no_transcript"):
        world.run()
