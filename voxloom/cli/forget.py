"""`voxloom forget`: what was withdrawn leaves the store and all that was made of it."""

from typing import Annotated

import typer

from voxloom.cli.connect import CALL_TIMEOUT_S, DataOption, client
from voxloom.cli.importing import follow, state_name
from voxloom.cli.output import say, table
from voxloom.errors import BadInput, VoxloomError
from voxloom.v1 import ingest_pb2

_FIND_TIMEOUT_S = 600.0


def forget(
    speaker: Annotated[
        list[str] | None, typer.Option(help="All that a speaker gave: by name, by id, or by source/id.")
    ] = None,
    utterance: Annotated[list[str] | None, typer.Option(help="One recording, by its id.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    undo: Annotated[
        bool, typer.Option("--undo", help="Let it be recorded or imported again; what is gone stays gone.")
    ] = False,
    data: DataOption = None,
) -> None:
    """Delete a recording, or all of a speaker, for ever: audio, text, and the copies in every dataset.

    Later imports and recordings refuse it. Datasets, runs and models that held it are marked and listed;
    a model goes on serving, so train and promote a new one. Backups made before still hold it.

    \b
    Example:  voxloom forget --speaker "Ada Lovelace" --dry-run
              voxloom forget --utterance u-0123456789abcdef0123
    """
    wish = ingest_pb2.ForgetRequest(speakers=speaker or [], utterances=utterance or [], undo=undo)
    if not wish.speakers and not wish.utterances:
        raise BadInput("nothing to forget; name a --speaker or an --utterance")
    with client("ingest", data) as ingest:
        if undo:
            ingest.Forget(wish, timeout=CALL_TIMEOUT_S)
            say("it may come back from now on")
            return
        _preview(ingest.Forget(_dry(wish), timeout=_FIND_TIMEOUT_S))
        if dry_run:
            return
        if not yes:
            typer.confirm("Delete this for ever?", abort=True)
        job = follow(ingest, ingest.Forget(wish, timeout=_FIND_TIMEOUT_S).job, "forgetting")
    _report(job)


def _dry(wish: ingest_pb2.ForgetRequest) -> ingest_pb2.ForgetRequest:
    return ingest_pb2.ForgetRequest(speakers=wish.speakers, utterances=wish.utterances, dry_run=True)


def _preview(found: ingest_pb2.ForgetResponse) -> None:
    rows = ((each.source, each.speaker, each.utterances) for each in found.speakers)
    table(("source", "speaker", "utterances to delete"), rows)


def _report(job: ingest_pb2.Job) -> None:
    if job.state != ingest_pb2.JOB_STATE_DONE:
        raise VoxloomError(f"job {job.id} ended {state_name(job.state)}: {job.error or job.message}")
    say(f"{job.deleted_utterances} recordings are deleted (job {job.id})", "green")
    if job.marked:
        say(f"marked, for they held some: {', '.join(job.marked)}", "yellow")
        say("what is in production goes on; build a dataset and train to replace it: voxloom dataset build")
