"""Values to messages and back: speakers, lists of takes, reviews."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Literal

from services.recorder.consents import ConsentText
from services.recorder.exporting import CSV, JSONL, LJSPEECH, Table
from services.recorder.labels import candidates
from services.recorder.messages import levels, quality
from services.recorder.speakers import Speaker
from services.recorder.take_index import Asked, Listed, Place, fold
from voxloom import keys
from voxloom.errors import BadInput
from voxloom.reviews import Verdict
from voxloom.v1 import recorder_pb2 as pb

MAX_SEARCH_CHARS = 200
MAX_PAGE, PAGE = 1000, 100
_MAX_PLACE_CHARS = 1000
_VERDICTS: dict[int, Verdict | None] = {
    pb.VERDICT_UNSPECIFIED: None,
    pb.VERDICT_ACCEPTED: "accepted",
    pb.VERDICT_REJECTED: "rejected",
}
_WIRE_VERDICTS = {
    "": pb.VERDICT_UNSPECIFIED,
    "accepted": pb.VERDICT_ACCEPTED,
    "rejected": pb.VERDICT_REJECTED,
}
_TABLES = {
    pb.EXPORT_FORMAT_UNSPECIFIED: CSV,
    pb.EXPORT_FORMAT_CSV: CSV,
    pb.EXPORT_FORMAT_JSONL: JSONL,
    pb.EXPORT_FORMAT_LJSPEECH: LJSPEECH,
}


def speaker(found: Speaker) -> pb.Speaker:
    record = found.record
    return pb.Speaker(
        id=found.id,
        name=found.name,
        language=record.language if record else "",
        licence=record.licence if record else "",
        consent=record.consent if record else "",
        consented_at=record.consented_at if record else "",
        invited=bool(record and record.token_sha256),
        takes=found.takes,
        minutes=found.minutes,
        consent_version=record.consent_version if record else "",
    )


def consent_text(found: ConsentText) -> pb.ConsentText:
    return pb.ConsentText(
        language=found.language,
        version=found.version,
        text=found.text,
        set_at=found.set_at,
        current=found.current,
    )


def take_info(take: Listed) -> pb.TakeInfo:
    raw, review = take.record, take.review
    return pb.TakeInfo(
        utterance=raw.utterance,
        speaker=raw.speaker,
        speaker_name=raw.speaker_name,
        text=raw.text,
        language=raw.language,
        created_at=raw.created_at,
        prompt_list=raw.prompt_list,
        prompt_id=raw.prompt_id,
        checks=levels(raw.levels),
        quality=quality(raw.quality),
        accepted_anyway=raw.accepted_anyway,
        verdict=_WIRE_VERDICTS[review.verdict if review else ""],
        reason=review.reason if review else "",
        best=take.best,
        chosen=take.chosen,
    )


def asked(request: pb.ListTakesRequest) -> Asked:
    """What a request wants, or BadInput."""
    if len(request.search) > MAX_SEARCH_CHARS:
        raise BadInput(
            f"the search has {len(request.search)} characters; at most {MAX_SEARCH_CHARS} are allowed"
        )
    for name in ("prompt_list", "prompt_id", "check"):
        if value := getattr(request, name):
            keys.check_id(value, name)
    return Asked(
        speakers=candidates(request.speaker) if request.speaker else (),
        prompt_list=request.prompt_list,
        prompt_id=request.prompt_id,
        words=tuple(fold(request.search).split()),
        verdict=_filter(request.verdict),
        check=request.check,
    )


def limit(request: pb.ListTakesRequest) -> int:
    if not 0 <= request.limit <= MAX_PAGE:
        raise BadInput(f"limit is {request.limit}; expected 0 to {MAX_PAGE}")
    return request.limit or PAGE


def place(after: str) -> Place | None:
    """Where a page begins; BadInput for what was never given out."""
    if not after:
        return None
    try:
        created_at, speaker_id, utterance = json.loads(urlsafe_b64decode(after[:_MAX_PLACE_CHARS].encode()))
        return str(created_at), str(speaker_id), str(utterance)
    except (ValueError, TypeError):
        raise BadInput(f"after is {after[:60]!r}; expected the `next` of an earlier page") from None


def after(last: Place) -> str:
    return urlsafe_b64encode(json.dumps(last).encode()).decode()


def verdict(wire: "pb.Verdict") -> Verdict | None:
    """None takes a verdict back."""
    if wire not in _VERDICTS:
        raise BadInput(
            f"verdict {wire} is none for a take; expected ACCEPTED, REJECTED, or none to take it back"
        )
    return _VERDICTS[wire]


def table(wire: "pb.ExportFormat") -> Table:
    if wire not in _TABLES:
        raise BadInput(f"format {wire} is unknown; expected one of {pb.ExportFormat.keys()[1:]}")
    return _TABLES[wire]


def _filter(wire: "pb.Verdict") -> Literal["", "open", "accepted", "rejected"]:
    if wire == pb.VERDICT_OPEN:
        return "open"
    return verdict(wire) or ""
