"""`voxloom import PATH`, and below the same word the commands for what has a format of its own."""

from typing import Any

import typer
from typer.core import TyperGroup

from voxloom.cli.commonvoice import commonvoice
from voxloom.cli.importing import import_

_DEFAULT = "any"


class _ImportGroup(TyperGroup):
    """The first word is a command's name, or all of it belongs to the general import."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = [_DEFAULT, *args]
        return super().parse_args(ctx, args)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """That of the general import, then the other commands."""
        self.commands[_DEFAULT].format_help(ctx, formatter)
        self.format_commands(ctx, formatter)


app = typer.Typer(
    cls=_ImportGroup,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Bring in a corpus: audio and transcripts, or a release of Common Voice.",
)
app.command(_DEFAULT, hidden=True)(import_)
app.command()(commonvoice)
