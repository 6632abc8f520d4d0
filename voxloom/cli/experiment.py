"""Datasets and trainings of an experiment, made by the services and kept out of production.

What was done before is found again: the same rows are the same dataset, and the same dataset, recipe, seed
and budget the same run. So a command that was stopped goes on when it is given once more.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import typer

from voxloom.cli.connect import CALL_TIMEOUT_S
from voxloom.cli.dataset import get
from voxloom.cli.experiment_scores import Lines, read_test
from voxloom.cli.mixes import mix_message
from voxloom.cli.output import Meter, clock, percent, say
from voxloom.cli.runview import ENDED
from voxloom.dataset_report import DatasetReport
from voxloom.errors import VoxloomError
from voxloom.mix import NAMES, Mix, SourceName
from voxloom.record import parse_model
from voxloom.v1 import ingest_pb2, trainer_pb2


@dataclass(frozen=True)
class Budget:
    """The same for all trainings of an experiment."""

    minutes: float  # wall clock each; 0: the recipe's epochs, with its early stop
    seeds: tuple[int, ...]
    recipe: str = ""  # empty: the one that the first dataset to be trained on is given

    @property
    def rule(self) -> str:
        """One clause for people."""
        if not self.minutes:
            return "each until its recipe's last epoch or early stop"
        return f"each at most {self.minutes:g} minutes, its recipe's epochs, or until it stops early"


@dataclass(frozen=True)
class Built:
    """A dataset of the experiment, as far as people want to know."""

    name: str
    dataset: str
    clips: dict[SourceName, int]  # to train on
    hours: dict[SourceName, float]
    tests: dict[SourceName, int]

    @property
    def num_clips(self) -> int:
        return sum(self.clips.values())


@dataclass
class Trained:
    """What came out of one dataset's trainings."""

    runs: list[str] = field(default_factory=list)
    lines: list[Lines] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


class Laboratory:
    """Builds and trains one thing after the other: production's own work comes in between."""

    def __init__(self, ingest: Any, trainer: Any, max_dropped: float | None, quiet: bool) -> None:
        self._ingest, self._trainer = ingest, trainer
        self._max_dropped, self._quiet = max_dropped, quiet

    def build(self, mix: Mix) -> Built:
        """The dataset of a mix; VoxloomError says what speaks against it."""
        request = ingest_pb2.BuildDatasetRequest(
            mix=mix_message(mix), max_dropped=self._max_dropped, experiment=True
        )
        job = self._ingest.BuildDataset(request, timeout=CALL_TIMEOUT_S)
        with self._meter(f"building {mix.name}") as meter:
            for update in self._ingest.WatchJob(ingest_pb2.WatchJobRequest(id=job.id, kind=job.kind)):
                job = update
                if meter:
                    meter.update(job.done, job.total, job.message)
        if job.state != ingest_pb2.JOB_STATE_DONE:
            raise VoxloomError(f"the dataset of {mix.name} was not built: {job.error or job.message}")
        return self._built(mix.name, get(self._ingest, job.dataset).id)

    def train(self, datasets: Sequence[Built], budget: Budget) -> tuple[dict[str, Trained], str]:
        """Every dataset with every seed; and the recipe of all. The largest dataset is the first, for it
        decides on the recipe where none was asked for, and on characters or pieces of words."""
        order = sorted(datasets, key=lambda each: -each.num_clips)
        trained = {each.name: Trained() for each in datasets}
        recipe, pieces, pace = budget.recipe, None, Pace(len(order) * len(budget.seeds), 60 * budget.minutes)
        with self._meter("training") as meter:
            for seed in budget.seeds:
                for built in order:
                    request = trainer_pb2.StartRunRequest(
                        dataset=built.dataset,
                        recipe=recipe,
                        seed=seed,
                        budget_minutes=budget.minutes,
                        pieces=pieces,
                    )
                    run = self._trainer.StartRun(request, timeout=CALL_TIMEOUT_S)
                    recipe, pieces = run.recipe, run.pieces
                    self._follow(run, f"{built.name}, seed {seed}", pace, meter)
                    self._collect(run.id, trained[built.name])
        return trained, recipe

    def _follow(self, run: trainer_pb2.Run, name: str, pace: "Pace", meter: Meter | None) -> None:
        was_over = run.state in ENDED
        for update in self._trainer.WatchRun(trainer_pb2.WatchRunRequest(run=run.id)):
            if meter and update.HasField("metrics") and update.metrics.steps_total and not was_over:
                latest = update.metrics
                share = latest.step / latest.steps_total
                left = clock(pace.left_s(latest.eta_s))
                meter.update(
                    pace.done + share,
                    pace.runs,
                    f"{name}: epoch {latest.epoch}/{latest.epochs}, all done in about {left}",
                )
        pace.ended(was_over)
        if meter:
            meter.line(f"  {pace.done} of {pace.runs} trainings are done: {name} ({run.id})")

    def _collect(self, run: str, trained: Trained) -> None:
        found = self._trainer.GetRun(trainer_pb2.GetRunRequest(run=run), timeout=CALL_TIMEOUT_S)
        if found.state == trainer_pb2.RUN_STATE_FAILED:
            trained.failures.append(
                f"run {run} failed and is not tried again (other --minutes make another run): {found.error}"
            )
            return
        trained.runs.append(run)
        trained.lines.append(read_test(self._trainer, run))

    def _built(self, name: str, dataset: str) -> Built:
        request = ingest_pb2.GetDatasetReportRequest(dataset=dataset)
        answer = self._ingest.GetDatasetReport(request, timeout=CALL_TIMEOUT_S)
        report = parse_model("report.json", answer.report_json, DatasetReport)
        train = {NAMES[source]: each for source, each in report.by_split.get("train", {}).items()}
        tests = {NAMES[source]: each for source, each in report.by_split.get("test", {}).items()}
        return Built(
            name,
            dataset,
            clips={source: each.utterances for source, each in train.items()},
            hours={source: each.hours for source, each in train.items()},
            tests={source: each.utterances for source, each in tests.items()},
        )

    @contextmanager
    def _meter(self, label: str) -> Iterator[Meter | None]:
        """Nothing is told while the output is for scripts."""
        if self._quiet:
            yield None
            return
        with Meter(label) as meter:
            yield meter


class Pace:
    """How long all trainings will take, from their budget or from those that have ended."""

    def __init__(self, runs: int, budget_s: float) -> None:
        self.runs, self.done = runs, 0
        self._budget_s = budget_s
        self._spent_s: list[float] = []  # of each training that was watched from its beginning
        self._begun_s = time.monotonic()

    def left_s(self, of_this_s: float) -> float:
        """`of_this_s`: what the training in progress still needs."""
        so_far_s = time.monotonic() - self._begun_s
        guess_s = self._budget_s or so_far_s + of_this_s
        each_s = sum(self._spent_s) / len(self._spent_s) if self._spent_s else guess_s
        return of_this_s + each_s * (self.runs - self.done - 1)

    def ended(self, was_over: bool) -> None:
        if not was_over:
            self._spent_s.append(time.monotonic() - self._begun_s)
        self.done += 1
        self._begun_s = time.monotonic()


@contextmanager
def resumable() -> Iterator[None]:
    """Ctrl-C leaves what is under way to the services."""
    try:
        yield
    except KeyboardInterrupt:
        say("stopped watching; what was begun goes on by itself, and the same command goes on from there")
        raise typer.Exit(130) from None


def refuse_untested(built: Built, base: SourceName) -> None:
    """Before hours of training that nothing could be said of."""
    if not built.tests.get(base):
        raise VoxloomError(
            f"none of the {base} speech is held out for testing, so nothing could be compared; record or "
            "import more sentences and speakers"
        )


def whole(trained: Mapping[str, Trained]) -> dict[str, list[Lines]]:
    """Those of which at least one training came to its end."""
    return {name: each.lines for name, each in trained.items() if each.lines}


def tell_failures(trained: Mapping[str, Trained]) -> list[str]:
    """Every training that failed, for a table that is not whole."""
    return [f"{name}: {failure}" for name, each in trained.items() for failure in each.failures]


def rate_text(rate: float, low: float, high: float) -> str:
    """12.3 % (10.1 to 14.9)"""
    return f"{percent(rate)} ({100 * low:.1f} to {100 * high:.1f})"
