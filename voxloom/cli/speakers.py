"""`voxloom speakers`: who records, what they agreed to, and secrets for their own browsers."""

from pathlib import Path
from typing import Annotated, Any

import typer

from voxloom.cli.connect import CALL_TIMEOUT_S, DataOption, client
from voxloom.cli.output import JsonOption, print_json, say, table, when
from voxloom.errors import BadInput
from voxloom.v1 import recorder_pb2 as pb

app = typer.Typer(
    no_args_is_help=True,
    help="Who records: list, add with consent and licence, invite.",
    rich_markup_mode=None,
)
_FIRST_TIMEOUT_S = 120.0  # a recorder that has just started reads every record once
_MAX_CONSENT_BYTES = 64 << 10


@app.command("list")
def list_(json_: JsonOption = False, data: DataOption = None) -> None:
    """List everybody who is registered or has a take.

    \b
    Example:  voxloom speakers list
    """
    with client("recorder", data) as recorder:
        found = recorder.ListSpeakers(pb.ListSpeakersRequest(), timeout=_FIRST_TIMEOUT_S).speakers
    if json_:
        print_json([_as_dict(each) for each in found])
    elif not found:
        say("nobody yet; register somebody: voxloom speakers add NAME --consent FILE")
    else:
        header = ("speaker", "id", "takes", "minutes", "agreed", "invited", "licence")
        table(header, map(_row, found))


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="Of the speaker, as they want to be called.")],
    consent: Annotated[
        Path, typer.Option(metavar="FILE", help="The text that they agreed to, word by word; UTF-8.")
    ],
    licence: Annotated[str, typer.Option(help="For what their takes may be used; an SPDX id or words.")] = "",
    language: Annotated[str, typer.Option(help="BCP 47.")] = "en",
    json_: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Register a speaker with what they agreed to. Again for the same name: in place of that.

    Takes by somebody who was never registered are stored all the same; their consent is then yours to keep.
    All that is kept of a speaker goes with: voxloom forget --speaker NAME

    \b
    Example:  voxloom speakers add "Ada Lovelace" --consent consent.txt --licence CC0-1.0
    """
    request = pb.RegisterSpeakerRequest(
        name=name, language=language, licence=licence, consent=_read_consent(consent)
    )
    with client("recorder", data) as recorder:
        found = recorder.RegisterSpeaker(request, timeout=_FIRST_TIMEOUT_S)
    if json_:
        print_json(_as_dict(found))
    else:
        say(f"{found.name} is registered as {found.id}, agreed {when(found.consented_at)}", "green")


@app.command()
def consent(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="Your text, UTF-8; without it, what is set.")
    ] = None,
    language: Annotated[str, typer.Option(help="Of the text, BCP 47.")] = "en",
    remove: Annotated[bool, typer.Option("--remove", help="Show voxloom's own text again.")] = False,
    json_: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Set the text that new speakers are asked to agree to, in your organisation's own words.

    Every version is kept, and each speaker's record says which one they agreed to, beside its words. Who
    agreed before a change is not asked again.

    \b
    Example:  voxloom speakers consent our-text.txt --language de
    """
    if file is not None and remove:
        raise BadInput("a FILE sets a text, --remove takes it back; give one of both")
    with client("recorder", data) as recorder:
        if file is not None or remove:
            text = _read_consent(file) if file else ""
            if file is not None and not text.strip():
                raise BadInput(f"{file} is empty; to show voxloom's own text again: --remove")
            wanted = pb.SetConsentTextRequest(language=language, text=text)
            set_ = recorder.SetConsentText(wanted, timeout=CALL_TIMEOUT_S)
        texts = recorder.ListConsentTexts(pb.ListConsentTextsRequest(), timeout=CALL_TIMEOUT_S).texts
    if json_:
        print_json([_as_dict(each) for each in texts])
    elif file is not None or remove:
        say(f"shown from now on in {set_.language}: {set_.version or 'the text of voxloom'}", "green")
    elif not texts:
        say("speakers are shown voxloom's own text; set yours: voxloom speakers consent FILE --language en")
    else:
        header = ("version", "set", "shown", "text")
        table(header, ((t.version, when(t.set_at), "yes" if t.current else "-", t.text) for t in texts))


@app.command()
def invite(
    speaker: Annotated[str, typer.Argument(help="Name or id of somebody who is registered.")],
    json_: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Make a secret with which a speaker records in their own browser, and sees no takes but their own.

    It is shown once, and a new one ends the older.

    \b
    Example:  voxloom speakers invite "Ada Lovelace"
    """
    with client("recorder", data) as recorder:
        request = pb.InviteSpeakerRequest(speaker=speaker)
        token = recorder.InviteSpeaker(request, timeout=CALL_TIMEOUT_S).token
    if json_:
        print_json({"token": token})
    else:
        say(token)


def _read_consent(path: Path) -> str:
    try:
        data = path.read_bytes()[: _MAX_CONSENT_BYTES + 1]
        return data.decode("utf-8-sig")
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise BadInput(f"{path} is not UTF-8 (byte {error.start}); save it as UTF-8") from error


def _row(speaker: pb.Speaker) -> tuple[object, ...]:
    return (
        speaker.name,
        speaker.id,
        speaker.takes,
        f"{speaker.minutes:.1f}",
        _agreed(speaker),
        "yes" if speaker.invited else "-",
        speaker.licence or "-",
    )


def _agreed(speaker: pb.Speaker) -> str:
    at = when(speaker.consented_at) or "no consent kept"
    return f"{at}, {speaker.consent_version}" if speaker.consent_version else at


def _as_dict(message: pb.Speaker | pb.ConsentText) -> dict[str, Any]:
    return {field.name: getattr(message, field.name) for field in message.DESCRIPTOR.fields}
