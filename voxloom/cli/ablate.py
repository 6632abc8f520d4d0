"""`voxloom ablate`: which mixture of sources makes the best recogniser of this speech, under one budget."""

from pathlib import Path
from typing import Annotated

import typer

from voxloom.cli import experiment_ablation as report
from voxloom.cli import experiment_arms as arms
from voxloom.cli import experiment_html
from voxloom.cli.connect import DataOption, client
from voxloom.cli.experiment import (
    Budget,
    Built,
    Laboratory,
    Trained,
    refuse_untested,
    resumable,
    tell_failures,
    whole,
)
from voxloom.cli.experiment_scores import ScoredLine, compare, in_all
from voxloom.cli.mixes import read_mix
from voxloom.cli.output import JsonOption
from voxloom.mix import FOLDERS

_NOT_WHOLE = 3  # exit code: there is an answer, but not all of it

MinutesOption = Annotated[
    float, typer.Option(min=0.0, help="Wall clock of each training; 0 trains to the recipe's end.")
]
SeedsOption = Annotated[int, typer.Option(min=1, max=100, help="Trainings of each dataset.")]
RecipeOption = Annotated[
    str, typer.Option(help="One recipe for all; chosen for the largest dataset if left out.")
]
HtmlOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Write one self-contained web page as well.")
]
MaxDroppedOption = Annotated[
    float | None, typer.Option(help="Build although faults cost up to this share of a source.")
]


def ablate(
    minutes: MinutesOption = 30.0,
    seeds: SeedsOption = 1,
    recipe: RecipeOption = "",
    mix: Annotated[
        list[str] | None,
        typer.Option(help="Compare this with own-only instead of the usual ones: a name or a YAML file."),
    ] = None,
    html: HtmlOption = None,
    max_dropped: MaxDroppedOption = None,
    json_: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Does synthetic speech, does Common Voice, do both together pay here? Train each mix and compare.

    Trains on own recordings only, with synthetic speech, with Common Voice, with both (where there are no
    own recordings, imported speech takes their place), one after the other under the same budget, and tests
    all on the same held-out utterances. Nothing of it goes into production. Ctrl-C stops the watching; the
    same command goes on where it was.

    \b
    Examples:  voxloom ablate --minutes 60 --seeds 3 --html ablation.html
               voxloom ablate --mix mine.yaml --mix hybrid
    """
    given = [read_mix(name) for name in mix or ()]
    budget = Budget(minutes, tuple(range(1, seeds + 1)), recipe)
    with resumable(), client("ingest", data) as ingest, client("trainer", data) as trainer:
        laboratory = Laboratory(ingest, trainer, max_dropped, quiet=json_)
        largest = laboratory.build(arms.everything())
        plan = arms.given(given, largest.clips) if given else arms.standard(largest.clips)
        refuse_untested(largest, plan.base)
        datasets = [laboratory.build(each) for each in plan.mixes]
        trained, used = laboratory.train(datasets, budget)
    found = _found(plan, datasets, trained, budget, used)
    experiment_html.tell(found, report.page, report.show, html, json_)
    if found.failures:
        raise typer.Exit(_NOT_WHOLE)


def _found(
    plan: arms.Arms, datasets: list[Built], trained: dict[str, Trained], budget: Budget, recipe: str
) -> report.Ablation:
    lines = whole(trained)
    comparisons = []
    if plan.baseline in lines:
        own = FOLDERS[plan.base]

        def is_own(line: ScoredLine) -> bool:
            return line.source == own

        comparisons = [
            *compare(lines, report.BASE, is_own),
            *compare(lines, report.GENERAL, lambda line: not is_own(line)),
        ]
    return report.Ablation(
        base=plan.base,
        datasets=datasets,
        runs={name: each.runs for name, each in trained.items()},
        left_out=plan.left_out,
        failures=tell_failures(trained),
        comparisons=comparisons,
        not_in_all=in_all([each for runs in lines.values() for each in runs])[1] if lines else 0,
        recipe=recipe,
        rule=budget.rule,
        seeds=budget.seeds,
    )
