"""`voxloom events`: the live stream of facts, one JSON object a line."""

import threading
from typing import Annotated

import typer

from voxloom.bus import open_bus
from voxloom.cli.connect import DataOption, load_as_caller
from voxloom.cli.output import print_json_line
from voxloom.datadir import DEFAULT_DATA, DataDir
from voxloom.errors import BadInput, NotFound
from voxloom.eventlog import as_dict, follow


def events(
    bus: Annotated[
        str,
        typer.Option(
            help="amqp:// URL of the broker, else VOXLOOM_BUS; without one a data folder is followed."
        ),
    ] = "",
    past: Annotated[
        bool, typer.Option("--past", help="Also what happened before (data folder only).")
    ] = False,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Keep waiting for more.")] = True,
    data: DataOption = None,
) -> None:
    """Print the events of all services as they happen, as JSON lines. Ctrl-C ends it.

    \b
    Example:  voxloom events --past --no-wait | jq .kind
              voxloom events --bus amqp://user:password@broker:5672/
    """
    bus = bus or load_as_caller().bus
    if data is None and bus.startswith("amqp"):
        _tail_broker(bus, past or not wait)
        return
    folder = data or DEFAULT_DATA
    if not folder.is_dir():
        raise NotFound(
            f"{folder} does not exist; name a data folder with --data DIR, or a broker with --bus URL"
        )
    for event in follow(DataDir(folder).events_file, past=past, wait=wait):
        print_json_line(event)


def _tail_broker(url: str, wants_past: bool) -> None:
    if wants_past:
        raise BadInput("a broker keeps no past events; leave out --past and --no-wait")
    bus = open_bus(url)
    subscription = bus.tail(lambda event: print_json_line(as_dict(event)))
    try:
        threading.Event().wait()
    finally:
        subscription.close()
        bus.close()
