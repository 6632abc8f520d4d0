"""A wish to forget, or to let come back, becomes a durable job or the lifting of tombstones."""

import hashlib
from collections import Counter

from services.ingest import forget
from voxloom import keys
from voxloom.errors import BadInput, NotFound
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
        found = self._find(utterances, speakers)
        self._check(found, utterances, speakers)
        response = ingest_pb2.ForgetResponse(speakers=_counted(found))
        if request.dry_run:
            return response, None
        return response, self._submit(_spec(found, utterances))

    def _find(self, utterances: list[str], speakers: list[str]) -> list[Clip]:
        found = forget.find(self._store, utterances, speakers)
        missing = set(utterances) - {clip.utterance for clip in found}
        if missing or not found:
            found += forget.find_copies(self._store, sorted(missing), speakers)
        return found

    def _submit(self, spec: ForgetSpec) -> JobRecord:
        """The same wish is the same job while that is open; once it has ended it is made anew."""
        wish = hashlib.sha256(spec.model_dump_json().encode()).hexdigest()[:12]
        number = sum(job.id.startswith(wish) for job in self._jobs.list(forget.KIND))
        last = f"{wish}-{number}"
        if number and self._jobs.get(forget.KIND, last).state in ("accepted", "running"):
            return self._jobs.get(forget.KIND, last)
        return self._jobs.submit(forget.KIND, f"{wish}-{number + 1}", spec.model_dump())

    def _check(self, found: list[Clip], utterances: list[str], speakers: list[str]) -> None:
        unknown = sorted(set(utterances) - {clip.utterance for clip in found})
        if unknown:
            raise NotFound(f"there is no utterance {', '.join(unknown[:5])}; see its id in a manifest")
        of_speakers = {f"{clip.source}/{clip.speaker}" for clip in found if clip.utterance not in utterances}
        if speakers and not of_speakers:
            raise NotFound(
                f"nothing is stored of speaker {', '.join(speakers[:5])!r}; give the id as it stands in a "
                "manifest, or the name as it was recorded"
            )
        if len(of_speakers) > len(speakers):
            raise BadInput(
                f"{len(speakers)} speakers were named, and {len(of_speakers)} have these names: "
                f"{', '.join(sorted(of_speakers)[:10])}; name each as source/id"
            )


def _spec(found: list[Clip], utterances: list[str]) -> ForgetSpec:
    named = set(utterances)
    voices = {(clip.source, clip.speaker) for clip in found if clip.utterance not in named}
    return ForgetSpec(
        clips=[clip for clip in found if clip.utterance in named],
        voices=[Voice(source=source, speaker=speaker) for source, speaker in sorted(voices)],
    )


def _as_given(utterances: list[str], speakers: list[str]) -> ForgetSpec:
    """For an undo nothing is stored to look names up in: speakers are meant as source/id."""
    if wrong := [each for each in speakers if each.count("/") != 1]:
        raise BadInput(f"speaker {wrong[0]!r}: to let one come back, name it as source/id, e.g. imported/x-7")
    pairs = [each.split("/") for each in speakers]
    return ForgetSpec(
        clips=[Clip(source="", speaker="", utterance=each) for each in utterances],
        voices=[Voice(source=source, speaker=speaker) for source, speaker in pairs],
    )


def _counted(found: list[Clip]) -> list[ingest_pb2.ForgetResponse.Speaker]:
    counts = Counter((clip.source, clip.speaker) for clip in found)
    return [
        ingest_pb2.ForgetResponse.Speaker(source=source, speaker=speaker, utterances=number)
        for (source, speaker), number in sorted(counts.items())
    ]
