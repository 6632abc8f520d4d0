"""`voxloom train` and `voxloom runs`: start trainings and see how they go."""

import json
from typing import Annotated, Any

import typer

from voxloom.cli import run_fetch, run_reports, run_show, run_suspects
from voxloom.cli.connect import CALL_TIMEOUT_S, DataOption, client
from voxloom.cli.output import JsonOption, percent, print_json, say, table, when
from voxloom.cli.run_curves import curves_of
from voxloom.cli.run_reports import RunArgument
from voxloom.cli.runview import state_name, tell_end, watch
from voxloom.run_report import Suspects
from voxloom.v1 import trainer_pb2

app = typer.Typer(
    no_args_is_help=True, help="List, show, watch and compare training runs.", rich_markup_mode=None
)
app.command()(run_reports.compare)
app.command()(run_reports.report)
app.command()(run_reports.listen)


def train(
    dataset: Annotated[str, typer.Option(help="Its id; the newest if left out.")] = "",
    recipe: Annotated[
        str, typer.Option(help="A recipe's name; chosen from the hours of data if left out.")
    ] = "",
    seed: Annotated[
        int, typer.Option(min=0, max=2**31 - 1, help="Same data, recipe and seed: same run.")
    ] = 0,
    budget_minutes: Annotated[
        float,
        typer.Option(min=0.0, help="Wall-clock minutes to fit the training into; 0 trains to convergence."),
    ] = 0.0,
    pieces: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Write pieces of words, so many with the characters; 0 for characters; chosen if left out.",
        ),
    ] = None,
    watch_: Annotated[bool, typer.Option("--watch", help="Follow the run to its end.")] = False,
    data: DataOption = None,
) -> None:
    """Train a recogniser from scratch. What comes out is optimised, checked and served by itself.

    \b
    Example:  voxloom train --watch
              voxloom train --recipe tiny --budget-minutes 30
              voxloom train --pieces 500
    """
    request = trainer_pb2.StartRunRequest(
        dataset=dataset, recipe=recipe, seed=seed, budget_minutes=budget_minutes, pieces=pieces
    )
    with client("trainer", data) as trainer:
        run = trainer.StartRun(request, timeout=CALL_TIMEOUT_S)
        say(f"run {run.id} on {run.dataset} with recipe {run.recipe} ({run.recipe_reason or 'as asked'})")
        if watch_:
            tell_end(_watch(trainer, run.id))
        else:
            say(f"see how it goes: voxloom runs watch {run.id}")


@app.command("list")
def list_(json_: JsonOption = False, data: DataOption = None) -> None:
    """List the training runs, newest first.

    \b
    Example:  voxloom runs list
    """
    with client("trainer", data) as trainer:
        runs = all_runs(trainer)
    if json_:
        print_json([as_dict(run) for run in runs])
    elif not runs:
        say("no run yet; one starts by itself when a dataset is ready, or with: voxloom train")
    else:
        table(("run", "state", "recipe", "dataset", "created", "best val WER"), (_row(run) for run in runs))
        for run in runs:
            run_show.tell_withdrawn(run)


@app.command()
def show(
    run: RunArgument = "",
    split: Annotated[str, typer.Option(help="Of the report: val or test; test if left out.")] = "",
    decoder: Annotated[
        str, typer.Option(help="Of the report: greedy or lm; the better one if left out.")
    ] = "",
    suspects: Annotated[
        bool,
        typer.Option(
            "--suspects", help="Only the transcripts of train and val that the model finds unlikely."
        ),
    ] = False,
    json_: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Show one run: recipe and why, settings, curves, error rates by source, speaker and length, confusions,
    and its worst utterances.

    \b
    Example:  voxloom runs show
              voxloom runs show r-0123456789ab-tiny-s1 --split val
              voxloom runs show --suspects
    """
    with client("trainer", data) as trainer:
        found = run_fetch.get(trainer, run)
        summary, doubted = run_fetch.report(trainer, found.id)
        if suspects:
            _show_suspects(found.id, doubted, json_)
            return
        curves = curves_of(run_fetch.past_metrics(trainer, found.id))
    if json_:
        told = {"report": summary and summary.model_dump(), "suspects": doubted and doubted.model_dump()}
        print_json({**as_dict(found), **told})
        return
    run_show.show(found)
    run_show.show_settings(found)
    run_show.show_curves(curves)
    if summary:
        run_show.show_report(summary, split, decoder)
        run_suspects.tell_count(doubted, found.id)
    else:
        say("no report: it is written when the training ends")


@app.command("watch")
def watch_command(run: RunArgument = "", data: DataOption = None) -> None:
    """Follow a run: curves and transcripts on a terminal, lines in a pipe. Ctrl-C stops the watching, not the
    run.

    \b
    Example:  voxloom runs watch
              voxloom runs watch | tee training.log
    """
    with client("trainer", data) as trainer:
        tell_end(_watch(trainer, run_fetch.get(trainer, run).id))


def all_runs(trainer: Any) -> list[trainer_pb2.Run]:
    """Newest first."""
    return run_fetch.all_runs(trainer)


def as_dict(run: trainer_pb2.Run) -> dict[str, Any]:
    """For scripts: what the service says now, with the stored run.json as `record`."""
    return {
        "run": run.id,
        "state": state_name(run.state),
        "dataset": run.dataset,
        "recipe": run.recipe,
        "recipe_reason": run.recipe_reason,
        "pieces": run.pieces,
        "created_at": run.created_at,
        "error": run.error,
        "best_val_wer": run.best_val_wer,
        "val_wer_lm": run.val_wer_lm if run.HasField("val_wer_lm") else None,
        "decoding": run.decoding,
        "epoch": run.latest.epoch,
        "epochs": run.latest.epochs,
        "eta_s": run.latest.eta_s,
        "withdrawn_utterances": run.withdrawn_utterances,
        "record": json.loads(run.record_json or "{}"),
    }


def _show_suspects(run: str, suspects: Suspects | None, json_: bool) -> None:
    found = run_suspects.there(suspects, run)
    print_json(found.model_dump()) if json_ else run_suspects.show_suspects(found, run)


def _watch(trainer: Any, run: str) -> trainer_pb2.Run:
    try:
        return watch(trainer, run)
    except KeyboardInterrupt:
        say(f"no longer watching; run {run} goes on by itself")
        raise typer.Exit(130) from None


def _row(run: trainer_pb2.Run) -> tuple[object, ...]:
    wer = percent(run.best_val_wer) if run.best_val_wer else "-"
    return (run.id, state_name(run.state), run.recipe, run.dataset, when(run.created_at), wer)
