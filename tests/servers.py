"""Where the stores and servers under test are."""

import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import pytest

from voxloom.errors import Unavailable
from voxloom.storage import ObjectStore, open_store

Result = TypeVar("Result")


@dataclass(frozen=True)
class StoreAddress:
    """What `open_store` needs, so that a test can open more clients, also in other processes."""

    url: str
    access_key: str = ""
    secret_key: str = ""

    def open(self) -> ObjectStore:
        return open_store(self.url, access_key=self.access_key, secret_key=self.secret_key)


def server(variable: str) -> str:
    """What `scripts/services.sh env` says about a real server; skips the test where none runs."""
    if value := os.environ.get(variable):
        return value
    pytest.skip(
        f"{variable} is not set: start the servers with `scripts/services.sh up`,"
        ' then `eval "$(scripts/services.sh env)"`'
    )


def services(*arguments: str) -> None:
    """Runs scripts/services.sh, for example `services("restart", "rabbit")`."""
    command = [server("VOXLOOM_TEST_SERVICES"), *arguments]
    subprocess.run(command, check=True, timeout=180, stdout=subprocess.DEVNULL)


def patiently(act: Callable[[], Result], patience_s: float = 60.0) -> Result:
    """What `act` returns; a server that was just started answers 500 until all of it is there."""
    deadline = time.monotonic() + patience_s
    while True:
        try:
            return act()
        except Unavailable:
            assert time.monotonic() < deadline, "waited in vain"
            time.sleep(0.2)
