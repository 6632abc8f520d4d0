"""`voxloom dataset`: what training learns from, and what was left out of it and why."""

from pathlib import Path
from typing import Annotated, Any

import typer

from voxloom.cli import dataset_diff, dataset_html, dataset_view
from voxloom.cli.connect import CALL_TIMEOUT_S, DataOption, client
from voxloom.cli.dataset_view import record_of
from voxloom.cli.exporting import export
from voxloom.cli.importing import follow, state_name
from voxloom.cli.mixes import EVERYTHING, mix_message, read_mix
from voxloom.cli.output import JsonOption, audio_time, print_json, say, table, when
from voxloom.dataset_report import DatasetReport
from voxloom.errors import BadInput, VoxloomError
from voxloom.manifest import SPLITS
from voxloom.record import parse_model
from voxloom.v1 import ingest_pb2

app = typer.Typer(
    no_args_is_help=True, help="Build, list, show, compare and export datasets.", rich_markup_mode=None
)
app.command()(export)

DatasetArgument = Annotated[str, typer.Argument(help="Its id; the newest if left out.")]


@app.command()
def build(
    mix: Annotated[
        str,
        typer.Option(
            help="How much of each source to train on: all, hybrid, own+tts, own+commonvoice, or a YAML file."
        ),
    ] = EVERYTHING,
    max_dropped: Annotated[
        float | None,
        typer.Option(help="Build although faults cost up to this share of a source; 0.1 unless given."),
    ] = None,
    json_: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Snapshot everything stored so far into a dataset now, without waiting for the retrain policy.

    The mix and --max-dropped stay in force for the datasets that the retrain policy builds afterwards.

    \b
    Examples:  voxloom dataset build
               voxloom dataset build --mix hybrid
    """
    chosen = read_mix(mix)
    request = ingest_pb2.BuildDatasetRequest(
        mix=mix_message(chosen) if chosen else None, max_dropped=max_dropped
    )
    with client("ingest", data) as ingest:
        job = ingest.BuildDataset(request, timeout=CALL_TIMEOUT_S)
        job = follow(ingest, job, "building")
        if job.state != ingest_pb2.JOB_STATE_DONE:
            raise VoxloomError(f"job {job.id} ended {state_name(job.state)}: {job.error or job.message}")
        dataset = get(ingest, job.dataset)
    _show(dataset, json_)


@app.command("list")
def list_(json_: JsonOption = False, data: DataOption = None) -> None:
    """List the datasets, newest first.

    \b
    Example:  voxloom dataset list
    """
    with client("ingest", data) as ingest:
        datasets = ingest.ListDatasets(ingest_pb2.ListDatasetsRequest(), timeout=CALL_TIMEOUT_S).datasets
    if json_:
        print_json([dataset_view.document_of(dataset) for dataset in datasets])
    elif not datasets:
        say("no dataset yet; import a corpus or record, then: voxloom dataset build")
    else:
        table(("dataset", "created", "train", "val", "test", "to train on"), (_row(d) for d in datasets))
        _tell_withdrawn(*datasets)


@app.command()
def show(dataset: DatasetArgument = "", json_: JsonOption = False, data: DataOption = None) -> None:
    """Show one dataset: splits, sources, and every dropped utterance under its reason.

    \b
    Example:  voxloom dataset show
    """
    with client("ingest", data) as ingest:
        found = get(ingest, dataset)
    _show(found, json_)


@app.command()
def report(
    dataset: DatasetArgument = "",
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write one self-contained web page instead.")
    ] = None,
    json_: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Tell all of a dataset: lengths, levels, speed of speech, characters, speakers, and what was left out.

    \b
    Example:  voxloom dataset report --html dataset.html
    """
    with client("ingest", data) as ingest:
        request = ingest_pb2.GetDatasetReportRequest(dataset=dataset)
        answer = ingest.GetDatasetReport(request, timeout=CALL_TIMEOUT_S)
    found = parse_model("report.json", answer.report_json, DatasetReport)
    if html is not None:
        _write(html, dataset_html.page(record_of(answer.dataset), found, answer.dataset.withdrawn_utterances))
        say(f"{html} tells of dataset {found.dataset}", "green")
    elif json_:
        print_json({**dataset_view.document_of(answer.dataset), "report": found.model_dump()})
    else:
        _show(answer.dataset, json_)
        dataset_view.show_report(found)


@app.command()
def diff(
    a: Annotated[str, typer.Argument(metavar="A", help="The earlier dataset.")],
    b: Annotated[str, typer.Argument(metavar="B", help="The later one; the newest if left out.")] = "",
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Name every utterance.")] = False,
    json_: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Compare two datasets: what came, what went, and what moved between splits, which nothing may.

    \b
    Example:  voxloom dataset diff d-0123456789ab
    """
    with client("ingest", data) as ingest:
        first, second = get(ingest, a).id, get(ingest, b).id
        changes = dataset_diff.compare(ingest, first, second)
        dataset_diff.tell(first, second, changes, verbose=verbose, json_=json_)


def get(ingest: Any, dataset: str = "") -> ingest_pb2.Dataset:
    """One dataset, the newest by default."""
    found: ingest_pb2.Dataset = ingest.GetDataset(
        ingest_pb2.GetDatasetRequest(dataset=dataset), timeout=CALL_TIMEOUT_S
    )
    return found


def _row(dataset: ingest_pb2.Dataset) -> tuple[object, ...]:
    counts = [dataset.splits[split].utterances for split in SPLITS]
    return (dataset.id, when(dataset.created_at), *counts, audio_time(dataset.splits["train"].hours))


def _show(dataset: ingest_pb2.Dataset, json_: bool) -> None:
    if json_:
        print_json(dataset_view.document_of(dataset))
    else:
        dataset_view.show(record_of(dataset))
        _tell_withdrawn(dataset)


def _tell_withdrawn(*datasets: ingest_pb2.Dataset) -> None:
    """The counts are those that it was built with."""
    for each in datasets:
        if each.withdrawn_utterances:
            lacks = f"{each.id} lacks {each.withdrawn_utterances} utterances that were withdrawn since"
            say(f"{lacks}; build one without them: voxloom dataset build", "yellow")


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {error.strerror}") from error
