"""`voxloom runs compare|report|listen`: what the reports of runs say."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from voxloom import keys
from voxloom.cli import run_compare, run_fetch, run_html, run_show, run_suspects
from voxloom.cli.connect import DataOption, client
from voxloom.cli.output import JsonOption, print_json, say
from voxloom.cli.run_curves import curves_of
from voxloom.errors import BadInput, NotFound
from voxloom.run_report import RunSummary, Suspects, Worst
from voxloom.v1 import trainer_pb2

_MOST_AUDIO = 10  # clips in a page
RunArgument = Annotated[str, typer.Argument(help="Its id; the newest if left out.")]


def compare(
    runs: Annotated[
        list[str], typer.Argument(metavar="A B [C]", help="Ids; A is what the others are held against.")
    ],
    json_: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Compare runs: settings that differ, word errors on the utterances that both heard (paired bootstrap),
    and which utterances got better or worse.

    \b
    Example:  voxloom runs compare r-0123456789ab-tiny-s1 r-0123456789ab-tiny-s2
    """
    if not 2 <= len(runs) <= 3:
        raise BadInput(f"{len(runs)} runs are named; expected two or three: voxloom runs compare A B")
    with client("trainer", data) as trainer:
        found = [run_fetch.get(trainer, each) for each in runs]
        first, *others = [{each.utterance: each for each in run_fetch.heard(trainer, run)} for run in runs]
    compared = [
        run_compare.compare(runs[0], name, first, lines) for name, lines in zip(runs[1:], others, strict=True)
    ]
    differ = run_compare.differing([run_show.settings(run) for run in found])
    if json_:
        settings = {name: dict(zip(runs, values, strict=True)) for name, *values in differ}
        print_json({"settings": settings, "comparisons": [asdict(each) for each in compared]})
        return
    run_compare.tell_settings(runs, differ)
    for each in compared:
        run_compare.tell(each)


def report(
    run: RunArgument = "",
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write one self-contained web page with plots.")
    ] = None,
    audio: Annotated[
        bool, typer.Option("--audio", help="Put the audio of the worst utterances into the page.")
    ] = False,
    tensorboard: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Copy the event files: tensorboard --logdir DIR")
    ] = None,
    data: DataOption = None,
) -> None:
    """Write all that is known of a run into one web page, or its curves for TensorBoard.

    \b
    Example:  voxloom runs report --html run.html --audio
              voxloom runs report r-0123456789ab-tiny-s1 --tensorboard boards
    """
    if not html and not tensorboard:
        raise BadInput("nothing is asked for; expected --html FILE or --tensorboard DIR")
    with client("trainer", data) as trainer:
        found = run_fetch.get(trainer, run)
        if html:
            _write(html, page_of(trainer, found, audio).encode())
            say(f"{html} tells of run {found.id}", "green")
        if tensorboard:
            number = run_fetch.write_event_files(trainer, found.id, tensorboard / found.id)
            say(f"{number} event files; to look at them: tensorboard --logdir {tensorboard}", "green")


def page_of(trainer: Any, run: trainer_pb2.Run, with_audio: bool) -> str:
    """The web page of a run; of one that has not ended, as far as it is."""
    curves = curves_of(run_fetch.past_metrics(trainer, run.id))
    summary, suspects = run_fetch.report(trainer, run.id)
    clips: dict[str, bytes] = {}
    if with_audio:
        wanted = [*_worst(summary)[:_MOST_AUDIO], *(suspects.suspects[:_MOST_AUDIO] if suspects else ())]
        clips = {each.utterance: run_fetch.audio(trainer, run.id, each.utterance) for each in wanted}
    return run_html.page(run, curves, summary, clips, suspects)


def listen(
    run: RunArgument = "",
    utterance: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="Of its report; may be given again.")
    ] = None,
    worst: Annotated[int, typer.Option(min=1, max=25, help="How many of the worst, if none is named.")] = 5,
    suspects: Annotated[
        int,
        typer.Option(min=0, max=100, help="Instead, so many of those whose transcripts may be wrong."),
    ] = 0,
    out: Annotated[Path, typer.Option(metavar="DIR", help="A folder for the files.")] = Path(),
    data: DataOption = None,
) -> None:
    """Fetch utterances of a run's report as WAV files that any player plays; without names the worst ones.

    \b
    Example:  voxloom runs listen --worst 3 --out worst
              voxloom runs listen --suspects 10 --out suspects
              voxloom runs listen r-0123456789ab-tiny-s1 --utterance u-0123456789abcdef0123
    """
    with client("trainer", data) as trainer:
        found = run_fetch.get(trainer, run).id
        summary, doubted = run_fetch.report(trainer, found)
        if summary is None:
            raise NotFound("the run has no report; it is written when the training ends")
        texts = _texts(summary, run_suspects.there(doubted, found) if suspects else None)
        for each in utterance or list(texts)[: suspects or worst]:
            path = out / f"{keys.check_id(each, 'utterance')}.wav"
            _write(path, run_fetch.audio(trainer, found, each))
            say(path)
            if each in texts:
                say(f"  said  {texts[each][0]}")
                say(f"  heard {texts[each][1] or '(nothing)'}")


def _texts(summary: RunSummary, suspects: Suspects | None) -> dict[str, tuple[str, str]]:
    """What is told of an utterance: its transcript and what was heard; the suspects or else the worst."""
    if suspects:
        return {each.utterance: (each.reference, each.heard) for each in suspects.suspects}
    return {each.utterance: (each.reference, each.hypothesis) for each in _worst(summary)}


def _worst(summary: RunSummary | None) -> list[Worst]:
    result = run_show.choose(summary) if summary else None
    return result.worst if result else []


def _write(path: Path, data: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {error.strerror}") from error
