"""Where the stores and servers under test are."""

import os
import subprocess
from dataclasses import dataclass

import pytest

from voxloom.storage import ObjectStore, open_store


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
