"""Forgetting: what was withdrawn does not come back, until that is wanted."""

from pathlib import Path

from forget_world import World, places
from ingest_corpora import HeardBus, Taker, accept_import, csv_corpus, objects, tar
from store_maker import Watched

from voxloom.forgotten import ForgetSpec, Voice, bury
from voxloom.jobs import Jobs


def test_it_does_not_come_back_until_that_is_wanted(world: World) -> None:
    world.forget(speakers=["s1"])
    accept_import(world.store, world.jobs, tar(csv_corpus(8, speakers=4)), "again")
    result = Taker(world.store, HeardBus(), world.jobs).run()
    assert (result["accepted"], result["refused_by_reason"]) == (6, {"forgotten": 2})
    world.ask(speakers=["imported/village-s1"], undo=True)
    accept_import(world.store, world.jobs, tar(csv_corpus(8, speakers=4)), "third")
    assert Taker(world.store, HeardBus(), world.jobs).run()["added"] == 2


def test_an_import_deletes_what_a_backup_brought_back(world: World) -> None:
    back = objects(world.store, "raw/imported/village-s1/")
    world.forget(speakers=["village-s1"])
    for key, content in back.items():
        world.store.put(key, content)
    accept_import(world.store, world.jobs, tar(csv_corpus(8, speakers=4)), "again")
    assert Taker(world.store, HeardBus(), world.jobs).run()["refused_by_reason"] == {"forgotten": 2}
    assert objects(world.store, "raw/imported/village-s1/") == {}


def test_what_is_withdrawn_while_it_comes_in_does_not_stay(tmp_path: Path) -> None:
    store = Watched(tmp_path)
    jobs, spec = Jobs(store), ForgetSpec(voices=[Voice(source="imported", speaker="village-s1")])

    def bury_once(key: str) -> None:
        if key.startswith("raw/"):
            store.before_write = lambda key: None
            bury(store, spec, "")

    store.before_write = bury_once
    accept_import(store, jobs, tar(csv_corpus(8, speakers=4)))
    Taker(store, HeardBus(), jobs).run()
    speakers = {key.split("/")[2] for key in objects(store, "raw/")}
    assert speakers == {"village-s0", "village-s2", "village-s3"}


def test_what_a_backup_brings_back_is_deleted_again_by_the_next_dataset(world: World) -> None:
    before = objects(world.store, "raw/")
    gone = world.utterances()
    world.forget(speakers=["village-s1"])
    for key, content in before.items():
        world.store.put(key, content)
    world.build()
    assert places(world.store, gone) == []


def test_the_same_rows_again_are_a_dataset_of_their_own(world: World) -> None:
    first, content = world.dataset, objects(world.store, "raw/")
    world.forget(speakers=["s1"])
    world.ask(speakers=["imported/village-s1"], undo=True)
    for key, data in content.items():
        world.store.put(key, data)
    again = world.build()
    assert again.dataset == f"{first.dataset}-2"
    assert again.splits["train"].utterances == first.splits["train"].utterances
    assert world.build().dataset == again.dataset
