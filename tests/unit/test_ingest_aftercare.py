"""After a forget job has ended: no names in its record, and nothing that was written late of what is gone."""

import json
from typing import Any

import pytest
from forget_world import World, places
from ingest_corpora import objects, run_next

from services.ingest.aftercare import Aftercare
from services.ingest.forget import KIND, Forgetter
from services.ingest.rewrite import rewrite_document
from voxloom import keys
from voxloom.errors import BadInput
from voxloom.forgotten import num_withdrawn
from voxloom.job_lease import JobState
from voxloom.jobs import JobRecord, Jobs, JobWorker
from voxloom.storage import FolderStore, ObjectStore

VOICE = "village-s1"
BROKEN = "d-0"


def fail(world: World, job_runs: Any = None) -> JobRecord:
    """Runs the oldest job to its failure, as a worker does."""
    failed: list[JobRecord] = []
    worker = JobWorker(world.jobs, KIND, job_runs or Forgetter(world.store).run, failed.append)
    lease = world.jobs.claim(KIND)
    assert lease is not None
    worker._work(lease)
    [record] = failed
    assert record.state is JobState.FAILED
    return record


def damage(world: World) -> list[str]:
    """A second dataset of the same rows; keys of its shards, which are no tars."""
    name = world.dataset.dataset
    for key, content in objects(world.store, f"manifests/{name}/").items():
        world.store.put(key.replace(name, BROKEN), content)
    damaged = [key for key in objects(world.store, f"manifests/{BROKEN}/") if key.endswith(".tar")]
    for key in damaged:
        world.store.put(key, b"no tar" * 500)
    return damaged


def finish(world: World, kind: str) -> None:
    """A job of another service that was under way ends."""
    number = len(world.jobs.list(kind))
    world.jobs.submit(kind, f"{kind}-{number}", {})
    run_next(world.jobs, kind, lambda job, lease: {})


def test_a_failed_job_keeps_no_names_and_can_be_asked_again(world: World) -> None:
    words, damaged = [*world.words(*world.utterances()), VOICE], damage(world)
    world.ask(speakers=[VOICE])
    assert VOICE in json.dumps(fail(world).spec)
    Aftercare(world.store, world.jobs).step()
    found = objects(world.store, "")
    left = [key for key in found if any(word.encode() in found[key] for word in words)]
    assert {key.split("/")[1] for key in left} == {BROKEN}
    for key in damaged:
        world.store.delete(key)
    world.forget(speakers=[VOICE])
    assert [job.state for job in world.jobs.list(KIND)] == [JobState.FAILED, JobState.DONE]
    assert places(world.store, words) == []


def test_names_leave_what_the_job_failed_of(world: World) -> None:
    def run(job: JobRecord, lease: object) -> dict[str, Any]:
        raise BadInput(f"raw/imported/{VOICE}/{gone}.json cannot be read; so cannot {VOICE}-2/x.json")

    gone = world.utterances()[0]
    world.ask(utterances=[gone])
    fail(world, run)
    Aftercare(world.store, world.jobs).step()
    [job] = world.jobs.list(KIND)
    told = "raw/imported/(withdrawn)/(withdrawn).json cannot be read; so cannot village-s1-2/x.json"
    assert job.error == told


def test_the_names_of_a_job_whose_worker_died_too_often_go_too(world: World) -> None:
    jobs = Jobs(world.store, lease_s=0.0, max_claims=0)
    world.ask(speakers=[VOICE])
    for _ in range(2):
        lease = jobs.claim(KIND)
    assert lease is not None
    JobWorker(jobs, KIND, Forgetter(world.store).run, lambda job: None)._work(lease)
    Aftercare(world.store, world.jobs).step()
    [job] = world.jobs.list(KIND)
    assert "died" in job.error
    assert VOICE not in job.model_dump_json()
    world.forget(speakers=[VOICE])
    assert places(world.store, [VOICE]) == []


def test_a_job_that_is_open_keeps_what_it_needs(world: World) -> None:
    words = world.words(*world.utterances())
    world.ask(speakers=[VOICE])
    before = objects(world.store, "jobs/forget/")
    Aftercare(world.store, world.jobs).step()
    assert objects(world.store, "jobs/forget/") == before
    run_next(world.jobs, KIND, Forgetter(world.store).run)
    assert places(world.store, words) == []


def test_what_a_training_or_a_measurement_writes_late_goes_when_it_ends(world: World) -> None:
    """They read their rows before the job, and write what they heard after it."""
    words = world.words(*world.utterances())
    late = objects(world.store, "models/m-1/") | objects(world.store, "runs/r-1/")
    kept = {"key": "u-kept", "utterance": "u-kept", "reference": "kept"}
    aftercare = Aftercare(world.store, world.jobs)
    world.forget(speakers=[VOICE])
    aftercare.step()
    for key, content in late.items():
        if key.endswith("test_hypotheses.jsonl"):
            content += json.dumps(kept).encode() + b"\n"
        world.store.put(key, content)
        if key.startswith("models/"):
            world.store.put(key.replace("m-1", "m-late"), content)
            if "bundle" not in key:
                world.store.put(key.replace("m-1", "m-killed"), content)
    finish(world, "train")
    finish(world, "optimize")
    aftercare.step()
    assert places(world.store, words) == []
    curve = [json.loads(line) for line in world.store.get("runs/r-1/metrics.jsonl").splitlines()]
    assert [line["step"] for line in curve] == [1, 2, 3]
    assert curve[1] == {"step": 2, "example_reference": "", "example_hypothesis": "", "examples": []}
    for model in ("m-1", "m-late", "m-killed"):
        [line] = world.store.get(keys.model_file(model, "test_hypotheses.jsonl")).splitlines()
        assert json.loads(line) == kept
    assert num_withdrawn(world.store, keys.withdrawn("models/m-late")) == 2


class Counting(FolderStore):
    reads = 0

    def get_with_etag(self, key: str) -> tuple[bytes, str]:
        self.reads += key.startswith(("models/", "runs/", "manifests/"))
        return super().get_with_etag(key)


def test_nothing_is_gone_through_again_while_no_job_has_changed(world: World) -> None:
    store = Counting(world.store._root)
    first, second = (Aftercare(store, Jobs(store)) for _ in range(2))
    first.step()
    assert store.reads == 0  # nothing was ever forgotten
    world.forget(speakers=[VOICE])
    first.step()
    reads = store.reads
    assert reads > 0
    first.step()
    assert store.reads == reads
    finish(world, "optimize")
    first.step()
    assert store.reads == 2 * reads
    second.step()  # another process, or this one started again
    assert store.reads == 3 * reads


def test_damage_in_one_model_holds_up_no_other_and_is_told(world: World) -> None:
    words = world.words(*world.utterances())
    late = world.store.get("models/m-1/decision.json")
    world.forget(speakers=[VOICE])
    world.store.put("models/m-0/test_hypotheses.jsonl", b"no json\n")
    world.store.put("models/m-1/decision.json", late)
    with pytest.raises(BadInput, match=r"models/m-0/test_hypotheses\.jsonl"):
        Aftercare(world.store, world.jobs).step()
    assert places(world.store, words) == []


def test_what_another_writes_while_a_document_is_rewritten_stays(world: World) -> None:
    class Racing:
        """A store in which somebody is faster, once."""

        raced = False

        def __getattr__(self, name: str) -> Any:
            return getattr(world.store, name)

        def put(self, key: str, data: bytes, **conditions: Any) -> str:
            if not self.raced:
                self.raced = True
                world.store.put(key, json.dumps({"worst": ["gone", "kept"], "outcome": "promoted"}).encode())
            return world.store.put(key, data, **conditions)

    world.store.put("models/m-9/decision.json", b'{"worst": ["gone"]}')
    store: ObjectStore = Racing()  # type: ignore[assignment]
    rewrite_document(store, "models/m-9/decision.json", lambda item: item == "gone")
    found = json.loads(world.store.get("models/m-9/decision.json"))
    assert found == {"worst": ["kept"], "outcome": "promoted"}
