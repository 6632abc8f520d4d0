"""Backup and restore on a real S3 server, in every direction, with the server going away in the middle."""

import os
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import store_maker as made
from embedded_process import voxloom
from servers import StoreAddress, patiently, services
from store_maker import Watched, content, faults, fill

from voxloom import keys
from voxloom.errors import Unavailable
from voxloom.storage import FolderStore, ObjectStore, list_all
from voxloom.store_backup import back_up, restore

pytestmark = [pytest.mark.connected, pytest.mark.slow]
MIB = 1 << 20


@pytest.fixture
def second_address(s3_address: StoreAddress) -> Iterator[StoreAddress]:
    """Another prefix, emptied afterwards."""
    before, _, query = s3_address.url.partition("?")
    address = replace(s3_address, url=f"{before.rpartition('/')[0]}/b{uuid.uuid4().hex[:12]}?{query}")
    yield address
    store = address.open()
    for info in list_all(store, ""):
        store.delete(info.key)


@pytest.fixture(params=["folder to s3", "s3 to folder", "s3 to s3"])
def ways(
    request: pytest.FixtureRequest, tmp_path: Path, s3_address: StoreAddress, second_address: StoreAddress
) -> tuple[ObjectStore, ObjectStore]:
    source, _, target = request.param.partition(" to ")
    return (
        s3_address.open() if source == "s3" else FolderStore(tmp_path / "source"),
        second_address.open() if target == "s3" else FolderStore(tmp_path / "target"),
    )


def quietly(done: int, total: int) -> None:
    pass


def test_there_and_back(ways: tuple[ObjectStore, ObjectStore], tmp_path: Path) -> None:
    source, target = ways
    fill(source)
    large = os.urandom(20 * MIB + 1)  # two parts of an upload
    source.put(keys.shard("d-2", "train", 1), large)
    first = back_up(source, target, "s3://voices", quietly, verify=True)
    assert content(target) == content(source)
    again = back_up(source, target, "s3://voices", quietly)
    assert (again.copied, again.kept) == (0, first.copied)
    source.delete(keys.raw_record("user_recorded", "ada", "u-1"))
    source.delete(keys.raw_audio("user_recorded", "ada", "u-1"))
    made.add_model(source, "m-2")
    made.promote(source, "m-2")
    later = back_up(source, target, "s3://voices", quietly, prune=True)
    assert (later.deleted, later.copied) == (2, 6)
    new = FolderStore(tmp_path / "new")
    restore(target, new, quietly)
    assert content(new) == content(source)
    assert faults(new) == []


def test_a_server_that_goes_away_leaves_a_whole_backup_and_it_goes_on(
    tmp_path: Path, s3_address: StoreAddress
) -> None:
    source, target = Watched(tmp_path / "source"), s3_address.open()
    fill(source)
    back_up(source, target, "file:///voices", quietly)
    for number in range(20):
        made.add_take(source, f"u-{number:02d}")
    made.add_model(source, "m-2")
    made.promote(source, "m-2")
    source.before_read = lambda key: services("stop", "s3") if key.endswith("u-10.wav") else None
    try:
        with pytest.raises(Unavailable, match="cannot be reached"):
            back_up(source, target, "file:///voices", quietly)
    finally:
        services("start", "s3")
    source.before_read = lambda key: None
    patiently(lambda: content(target))  # it lists at once what it can read a little later
    assert faults(target) == []
    assert target.get(keys.PRODUCTION) != source.get(keys.PRODUCTION)
    outcome = back_up(source, target, "file:///voices", quietly)
    assert content(target) == content(source)
    assert 0 < outcome.copied < 60


def test_the_commands_take_their_keys_from_the_environment(
    tmp_path: Path, s3_address: StoreAddress, second_address: StoreAddress
) -> None:
    fill(s3_address.open())
    secret = tmp_path / "secret"
    secret.write_text(second_address.secret_key + "\n")
    settings = {
        "VOXLOOM_STORE": s3_address.url,
        "VOXLOOM_S3_ACCESS_KEY": s3_address.access_key,
        "VOXLOOM_S3_SECRET_KEY": s3_address.secret_key,
        "VOXLOOM_BACKUP_S3_ACCESS_KEY": second_address.access_key,
        "VOXLOOM_BACKUP_S3_SECRET_KEY_FILE": str(secret),
    }
    done = voxloom("store", "backup", second_address.url, "--prune", env=settings)
    assert done.code == 0, done.err
    assert content(second_address.open()) == content(s3_address.open())
    back = voxloom("store", "restore", second_address.url, "--data", str(tmp_path / "new"), env=settings)
    assert back.code == 0, back.err
    assert content(FolderStore(tmp_path / "new")) == content(s3_address.open())
    secret.write_text("wrong")
    refused = voxloom("store", "backup", second_address.url, env=settings)
    assert refused.code == 1
    assert "check VOXLOOM_BACKUP_S3_ACCESS_KEY, VOXLOOM_BACKUP_S3_SECRET_KEY" in refused.err
    assert voxloom("store", "usage", env=settings).code == 0
    assert "nothing was" in voxloom("store", "prune", env=settings).out
