"""`voxloom train` and `voxloom runs`: start trainings and see how they go."""

import json
from typing import Annotated, Any

import typer

from voxloom.cli.connect import CALL_TIMEOUT_S, DataOption, client
from voxloom.cli.output import JsonOption, percent, print_json, say, table, when
from voxloom.cli.runview import ENDED, progress_note, state_name, tell_end, watch
from voxloom.v1 import trainer_pb2

app = typer.Typer(no_args_is_help=True, help="List, show and watch training runs.", rich_markup_mode=None)


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
    watch_: Annotated[bool, typer.Option("--watch", help="Follow the run to its end.")] = False,
    data: DataOption = None,
) -> None:
    """Train a recogniser from scratch. What comes out is optimised, checked and served by itself.

    \b
    Example:  voxloom train --watch
              voxloom train --recipe tiny --budget-minutes 30
    """
    request = trainer_pb2.StartRunRequest(
        dataset=dataset, recipe=recipe, seed=seed, budget_minutes=budget_minutes
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
            _tell_withdrawn(run)


@app.command()
def show(
    run: Annotated[str, typer.Argument(help="Its id; the newest if left out.")] = "",
    json_: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Show one run: state, recipe and why it was chosen, latest metrics.

    \b
    Example:  voxloom runs show
    """
    with client("trainer", data) as trainer:
        found = trainer.GetRun(trainer_pb2.GetRunRequest(run=run or _newest(trainer)), timeout=CALL_TIMEOUT_S)
    if json_:
        print_json(as_dict(found))
    else:
        _show(found)


@app.command("watch")
def watch_command(
    run: Annotated[str, typer.Argument(help="Its id; the newest if left out.")] = "", data: DataOption = None
) -> None:
    """Follow a run with a progress bar; Ctrl-C stops the watching, not the run.

    \b
    Example:  voxloom runs watch
    """
    with client("trainer", data) as trainer:
        tell_end(_watch(trainer, run or _newest(trainer)))


def all_runs(trainer: Any) -> list[trainer_pb2.Run]:
    """Newest first."""
    return list(trainer.ListRuns(trainer_pb2.ListRunsRequest(), timeout=CALL_TIMEOUT_S).runs)


def as_dict(run: trainer_pb2.Run) -> dict[str, Any]:
    """For scripts: what the service says now, with the stored run.json as `record`."""
    return {
        "run": run.id,
        "state": state_name(run.state),
        "dataset": run.dataset,
        "recipe": run.recipe,
        "recipe_reason": run.recipe_reason,
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


def _newest(trainer: Any) -> str:
    runs = all_runs(trainer)
    if not runs:
        say("no run yet; one starts by itself when a dataset is ready, or with: voxloom train")
        raise typer.Exit(1)
    return runs[0].id


def _watch(trainer: Any, run: str) -> trainer_pb2.Run:
    try:
        return watch(trainer, run)
    except KeyboardInterrupt:
        say(f"no longer watching; run {run} goes on by itself")
        raise typer.Exit(130) from None


def _row(run: trainer_pb2.Run) -> tuple[object, ...]:
    wer = percent(run.best_val_wer) if run.best_val_wer else "-"
    return (run.id, state_name(run.state), run.recipe, run.dataset, when(run.created_at), wer)


def _tell_withdrawn(run: trainer_pb2.Run) -> None:
    if run.withdrawn_utterances:
        say(f"{run.id}: {run.withdrawn_utterances} utterances of its data were withdrawn since", "yellow")


def _with_lm(run: trainer_pb2.Run) -> str:
    return f", {percent(run.val_wer_lm)} with the language model" if run.HasField("val_wer_lm") else ""


def _show(run: trainer_pb2.Run) -> None:
    say(f"run {run.id}: {state_name(run.state)}", "bold")
    say(f"dataset {run.dataset}, created {when(run.created_at)}")
    say(f"recipe  {run.recipe}: {run.recipe_reason or 'as asked'}")
    if run.error:
        say(f"error   {run.error}", "red")
    _tell_withdrawn(run)
    if run.best_val_wer:
        say(f"best val WER {percent(run.best_val_wer)} greedy{_with_lm(run)}")
    if run.decoding:
        say(f"decoded {run.decoding}")
    if run.HasField("latest") and run.state not in ENDED:
        say(progress_note(run.latest, run.latest.loss))
    if run.latest.message:
        say(f"note    {run.latest.message}", "yellow")
    if left_out := json.loads(run.record_json or "{}").get("left_out"):
        reasons = ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in left_out.items())
        say(f"left out of training: {reasons}", "yellow")
