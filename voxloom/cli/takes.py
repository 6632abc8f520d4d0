"""`voxloom takes`: what was recorded, what people think of it, and out with it as files."""

import os
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from voxloom.cli.connect import DataOption, client
from voxloom.cli.output import JsonOption, print_json, say, table, when
from voxloom.cli.take_filter import (
    CheckOption,
    ListOption,
    PromptOption,
    SearchOption,
    SpeakerOption,
    VerdictName,
    VerdictOption,
    asked,
)
from voxloom.errors import BadInput
from voxloom.v1 import recorder_pb2 as pb

app = typer.Typer(
    no_args_is_help=True,
    help="Takes that were recorded: list, accept or reject, choose, correct, delete, export.",
    rich_markup_mode=None,
)
FIRST_TIMEOUT_S = 120.0  # a recorder that has just started reads every record once
EXPORT_TIMEOUT_S = 24 * 3600.0
_MAX_NAMES = 1000
_PAGE = 1000

TakesArgument = Annotated[
    list[str], typer.Argument(metavar="TAKE...", help="Ids from `voxloom takes list`, such as u-0123...")
]
TakeArgument = Annotated[str, typer.Argument(metavar="TAKE", help="Its id from `voxloom takes list`.")]


class FormatName(StrEnum):
    csv = "csv"
    jsonl = "jsonl"
    ljspeech = "ljspeech"


_FORMATS = {
    FormatName.csv: pb.EXPORT_FORMAT_CSV,
    FormatName.jsonl: pb.EXPORT_FORMAT_JSONL,
    FormatName.ljspeech: pb.EXPORT_FORMAT_LJSPEECH,
}
_SHOWN = {pb.VERDICT_ACCEPTED: "accepted", pb.VERDICT_REJECTED: "rejected"}


@app.command("list")
def list_(
    speaker: SpeakerOption = "",
    prompts: ListOption = "",
    prompt: PromptOption = "",
    search: SearchOption = "",
    verdict: VerdictOption = VerdictName.any,
    check: CheckOption = "",
    limit: Annotated[int, typer.Option(min=0, help="How many at most; 0: all.")] = 100,
    json_: JsonOption = False,
    data: DataOption = None,
) -> None:
    """List takes, the newest first. `*` marks those that datasets have: of several of a prompt the best.

    \b
    Example:  voxloom takes list --speaker Ada --verdict open
              voxloom takes list --check any --json
    """
    wanted = asked(speaker, prompts, prompt, search, verdict, check)
    with client("recorder", data) as recorder:
        first = _page(recorder, wanted, "", limit)
        takes = list(_pages(recorder, wanted, first, limit))
    if json_:
        plain = {"takes": [take_as_dict(each) for each in takes], "total": first.total}
        print_json({**plain, "minutes": first.minutes})
        return
    table(("take", "speaker", "recorded", "s", "verdict", "text"), map(_row, takes))
    more = f", {len(takes)} shown" if len(takes) < first.total else ""
    say(f"{first.total} takes, {first.minutes:.1f} min{more}")


@app.command()
def accept(
    takes: TakesArgument,
    undo: Annotated[bool, typer.Option("--undo", help="Take the verdict back.")] = False,
    data: DataOption = None,
) -> None:
    """Say that takes are good; with --undo that nobody has judged them. All or none.

    \b
    Example:  voxloom takes accept u-0123456789abcdef0123
              voxloom takes accept --undo u-0123456789abcdef0123
    """
    verdict = pb.VERDICT_UNSPECIFIED if undo else pb.VERDICT_ACCEPTED
    _review(takes, verdict, "", "no longer judged" if undo else "accepted", data)


@app.command()
def reject(
    takes: TakesArgument,
    reason: Annotated[str, typer.Option(help="What is wrong with them.")],
    data: DataOption = None,
) -> None:
    """Keep takes out of all later datasets, whose reports count them. They stay stored. All or none.

    \b
    Example:  voxloom takes reject u-0123456789abcdef0123 --reason "a dog barks"
    """
    _review(takes, pb.VERDICT_REJECTED, reason, "rejected", data)


@app.command()
def choose(
    take: TakeArgument,
    undo: Annotated[bool, typer.Option("--undo", help="Back to the best by its checks.")] = False,
    data: DataOption = None,
) -> None:
    """Say which of several takes of a prompt datasets have. Without that it is the best by its checks.

    \b
    Example:  voxloom takes choose u-0123456789abcdef0123
    """
    with client("recorder", data) as recorder:
        recorder.ChooseTake(pb.ChooseTakeRequest(utterance=take, undo=undo), timeout=FIRST_TIMEOUT_S)
    say(f"{take} is {'no longer chosen' if undo else 'the take of its prompt'}")


@app.command()
def correct(
    take: TakeArgument,
    text: Annotated[str, typer.Option(help="What was said, word by word.")],
    data: DataOption = None,
) -> None:
    """Change the text of a take to what was said. It gets a new id; a verdict has to be given anew.

    \b
    Example:  voxloom takes correct u-0123456789abcdef0123 --text "go left at the ridge"
    """
    with client("recorder", data) as recorder:
        request = pb.CorrectTakeRequest(utterance=take, text=text)
        stored = recorder.CorrectTake(request, timeout=FIRST_TIMEOUT_S)
    say(f"{take} is now {stored.utterance}")
    for finding in stored.findings:
        say(f"{finding.check}: {finding.message}", "yellow")


@app.command()
def delete(
    takes: TakesArgument,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    data: DataOption = None,
) -> None:
    """Delete takes, also from datasets. To withdraw what somebody gave: voxloom forget.

    \b
    Example:  voxloom takes delete u-0123456789abcdef0123
    """
    if not yes:
        typer.confirm(f"Delete {len(takes)} takes for good?", abort=True)
    with client("recorder", data) as recorder:
        for take in takes:
            recorder.DeleteRecording(pb.DeleteRecordingRequest(utterance=take), timeout=FIRST_TIMEOUT_S)
            say(f"{take} is deleted")


@app.command()
def export(
    out: Annotated[Path, typer.Option("--out", metavar="FILE.zip", help="The archive to write.")],
    fmt: Annotated[FormatName, typer.Option("--format", help="Of the table beside wavs/.")] = FormatName.csv,
    speaker: SpeakerOption = "",
    prompts: ListOption = "",
    prompt: PromptOption = "",
    search: SearchOption = "",
    verdict: VerdictOption = VerdictName.any,
    check: CheckOption = "",
    data: DataOption = None,
) -> None:
    """Write takes and a table of them as a zip archive: takes.csv, takes.jsonl or LJSpeech's metadata.csv.

    Unpacked, `voxloom import` reads all three again: of the first two name the table itself.

    \b
    Example:  voxloom takes export --speaker Ada --verdict accepted --out ada.zip
              voxloom takes export --format ljspeech --out all.zip
    """
    wanted = asked(speaker, prompts, prompt, search, verdict, check)
    with client("recorder", data) as recorder:
        request = pb.ExportTakesRequest(takes=wanted, format=_FORMATS[fmt])
        parts = recorder.ExportTakes(request, timeout=EXPORT_TIMEOUT_S)
        num_bytes = _write(out, (part.data for part in parts))
    say(f"{out}: {num_bytes / 1e6:.1f} MB", "green")


def take_as_dict(take: pb.TakeInfo) -> dict[str, Any]:
    names = (
        "utterance",
        "speaker",
        "speaker_name",
        "text",
        "language",
        "created_at",
        "prompt_list",
        "prompt_id",
    )
    plain = {name: getattr(take, name) for name in (*names, "reason", "best", "chosen")}
    return {
        **plain,
        "verdict": _SHOWN.get(take.verdict, ""),
        "accepted_anyway": list(take.accepted_anyway),
        "checks": _fields(take.checks),
        "quality": _fields(take.quality) if take.HasField("quality") else None,
    }


def _fields(message: Any) -> dict[str, Any]:
    return {field.name: getattr(message, field.name) for field in message.DESCRIPTOR.fields}


def _row(take: pb.TakeInfo) -> tuple[object, ...]:
    verdict = _SHOWN.get(take.verdict, "-") + (f": {take.reason}" if take.reason else "")
    mark = "*" if take.best else " "
    faults = f" [{', '.join(take.accepted_anyway)}]" if take.accepted_anyway else ""
    named = take.speaker_name or take.speaker
    return (
        f"{mark}{take.utterance}",
        named,
        when(take.created_at),
        f"{take.checks.duration_s:.1f}",
        verdict,
        take.text + faults,
    )


def _page(recorder: Any, wanted: pb.ListTakesRequest, after: str, count: int) -> pb.ListTakesResponse:
    request = pb.ListTakesRequest(after=after, limit=min(count or _PAGE, _PAGE))
    request.MergeFrom(wanted)
    found: pb.ListTakesResponse = recorder.ListTakes(request, timeout=FIRST_TIMEOUT_S)
    return found


def _pages(
    recorder: Any, wanted: pb.ListTakesRequest, page: pb.ListTakesResponse, limit: int
) -> Iterator[pb.TakeInfo]:
    left = limit
    while True:
        yield from page.takes
        left -= len(page.takes)
        if not page.next or (limit and left <= 0):
            return
        page = _page(recorder, wanted, page.next, left if limit else 0)


def _review(takes: list[str], verdict: "pb.Verdict", reason: str, what: str, data: Path | None) -> None:
    if len(takes) > _MAX_NAMES:
        raise BadInput(f"{len(takes)} takes are named; at most {_MAX_NAMES} at once")
    named = [pb.TakeName(utterance=take) for take in takes]
    with client("recorder", data) as recorder:
        request = pb.ReviewTakesRequest(takes=named, verdict=verdict, reason=reason)
        changed = recorder.ReviewTakes(request, timeout=FIRST_TIMEOUT_S).changed
    same = len(set(takes)) - changed
    say(f"{changed} {what}" + (f", {same} were before" if same else ""))


def _write(out: Path, parts: Iterable[bytes]) -> int:
    """Whole or not at all; how many bytes."""
    part = out.with_name(f"{out.name}.part")
    written = 0
    try:
        with part.open("wb") as file:
            for data in parts:
                written += file.write(data)
        os.replace(part, out)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return written
