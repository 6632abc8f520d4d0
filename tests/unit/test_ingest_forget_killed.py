"""Forgetting: whatever is killed, damaged or under way, the end is the same."""

from pathlib import Path

import pytest
from forget_world import DyingStore, World, copied, places, timeless, whole_row
from ingest_corpora import objects, run_next, tar

from services.ingest import dataset
from services.ingest.forget import KIND, Forgetter
from voxloom import keys
from voxloom.errors import BadInput, Unavailable
from voxloom.forgotten import num_withdrawn

pytestmark = pytest.mark.usefixtures("quick_disk")


def test_wherever_it_is_cut_off_the_next_run_ends_the_same(filled: Path, tmp_path: Path) -> None:
    quiet = copied(filled, tmp_path / "quiet")
    words = quiet.words(*quiet.utterances())
    quiet.forget(speakers=["village-s1"])
    assert places(quiet.store, words) == []
    wanted, _ = timeless(quiet.store)
    for changes in range(100):
        world = copied(filled, tmp_path / f"cut-{changes}")
        world.ask(speakers=["village-s1"])
        lease = world.jobs.claim(KIND)
        assert lease is not None
        dying = DyingStore(world.store, changes)
        with lease:
            try:
                lease.complete(Forgetter(dying).run(lease.record, lease))  # type: ignore[arg-type]
            except Unavailable:
                lease.interrupt()
                run_next(world.jobs, KIND, Forgetter(world.store).run)
            else:
                assert changes > 8
                return
        found, timed = timeless(world.store)
        assert found == wanted, changes
        assert not any(word.encode() in timed for word in words), changes
    raise AssertionError("it never ends")


def test_what_a_killed_build_has_left_goes(world: World) -> None:
    words = world.words(*world.utterances())
    whole = objects(world.store, f"manifests/{world.dataset.dataset}/shards/")
    for key, content in whole.items():
        world.store.put(key.replace(world.dataset.dataset, "d-killed"), content)
    world.store.put(keys.shard("d-other", "train", 0), tar({"u-9.json": whole_row("u-9")}))
    world.forget(speakers=["village-s1"])
    assert places(world.store, words) == []
    assert objects(world.store, "manifests/d-killed/") == {}
    assert len(objects(world.store, "manifests/d-other/")) == 1


def test_a_build_that_is_under_way_is_waited_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    words = world.words(*world.utterances())
    late = objects(world.store, f"manifests/{world.dataset.dataset}/")
    world.jobs.submit(dataset.KIND, "late", {"max_dropped": 0.5})
    build = world.jobs.claim(dataset.KIND)
    assert build is not None

    def end(seconds: float) -> None:
        """The build began before: what it writes now still holds what is withdrawn."""
        assert seconds > 0
        assert objects(world.store, "raw/imported/village-s1/") == {}
        for key, content in late.items():
            world.store.put(key.replace(world.dataset.dataset, "d-late"), content)
        build.complete({})

    monkeypatch.setattr("services.ingest.forget.time.sleep", end)
    assert world.forget(speakers=["village-s1"])["datasets"]["d-late"] == 2
    assert places(world.store, words) == []


def test_damage_in_one_dataset_holds_up_no_other_and_it_can_be_asked_again(world: World) -> None:
    words, name = world.words(*world.utterances()), world.dataset.dataset
    for key, content in objects(world.store, f"manifests/{name}/").items():
        world.store.put(key.replace(name, "d-0"), content)
    damaged = [key for key in objects(world.store, "manifests/d-0/") if key.endswith(".tar")]
    for key in damaged:
        world.store.put(key, b"no tar" * 500)
    with pytest.raises(BadInput, match=r"manifests/d-0/shards/.* is damaged.*forget it again"):
        world.forget(speakers=["village-s1"])
    assert num_withdrawn(world.store, keys.withdrawn(f"manifests/{name}")) == 2
    world.jobs.remove(KIND, world.jobs.list(KIND)[0].id)
    for key in damaged:
        world.store.delete(key)
    world.forget(speakers=["village-s1"])
    assert places(world.store, words) == []
