"""The command line: `voxloom up` starts the services, all other commands talk to them over gRPC."""

import sys
from typing import Annotated

import grpc
import typer

from voxloom import __version__, rpc
from voxloom.cli import (
    dataset,
    import_group,
    models,
    prompts,
    runs,
    speakers,
    store,
    takes,
    text,
    texts,
)
from voxloom.cli.ablate import ablate
from voxloom.cli.cut import cut
from voxloom.cli.demo import demo
from voxloom.cli.events import events
from voxloom.cli.forecast import forecast
from voxloom.cli.forget import forget
from voxloom.cli.output import complain
from voxloom.cli.record import record
from voxloom.cli.status import status
from voxloom.cli.transcribe import transcribe
from voxloom.cli.tts import tts
from voxloom.cli.up import up
from voxloom.errors import VoxloomError

app = typer.Typer(
    name="voxloom",
    help="Your recordings in, a speech recogniser trained from scratch out. Begin with: voxloom demo",
    epilog="Services elsewhere: VOXLOOM_<SERVICE>_ADDRESS=host:port says where, VOXLOOM_API_KEY (or "
    "VOXLOOM_API_KEY_FILE) holds their key, and VOXLOOM_TLS_CA, a PEM file or the word public, encrypts.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"voxloom {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


app.command()(up)
app.command()(demo)
app.add_typer(import_group.app, name="import")
app.command()(cut)
app.command()(tts)
app.command()(record)
app.add_typer(prompts.app, name="prompts")
app.add_typer(speakers.app, name="speakers")
app.add_typer(takes.app, name="takes")
app.add_typer(dataset.app, name="dataset")
app.command()(runs.train)
app.add_typer(runs.app, name="runs")
app.add_typer(models.app, name="models")
app.command()(ablate)
app.command()(forecast)
app.command()(transcribe)
app.command()(forget)
app.add_typer(text.app, name="text")
app.add_typer(texts.app, name="texts")
app.add_typer(store.app, name="store")
app.command()(events)
app.command()(status)


def main() -> None:
    """Exit code 0; 1 failed, and one line says what; 2 a wrong command line; 3 not all of it; 130 Ctrl-C."""
    try:
        app()
    except VoxloomError as error:
        complain(f"voxloom: {error}")
        sys.exit(1)
    except grpc.RpcError as error:
        complain(f"voxloom: {rpc.friendly(error)}")
        sys.exit(1)
    except OSError as error:
        complain(f"voxloom: {error}")
        sys.exit(1)
