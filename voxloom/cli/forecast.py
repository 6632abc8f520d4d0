"""`voxloom forecast`: how much more must be recorded for a wanted word error rate?"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated

import typer

from voxloom import learning_curve, wer
from voxloom.cli import experiment_arms as arms
from voxloom.cli import experiment_forecast as report
from voxloom.cli import experiment_html
from voxloom.cli.ablate import (
    HtmlOption,
    MaxDroppedOption,
    MinutesOption,
    RecipeOption,
    SeedsOption,
)
from voxloom.cli.connect import DataOption, client
from voxloom.cli.experiment import (
    Budget,
    Built,
    Laboratory,
    Trained,
    refuse_untested,
    resumable,
    tell_failures,
)
from voxloom.cli.experiment_scores import GREEDY, Lines, edits_of, in_all
from voxloom.cli.mixes import read_mix
from voxloom.cli.output import JsonOption
from voxloom.errors import BadInput, VoxloomError
from voxloom.mix import FOLDERS, Mix, SourceName

_NOT_WHOLE = 3
_MAX_PARTS = 12


@dataclass(frozen=True)
class _Question:
    """What is asked: of which mix and source, by whose errors, for which rate."""

    mix: Mix
    base: SourceName
    thinned: tuple[SourceName, ...]
    decoder: str
    wanted: float

    def clips(self, built: Built) -> int:
        """How much of what was thinned out is left."""
        return sum(built.clips.get(source, 0) for source in self.thinned)

    def parts(self, shares: list[float]) -> dict[float, Mix]:
        named = ((part, arms.thinned(self.mix, part, self.thinned)) for part in shares)
        return {part: _named(mix, part) for part, mix in named}


def forecast(
    wer_: Annotated[float, typer.Option("--wer", help="The wanted word error rate, in percent.")],
    minutes: MinutesOption = 30.0,
    seeds: SeedsOption = 1,
    recipe: RecipeOption = "",
    mix: Annotated[
        str, typer.Option(help="What to train on: a mix by name or a YAML file; own recordings if left out.")
    ] = "",
    everything: Annotated[
        bool, typer.Option("--all", help="Thin out every source of the mix, not own recordings alone.")
    ] = False,
    parts: Annotated[str, typer.Option(help="Parts to train on, the whole among them.")] = "1/8,1/4,1/2,1",
    decoder: Annotated[str, typer.Option(help="Whose errors: greedy, or lm where there is one.")] = GREEDY,
    html: HtmlOption = None,
    max_dropped: MaxDroppedOption = None,
    json_: JsonOption = False,
    data: DataOption = None,
) -> None:
    """How much more must be recorded for a wanted error rate? Trains on parts of the data and fits a curve.

    The parts lie within each other and every training has the same recipe and budget; all are tested on the
    same held-out utterances. The answer has an interval, and says when it is a guess. Nothing of it goes into
    production. Ctrl-C stops the watching; the same command goes on where it was.

    \b
    Examples:  voxloom forecast --wer 10 --minutes 30 --seeds 3
               voxloom forecast --wer 8 --mix hybrid --html forecast.html
    """
    wanted, shares, chosen = _wanted(wer_), _parts(parts), read_mix(mix) if mix else None
    budget = Budget(minutes, tuple(range(1, seeds + 1)), recipe)
    with resumable(), client("ingest", data) as ingest, client("trainer", data) as trainer:
        laboratory = Laboratory(ingest, trainer, max_dropped, quiet=json_)
        largest = laboratory.build(arms.everything())
        base = arms.base_of(largest.clips)
        refuse_untested(largest, base)
        chosen = chosen or (arms.everything() if mix else arms.trained_on(f"{base}-only", base))
        question = _Question(chosen, base, tuple(FOLDERS) if everything else (base,), decoder, wanted)
        datasets = {part: laboratory.build(each) for part, each in question.parts(shares).items()}
        _refuse_few(question, datasets)
        trained, used = laboratory.train(list(datasets.values()), budget)
    found = _found(question, datasets, trained, budget, used)
    experiment_html.tell(found, report.page, report.show, html, json_)
    if found.failures:
        raise typer.Exit(_NOT_WHOLE)


def _wanted(percent: float) -> float:
    if not 0 < percent < 100:
        raise BadInput(f"--wer is {percent:g}; expected more than 0 and less than 100, in percent")
    return percent / 100


def _parts(text: str) -> list[float]:
    """'1/8, 0.5, 1' as numbers, the smallest first."""
    try:
        found = sorted({float(Fraction(part.strip())) for part in text.split(",")})
    except (ValueError, ZeroDivisionError) as error:
        raise BadInput(f"--parts is {text[:60]!r}; expected fractions such as 1/8,1/4,1/2,1") from error
    if not (found[0] > 0 and found[-1] == 1 and learning_curve.MIN_SIZES <= len(found) <= _MAX_PARTS):
        raise BadInput(
            f"--parts is {text[:60]!r}; expected {learning_curve.MIN_SIZES} to {_MAX_PARTS} different "
            "fractions above 0, of which the largest is 1"
        )
    return found


def _named(mix: Mix, part: float) -> Mix:
    return mix.model_copy(update={"name": f"{mix.name[:45]} x{part:.4g}"})


def _refuse_few(question: _Question, datasets: Mapping[float, Built]) -> None:
    """Before hours of training through which no curve can be drawn."""
    counts = sorted({question.clips(built) for built in datasets.values()} - {0})
    if len(counts) < learning_curve.MIN_SIZES:
        told = ", ".join(map(str, counts)) or "no"
        raise VoxloomError(
            f"the parts of {' and '.join(question.thinned)} hold {told} utterances; a curve needs "
            f"{learning_curve.MIN_SIZES} different amounts: record more, or choose other --parts"
        )


def _found(
    question: _Question,
    datasets: Mapping[float, Built],
    trained: Mapping[str, Trained],
    budget: Budget,
    recipe: str,
) -> report.Foretold:
    usable = {
        part: built for part, built in datasets.items() if trained[built.name].lines and question.clips(built)
    }
    if len(usable) < learning_curve.MIN_SIZES:
        raise VoxloomError("too few trainings came to their end; " + "; ".join(tell_failures(trained)))
    trainings = [trained[built.name].lines for built in usable.values()]
    names = _tested(trainings, FOLDERS[question.base], question.decoder)
    unit = wer.unit_of(trainings[0][0][name].reference for name in names)
    edits = [[edits_of(each, names, question.decoder, unit) for each in runs] for runs in trainings]
    resampled = wer.resample(edits)
    rates = [sum(wer.total(run).rate for run in runs) / len(runs) for runs in edits]
    points = [
        _point(question, part, built, trained[built.name].runs, rate, wer.interval(column))
        for (part, built), rate, column in zip(usable.items(), rates, resampled, strict=True)
    ]
    fit = learning_curve.fit([point.clips for point in points], rates, resampled)
    return report.Foretold(
        mix=question.mix.name,
        thinned=[source for source in question.thinned if _largest_of(datasets).clips.get(source)],
        decoder=question.decoder,
        rate_name="WER" if unit == "words" else "CER",
        utterances=len(names),
        points=points,
        fit=fit,
        forecast=fit.forecast(question.wanted),
        recipe=recipe,
        rule=budget.rule,
        seeds=budget.seeds,
        failures=tell_failures(trained),
    )


def _largest_of(datasets: Mapping[float, Built]) -> Built:
    return datasets[max(datasets)]


def _point(
    question: _Question,
    part: float,
    built: Built,
    runs: list[str],
    rate: float,
    interval: tuple[float, float],
) -> report.Point:
    hours = sum(built.hours.get(source, 0.0) for source in question.thinned)
    return report.Point(part, built.dataset, runs, question.clips(built), hours, rate, *interval)


def _tested(trainings: list[list[Lines]], source: str, decoder: str) -> list[str]:
    """The utterances of that source that every run heard with the decoder."""
    runs = [each for lines in trainings for each in lines]
    names = [name for name in in_all(runs)[0] if runs[0][name].source == source]
    if not names or any(decoder not in each[name].heard for each in runs for name in names):
        known = ", ".join(sorted({each for name in names for each in runs[0][name].heard}))
        raise BadInput(f"not every run was tested with decoder {decoder[:40]!r}; there is {known or 'none'}")
    return names
