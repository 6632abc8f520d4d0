"""`voxloom store` as it is typed: which store, what is said, the exit code."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from embedded_process import Outcome as Said
from embedded_process import voxloom_here
from store_maker import content, fill

from voxloom import datadir, keys
from voxloom.cli import store as command
from voxloom.datadir import DataDir, Running
from voxloom.storage import FolderStore
from voxloom.store_copy import Outcome

Run = Callable[..., Said]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    for name in ("VOXLOOM_STORE", "VOXLOOM_DATA", "VOXLOOM_BACKUP_S3_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "fsync", lambda file: None)
    monkeypatch.setattr(datadir, "LOCK_WAIT_S", 0.05)

    def call(*arguments: object) -> Said:
        return voxloom_here(monkeypatch, "store", *map(str, arguments))

    return call


@pytest.fixture
def data(tmp_path: Path) -> Path:
    fill(FolderStore(tmp_path / "data"))
    return tmp_path / "data"


def test_usage_tells_kinds_and_what_can_go(run: Run, data: Path) -> None:
    shown = run("usage", "--data", data)
    assert shown.code == 0, shown.err
    assert "runs/checkpoints" in shown.out
    assert "manifests/d-1/shards/" in shown.out
    found = json.loads(run("usage", "--json", "--data", data).out)
    assert found["total"]["objects"] == len(content(FolderStore(data)))
    assert found["kinds"]["raw/user_recorded"] == {"objects": 4, "bytes": 84}
    assert [item["prefix"] for item in found["deletable"]] == [
        "manifests/d-1/shards/",
        "runs/r-1/checkpoints/",
    ]


def test_usage_counts_though_a_record_cannot_be_read(run: Run, data: Path) -> None:
    FolderStore(data).put("jobs/train/r-9.json", b'{"schema_version": 9}')
    shown = run("usage", "--data", data)
    assert shown.code == 0
    assert "unknown: jobs/train/r-9.json cannot be read" in shown.out
    assert "jobs/train/r-9.json" in json.loads(run("usage", "--json", "--data", data).out)["deletable_error"]
    assert run("prune", "--yes", "--data", data).code == 1


@pytest.mark.parametrize("how", ["option", "VOXLOOM_STORE", "VOXLOOM_DATA"])
def test_the_store_is_named_in_three_ways(
    run: Run, data: Path, monkeypatch: pytest.MonkeyPatch, how: str, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    if how == "VOXLOOM_STORE":
        monkeypatch.setenv("VOXLOOM_STORE", data.as_uri())
        monkeypatch.setenv("VOXLOOM_DATA", "elsewhere")
    if how == "VOXLOOM_DATA":
        monkeypatch.setenv("VOXLOOM_DATA", "data")
    found = run("usage", "--json", *(("--data", "data") if how == "option" else ()))
    assert json.loads(found.out)["store"] == data.as_uri()


def test_a_folder_that_is_not_there_is_not_made(run: Run, tmp_path: Path) -> None:
    for arguments in (("usage",), ("prune",), ("backup", tmp_path / "b")):
        found = run(*arguments, "--data", tmp_path / "typo")
        assert found.code == 1
        assert f"there is no folder {tmp_path / 'typo'}" in found.err
    assert not (tmp_path / "typo").exists()


def test_a_voxloom_that_keeps_its_store_elsewhere_is_named(run: Run, data: Path) -> None:
    running = Running(pid=1, addresses={}, store="s3://b?endpoint=http://h", started_at="", version="")
    with DataDir(data).announce(running):
        found = run("usage", "--data", data)
    assert found.code == 1
    assert "VOXLOOM_STORE='s3://b?endpoint=http://h'" in found.err


def test_prune_asks_first(run: Run, data: Path) -> None:
    before = content(FolderStore(data))
    listed = run("prune", "--data", data)
    assert listed.code == 0
    assert "nothing was, to do it: voxloom store prune --yes" in listed.out
    assert content(FolderStore(data)) == before
    assert "5 objects deleted" in run("prune", "--yes", "--data", data).out
    assert "nothing can be deleted" in run("prune", "--yes", "--data", data).out


def test_there_and_back_by_path(run: Run, data: Path, tmp_path: Path) -> None:
    first = run("backup", tmp_path / "my backup", "--data", data)
    assert first.code == 0, first.err
    assert "0 were there" in first.out
    assert "0 objects copied" in run("backup", tmp_path / "my backup", "--verify", "--data", data).out
    again = run("restore", (tmp_path / "my backup").as_uri(), "--data", tmp_path / "new")
    assert again.code == 0, again.err
    assert f"a backup of {data.as_uri()}, as of " in again.out
    assert content(FolderStore(tmp_path / "new")) == content(FolderStore(data))


def test_a_backup_within_the_store_is_refused(run: Run, data: Path) -> None:
    for target in (data / "backup", data, data.parent):
        found = run("backup", target, "--data", data)
        assert found.code == 1
        assert "choose another place" in found.err
    assert not (data / "backup").exists()


def test_nothing_is_restored_under_a_running_voxloom(run: Run, data: Path, tmp_path: Path) -> None:
    run("backup", tmp_path / "b", "--data", data)
    running = Running(pid=1234, addresses={}, store=data.as_uri(), started_at="", version="")
    with DataDir(data).lock():
        assert "in use by another voxloom" in run("restore", tmp_path / "b", "--data", data).err
        with DataDir(data).announce(running):
            found = run("restore", tmp_path / "b", "--yes", "--data", data)
        assert run("backup", tmp_path / "b", "--data", data).code == 0
    assert found.code == 1
    assert "process 1234); stop it first" in found.err


def test_two_backups_do_not_go_to_one_folder_at_once(run: Run, data: Path, tmp_path: Path) -> None:
    with DataDir(tmp_path / "b").lock():
        found = run("backup", tmp_path / "b", "--data", data)
    assert found.code == 1
    assert "is in use" in found.err


def test_damage_ends_with_an_error(run: Run, data: Path, tmp_path: Path) -> None:
    run("backup", tmp_path / "b", "--data", data)
    key = keys.shard("d-1", "train", 0)
    FolderStore(tmp_path / "b").put(key, FolderStore(data).get(key)[:-1] + b"?")
    found = run("backup", tmp_path / "b", "--verify", "--data", data)
    assert found.code == 1
    assert f"1 objects differ between store and backup though they never change: {key}." in found.err


def test_what_kept_changing_has_an_exit_code_of_its_own(run: Run, data: Path, tmp_path: Path) -> None:
    FolderStore(data).put("runs/r-2/checkpoints/latest.json", b'{"name": "gone.safetensors"}')
    found = run("backup", tmp_path / "b", "--data", data)
    assert found.code == command.INCOMPLETE
    assert "kept changing: runs/r-2/checkpoints; do it again" in found.err


def test_what_was_replaced_meanwhile_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    command._tell(Outcome(copied=3, vanished=2), "backed up")
    assert "2 went or were replaced while they were copied" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("s3://b?endpoint=http://127.0.0.1:1", "VOXLOOM_BACKUP_S3_ACCESS_KEY"),
        ("s3://key:secret@b?endpoint=http://127.0.0.1:1", "keys do not belong in the URL"),
        ("ftp://host/x", "scheme 'ftp' is unknown"),
        ("file://host/x", "names no absolute folder"),
    ],
)
def test_a_target_that_cannot_be_is_refused(run: Run, data: Path, target: str, said: str) -> None:
    found = run("backup", target, "--data", data)
    assert found.code == 1
    assert said in found.err
    assert "secret@" not in found.err


@pytest.mark.parametrize("name", ["usage", "prune", "backup", "restore"])
def test_help_teaches_by_example(run: Run, name: str) -> None:
    assert f"Example:  voxloom store {name}" in run(name, "--help").out
