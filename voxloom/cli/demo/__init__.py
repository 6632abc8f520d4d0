"""`voxloom demo`: the whole loop on real speech, through the real services."""

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer

from voxloom.cli.demo.corpus import DemoCorpus, find_example, read_demo_corpus
from voxloom.cli.demo.loop import Demo, results
from voxloom.cli.demo.place import running_already, started_here
from voxloom.cli.demo.report import Report, read_finished
from voxloom.cli.output import percent, say
from voxloom.datadir import DataDir

DEMO_DATA = Path("demo-data")
DEFAULT_MINUTES = 10.0  # of training; the whole demo then takes about 12 on two cores
HELD_BACK = 24
HELD_BACK_FULL = 60  # more than the retrain policy waits for
RETRAIN_NEW = 50


def demo(
    full: Annotated[
        bool,
        typer.Option(
            "--full", help="Train to convergence, then record enough for a second turn of the loop."
        ),
    ] = False,
    minutes: Annotated[
        float, typer.Option(min=0.1, help="Wall-clock minutes for the training; --full has no limit.")
    ] = DEFAULT_MINUTES,
    data: Annotated[
        Path, typer.Option("--data", metavar="DIR", help="Where the demo keeps everything.")
    ] = DEMO_DATA,
    corpus: Annotated[
        Path | None, typer.Option(help="Another folder with a manifest.tsv like AN4's.")
    ] = None,
    running: Annotated[
        bool,
        typer.Option(
            "--running", help="On services that run already, in containers for example; they set the time."
        ),
    ] = False,
) -> None:
    """See it all: import real speech, train from scratch, optimise, check, serve, transcribe, record.

    One that was interrupted goes on where it was. The default takes about 12 minutes on 2 cores.

    \b
    Example:  voxloom demo
              voxloom demo --minutes 3 --data /tmp/demo
              docker compose --profile demo up
    """
    folder = DataDir(data)
    report_file = data / "demo-report.json"
    if finished := read_finished(report_file):
        _tell_finished(finished, folder)
        return
    clips = read_demo_corpus(corpus or find_example(), HELD_BACK_FULL if full else HELD_BACK)
    data.mkdir(parents=True, exist_ok=True)
    try:
        if running:
            _run_there(data, Report(report_file), clips, full)
        else:
            _run_here(folder, Report(report_file), clips, None if full else minutes)
    except KeyboardInterrupt:
        say("interrupted; the same command goes on from here")
        raise typer.Exit(130) from None


def _run_there(data: Path, report: Report, clips: DemoCorpus, retrain: bool) -> None:
    with running_already(data) as place:
        if not report.was_begun:
            with report.phase("looking whether the services hold something already"):
                Demo(place, clips, report).require_empty()
        budget = "what VOXLOOM_TRAIN_BUDGET_MINUTES says there, and without it as long as it gets better"
        say(f"on the services at {', '.join(place.addresses.values())}; time to train: {budget}")
        Demo(place, clips, report).run(retrain)


def _run_here(folder: DataDir, report: Report, clips: DemoCorpus, minutes: float | None) -> None:
    """`minutes` is the budget of the training; None trains to convergence and goes round twice."""
    with ExitStack() as stack:
        with report.phase("starting the five services"):
            place = stack.enter_context(started_here(folder, _settings(minutes or 0.0)))
            budget = f"{minutes:g} minutes" if minutes else "as long as it gets better"
            say(f"everything is in {folder.root}; time to train: {budget}")
        Demo(place, clips, report).run(retrain=minutes is None)


def _settings(budget_minutes: float) -> dict[str, str]:
    """The demo's own store and bus, whatever the environment says of others."""
    return {
        "VOXLOOM_STORE": "",
        "VOXLOOM_BUS": "",
        "VOXLOOM_TRAIN_BUDGET_MINUTES": f"{budget_minutes:g}",
        "VOXLOOM_RETRAIN_NEW": str(RETRAIN_NEW),
        "VOXLOOM_RETRAIN_QUIET_S": "3",
    }


def _tell_finished(finished: dict[str, Any], folder: DataDir) -> None:
    test = finished.get("test", {})
    say(
        f"the demo in {folder.root} is finished: WER {percent(test.get('wer', 0.0))} on "
        f"{test.get('utterances')} test utterances, {finished.get('total_s')} s in all"
    )
    model = finished.get("model", {})
    rates = {"greedy": model.get("test_wer_greedy"), "beam": model.get("test_wer_lm")}
    if known := {name: rate for name, rate in rates.items() if rate is not None}:
        say(f"of the words, {results(known, model.get('decoder', ''))}")
    say(f"its report is {folder.root / 'demo-report.json'}; go on with it: voxloom up --data {folder.root}")
    say("to see it again: voxloom demo --data ANOTHER_FOLDER")
