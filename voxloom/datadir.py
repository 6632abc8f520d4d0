"""The data folder of embedded mode: who runs on it, where the services listen, where the files lie."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pydantic import Field

from voxloom.errors import BadInput, NewerSchema, NotReady, Unavailable
from voxloom.record import Record, parse_model

DEFAULT_DATA = Path("voxloom-data")
SERVICES = ("recorder", "ingest", "trainer", "optimizer", "inference")  # in the order of the flow
DEFAULT_PORT_BASE = 50051
PORTS = (*SERVICES, "inference_http", "recorder_http", "inference_wyoming")  # in a row, from the port base
LOCK_WAIT_S = 1.0


class Running(Record):
    """DIR/voxloom.json, written once all services answer and removed at a clean end."""

    pid: int
    addresses: dict[str, str]  # service -> host:port of gRPC
    protocols: dict[str, str] = Field(default_factory=dict)  # of others, beside gRPC -> host:port
    store: str
    started_at: str  # ISO 8601, UTC
    version: str


@dataclass(frozen=True)
class DataDir:
    """The object store's folder; the files below are not objects but lie beside them."""

    root: Path

    @property
    def running_file(self) -> Path:
        return self.root / "voxloom.json"

    @property
    def events_file(self) -> Path:
        return self.root / "events.jsonl"

    @property
    def log_file(self) -> Path:
        return self.root / "voxloom.log"

    @property
    def store_url(self) -> str:
        return self.root.absolute().as_uri()

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Holds the folder while this process lives; NotReady names the process that has it."""
        self.root.mkdir(parents=True, exist_ok=True)
        with open(self.root / ".lock", "a+") as file:
            if not _try_lock(file):
                file.seek(0)
                holder = file.read(20).strip() or "unknown"
                raise NotReady(
                    f"{self.root} is in use by another voxloom (process {holder}); "
                    "stop that one, or choose another folder with --data"
                )
            file.truncate(0)
            file.write(f"{os.getpid()}\n")
            file.flush()
            yield

    def is_locked(self) -> bool:
        """Whether a voxloom lives on this folder; asked of the kernel, so a killed one does not count."""
        try:
            with open(self.root / ".lock") as file:
                return _is_held(file)
        except FileNotFoundError:
            return False

    def announce(self, running: Running) -> IO[str]:
        """Writes voxloom.json whole or not at all. It counts as long as the returned file stays open."""
        part = self.root / ".voxloom.json"
        file = open(part, "w")  # noqa: SIM115
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(running.model_dump_json(indent=2) + "\n")
        file.flush()
        part.replace(self.running_file)
        return file

    def withdraw(self) -> None:
        self.running_file.unlink(missing_ok=True)

    def running(self) -> Running | None:
        """What runs on this folder now, or None: also when a killed one left its file behind."""
        try:
            with open(self.running_file) as file:
                return parse_model(str(self.running_file), file.read(), Running) if _is_held(file) else None
        except FileNotFoundError:
            return None
        except NewerSchema:
            raise
        except (OSError, ValueError, BadInput) as error:
            raise Unavailable(
                f"{self.running_file} cannot be read ({type(error).__name__}); restart voxloom"
            ) from error


def _is_held(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(file, fcntl.LOCK_UN)
    return False


def _try_lock(file: IO[str]) -> bool:
    """Tries for a moment: whoever only asks `is_locked` holds it for an instant."""
    deadline = time.monotonic() + LOCK_WAIT_S
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        else:
            return True
