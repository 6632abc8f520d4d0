"""The retrain policy: the pure decision, and what it makes of a real store, jobs and a clock."""

import threading
from pathlib import Path

import pytest
from ingest_corpora import run_next

from services.ingest import dataset, importer
from services.ingest.policy import Decision, Seen, Thresholds, decide, obstacle
from services.ingest.retrain import Alarm, Retrain
from voxloom import keys
from voxloom.errors import Unavailable
from voxloom.jobs import Jobs, JobState
from voxloom.reviews import Review, Reviews
from voxloom.storage import FolderStore, write_model

THRESHOLDS = Thresholds(first=100, new=50, quiet_s=10)
QUIET = 11.0


def decision(**seen: object) -> Decision:
    return decide(Seen(**({"quiet_s": QUIET} | seen)), THRESHOLDS)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("seen", "build", "why"),
    [
        (
            {"stored": 99},
            False,
            "99 new utterances are stored, 100 are needed for the first dataset; 1 to go.",
        ),
        ({"stored": 100}, True, "due now"),
        ({"stored": 149, "built": 100}, False, "49 new utterances are stored, 50 are needed for the next"),
        ({"stored": 150, "built": 100}, True, "due now"),
        ({"stored": 40, "built": 100}, False, "0 new utterances"),
        ({"stored": 0}, False, "100 to go"),
        ({"stored": 100, "quiet_s": 3.0}, False, "once nothing has come for 10 s"),
        ({"stored": 100, "open_imports": 2}, False, "waits for 2 import(s)"),
        ({"stored": 100, "open_builds": 1}, False, "one is being built"),
        ({"stored": 100, "failed": "disk full"}, False, "building failed: disk full"),
    ],
)
def test_decisions(seen: dict[str, object], build: bool, why: str) -> None:
    found = decision(**seen)
    assert found.build is build
    assert why in found.summary


def test_needed_is_the_threshold_and_new_what_came_since() -> None:
    assert (decision(stored=30).new, decision(stored=30).needed) == (30, 100)
    assert (decision(stored=130, built=100).new, decision(stored=130, built=100).needed) == (30, 50)


def test_obstacles_say_when_to_look_again() -> None:
    assert obstacle(Seen(quiet_s=4), THRESHOLDS) == ("it is built once nothing has come for 10 s", 6.0)
    assert obstacle(Seen(quiet_s=QUIET), THRESHOLDS) is None
    waiting = obstacle(Seen(quiet_s=QUIET, open_imports=1), Thresholds(1, 1, 0))
    assert waiting is not None
    assert waiting.look_again_s == 1.0


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class World:
    """A real store and real jobs; the policy wants 3 utterances first, then 2 more, after 5 quiet seconds."""

    def __init__(self, root: Path) -> None:
        self.store = FolderStore(root)
        self.jobs = Jobs(self.store)
        self.clock = Clock()
        self.wakes = 0
        self.retrain = self.start()

    def start(self) -> Retrain:
        return Retrain(self.store, self.jobs, Thresholds(3, 2, 5), self._woken, self.clock)

    def _woken(self) -> None:
        self.wakes += 1

    def add(self, *names: str) -> None:
        for name in names:
            self.store.put(f"raw/user_recorded/me/{name}.wav", b"")
            self.store.put(f"raw/user_recorded/me/{name}.json", b"{}")
        self.retrain.changed("trace")

    def step(self, after_s: float = 0.0) -> list[str]:
        self.clock.now += after_s
        self.retrain.step()
        self.retrain._alarm.set(3600)  # the test is the clock
        return [job.id for job in self.jobs.list(dataset.KIND)]

    def build(self, dataset_id: str, stored: int) -> None:
        run_next(self.jobs, dataset.KIND, lambda record, lease: {"dataset": dataset_id, "stored": stored})


@pytest.fixture
def world(tmp_path: Path):  # type: ignore[no-untyped-def]
    made = World(tmp_path)
    yield made
    made.retrain.close()


def test_the_first_dataset_is_submitted_once_it_is_quiet(world: World) -> None:
    world.add("a", "b", "c")
    assert world.step() == []
    assert world.step(after_s=4.9) == []
    assert world.step(after_s=0.2) == ["auto-first-3"]
    assert world.wakes == 1
    assert world.jobs.get(dataset.KIND, "auto-first-3").trace == "trace"


def test_a_change_begins_the_quiet_time_anew(world: World) -> None:
    world.add("a", "b", "c")
    world.step(after_s=4)
    world.add("d")
    assert world.step(after_s=4) == []
    assert world.step(after_s=2) == ["auto-first-4"]


def test_reconciling_again_submits_nothing_twice(world: World) -> None:
    world.add("a", "b", "c")
    assert world.step(after_s=6) == world.step() == ["auto-first-3"]
    world.build("d-1", 3)
    assert world.step(after_s=60) == ["auto-first-3"]
    other = world.start()
    world.clock.now += 60
    other.step()
    assert len(world.jobs.list(dataset.KIND)) == 1


def test_the_next_dataset_comes_after_enough_news(world: World) -> None:
    world.add("a", "b", "c")
    world.step(after_s=6)
    world.build("d-1", 3)
    world.add("d")
    assert world.step(after_s=6) == ["auto-first-3"]
    world.add("e")
    assert world.step(after_s=6) == ["auto-first-3", "auto-d-1-5"]


def test_news_that_changed_no_dataset_is_not_built_again_and_again(world: World) -> None:
    world.add("a", "b", "c")
    world.step(after_s=6)
    world.build("d-1", 3)
    world.add("copy1", "copy2")
    world.step(after_s=6)
    world.build("d-1", 5)  # duplicates: the same dataset
    assert len(world.step(after_s=60)) == 2


def test_a_failed_build_is_tried_again_when_the_data_changes(world: World) -> None:
    world.add("a", "b", "c")
    world.step(after_s=6)
    lease = world.jobs.claim(dataset.KIND)
    assert lease is not None
    with lease:
        lease.fail("nothing to train on", retry=False)
    assert world.step(after_s=60) == ["auto-first-3"]
    assert "building failed: nothing to train on" in world.retrain.look()[1].summary
    world.add("d")
    assert world.step(after_s=60) == ["auto-first-3", "auto-first-4"]


def test_a_lost_event_is_found_by_the_clock(world: World) -> None:
    world.add("a")
    world.step(after_s=6)
    world.store.put("raw/imported/x/b.json", b"{}")
    world.store.put("raw/imported/x/c.json", b"{}")
    assert world.step(after_s=60) == []  # seen, and the quiet time begins
    assert world.step(after_s=6) == ["auto-first-3"]


def test_an_open_import_holds_the_dataset_back(world: World) -> None:
    world.jobs.submit(importer.KIND, "i", {})
    world.add("a", "b", "c")
    assert world.step(after_s=60) == []
    run_next(world.jobs, importer.KIND, lambda record, lease: {})
    assert world.jobs.get(importer.KIND, "i").state is JobState.DONE
    assert world.step() == ["auto-first-3"]


def test_recording_does_not_list_the_store_at_each_event(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = []
    real = world.store.list_page
    monkeypatch.setattr(
        world.store, "list_page", lambda prefix, **kw: listed.append(prefix) or real(prefix, **kw)
    )
    for number in range(20):
        world.add(f"u{number}")
        world.step(after_s=1)
    assert "raw/" not in listed


def test_look_tells_what_people_want_to_know(world: World) -> None:
    world.add("a", "b", "c")
    world.step(after_s=6)
    world.build("d-1", 3)
    world.add("d")
    latest, found = world.retrain.look()
    assert (latest, found.new, found.needed) == ("d-1", 1, 2)


def test_the_alarm_rings_once_and_survives_a_store_that_is_down() -> None:
    rung = threading.Event()

    def ring() -> None:
        rung.set()
        raise Unavailable("the store is down")

    alarm = Alarm(ring)
    alarm.set(3600)
    alarm.set(0.01)
    assert rung.wait(2)
    alarm.cancel()
    rung.clear()
    alarm.set(0.01)
    assert not rung.wait(0.05)


def test_an_experiment_changes_nothing_for_the_next_dataset(world: World) -> None:
    world.jobs.submit(dataset.KIND, "asked", {"max_dropped": 0.3})
    world.build("d-1", 3)
    world.add("a", "b", "c")
    before = world.retrain.look()
    mix = {"name": "own-only", "sources": {"own": {}}}
    world.jobs.submit(dataset.KIND, "tried", {"mix": mix, "max_dropped": 0.9, "experiment": True})
    world.build("x-2", 3)
    assert world.retrain.look() == before
    world.add("d", "e")
    world.step(after_s=6)
    assert world.jobs.get(dataset.KIND, "auto-d-1-5").spec == {"max_dropped": 0.3}


def test_the_next_dataset_is_asked_for_as_the_latest_was(world: World) -> None:
    spec = {"mix": {"name": "m", "sources": {"own": {"max": 3}}}, "max_dropped": 0.3}
    world.jobs.submit(dataset.KIND, "asked", spec)
    world.build("d-1", 0)
    world.add("a", "b", "c")
    world.step(after_s=6)
    assert world.jobs.get(dataset.KIND, "auto-d-1-3").spec == spec


def test_takes_that_were_rejected_are_no_news_and_reviewing_is_no_quiet(world: World) -> None:
    world.add("a", "b", "c", "d")
    world.step(after_s=4)
    reject(world, "a")
    assert world.step(after_s=2) == ["auto-first-3"]
    world.build("d-1", 3)
    world.add("e", "f")
    world.step(after_s=4)
    reject(world, "a", "e")
    assert world.step(after_s=2) == ["auto-first-3"]  # one is new
    assert "1 new utterances are stored, 2 are needed" in world.retrain.look()[1].summary
    reject(world)
    assert world.step(after_s=2) == ["auto-first-3"]  # somebody is reviewing
    assert world.step(after_s=4) == ["auto-first-3"]
    assert set(world.step(after_s=2)) == {"auto-d-1-6", "auto-first-3"}


def reject(world: World, *names: str) -> None:
    takes = {name: Review(verdict="rejected", reason="noise", at="") for name in names}
    write_model(world.store, keys.reviews("me"), Reviews(speaker="me", takes=takes))
