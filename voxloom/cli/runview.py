"""A training run as it goes: curves that are drawn again and again on a terminal, lines elsewhere."""

import time
from contextlib import ExitStack, suppress
from typing import Any

from rich.console import Group
from rich.live import Live
from rich.text import Text

from voxloom.cli.output import QUIET_S, clock, console, percent, plain, say
from voxloom.cli.run_curves import Curve, Curves, sparkline
from voxloom.errors import VoxloomError
from voxloom.v1 import trainer_pb2

ENDED = (trainer_pb2.RUN_STATE_DONE, trainer_pb2.RUN_STATE_FAILED)
_REDRAW_S = 0.25
_BAR = 30


def state_name(state: int) -> str:
    """accepted, running, done, failed."""
    with suppress(ValueError):
        return trainer_pb2.RunState.Name(state).removeprefix("RUN_STATE_").lower()
    return "unknown"


def watch(trainer: Any, run_id: str) -> trainer_pb2.Run:
    """Follows a run to its end; VoxloomError if it failed. Past epochs are told first."""
    run = trainer_pb2.Run(id=run_id)
    with ExitStack() as stack:
        screen: _Lines | _Screen = _Lines()
        if console().is_terminal:
            screen = _Screen(stack.enter_context(Live(console=console(), auto_refresh=False)))
        for update in trainer.WatchRun(trainer_pb2.WatchRunRequest(run=run_id)):
            run = update.run
            screen.tell(update)
        screen.end(run)
    if run.state == trainer_pb2.RUN_STATE_FAILED:
        raise VoxloomError(f"run {run.id} failed: {run.error}")
    return run


class _Lines:
    """For logs and pipes: what stays of an epoch, and a line every few seconds."""

    def __init__(self) -> None:
        self._loss, self._told_s = 0.0, time.monotonic()

    def tell(self, update: trainer_pb2.RunUpdate) -> None:
        if not update.HasField("metrics"):
            return
        metrics = update.metrics
        self._loss = metrics.loss or self._loss  # an older trainer tells none at the end of an epoch
        if metrics.message:
            say(f"  {metrics.message}", "yellow")
        if metrics.HasField("val_wer"):
            _tell_epoch(metrics, self._loss)
        elif time.monotonic() - self._told_s > QUIET_S:
            self._told_s = time.monotonic()
            share = f" {100 * metrics.step / metrics.steps_total:.0f} %" if metrics.steps_total else ""
            say(f"training{share}  {progress_note(metrics, self._loss)}")

    def end(self, run: trainer_pb2.Run) -> None:
        """The lines have said it all."""


class _Screen:
    """One picture of the whole run, drawn anew a few times a second."""

    def __init__(self, live: Live) -> None:
        self._live, self._curves = live, Curves()
        self._latest, self._drawn_s = trainer_pb2.RunMetrics(), 0.0

    def tell(self, update: trainer_pb2.RunUpdate) -> None:
        if update.HasField("metrics"):
            self._curves.add(update.metrics)
            self._latest = update.metrics if update.metrics.steps_total else self._latest
        if time.monotonic() - self._drawn_s >= _REDRAW_S:
            self.end(update.run)

    def end(self, run: trainer_pb2.Run) -> None:
        self._drawn_s = time.monotonic()
        self._live.update(picture(run, self._latest, self._curves), refresh=True)


def picture(run: trainer_pb2.Run, latest: trainer_pb2.RunMetrics, curves: Curves) -> Group:
    """The head, a line for each curve, and what was heard first and last."""
    lines = [Text(plain(f"run {run.id}: {state_name(run.state)}"), "bold"), Text(_bar(run, latest))]
    lines += [Text(plain(_curve_line(name, curve, rate=False))) for name, curve in curves.steps()]
    lines += [Text(plain(_curve_line(name, curve, rate=True))) for name, curve in curves.rates()]
    lines += [Text(plain(message), "yellow") for message in curves.messages[-2:]]
    for said, first, last in first_and_last(curves):
        lines += [Text(plain(f"said  {said}"), "dim"), Text(plain(f"first {first or '(nothing)'}"), "dim")]
        lines.append(Text(plain(f"now   {last or '(nothing)'}")))
    for line in lines:
        line.no_wrap, line.overflow = True, "ellipsis"
    return Group(*lines)


def first_and_last(curves: Curves) -> list[tuple[str, str, str]]:
    """Said, heard after the first epoch that told of it, and heard after the last."""
    if not curves.epochs:
        return []
    first: dict[str, str] = {}
    for epoch in curves.epochs:
        for said, heard in epoch.examples:
            first.setdefault(said, heard)
    return [(said, first[said], heard) for said, heard in curves.epochs[-1].examples]


def _bar(run: trainer_pb2.Run, latest: trainer_pb2.RunMetrics) -> str:
    if run.state in ENDED:
        return f"epoch {run.latest.epoch}/{run.latest.epochs}"
    share = min(1.0, latest.step / latest.steps_total) if latest.steps_total else 0.0
    bar = "#" * round(_BAR * share)
    epochs = f"epoch {latest.epoch}/{latest.epochs}  ETA {clock(latest.eta_s)}" if latest.epochs else "begins"
    return f"[{bar:<{_BAR}}] {100 * share:.0f} %  {epochs}"


def _curve_line(name: str, curve: Curve, rate: bool) -> str:
    if not curve.points:
        return f"{name:<24}{'-':>10}"
    last = curve.points[-1][1]
    value = percent(last) if rate else f"{last:.3g}"
    return f"{name:<24}{value:>10}  {sparkline(curve.points)}"


def _tell_epoch(metrics: trainer_pb2.RunMetrics, loss: float) -> None:
    say(epoch_line(metrics, loss))
    if len(metrics.val_by_source) > 1:
        rates = (f"{name} {percent(each.wer)}" for name, each in sorted(metrics.val_by_source.items()))
        say(f"    val WER of {', '.join(rates)}", "dim")
    if metrics.example_reference:
        say(f"    said  {metrics.example_reference}", "dim")
        say(f"    heard {metrics.example_hypothesis or '(nothing)'}", "dim")


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
    with_lm = f", {percent(run.val_wer_lm)} with the language model" * run.HasField("val_wer_lm")
    best = f"best val WER {percent(run.best_val_wer)} greedy{with_lm}"
    say(f"run {run.id} is {state_name(run.state)}, {best}", "green")
