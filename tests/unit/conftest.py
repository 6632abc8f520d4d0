"""Fixtures of several files: a store with something to forget is filled once, and linked for each test."""

import os
from pathlib import Path

import pytest
from forget_world import World, copied


@pytest.fixture
def quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda file: None)


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("filled") / "store"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda file: None)
        World(root).fill()
    return root


@pytest.fixture
def world(filled: Path, tmp_path: Path, quick_disk: None) -> World:
    return copied(filled, tmp_path / "store")
