"""What only a folder can get wrong: links, a full disk, other people's files, what killed writers leave."""

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from voxloom.errors import BadInput, NotFound, Unavailable
from voxloom.storage import FolderStore, list_all


@pytest.fixture
def root(tmp_path: Path, folder_store: FolderStore) -> Path:
    return tmp_path / "store"


def leftovers(root: Path) -> list[str]:
    return os.listdir(root / ".voxloom" / "tmp")


def test_links_lead_nowhere(root: Path, folder_store: FolderStore, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    (root / "raw").symlink_to(outside)
    (root / "file").symlink_to(outside / "secret")
    for key in ("raw/secret", "file"):
        for read in (folder_store.get, folder_store.open, folder_store.stat):
            with pytest.raises(NotFound):
                read(key)
        folder_store.delete(key)
    with pytest.raises(BadInput, match="a file or a link"):
        folder_store.put("raw/new", b"x")
    assert list(list_all(folder_store, "")) == []
    folder_store.put("file", b"mine")  # replaces the link, not what it leads to
    assert (outside / "secret").read_bytes() == b"secret"
    assert os.listdir(outside) == ["secret"]


def test_a_key_cannot_be_file_and_folder(folder_store: FolderStore) -> None:
    folder_store.put("a/b", b"x")
    with pytest.raises(BadInput, match="it is a folder"):
        folder_store.put("a", b"x")
    with pytest.raises(BadInput, match="a file or a link"):
        folder_store.put("a/b/c", b"x")
    assert [info.key for info in list_all(folder_store, "")] == ["a/b"]


def test_what_others_put_there_is_left_out(root: Path, folder_store: FolderStore) -> None:
    folder_store.put("a/b", b"x")
    (root / "a" / "My take (1).wav").write_bytes(b"x")
    (root / ".DS_Store").write_bytes(b"x")
    (root / "ünder").mkdir()
    (root / "ünder" / "x").write_bytes(b"x")
    os.mkfifo(root / "a" / "pipe")
    assert [info.key for info in list_all(folder_store, "")] == ["a/b"]
    with pytest.raises(NotFound):
        folder_store.get("a/pipe")


def test_delete_prunes_empty_folders_only(root: Path, folder_store: FolderStore) -> None:
    for key in ("a/b/c/d", "a/e"):
        folder_store.put(key, b"x")
    folder_store.delete("a/b/c/d")
    assert os.listdir(root / "a") == ["e"]
    folder_store.delete("a/e")
    assert sorted(os.listdir(root)) == [".voxloom"]


def test_a_batch_gets_by_though_a_folder_of_it_is_removed(
    root: Path, folder_store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its descriptor is kept from one object to the next: the removed folder must not swallow the second."""
    rename, named = os.rename, []

    def remove_once(*args: object, **folders: object) -> None:
        rename(*args, **folders)
        named.append(args[1])
        if len(named) == 1:
            os.unlink(root / "a" / "b" / "one")
            os.rmdir(root / "a" / "b")

    monkeypatch.setattr(os, "rename", remove_once)
    assert folder_store.put_new({"a/b/one": b"1", "a/b/two": b"2", "a/c": b"3"}) == set()
    assert [info.key for info in list_all(folder_store, "")] == ["a/b/two", "a/c"]
    assert folder_store.get("a/b/two") == b"2"
    assert leftovers(root) == []


def test_a_batch_follows_no_link(root: Path, folder_store: FolderStore, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (root / "raw").symlink_to(tmp_path / "outside")
    with pytest.raises(BadInput, match="a file or a link"):
        folder_store.put_new({"first": b"x", "raw/new": b"x"})
    assert os.listdir(tmp_path / "outside") == leftovers(root) == []


def test_no_write_leaves_temporary_files(root: Path, folder_store: FolderStore) -> None:
    folder_store.put("a", b"x")
    folder_store.put_stream("b", [b"x", b"y"])
    with contextlib.suppress(BadInput):
        folder_store.put("a/b", b"x")
    folder_store.put_new({"a": b"y", "c": b"x"})
    with contextlib.suppress(BadInput):
        folder_store.put_new({"d": b"x", "a/b": b"x"})
    assert leftovers(root) == []


def test_what_killed_writers_left_is_swept(root: Path, folder_store: FolderStore) -> None:
    left, fresh = root / ".voxloom" / "tmp" / "left", root / ".voxloom" / "tmp" / "fresh"
    for path in (left, fresh):
        path.write_bytes(b"half")
    os.utime(left, (time.time() - 7200, time.time() - 7200))

    def chunks() -> Iterator[bytes]:
        yield b"one"
        writing = next(path for path in (root / ".voxloom" / "tmp").iterdir() if path not in (left, fresh))
        os.utime(writing, (0, 0))
        FolderStore(root)  # sweeps, and spares who is still writing
        yield b"two"

    folder_store.put_stream("a", chunks())
    assert leftovers(root) == ["fresh"]
    assert folder_store.get("a") == b"onetwo"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB, where the user may mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("mounting a small file system needs root and a kernel that allows it")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_is_said_and_leaves_nothing(small_disk: Path) -> None:
    store = FolderStore(small_disk / "store")
    store.put("a", b"old")
    for write in (
        lambda: store.put("a", bytes(2_000_000)),
        lambda: store.put_stream("b", (bytes(100_000) for _ in range(20))),
    ):
        with pytest.raises(Unavailable, match=r"disk .* is full .* free some space"):
            write()
    assert [(info.key, info.size) for info in list_all(store, "")] == [("a", 3)]
    assert leftovers(small_disk / "store") == []
    store.put("a", bytes(500_000))


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(Unavailable, match="file/store cannot be used"):
        FolderStore(tmp_path / "file" / "store")


def test_a_long_list_reads_only_the_folders_it_needs(
    folder_store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(50):
        folder_store.put(f"raw/s{number:02d}/u.wav", b"x")
    opened: list[str] = []
    entries = FolderStore._entries
    monkeypatch.setattr(
        FolderStore, "_entries", lambda self, folder: (opened.append(folder), entries(self, folder))[1]
    )
    page = folder_store.list_page("raw/", start_after="raw/s40/u.wav", limit=3)
    assert [info.key for info in page] == [f"raw/s4{number}/u.wav" for number in (1, 2, 3)]
    assert opened == ["raw/", "raw/s40/", "raw/s41/", "raw/s42/", "raw/s43/"]
