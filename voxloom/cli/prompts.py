"""`voxloom prompts`: sentences to be read aloud, and which to read next."""

import os
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from voxloom import keys
from voxloom.cli.connect import CALL_TIMEOUT_S, DataOption, client
from voxloom.cli.feed import upload
from voxloom.cli.output import JsonOption, print_json, say, table, when
from voxloom.errors import BadInput
from voxloom.v1 import recorder_pb2 as pb

app = typer.Typer(
    no_args_is_help=True,
    help="Lists of sentences to be read aloud: add, list, show, remove, and what to read next.",
    rich_markup_mode=None,
)
SUFFIXES = (".txt", ".csv", ".tsv")
_PART_BYTES = 64 * 1024
_MAX_FILE_BYTES = 16 << 20
_MAX_FILES = 1000
_ADD_TIMEOUT_S = 300.0

ORDER_HELP = (
    "That of the list; or useful: first what brings sounds that the speaker said least, and words that the "
    "model in production mishears."
)


class Order(StrEnum):
    LIST = "list"
    USEFUL = "useful"


def wire_order(order: Order) -> "pb.PromptOrder":
    return pb.PROMPT_ORDER_USEFUL if order is Order.USEFUL else pb.PROMPT_ORDER_UNSPECIFIED


ListArgument = Annotated[str, typer.Argument(metavar="LIST", help="From `voxloom prompts list`.")]
SpeakerOption = Annotated[str, typer.Option(help="Whose progress; any name.")]


@app.command()
def add(
    path: Annotated[Path, typer.Argument(help="TXT, CSV or TSV, or a folder such as Piper's prompts/.")],
    name: Annotated[str, typer.Option(help="Of the list; that of the file without it.")] = "",
    language: Annotated[str, typer.Option(help="BCP 47; of a folder with several it chooses one.")] = "",
    json_: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Add a list of prompts, in place of one of the same name.

    Read are a sentence a line, id<TAB>sentence, a CSV or TSV with a column text, sentence or prompt (Common
    Voice's validated_sentences.tsv), Mimic's CSV and the folders of Piper. Lines that nobody can read aloud,
    and sentences that come twice, are counted and left out.

    \b
    Example:  voxloom prompts add sentences.txt --language cy
              voxloom prompts add piper-recording-studio/prompts --language de-DE --name piper
    """
    files = _find_files(path)
    head = pb.PromptListHead(name=name or _name(path), language=language)
    with client("recorder", data) as recorder:
        answer = upload(recorder.ImportPrompts, _messages(head, files), _ADD_TIMEOUT_S)
    if json_:
        print_json(_imported(answer))
        return
    again = (
        f", in place of the list of that name: {answer.added} new, {answer.removed} no more in it"
        if answer.replaced
        else ""
    )
    say(f"{answer.list.name}: {answer.list.prompts} prompts ({answer.list.language}, {answer.format}){again}")
    for reason, count in sorted(answer.refused.items()):
        say(f"  left out: {count} {reason} ({answer.examples[reason]})", "yellow")
    say(f"what to read first: voxloom prompts next {answer.list.name} --speaker NAME")


@app.command("list")
def list_(json_: JsonOption = False, data: DataOption = None) -> None:
    """List the lists of prompts.

    \b
    Example:  voxloom prompts list
    """
    with client("recorder", data) as recorder:
        lists = recorder.ListPromptLists(pb.ListPromptListsRequest(), timeout=CALL_TIMEOUT_S).lists
    if json_:
        print_json([_list(each) for each in lists])
        return
    rows = [
        (each.name, each.language, each.prompts, when(each.created_at) or "built in", each.origin)
        for each in lists
    ]
    table(("list", "language", "prompts", "added", "origin"), rows)


@app.command()
def show(
    name: ListArgument,
    speaker: SpeakerOption = "",
    json_: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Show the prompts of a list, and with --speaker how far somebody has come.

    \b
    Example:  voxloom prompts show english --speaker Ada
    """
    with client("recorder", data) as recorder:
        prompts = list(all_prompts(recorder, name, speaker))
        request = pb.GetProgressRequest(list=name, speaker=speaker)
        progress = recorder.GetProgress(request, timeout=CALL_TIMEOUT_S) if speaker else None
    if json_:
        plain = [prompt_as_dict(each) for each in prompts]
        print_json({"prompts": plain, **({"progress": progress_as_dict(progress)} if progress else {})})
        return
    if progress is None:
        table(("id", "prompt"), ((each.id, each.text) for each in prompts))
        return
    table(("id", "state", "prompt"), ((each.id, _state(each), each.text) for each in prompts))
    tell_progress(progress)


@app.command("next")
def next_(
    name: ListArgument,
    speaker: Annotated[str, typer.Option(help="Who reads; any name.")],
    count: Annotated[int, typer.Option(min=1, max=100, help="How many.")] = 1,
    order: Annotated[Order, typer.Option(help=ORDER_HELP)] = Order.LIST,
    json_: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Show what somebody should read next: what they have neither recorded nor skipped.

    \b
    Example:  voxloom prompts next english --speaker Ada --count 10
              voxloom prompts next english --speaker Ada --order useful
    """
    with client("recorder", data) as recorder:
        request = pb.NextPromptsRequest(list=name, speaker=speaker, count=count, order=wire_order(order))
        answer = recorder.NextPrompts(request, timeout=CALL_TIMEOUT_S)
    if json_:
        print_json({"prompts": [prompt_as_dict(each) for each in answer.prompts]})
    elif not answer.prompts:
        say(f"{speaker} has read or skipped every prompt of {name}")
    elif order is Order.USEFUL:
        table(("id", "why", "prompt"), ((each.id, each.because, each.text) for each in answer.prompts))
    else:
        table(("id", "prompt"), ((each.id, each.text) for each in answer.prompts))


@app.command()
def remove(
    names: Annotated[list[str], typer.Argument(metavar="LIST...", help="From `voxloom prompts list`.")],
    data: DataOption = None,
) -> None:
    """Remove lists of prompts; what was recorded of them stays.

    \b
    Example:  voxloom prompts remove sentences
    """
    with client("recorder", data) as recorder:
        for name in names:
            recorder.RemovePromptList(pb.RemovePromptListRequest(name=name), timeout=CALL_TIMEOUT_S)
            say(f"{name} is removed; recordings of its prompts stay")


def tell_progress(progress: pb.Progress) -> None:
    """Two lines for people."""
    say(
        f"{progress.recorded} of {progress.prompts} recorded ({progress.minutes:.1f} min), "
        f"{progress.skipped} skipped, {progress.flagged} flagged"
    )
    covered = f"{progress.characters_covered} of {progress.characters} characters"
    missing = " ".join(progress.missing_characters)
    pairs = f"{progress.sounds_covered} of {progress.sounds} pairs of sounds (by {progress.sounds_by})"
    say(f"covered: {covered}, {pairs}{'; missing: ' + missing if missing else ''}")


def prompt_as_dict(prompt: pb.Prompt) -> dict[str, Any]:
    names = ("id", "text", "takes", "recorded", "skipped", "flagged", "because")
    return {name: getattr(prompt, name) for name in names}


def progress_as_dict(progress: pb.Progress) -> dict[str, Any]:
    plain = {field.name: getattr(progress, field.name) for field in pb.Progress.DESCRIPTOR.fields}
    return {**plain, "missing_characters": list(progress.missing_characters)}


def _find_files(path: Path) -> list[tuple[str, Path]]:
    """(path to send, file); of a folder all texts below it, no hidden ones, following no links."""
    if path.is_file():
        return [(path.name, path)]
    if not path.is_dir():
        raise BadInput(
            f"{path} is no file and no folder; expected prompts: TXT, CSV, TSV, or a folder of them"
        )
    found = []
    for folder, subfolders, names in os.walk(path):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        for name in sorted(names):
            file = Path(folder) / name
            if name.lower().endswith(SUFFIXES) and not name.startswith(".") and not file.is_symlink():
                found.append((file.relative_to(path).as_posix(), file))
            if len(found) > _MAX_FILES:
                raise BadInput(f"{path} has more than {_MAX_FILES} texts; name the folder of the prompts")
    if not found:
        raise BadInput(f"{path} has no {', '.join(SUFFIXES)}; name a file, or the folder of the prompts")
    return found


def _name(path: Path) -> str:
    stem = path.resolve().name.rpartition(".")[0] or path.resolve().name
    try:
        return keys.check_id(stem, "name")
    except BadInput:
        return keys.slug(stem)


def _messages(head: pb.PromptListHead, files: list[tuple[str, Path]]) -> Iterator[pb.ImportPromptsRequest]:
    yield pb.ImportPromptsRequest(list=head)
    for name, file in files:
        if file.stat().st_size > _MAX_FILE_BYTES:
            raise BadInput(
                f"{file} has more than {_MAX_FILE_BYTES >> 20} MiB; choose the sentences that you want to "
                f"read, for example: shuf -n 20000 {file.name} > prompts.txt"
            )
        with file.open("rb") as stream:
            while part := stream.read(_PART_BYTES):
                yield pb.ImportPromptsRequest(file=pb.PromptFilePart(path=name, data=part))


def all_prompts(recorder: Any, name: str, speaker: str) -> Iterator[pb.Prompt]:
    after = ""
    while True:
        request = pb.ListPromptsRequest(list=name, speaker=speaker, after=after)
        page = recorder.ListPrompts(request, timeout=CALL_TIMEOUT_S)
        yield from page.prompts
        if page.last:
            return
        after = page.prompts[-1].id


def _state(prompt: pb.Prompt) -> str:
    parts = [f"{prompt.takes} takes" if prompt.takes > 1 else "recorded"] if prompt.recorded else []
    parts += [f"skipped: {prompt.skipped}"] if prompt.skipped else []
    parts += [f"flagged: {prompt.flagged}"] if prompt.flagged else []
    return ", ".join(parts) or "-"


def _list(prompts: pb.PromptList) -> dict[str, Any]:
    return {field.name: getattr(prompts, field.name) for field in pb.PromptList.DESCRIPTOR.fields}


def _imported(answer: pb.ImportPromptsResponse) -> dict[str, Any]:
    changed = {"added": answer.added, "removed": answer.removed}
    counts = {"refused": dict(answer.refused), "examples": dict(answer.examples)}
    return {
        "list": _list(answer.list),
        "format": answer.format,
        "replaced": answer.replaced,
        **changed,
        **counts,
    }
