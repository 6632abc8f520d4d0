"""`voxloom text`: what becomes of texts before a model learns them, and which characters they use."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, TextIO

import typer

from voxloom.alphabet import RARE, AlphabetCounter, AlphabetReport, CharacterUse, Example
from voxloom.cli.connect import DataOption, client
from voxloom.cli.dataset import get
from voxloom.cli.exporting import Which
from voxloom.cli.output import JsonOption, plain, print_json, print_json_line, say, table
from voxloom.errors import BadInput
from voxloom.manifest import SPLITS, Utterance, read_csv
from voxloom.text import normalize
from voxloom.text_explain import explain as explain_changes
from voxloom.v1 import ingest_pb2

app = typer.Typer(no_args_is_help=True, help="Normalise texts and look at alphabets.", rich_markup_mode=None)

_STREAM_TIMEOUT_S = 3600.0
_MAX_LINE = 100_000  # characters of one text
LanguageOption = Annotated[
    str, typer.Option("--language", "-l", metavar="TAG", help="BCP 47 tag of the texts: en, de-CH, cy, hi.")
]


@app.command("normalize")
def normalize_(
    language: LanguageOption,
    texts: Annotated[
        list[str] | None, typer.Argument(metavar="[TEXT]...", help="Texts; - reads lines from the input.")
    ] = None,
    file: Annotated[Path | None, typer.Option("--file", metavar="FILE", help="A text a line.")] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Show which rule changed what.")] = False,
    json_: JsonOption = False,
) -> None:
    """Show texts as a model learns them: what is typed, and below it what is written.

    \b
    Example:  voxloom text normalize "Dr. Smith's 3rd call, 10:30" --language en --explain
              voxloom text normalize - --language fr < sentences.txt > normalised.txt
    """
    given = texts or []
    lines_only = file is not None or given == ["-"]
    with _lines(file, given) as lines:
        for text in lines:
            _show(text, language, explain, json_, lines_only)


def _show(text: str, language: str, explain: bool, json_: bool, lines_only: bool) -> None:
    """From a stream without more wishes the bare text, a line each, so that it can be piped on."""
    done = normalize(text, language)
    changes = explain_changes(text, language) if explain else []
    if json_:
        found = {"text": text, "normalized": done}
        print_json_line(found | {"changes": [asdict(each) for each in changes]} if explain else found)
    elif lines_only and not explain:
        sys.stdout.write(plain(done) + "\n")
    else:
        say(f"in:   {text}")
        say(f"out:  {done}", "bold")
        for change in changes:
            say(f"      {change}")


@app.command()
def alphabet(
    language: LanguageOption = "",
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="A text a line; without it the input is read.")
    ] = None,
    dataset: Annotated[
        str | None, typer.Option("--dataset", metavar="ID", help="A dataset; the word newest for the newest.")
    ] = None,
    split: Annotated[Which, typer.Option(help="Which part of the dataset.")] = Which.all,
    rare: Annotated[int, typer.Option(min=0, help="Up to so many uses are rare, and shown where.")] = RARE,
    json_: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Count the characters of normalised texts, show where rare ones are, and warn of what looks mistyped.

    \b
    Example:  voxloom text alphabet sentences.txt --language uk
              voxloom text alphabet --dataset newest --split train
    """
    counter = AlphabetCounter(rare)
    if dataset is None:
        if not language:
            raise BadInput("texts need their language: voxloom text alphabet FILE --language TAG")
        if split is not Which.all:
            raise BadInput(f"--split {split.value} is of a dataset; name it: --dataset newest")
        with _lines(file, ["-"] if file is None else []) as lines:
            for number, text in enumerate(lines, start=1):
                counter.add(normalize(text, language), f"line {number}")
    else:
        for row in _rows(dataset, split, data):
            counter.add(normalize(row.text, language) if language else row.text, row.utterance)
    report = counter.report()
    print_json(report.as_dict()) if json_ else _print(report)


@contextmanager
def _lines(file: Path | None, texts: list[str]) -> Iterator[Iterator[str]]:
    """The lines of the file, of the input where the one text is -, or the texts."""
    if file is not None and texts and texts != ["-"]:
        raise BadInput(f"found a text and --file {file}; give one of them")
    if file is not None:
        with file.open(encoding="utf-8-sig", errors="replace") as stream:
            yield _bounded(stream)
    elif texts == ["-"]:
        sys.stdin.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]
        yield _bounded(sys.stdin)
    elif texts:
        yield iter(texts)
    else:
        raise BadInput("no text; give one, --file FILE, or - to read lines from the input")


def _bounded(stream: TextIO) -> Iterator[str]:
    """Lines without their ends; an endless one is refused before it fills the memory."""
    number = 0
    while line := stream.readline(_MAX_LINE + 1):
        number += 1
        if len(line) > _MAX_LINE:
            raise BadInput(f"line {number} is longer than {_MAX_LINE} characters; put one sentence on a line")
        yield line.rstrip("\r\n")


def _rows(dataset: str, which: Which, data: Path | None) -> Iterator[Utterance]:
    """Rows of a dataset, split by split."""
    with client("ingest", data) as ingest:
        found = get(ingest, "" if dataset == "newest" else dataset).id  # splits of one and the same
        for split in SPLITS if which is Which.all else (which.value,):
            request = ingest_pb2.ReadManifestRequest(dataset=found, split=split)
            parts = (part.csv for part in ingest.ReadManifest(request, timeout=_STREAM_TIMEOUT_S))
            yield from read_csv(_whole_lines(parts))


def _whole_lines(parts: Iterable[bytes]) -> Iterator[bytes]:
    """The lines of a stream that is cut anywhere."""
    rest = b""
    for part in parts:
        *lines, rest = (rest + part).split(b"\n")
        yield from lines
        if len(rest) > _MAX_LINE:
            raise BadInput(f"the manifest has a line of more than {_MAX_LINE} bytes; build the dataset again")
    if rest:
        yield rest


def _print(report: AlphabetReport) -> None:
    say(f"{report.texts} texts, {len(report.characters)} characters: {report.alphabet}", "bold")
    table(("count", "code", "character", "script", "name"), map(_row, report.characters))
    for use in report.characters:
        _print_examples(f"rare: {use.character} {use.code_point} {use.name}, {use.count} times", use.examples)
    for finding in report.findings:
        about = f" ({finding.detail})" if finding.detail else ""
        title = f"{finding.suspicion.value.replace('_', ' ')}: {finding.what}, {finding.count} times{about}"
        _print_examples(title, finding.examples or [Example("", "")])
    if report.left_out:
        say(f"{report.left_out} more uses of characters beyond the 50,000 kinds that are counted", "yellow")


def _row(use: CharacterUse) -> tuple[object, ...]:
    shown = "(space)" if use.character == " " else use.character
    return use.count, use.code_point, shown, use.script or "-", use.name


def _print_examples(title: str, examples: Iterable[Example]) -> None:
    lines = list(examples)
    if lines:
        say(title, "yellow")
    for each in filter(lambda example: example.where, lines):
        say(f"      {each.where}: {each.text}")
