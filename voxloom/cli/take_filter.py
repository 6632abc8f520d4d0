"""Which takes are meant: the options that `voxloom takes list` and `export` share."""

from enum import StrEnum
from typing import Annotated

import typer

from voxloom.v1 import recorder_pb2 as pb

SpeakerOption = Annotated[str, typer.Option(help="Only of this speaker; a name or an id.")]
ListOption = Annotated[str, typer.Option("--prompts", metavar="LIST", help="Only of this prompt list.")]
PromptOption = Annotated[str, typer.Option("--prompt", metavar="ID", help="Only of this prompt of a list.")]
SearchOption = Annotated[str, typer.Option(help="Only with these words, in any order.")]
CheckOption = Annotated[
    str, typer.Option(help="Only those stored although this check failed, such as noisy; any: any check.")
]


class VerdictName(StrEnum):
    any = "any"
    open = "open"
    accepted = "accepted"
    rejected = "rejected"


VerdictOption = Annotated[VerdictName, typer.Option(help="Only with this verdict; open: not judged yet.")]
_VERDICTS = {
    VerdictName.any: pb.VERDICT_UNSPECIFIED,
    VerdictName.open: pb.VERDICT_OPEN,
    VerdictName.accepted: pb.VERDICT_ACCEPTED,
    VerdictName.rejected: pb.VERDICT_REJECTED,
}


def asked(
    speaker: str, prompts: str, prompt: str, search: str, verdict: VerdictName, check: str
) -> pb.ListTakesRequest:
    """The request, without its page."""
    return pb.ListTakesRequest(
        speaker=speaker,
        prompt_list=prompts,
        prompt_id=prompt,
        search=search,
        verdict=_VERDICTS[verdict],
        check=check,
    )
