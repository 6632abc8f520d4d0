"""`voxloom texts`: sentences that nobody has read aloud, for the language model to know."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import typer

from voxloom import keys
from voxloom.cli.connect import CALL_TIMEOUT_S, DataOption, client
from voxloom.cli.feed import upload
from voxloom.cli.output import JsonOption, Meter, print_json, say, size, table, when
from voxloom.errors import BadInput
from voxloom.v1 import trainer_pb2

app = typer.Typer(
    no_args_is_help=True,
    help="Add, list and remove texts that language models are made of, beside the transcripts.",
    rich_markup_mode=None,
)
_ADD_TIMEOUT_S = 3600.0
_PART_BYTES = 64 * 1024


@app.command()
def add(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="UTF-8, a sentence a line, without audio.")
    ],
    json_: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Give the language model text to learn from: what will be said, in the words in which it will be said.

    Each is checked as a training would read it: lines that are held out to measure with, that have letters
    which the recogniser cannot write, or that are too long are counted and left out. One of the same name is
    replaced. The next training makes its language model with it.

    \b
    Example:  voxloom texts add letters.txt minutes.txt
              voxloom texts list
    """
    names = [_name(file) for file in files]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise BadInput(f"{', '.join(twice)} is named twice; files of one name replace each other: rename one")
    with client("trainer", data) as trainer:
        found = [_send(trainer, name, file) for name, file in zip(names, files, strict=True)]
    if json_:
        print_json([_as_dict(text) for text in found])
        return
    for text in found:
        _tell(text)
    say("the next training learns from it; on the same dataset again: voxloom train --seed N")


@app.command("list")
def list_(json_: JsonOption = False, data: DataOption = None) -> None:
    """List the texts, with what of them a language model learns.

    \b
    Example:  voxloom texts list
    """
    with client("trainer", data) as trainer:
        texts = trainer.ListTexts(trainer_pb2.ListTextsRequest(), timeout=CALL_TIMEOUT_S).texts
    if json_:
        print_json([_as_dict(text) for text in texts])
    elif not texts:
        say("no text yet; language models are made of transcripts alone. Add one: voxloom texts add FILE")
    else:
        table(("text", "size", "sentences", "words", "lines left out", "added"), map(_row, texts))


@app.command()
def remove(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="From `voxloom texts list`.")],
    data: DataOption = None,
) -> None:
    """Remove texts. Models that were made with them keep what they know; train a new one.

    \b
    Example:  voxloom texts remove minutes
    """
    with client("trainer", data) as trainer:
        for name in names:
            trainer.RemoveText(trainer_pb2.RemoveTextRequest(name=name), timeout=CALL_TIMEOUT_S)
            say(f"{name} is removed; the next training makes its language model without it")


def _name(file: Path) -> str:
    """The file's, as a segment of a key; in other scripts a name made of it."""
    stem = file.name.removesuffix(".txt")
    try:
        return keys.check_id(stem, "name")
    except BadInput:
        return keys.slug(stem)


def _send(trainer: Any, name: str, file: Path) -> trainer_pb2.Text:
    if not file.is_file():
        raise BadInput(f"{file} is no file; expected a text of UTF-8 with a sentence a line")
    with file.open("rb") as stream, Meter(f"sending {name}") as meter:
        messages = _messages(name, stream, file.stat().st_size, meter)
        text: trainer_pb2.Text = upload(trainer.AddText, messages, _ADD_TIMEOUT_S)
    return text


def _messages(name: str, stream: BinaryIO, total: int, meter: Meter) -> Iterator[trainer_pb2.AddTextRequest]:
    yield trainer_pb2.AddTextRequest(name=name)
    sent = 0
    while part := stream.read(_PART_BYTES):
        yield trainer_pb2.AddTextRequest(data=part)
        sent += len(part)
        meter.update(min(sent, total), total, f"{size(sent)} of {size(total)}")


def _tell(text: trainer_pb2.Text) -> None:
    say(f"{text.name}: {text.sentences} sentences, {text.words} words", "green")
    if text.left_out:
        say(f"  lines left out: {_counts(text.left_out.items())}", "yellow")
    if text.foreign_characters:
        by_count = sorted(text.foreign_characters.items(), key=lambda each: -each[1])
        used = ", ".join(f"{character} {count} times" for character, count in by_count)
        say(f"  letters that dataset {text.dataset} does not have: {used}", "yellow")
    if not text.dataset:
        say("  there is no dataset yet, so it is not known which lines its model will leave out", "yellow")


def _counts(counts: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in sorted(counts))


def _row(text: trainer_pb2.Text) -> tuple[object, ...]:
    if not text.checked:
        return (text.name, size(text.bytes), "not checked", "-", "-", "-")
    left_out = _counts(text.left_out.items()) or "none"
    return (text.name, size(text.bytes), text.sentences, text.words, left_out, when(text.added_at))


def _as_dict(text: trainer_pb2.Text) -> dict[str, Any]:
    plain = {name: getattr(text, name) for name in ("name", "bytes", "checked", "added_at", "sha256")}
    counts = {name: getattr(text, name) for name in ("sentences", "words", "dataset")}
    maps = {name: dict(getattr(text, name)) for name in ("left_out", "foreign_characters")}
    return {**plain, **counts, **maps}
