"""`voxloom record`: a session with prompts, or one take of one sentence, through the recorder."""

from pathlib import Path
from typing import Annotated

import typer

from voxloom.cli.connect import DataOption, client
from voxloom.cli.output import say
from voxloom.cli.prompts import ORDER_HELP, Order
from voxloom.cli.sending import read_audio, send_take
from voxloom.cli.studio.command import Reading, at_the_microphone, from_folder
from voxloom.cli.studio.consent import LICENCE
from voxloom.errors import BadInput
from voxloom.v1 import recorder_pb2


def record(
    speaker: Annotated[str, typer.Option(help="Who reads; any name.")],
    file: Annotated[
        str | None,
        typer.Argument(
            help="WAV, FLAC, Ogg or MP3 of one sentence; - is standard input.", show_default=False
        ),
    ] = None,
    text: Annotated[str, typer.Option(help="The sentence that was read aloud in FILE.")] = "",
    language: Annotated[str, typer.Option(help="Of FILE, BCP 47.")] = "en",
    prompts: Annotated[
        str, typer.Option(help="Read the prompts of this list aloud; see `voxloom prompts list`.")
    ] = "",
    order: Annotated[Order, typer.Option(help=ORDER_HELP)] = Order.LIST,
    auto_stop: Annotated[bool, typer.Option("--auto-stop", help="A second of silence ends a take.")] = False,
    from_dir: Annotated[
        Path | None,
        typer.Option(
            help="Of the prompts' recordings instead of the microphone: <prompt id>.wav, or metadata.csv.",
        ),
    ] = None,
    in_order: Annotated[
        bool, typer.Option("--in-order", help="The files of --from-dir, by name, are the prompts in order.")
    ] = False,
    licence: Annotated[str, typer.Option(help="What a new speaker's takes may be used for.")] = LICENCE,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse it for any fault that a second take would mend.")
    ] = False,
    accept_anyway: Annotated[
        bool, typer.Option("--accept-anyway", help="Store it whatever the checks say, if speech is in it.")
    ] = False,
    data: DataOption = None,
) -> None:
    """Record your own voice: prompts at the microphone, or one file. Checked, and learned from at the next
    retraining.

    With --prompts: SPACE begins and ends a take, P plays it, R reads it again, A keeps one with faults, S
    skips and F flags a prompt, B goes back, Q leaves. Come back any time: the store knows where you were.

    \b
    Example:  voxloom record --prompts english --speaker Ada
              voxloom record --prompts english --speaker Ada --from-dir takes/
              voxloom record take.wav --text "go left at the bridge" --speaker Ada
              arecord -d 4 -f S16_LE -r 16000 | voxloom record - --text "stop" --speaker Ada
    """
    policy = _policy(strict, accept_anyway)
    if prompts and file is None and not text:
        reading = Reading(prompts, speaker, order, licence)
        if from_dir is not None:
            return from_folder(reading, data, from_dir, in_order=in_order, faults=policy)
        return at_the_microphone(reading, data, auto_stop=auto_stop)
    if file is None or not text or prompts or from_dir is not None:
        raise BadInput("give --prompts LIST, perhaps with --from-dir FOLDER, or FILE with --text SENTENCE")
    take = recorder_pb2.Take(prompt=text, speaker=speaker, language=language, faults=policy)
    with client("recorder", data) as recorder:
        _tell(send_take(recorder, take, read_audio(file)))
    return None


def _tell(stored: recorder_pb2.UploadTakeResponse) -> None:
    checks = stored.checks
    again = ", the same take was there before" if stored.already_stored else ""
    say(f"stored {stored.utterance} of {stored.speaker}{again}")
    measured = f"{stored.quality.loudness_lufs:.0f} LUFS, {stored.quality.snr_db:.0f} dB above the noise"
    say(f"{checks.duration_s:.1f} s, peak {checks.peak_dbfs:.0f} dBFS, {measured}")
    for finding in stored.findings:
        say(f"{finding.check}: {finding.message}", "yellow")


def _policy(strict: bool, accept_anyway: bool) -> recorder_pb2.FaultPolicy:
    if strict and accept_anyway:
        raise BadInput("--strict and --accept-anyway exclude each other; give one of them")
    if strict:
        return recorder_pb2.FAULT_POLICY_REFUSE_ALL
    return recorder_pb2.FAULT_POLICY_ACCEPT_ALL if accept_anyway else recorder_pb2.FAULT_POLICY_UNSPECIFIED
