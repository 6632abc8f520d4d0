"""`voxloom record --prompts`: at the microphone, or from a folder of recordings."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from voxloom.cli.connect import CALL_TIMEOUT_S, client_at, find_addresses
from voxloom.cli.output import say, table
from voxloom.cli.prompts import Order, all_prompts, tell_progress, wire_order
from voxloom.cli.studio.calls import Caller
from voxloom.cli.studio.consent import ask_once
from voxloom.cli.studio.folder import find_takes, send_all
from voxloom.cli.studio.loop import run
from voxloom.cli.studio.session import Session
from voxloom.cli.studio.sound import Device, Sound
from voxloom.errors import BadInput
from voxloom.v1 import recorder_pb2 as pb

NOT_ALL = 3  # exit code


@dataclass(frozen=True)
class Reading:
    """Who reads which list."""

    prompts: str
    speaker: str
    order: Order = Order.LIST
    licence: str = ""


def at_the_microphone(
    reading: Reading,
    data: Path | None,
    *,
    auto_stop: bool = False,
    open_sound: Callable[[], Sound] = Device,
) -> None:
    """A session until somebody leaves; where it was, the store knows."""
    if not sys.stdin.isatty():
        raise BadInput("a session needs a terminal for its keys; recordings that exist: --from-dir FOLDER")
    sound = open_sound()
    address = find_addresses(data)["recorder"]
    with client_at("recorder", address) as recorder:
        language = _language(recorder, reading.prompts)
        ask_once(recorder, reading.speaker, language, reading.licence)
        order = wire_order(reading.order)
        caller = Caller(recorder, address, reading.prompts, reading.speaker, language, order, sound.rate_hz)
        title = f"{reading.speaker}   {reading.prompts}"
        run(Session(sound.rate_hz, auto_stop=auto_stop), caller, sound, title)
        tell_progress(_progress(recorder, reading))


def from_folder(
    reading: Reading, data: Path | None, folder: Path, *, in_order: bool, faults: "pb.FaultPolicy"
) -> None:
    """Brings recordings in; exit code 3 when some were refused or belong to no prompt."""
    with client_at("recorder", find_addresses(data)["recorder"]) as recorder:
        prompts = list(all_prompts(recorder, reading.prompts, reading.speaker))
        takes, lost = find_takes(folder, prompts, in_order)
        base = pb.Take(
            speaker=reading.speaker,
            language=_language(recorder, reading.prompts),
            prompt_list=reading.prompts,
            faults=faults,
        )
        recorded = {prompt.id for prompt in prompts if prompt.takes}
        outcome = send_all(recorder, takes, base, recorded, len(takes))
        say(f"{outcome.stored} stored, {outcome.already} were there, {len(outcome.refused)} refused")
        if outcome.findings:
            table(("stored all the same", "not good about it"), outcome.findings)
        rows = [*outcome.refused, *((name, "belongs to no prompt") for name in lost)]
        if rows:
            table(("refused", "why"), rows)
        tell_progress(_progress(recorder, reading))
    if rows:
        raise typer.Exit(NOT_ALL)


def _language(recorder: Any, name: str) -> str:
    """Of the list; NOT_FOUND, in the recorder's words, when there is none."""
    wanted = pb.ListPromptsRequest(list=name, limit=1)
    language: str = recorder.ListPrompts(wanted, timeout=CALL_TIMEOUT_S).language
    return language


def _progress(recorder: Any, reading: Reading) -> pb.Progress:
    wanted = pb.GetProgressRequest(list=reading.prompts, speaker=reading.speaker)
    found: pb.Progress = recorder.GetProgress(wanted, timeout=CALL_TIMEOUT_S)
    return found
