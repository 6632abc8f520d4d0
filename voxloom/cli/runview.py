"""A training run as it goes: a bar with epochs, loss and ETA, and a line that stays for each epoch."""

from contextlib import suppress
from typing import Any

from voxloom.cli.output import Meter, clock, percent, say
from voxloom.errors import VoxloomError
from voxloom.v1 import trainer_pb2

ENDED = (trainer_pb2.RUN_STATE_DONE, trainer_pb2.RUN_STATE_FAILED)


def state_name(state: int) -> str:
    """accepted, running, done, failed."""
    with suppress(ValueError):
        return trainer_pb2.RunState.Name(state).removeprefix("RUN_STATE_").lower()
    return "unknown"


def watch(trainer: Any, run_id: str) -> trainer_pb2.Run:
    """Follows a run to its end; VoxloomError if it failed. Past epochs are told first."""
    run = trainer_pb2.Run(id=run_id)
    loss = 0.0
    with Meter("training") as meter:
        for update in trainer.WatchRun(trainer_pb2.WatchRunRequest(run=run_id)):
            run = update.run
            if update.HasField("metrics"):
                loss = update.metrics.loss or loss
                _tell(meter, update.metrics, loss)
    if run.state == trainer_pb2.RUN_STATE_FAILED:
        raise VoxloomError(f"run {run.id} failed: {run.error}")
    return run


def _tell(meter: Meter, metrics: trainer_pb2.RunMetrics, loss: float) -> None:
    """`loss` is the latest that was told: the line of an epoch's end has none, nor a speed."""
    if not metrics.HasField("val_wer"):
        meter.update(metrics.step, metrics.steps_total, progress_note(metrics, loss))
    if metrics.message:
        meter.line(f"  {metrics.message}", "yellow")
    if metrics.HasField("val_wer"):
        meter.line(epoch_line(metrics, loss))
        if metrics.example_reference:
            meter.line(f"    said  {metrics.example_reference}", "dim")
            meter.line(f"    heard {metrics.example_hypothesis or '(nothing)'}", "dim")


def progress_note(metrics: trainer_pb2.RunMetrics, loss: float) -> str:
    """What stands beside the bar."""
    return (
        f"epoch {metrics.epoch}/{metrics.epochs}  loss {loss:.2f}  "
        f"{metrics.audio_s_per_s:.0f}x real time  ETA {clock(metrics.eta_s)}"
    )


def epoch_line(metrics: trainer_pb2.RunMetrics, loss: float) -> str:
    """What stays of an epoch."""
    character_errors = f"  val CER {percent(metrics.val_cer)}" if metrics.HasField("val_cer") else ""
    return (
        f"epoch {metrics.epoch:>3}/{metrics.epochs}  loss {loss:.3f}  "
        f"val WER {percent(metrics.val_wer)}{character_errors}  ETA {clock(metrics.eta_s)}"
    )


def tell_end(run: trainer_pb2.Run) -> None:
    say(f"run {run.id} is {state_name(run.state)}, best val WER {percent(run.best_val_wer)}", "green")
