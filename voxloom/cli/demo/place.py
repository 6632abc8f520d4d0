"""Where the demo takes place: services that it starts on a folder, or services that run already."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voxloom.bus import open_bus
from voxloom.cli.connect import find_addresses, load_as_caller
from voxloom.cli.launch import embedded
from voxloom.datadir import DataDir
from voxloom.eventlog import as_dict, follow
from voxloom.v1.events_pb2 import Event


@dataclass(frozen=True)
class Place:
    """What the demo has to know of the services besides gRPC."""

    folder: Path  # of the demo's own files
    addresses: dict[str, str]  # service -> host:port
    failures: Callable[[], list[dict[str, Any]]]  # the stage_failed events so far, as `eventlog.as_dict`
    log: str  # where the services' log is
    go_on: str  # the command to go on with


@contextmanager
def started_here(data: DataDir, settings: dict[str, str]) -> Iterator[Place]:
    """Runs the five services on the folder until the block ends."""

    def failures() -> list[dict[str, Any]]:
        past = follow(data.events_file, past=True, wait=False)
        return [event for event in past if event["kind"] == "stage_failed"]

    with embedded(data, settings) as running:
        go_on = f"voxloom up --data {data.root}"
        yield Place(data.root, running.addresses, failures, str(data.log_file.absolute()), go_on)


@contextmanager
def running_already(folder: Path) -> Iterator[Place]:
    """The services that VOXLOOM_<SERVICE>_ADDRESS or the usual ports name, and the broker of VOXLOOM_BUS."""
    failed: list[dict[str, Any]] = []

    def note(event: Event) -> None:
        if event.HasField("stage_failed"):
            failed.append(as_dict(event))

    bus = open_bus(load_as_caller().bus)
    watch = bus.tail(note)
    try:
        yield Place(
            folder, find_addresses(None), lambda: list(failed), "docker compose logs", "voxloom status"
        )
    finally:
        watch.close()
        bus.close()
