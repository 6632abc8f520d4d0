"""What a backup may overwrite and delete, and what a restore may."""

import os
from pathlib import Path
from typing import Any

import pytest
import store_maker as made
from store_maker import content, faults, fill

from voxloom import keys
from voxloom.errors import BadInput, NewerSchema, NotReady
from voxloom.forgotten import Clip, ForgetSpec, Voice, bury, lift, read_forgotten
from voxloom.jobs import Jobs, JobState
from voxloom.storage import FolderStore, ObjectStore
from voxloom.store_backup import MARK, back_up, check_apart, read_mark, restore
from voxloom.store_copy import Outcome

NAME = "file:///voices"


class World:
    def __init__(self, root: Path) -> None:
        self.store, self.backup = FolderStore(root / "store"), FolderStore(root / "backup")
        self.told: list[tuple[int, int]] = []
        fill(self.store)

    def back_up(self, **options: Any) -> Outcome:
        return back_up(self.store, self.backup, NAME, lambda *told: self.told.append(told), **options)

    def restore(self, **options: Any) -> Outcome:
        return restore(self.backup, self.store, lambda *told: self.told.append(told), **options)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(os, "fsync", lambda file: None)
    return World(tmp_path)


def test_there_and_back(world: World, tmp_path: Path) -> None:
    world.back_up()
    assert world.told[-1] == (sum(map(len, content(world.store).values())),) * 2
    before, world.store = content(world.store), FolderStore(tmp_path / "new")
    outcome = world.restore()
    assert content(world.store) == before
    assert outcome.copied == len(before)
    assert world.restore().copied == 0


def test_it_says_whose_it_is_and_when_it_was_whole(world: World) -> None:
    assert read_mark(world.backup) is None
    world.back_up()
    mark = read_mark(world.backup)
    assert mark
    assert (mark.source, mark.completed_at) == (NAME, mark.started_at)
    damaged = keys.shard("d-1", "train", 0)
    world.backup.put(damaged, world.backup.get(damaged)[:-1] + b"?")
    assert world.back_up(verify=True).damaged == [damaged]
    later = read_mark(world.backup)
    assert later
    assert later.completed_at == mark.completed_at


def test_an_empty_store_is_not_backed_up(world: World, tmp_path: Path) -> None:
    world.store = FolderStore(tmp_path / "typo")
    with pytest.raises(NotReady, match=f"{NAME} is empty; is it the right one"):
        world.back_up()
    assert content(world.backup) == {}


def test_a_store_in_use_is_not_taken_for_a_backup(world: World) -> None:
    made.add_take(world.backup, "somebody")
    before = content(world.backup)
    with pytest.raises(NotReady, match=r"holds raw/user_recorded/ada/somebody\.json but no backup\.json"):
        world.back_up(prune=True)
    assert content(world.backup) == before
    world.back_up(yes=True)
    assert before.items() <= content(world.backup).items()


def test_the_backup_of_another_store_is_not_mixed_in(world: World) -> None:
    world.back_up()
    with pytest.raises(NotReady, match="is a backup of file:///voices, not of file:///other"):
        back_up(world.store, world.backup, "file:///other", lambda *_: None)
    back_up(world.store, world.backup, "file:///other", lambda *_: None, yes=True)


def test_a_backup_of_a_newer_release_is_left_alone(world: World) -> None:
    world.backup.put(MARK, b'{"schema_version": 2}')
    with pytest.raises(NewerSchema, match=r"backup\.json has schema version 2"):
        world.back_up(yes=True)
    assert content(world.backup) == {}


def withdraw(world: World, name: str) -> set[str]:
    gone = {keys.raw_record("user_recorded", "ada", name), keys.raw_audio("user_recorded", "ada", name)}
    for key in gone:
        world.store.delete(key)
    return gone


def test_what_was_withdrawn_leaves_the_backup_only_when_asked(world: World) -> None:
    world.back_up()
    gone = withdraw(world, "u-1")
    assert world.back_up().deleted == 0
    assert gone <= content(world.backup).keys()
    assert world.back_up(prune=True).deleted == 2
    assert content(world.backup) == content(world.store)


def forget(store: ObjectStore, *, speaker: str = "", utterance: str = "") -> ForgetSpec:
    """The tombstone, and the recordings; the job would scrub the rest."""
    spec = ForgetSpec(
        clips=[Clip(source="user_recorded", speaker="ada", utterance=utterance)] if utterance else [],
        voices=[Voice(source="user_recorded", speaker=speaker)] if speaker else [],
    )
    bury(store, spec, made.LONG_AGO)
    for key in list(content(store)):
        if key.startswith(f"raw/user_recorded/{speaker}/") or (
            utterance and key.startswith("raw/") and utterance in key
        ):
            store.delete(key)
    return spec


def takes(store: ObjectStore) -> set[str]:
    return {key.rpartition("/")[2] for key in content(store) if key.startswith("raw/")}


def forget_jobs(store: ObjectStore) -> list[set[str]]:
    """Whom each job is to scrub."""
    specs = [ForgetSpec.model_validate(job.spec) for job in Jobs(store).list("forget")]
    assert not any(spec.for_ever for spec in specs)
    return [{clip.utterance for clip in spec.clips} for spec in specs]


@pytest.mark.parametrize("emptied", [True, False])
def test_what_was_forgotten_since_the_backup_is_not_brought_back(world: World, emptied: bool) -> None:
    world.back_up()
    forget(world.store, utterance="u-1")
    tombstones = {key for key in content(world.store) if key.startswith("forgotten/")}
    if emptied:
        for key in content(world.store).keys() - tombstones:
            world.store.delete(key)
    outcome = world.restore(yes=not emptied)
    assert outcome.withdrawn == 1
    assert world.told[-1][0] == world.told[-1][1]
    assert takes(world.store) == {"u-2.json", "u-2.wav"}
    assert tombstones <= content(world.store).keys()
    assert forget_jobs(world.store) == [{"u-1"}]
    assert faults(world.store) == []


def test_a_backup_that_knows_of_it_does_not_bring_it_back_anywhere(world: World, tmp_path: Path) -> None:
    world.back_up()
    forget(world.store, speaker="ada")
    world.back_up()
    assert takes(world.backup) == {"u-1.json", "u-1.wav", "u-2.json", "u-2.wav"}
    world.store = FolderStore(tmp_path / "new")
    assert world.restore().withdrawn == 2
    assert takes(world.store) == set()
    assert forget_jobs(world.store) == [{"u-1", "u-2"}]
    assert read_forgotten(world.store).covers("user_recorded", "ada", "any")


def test_what_was_let_come_back_is_restored(world: World, tmp_path: Path) -> None:
    spec = forget(world.store, utterance="u-1")
    world.back_up()
    lift(world.store, spec)
    made.add_take(world.store, "u-1")
    world.restore(yes=True)
    assert not read_forgotten(world.store).covers("user_recorded", "ada", "u-1")
    world.back_up()
    world.store = FolderStore(tmp_path / "new")
    assert world.restore().withdrawn == 0
    assert "u-1.wav" in takes(world.store)
    assert forget_jobs(world.store) == []


def test_what_is_not_of_a_store_is_never_deleted(world: World) -> None:
    for key in ("photos/cat.jpg", "notes.txt"):
        world.backup.put(key, b"mine")
    world.back_up(prune=True)
    assert {"photos/cat.jpg", "notes.txt"} <= content(world.backup).keys()


def test_more_than_half_is_deleted_only_when_it_is_meant(world: World) -> None:
    world.back_up()
    before = content(world.backup)
    for key in before:
        if not key.startswith(("raw/", "jobs/")):
            world.store.delete(key)
    made.add_take(world.store, "u-9")
    with pytest.raises(NotReady, match=r"\d+ of \d+ objects in the backup are gone .* --prune --yes"):
        world.back_up(prune=True)
    assert content(world.backup) == before
    assert world.back_up(prune=True, yes=True).deleted > len(before) / 2
    assert content(world.backup) == content(world.store)


def test_a_backup_is_whole_though_the_run_has_replaced_its_checkpoint(world: World) -> None:
    world.back_up()
    store, backup = world.store, world.backup
    for step in (20, 30, 40):
        made.add_checkpoint(store, "r-2", step)

    def train_on(done: int, total: int) -> None:
        if done == total:  # all is copied, nothing is deleted yet
            for step in (50, 60, 70):
                made.add_checkpoint(store, "r-2", step)

    back_up(store, backup, NAME, train_on, prune=True)
    assert faults(backup) == []
    steps = [key for key in content(backup) if "r-2/checkpoints/step" in key]
    assert steps == ["runs/r-2/checkpoints/step-000000040.safetensors"]


def test_an_import_that_ends_meanwhile_keeps_its_upload_in_the_backup(world: World) -> None:
    def end(done: int, total: int) -> None:
        if done == total:
            made.add_import(world.store, "waits", JobState.DONE)
            world.store.delete(keys.upload("waits"))

    back_up(world.store, world.backup, NAME, end, prune=True)
    assert faults(world.backup) == []
    assert keys.upload("waits") in content(world.backup)
    assert world.back_up(prune=True).deleted == 1
    assert faults(world.backup) == []


def test_a_store_that_holds_other_things_is_not_restored_over(world: World) -> None:
    world.back_up()
    made.add_take(world.store, "since")
    made.add_job(world.store, "import", "waits", JobState.RUNNING, upload="uploads/waits.tar")
    before = content(world.store)
    with pytest.raises(NotReady, match=r"3 of its objects are not those of the backup, first raw/.*since"):
        world.restore()
    assert content(world.store) == before
    world.restore(yes=True)
    assert content(world.store) == content(world.backup) | {
        key: data for key, data in before.items() if "since" in key
    }


def test_a_restore_that_broke_off_goes_on(world: World) -> None:
    world.back_up()
    whole = content(world.store)
    for key in list(whole)[::2]:
        world.store.delete(key)
    world.restore()
    assert content(world.store) == whole


def test_nothing_is_restored_from_nothing(world: World) -> None:
    with pytest.raises(BadInput, match="there is no backup"):
        world.restore(yes=True)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("file:///a", "file:///a"),
        ("file:///a", "file:///a/"),
        ("file:///a", "file:///a/b"),
        ("file:///a/b", "file:///a"),
        ("file:///a", "file:///b/../a/c"),
        ("file:///a%20b", "file:///a b/c"),
        ("s3://b?endpoint=http://h:1", "s3://b?endpoint=http://h:1/"),
        ("s3://b?endpoint=http://h:1", "s3://b/x?endpoint=http://h:1"),
        ("s3://b/x/y?endpoint=http://h:1", "s3://b/x?endpoint=http://h:1&region=r"),
    ],
)
def test_a_backup_within_its_store_is_refused(one: str, other: str) -> None:
    with pytest.raises(BadInput, match=r"lies in .*; choose another place"):
        check_apart(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("file:///a", "file:///ab"),
        ("file:///a/b", "file:///a/c"),
        ("file:///a", "s3://a?endpoint=http://h:1"),
        ("s3://b/x?endpoint=http://h:1", "s3://b/xy?endpoint=http://h:1"),
        ("s3://b?endpoint=http://h:1", "s3://b?endpoint=http://h:2"),
        ("s3://b?endpoint=http://h:1", "s3://c?endpoint=http://h:1"),
    ],
)
def test_places_beside_each_other_are_not(one: str, other: str) -> None:
    check_apart(one, other)


def test_a_link_does_not_hide_where_a_folder_lies(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "store")
    with pytest.raises(BadInput, match="lies in"):
        check_apart((tmp_path / "store").as_uri(), (tmp_path / "link" / "backup").as_uri())


def test_what_a_speaker_skipped_is_copied_anew_though_it_is_as_long_as_before(world: World) -> None:
    key = keys.progress("ada", "fish")
    world.store.put(key, b'{"skipped": {"p1": "why"}}')
    world.back_up()
    world.store.put(key, b'{"skipped": {"p2": "why"}}')
    world.back_up()
    assert world.backup.get(key) == world.store.get(key)


def test_what_a_forgotten_speaker_said_and_skipped_does_not_come_back(world: World, tmp_path: Path) -> None:
    for speaker in ("ada", "bob"):
        for key in (keys.progress(speaker, "fish"), keys.speaker(speaker), keys.reviews(speaker)):
            world.store.put(key, b"{}")
    world.back_up()
    world.store = FolderStore(tmp_path / "new")
    bury(world.store, ForgetSpec(voices=[Voice(source="user_recorded", speaker="ada")]), "2026-01-01")
    world.restore(yes=True)
    left = [key for key in content(world.store) if key.startswith(("progress/", "speakers/", "reviews/"))]
    assert left == ["progress/bob/fish.json", "reviews/bob.json", "speakers/bob.json"]
