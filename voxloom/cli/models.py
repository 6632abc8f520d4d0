"""`voxloom models`: what was measured, what is served, and the way back."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from voxloom.cli import model_html
from voxloom.cli.connect import CALL_TIMEOUT_S, DataOption, client
from voxloom.cli.model_view import DECODERS, decision_of, pin_note, tell_graphs_and_groups
from voxloom.cli.output import JsonOption, percent, print_json, say, size, table, when
from voxloom.errors import BadInput
from voxloom.v1 import optimizer_pb2

PROMOTE_TIMEOUT_S = 120.0

app = typer.Typer(
    no_args_is_help=True, help="List, show, promote, roll back and pin models.", rich_markup_mode=None
)


@app.command("list")
def list_(json_: JsonOption = False, data: DataOption = None) -> None:
    """List the models, newest first, with the gate's decision on each.

    \b
    Example:  voxloom models list
    """
    with client("optimizer", data) as optimizer:
        models = optimizer.ListModels(optimizer_pb2.ListModelsRequest(), timeout=CALL_TIMEOUT_S).models
    if json_:
        print_json([as_dict(model) for model in models])
    elif not models:
        say("no model yet; one appears when a training run has ended: voxloom runs list")
    else:
        table(
            ("", "model", "decision", "test WER", "size", "RTF", "created"), (_row(model) for model in models)
        )
        for model in models:
            if note := pin_note(model):
                say(f"{model.id} is {note}", "yellow")
            _tell_withdrawn(model)


@app.command()
def show(
    model: Annotated[str, typer.Argument(help="Its id; the one in production if left out.")] = "",
    json_: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Show one model: word errors with their interval, speed, and why it was promoted or not.

    \b
    Example:  voxloom models show
    """
    with client("optimizer", data) as optimizer:
        found = optimizer.GetModel(optimizer_pb2.GetModelRequest(model=model), timeout=CALL_TIMEOUT_S)
    if json_:
        print_json(as_dict(found))
    else:
        _show(found)


@app.command()
def promote(
    model: Annotated[str, typer.Argument(help="Its id, from `voxloom models list`.")],
    force: Annotated[bool, typer.Option("--force", help="Also if the gate rejected it.")] = False,
    data: DataOption = None,
) -> None:
    """Serve this model. What was served before stays one rollback away.

    \b
    Example:  voxloom models promote m-1234 --force
    """
    request = optimizer_pb2.PromoteModelRequest(model=model, force=force)
    with client("optimizer", data) as optimizer:
        done = optimizer.PromoteModel(request, timeout=PROMOTE_TIMEOUT_S)
    say(f"{done.model} is in production, before it {done.previous or 'nothing'}")


@app.command()
def rollback(data: DataOption = None) -> None:
    """Serve the model that was in production before the present one.

    \b
    Example:  voxloom models rollback
    """
    with client("optimizer", data) as optimizer:
        done = optimizer.RollbackModel(optimizer_pb2.RollbackModelRequest(), timeout=PROMOTE_TIMEOUT_S)
    say(f"{done.model} is in production again, instead of {done.previous}")


@app.command()
def pin(
    model: Annotated[str, typer.Argument(help="Its id; it must be the one in production.")] = "",
    why: Annotated[str, typer.Option("--why", metavar="TEXT", help="For those who find it pinned.")] = "",
    data: DataOption = None,
) -> None:
    """Keep the model in production where it is: later ones are measured and judged, but take its place only
    after `voxloom models unpin` and by hand.

    \b
    Example:  voxloom models pin --why "the exhibition lasts until Sunday"
    """
    request = optimizer_pb2.PinModelRequest(model=model, why=why)
    with client("optimizer", data) as optimizer:
        done = optimizer.PinModel(request, timeout=CALL_TIMEOUT_S)
    say(f"{done.model} is pinned: it stays in production until voxloom models unpin")


@app.command()
def unpin(data: DataOption = None) -> None:
    """Let better models take the place of the one in production again.

    \b
    Example:  voxloom models unpin
    """
    with client("optimizer", data) as optimizer:
        done = optimizer.UnpinModel(optimizer_pb2.UnpinModelRequest(), timeout=CALL_TIMEOUT_S)
    say(f"{done.model} is no longer pinned; models that were held meanwhile can be promoted by hand")


@app.command()
def report(
    model: Annotated[str, typer.Argument(help="Its id; the one in production if left out.")] = "",
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write one self-contained web page with plots.")
    ] = None,
    json_: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Tell all that was measured of a model: size, speed, errors of each graph, and what the gate compared.

    \b
    Example:  voxloom models report --html model.html
    """
    if not html and not json_:
        raise BadInput("nothing is asked for; expected --html FILE or --json, or: voxloom models show")
    with client("optimizer", data) as optimizer:
        found = optimizer.GetModel(optimizer_pb2.GetModelRequest(model=model), timeout=CALL_TIMEOUT_S)
    if html:
        _write(html, model_html.page(found))
    if json_:
        print_json(decision_of(found))
    else:
        say(f"{html} tells of model {found.id}", "green")


def _write(path: Path, page: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {error.strerror}") from error


def as_dict(model: optimizer_pb2.Model) -> dict[str, Any]:
    """For scripts: the figures, with bundle.json and decision.json whole."""
    return {
        "model": model.id,
        "run": model.run,
        "dataset": model.dataset,
        "created_at": model.created_at,
        "decision": model.decision,
        "reasons": list(model.reasons),
        "production": model.production,
        "pinned": model.pinned,
        "pinned_why": model.pinned_why,
        "served_file": model.served_file,
        "served_bytes": model.served_bytes,
        "test_wer": model.test.wer,
        "test_wer_95": [model.test.wer_low, model.test.wer_high],
        "test_wer_by_decoder": by_decoder(model),
        "real_time_factor": model.real_time_factor,
        "withdrawn_utterances": model.withdrawn_utterances,
        "bundle_record": json.loads(model.bundle_json or "{}"),
        "decision_record": decision_of(model),
    }


def _row(model: optimizer_pb2.Model) -> tuple[object, ...]:
    mark = "*" * model.production + "p" * model.pinned
    decision = model.decision or "being measured"
    speed = f"{model.real_time_factor:.2g}" if model.real_time_factor else "-"
    served = size(model.served_bytes) if model.served_bytes else "-"
    return (mark, model.id, decision, _wer(model.test), served, speed, when(model.created_at))


def _wer(test: optimizer_pb2.WordErrors) -> str:
    return percent(test.wer) if test.reference_words else "-"


def by_decoder(model: optimizer_pb2.Model) -> dict[str, float]:
    """WER on the test set, by decoder; as decision.json has it for the file that is served."""
    artefacts = decision_of(model).get("artefacts", {})
    measured = artefacts.get(model.served_file, {}).get("words_by_decoder", {})
    return {name: counts["rate"] for name, counts in measured.items()}


def served_decoder(model: optimizer_pb2.Model) -> str:
    return str(json.loads(model.bundle_json or "{}").get("decoding", {}).get("decoder", ""))


def _tell_withdrawn(model: optimizer_pb2.Model) -> None:
    if model.withdrawn_utterances:
        heard = f"{model.id} heard {model.withdrawn_utterances} utterances that were withdrawn since"
        say(f"{heard}; train a new one without them: voxloom dataset build", "yellow")


def _show(model: optimizer_pb2.Model) -> None:
    place = ", in production" if model.production else ""
    say(f"model {model.id}: {model.decision or 'being measured'}{place}", "bold")
    if note := pin_note(model):
        say(f"  {note}", "yellow")
    for reason in model.reasons:
        say(f"  {reason}")
    say(f"trained in {model.run} on {model.dataset}, created {when(model.created_at)}")
    if model.test.reference_words:
        say(f"test    {describe_errors(model.test)}")
        for name, rate in by_decoder(model).items():
            say(f"        {DECODERS.get(name, name)}: WER {percent(rate)}")
    if decoder := served_decoder(model):
        say(f"decoded {DECODERS.get(decoder, decoder)}")
    _tell_withdrawn(model)
    if model.served_bytes:
        speed = f"{model.real_time_factor:.2g} s of computing per s of audio"
        say(f"served  {model.served_file}, {size(model.served_bytes)}, {speed}")
    tell_graphs_and_groups(model)


def describe_errors(test: optimizer_pb2.WordErrors) -> str:
    """WER 7.1 % (95 %: 5.2 to 9.3): 30 sub, 12 del, 13 ins of 773 words in 130 utterances."""
    return (
        f"WER {percent(test.wer)} (95 %: {100 * test.wer_low:.1f} to {100 * test.wer_high:.1f}): "
        f"{test.substitutions} sub, {test.deletions} del, {test.insertions} ins "
        f"of {test.reference_words} words in {test.utterances} utterances"
    )
