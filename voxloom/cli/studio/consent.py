"""What a new speaker agrees to, asked once and kept by the recorder."""

from typing import Any

import grpc
import typer

from voxloom.cli.connect import CALL_TIMEOUT_S
from voxloom.cli.output import say
from voxloom.errors import BadInput
from voxloom.v1 import recorder_pb2 as pb

LICENCE = "only for this voxloom"
TEXT = (
    "My recordings are stored, and speech recognisers are trained on them. They may be used as my licence "
    "says: {licence}. I can have them deleted at any time with `voxloom forget`; later datasets and models "
    "are made without them."
)


def ask_once(recorder: Any, speaker: str, language: str, licence: str) -> None:
    """Registers somebody who is new, with their yes; BadInput without it."""
    if _is_known(recorder, speaker):
        return
    text = _own_text(recorder, language) or TEXT.format(licence=licence)
    say(f"{speaker} is new here.", "bold")
    say(text)
    if not typer.confirm(f"{speaker}, do you agree?", default=False):
        raise BadInput("without consent nothing is recorded; another licence can be named with --licence")
    wanted = pb.RegisterSpeakerRequest(name=speaker, language=language, licence=licence, consent=text)
    try:
        recorder.RegisterSpeaker(wanted, timeout=CALL_TIMEOUT_S)
    except grpc.RpcError as error:
        if error.code() is not grpc.StatusCode.UNIMPLEMENTED:
            raise
        say("this recorder keeps no register of speakers: your consent is written down nowhere", "yellow")


def _own_text(recorder: Any, language: str) -> str:
    """Of the organisation; "" where it has none."""
    try:
        wanted = pb.GetConsentTextRequest(language=language)
        return str(recorder.GetConsentText(wanted, timeout=CALL_TIMEOUT_S).text)
    except grpc.RpcError as error:
        if error.code() is not grpc.StatusCode.UNIMPLEMENTED:
            raise
        return ""


def _is_known(recorder: Any, speaker: str) -> bool:
    try:
        speakers = recorder.ListSpeakers(pb.ListSpeakersRequest(), timeout=CALL_TIMEOUT_S).speakers
    except grpc.RpcError as error:
        if error.code() is not grpc.StatusCode.UNIMPLEMENTED:
            raise
        return False
    return any(each.consent and speaker in (each.name, each.id) for each in speakers)
