"""Fixtures on a real Docker engine; everything here is skipped, with the reason, where none can be used."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from mini_corpus import make_mini_corpus
from stack import TEST, TRAIN, Stack, why_not


@pytest.fixture(scope="session")
def images() -> None:
    """The project's images, built."""
    if reason := why_not():
        pytest.skip(f"containers cannot be run here: {reason}")
    Stack("voxloom-build").compose("--profile", "*", "build", timeout_s=2400)


@pytest.fixture(scope="session")
def stack(images: None) -> Iterator[Stack]:
    """All services up and healthy; on empty volumes in the first test, with a model in the later ones."""
    stack = Stack("voxloom-test", "tests/compose/loop.yaml")
    try:
        stack.up()
        stack.remember_secrets()
        yield stack
    finally:
        stack.down()


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small corpus that the user of the containers can read."""
    folder = make_mini_corpus(tmp_path_factory.mktemp("mini"), train=TRAIN, test=TEST)
    for readable in (folder, folder.parent):
        readable.chmod(0o755)
    return folder
