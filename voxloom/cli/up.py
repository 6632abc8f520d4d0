"""`voxloom up`: all five services on this machine, nothing else needed."""

import os
from pathlib import Path
from typing import Annotated

import typer

from voxloom.cli.launch import command, environment
from voxloom.datadir import DEFAULT_DATA, DEFAULT_PORT_BASE


def up(
    data: Annotated[
        Path, typer.Option("--data", envvar="VOXLOOM_DATA", metavar="DIR", help="Where everything is kept.")
    ] = DEFAULT_DATA,
    port_base: Annotated[
        int, typer.Option(min=0, max=65528, help="First of eight ports in a row; 0 takes free ones.")
    ] = DEFAULT_PORT_BASE,
) -> None:
    """Run the five services here, with a folder as the store. Ctrl-C ends them.

    Settings are VOXLOOM_* variables. VOXLOOM_STORE and VOXLOOM_BUS put an S3 server and a RabbitMQ in the
    place of the folder and the bus inside the process.

    \b
    Example:  voxloom up
              voxloom up --data ~/voices --port-base 0
    """
    arguments = command(data, port_base)
    os.execve(arguments[0], arguments, environment())
