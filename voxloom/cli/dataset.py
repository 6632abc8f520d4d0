"""`voxloom dataset`: what training learns from, and what was left out of it and why."""

import json
from typing import Annotated, Any

import typer

from voxloom.cli.connect import CALL_TIMEOUT_S, DataOption, client
from voxloom.cli.exporting import export
from voxloom.cli.importing import follow, state_name
from voxloom.cli.output import JsonOption, audio_time, print_json, say, table, when
from voxloom.errors import VoxloomError
from voxloom.manifest import SPLITS
from voxloom.v1 import ingest_pb2

app = typer.Typer(no_args_is_help=True, help="Build, list, show and export datasets.", rich_markup_mode=None)
app.command()(export)


@app.command()
def build(json_: JsonOption = False, data: DataOption = None) -> None:
    """Snapshot everything stored so far into a dataset now, without waiting for the retrain policy.

    \b
    Example:  voxloom dataset build
    """
    with client("ingest", data) as ingest:
        job = ingest.BuildDataset(ingest_pb2.BuildDatasetRequest(), timeout=CALL_TIMEOUT_S)
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
        print_json([_record(dataset) for dataset in datasets])
    elif not datasets:
        say("no dataset yet; import a corpus or record, then: voxloom dataset build")
    else:
        table(("dataset", "created", "train", "val", "test", "to train on"), (_row(d) for d in datasets))
        _tell_withdrawn(*datasets)


@app.command()
def show(
    dataset: Annotated[str, typer.Argument(help="Its id; the newest if left out.")] = "",
    json_: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Show one dataset: splits, sources, and every dropped utterance under its reason.

    \b
    Example:  voxloom dataset show
    """
    with client("ingest", data) as ingest:
        found = get(ingest, dataset)
    _show(found, json_)


def get(ingest: Any, dataset: str = "") -> ingest_pb2.Dataset:
    """One dataset, the newest by default."""
    found: ingest_pb2.Dataset = ingest.GetDataset(
        ingest_pb2.GetDatasetRequest(dataset=dataset), timeout=CALL_TIMEOUT_S
    )
    return found


def _record(dataset: ingest_pb2.Dataset) -> Any:
    return json.loads(dataset.record_json)


def _row(dataset: ingest_pb2.Dataset) -> tuple[object, ...]:
    counts = [dataset.splits[split].utterances for split in SPLITS]
    return (dataset.id, when(dataset.created_at), *counts, audio_time(dataset.splits["train"].hours))


def _show(dataset: ingest_pb2.Dataset, json_: bool) -> None:
    if json_:
        print_json(_record(dataset))
        return
    say(f"dataset {dataset.id}, created {when(dataset.created_at)}", "bold")
    _tell_withdrawn(dataset)
    splits = ((name, dataset.splits[name]) for name in SPLITS)
    table(
        ("split", "utterances", "speakers", "audio"),
        ((name, each.utterances, each.speakers, audio_time(each.hours)) for name, each in splits),
    )
    for source, number in sorted(dataset.utterances_by_source.items()):
        say(f"{number} utterances from {source}")
    for reason, number in sorted(dataset.dropped_by_reason.items()):
        say(f"{number} dropped: {reason}", "yellow")
    if dataset.overlapping_test_sentences:
        say(
            f"{dataset.overlapping_test_sentences} test sentences also occur in train (published split)",
            "yellow",
        )


def _tell_withdrawn(*datasets: ingest_pb2.Dataset) -> None:
    """The counts are those that it was built with."""
    for each in datasets:
        if each.withdrawn_utterances:
            lacks = f"{each.id} lacks {each.withdrawn_utterances} utterances that were withdrawn since"
            say(f"{lacks}; build one without them: voxloom dataset build", "yellow")
