"""A wish to forget, or to let come back, becomes a durable job or the lifting of tombstones."""

import hashlib

from services.ingest import forget
from services.ingest.lookup import look_up
from voxloom import keys
from voxloom.errors import BadInput
from voxloom.forgotten import Clip, ForgetSpec, Voice, lift
from voxloom.jobs import JobRecord, Jobs
from voxloom.storage import ObjectStore
from voxloom.v1 import ingest_pb2

_MAX_NAMES = 1000


class Forgetting:
    def __init__(self, store: ObjectStore, jobs: Jobs) -> None:
        self._store = store
        self._jobs = jobs

    def ask(self, request: ingest_pb2.ForgetRequest) -> tuple[ingest_pb2.ForgetResponse, JobRecord | None]:
        """What was found, and the job if one is wanted; NotFound when nothing of that name is stored."""
        utterances = [keys.check_id(each, "utterance") for each in request.utterances]
        speakers = list(request.speakers)
        if not 0 < len(utterances) + len(speakers) <= _MAX_NAMES:
            raise BadInput(f"expected 1 to {_MAX_NAMES} utterances or speakers to forget")
        if request.undo:
            lift(self._store, _as_given(utterances, speakers))
            return ingest_pb2.ForgetResponse(), None
        found = look_up(self._store, utterances, speakers)
        response = ingest_pb2.ForgetResponse(
            speakers=[
                ingest_pb2.ForgetResponse.Speaker(source=source, speaker=speaker, utterances=number)
                for (source, speaker), number in found.counts.items()
            ]
        )
        if request.dry_run:
            return response, None
        return response, self._submit(found.spec(utterances))

    def _submit(self, spec: ForgetSpec) -> JobRecord:
        """The same wish is the same job while that is open; once it has ended it is made anew."""
        wish = hashlib.sha256(spec.model_dump_json().encode()).hexdigest()[:12]
        number = sum(job.id.startswith(wish) for job in self._jobs.list(forget.KIND))
        last = f"{wish}-{number}"
        if number and self._jobs.get(forget.KIND, last).state in ("accepted", "running"):
            return self._jobs.get(forget.KIND, last)
        return self._jobs.submit(forget.KIND, f"{wish}-{number + 1}", spec.model_dump())


def _as_given(utterances: list[str], speakers: list[str]) -> ForgetSpec:
    """For an undo nothing is stored to look names up in: speakers are meant as source/id."""
    if wrong := [each for each in speakers if each.count("/") != 1]:
        raise BadInput(f"speaker {wrong[0]!r}: to let one come back, name it as source/id, e.g. imported/x-7")
    pairs = [each.split("/") for each in speakers]
    return ForgetSpec(
        clips=[Clip(source="", speaker="", utterance=each) for each in utterances],
        voices=[Voice(source=source, speaker=speaker) for source, speaker in pairs],
    )
