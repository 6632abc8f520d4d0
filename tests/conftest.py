"""Fixtures for all tests: stores, and the real servers that scripts/services.sh starts."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from servers import StoreAddress, server

from voxloom.storage import FolderStore, list_all


@pytest.fixture
def folder_store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


@pytest.fixture
def folder_address(tmp_path: Path) -> StoreAddress:
    return StoreAddress(f"file://{tmp_path}/store")


@pytest.fixture
def s3_address() -> Iterator[StoreAddress]:
    """A prefix of its own in the test bucket, emptied afterwards."""
    bucket, _, query = server("VOXLOOM_TEST_S3").partition("?")
    address = StoreAddress(
        f"{bucket}/t{uuid.uuid4().hex[:12]}?{query}",
        server("VOXLOOM_TEST_S3_ACCESS_KEY"),
        server("VOXLOOM_TEST_S3_SECRET_KEY"),
    )
    yield address
    store = address.open()
    for info in list_all(store, ""):
        store.delete(info.key)


@pytest.fixture
def amqp_url() -> str:
    return server("VOXLOOM_TEST_AMQP")
