"""The forget job: what was withdrawn leaves the store, and all that was made of it is scrubbed and marked.

The order makes it safe to be killed anywhere and run again: first what keeps it from coming back, then the
recordings, then the copies; in each dataset the manifests go last, for they say where the copies are.
"""

import logging
import time
from collections.abc import Iterator
from typing import Any

from services.ingest import dataset, reviewed, scrub, traces
from services.ingest.heirs import mark_heirs
from services.ingest.scrub import Gone
from voxloom import forgotten, keys
from voxloom.errors import BadInput
from voxloom.forgotten import JOB_KIND, Clip, ForgetSpec, Voice
from voxloom.job_lease import job_key
from voxloom.jobs import JobRecord, Jobs, JobState, Lease
from voxloom.record import to_model
from voxloom.storage import ObjectStore, folders, list_all

KIND = JOB_KIND
MAX_FAILURES = 1_440  # a minute apart: a wish to be forgotten outlasts a store that is down for a day
_PAUSE_S = 0.5
_log = logging.getLogger(__name__)


class Forgetter:
    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._jobs = Jobs(store)

    def run(self, job: JobRecord, lease: Lease) -> dict[str, Any]:
        """The body of the job; its result lists the datasets and models that held what is gone."""
        spec = to_model(job_key(KIND, job.id), job.spec, ForgetSpec)
        if spec.for_ever:
            forgotten.bury(self._store, spec, job.created_at)
        clips = [*spec.clips, *_spoken_by(self._store, spec.voices)]
        gone = Gone(spec, clips)
        lease.progress(0, len(clips), "deleting recordings")
        self._scrub_reports(gone, spec, lease)
        deleted = sum(self._remove(clip, lease) for clip in clips)
        reviewed.forget_clips(self._store, clips)
        for voice in spec.voices:
            reviewed.forget_voice(self._store, voice)
        self._await_builds(lease)
        held, faults = self._scrub_datasets(gone, job, lease)
        heirs = mark_heirs(self._store, job.created_at, lease.check)
        if faults := [*faults, *heirs.faults]:
            raise BadInput(f"{'; '.join(faults)}. All else is done; then forget it again")
        _log.info("%d recordings are gone; %d datasets held some", deleted, len(held))
        lease.redact(spec.hashed().model_dump())
        return {"deleted": deleted, "datasets": held, "runs": heirs.runs, "models": heirs.models}

    def _scrub_reports(self, gone: Gone, spec: ForgetSpec, lease: Lease) -> None:
        """Before the recordings, and what imports say last: whoever takes this over finds the ids there."""
        ids = gone.utterances | traces.refused_of(self._store, spec.voices, lease.check)
        for name in folders(self._store, "manifests/"):
            lease.check()
            scrub.documents(self._store, name, ids)
        traces.of_imports(self._store, ids, lease.check)

    def _await_builds(self, lease: Lease) -> None:
        """A build that began before may hold a copy that is not in its manifests yet; one that begins now
        finds the recordings gone."""
        while any(_is_held(job) for job in self._jobs.list(dataset.KIND)):
            lease.progress(0, 0, "waiting for the dataset that is being built")
            time.sleep(_PAUSE_S)

    def _scrub_datasets(self, gone: Gone, job: JobRecord, lease: Lease) -> tuple[dict[str, int], list[str]]:
        """How many rows of each are withdrawn, and what is damaged: it holds up no other dataset."""
        held: dict[str, int] = {}
        faults: list[str] = []
        for name in folders(self._store, "manifests/"):
            lease.progress(0, 0, f"looking through dataset {name}")
            try:
                scrub.unfinished(self._store, name, gone, lease.check)
                if count := scrub.dataset(self._store, name, gone, job.created_at, lease.check):
                    held[name] = count
            except BadInput as error:
                faults.append(str(error))
        return held, faults

    def _remove(self, clip: Clip, lease: Lease) -> bool:
        """The record first: without it there is no utterance. Whether it was there."""
        lease.check()
        record = keys.raw_record(clip.source, clip.speaker, clip.utterance)
        there = scrub.remove(self._store, record)
        self._store.delete(keys.raw_audio(clip.source, clip.speaker, clip.utterance))
        return there


def _is_held(job: JobRecord) -> bool:
    return job.state is JobState.RUNNING and job.lease_expires_at > time.time()


def _spoken_by(store: ObjectStore, voices: list[Voice]) -> Iterator[Clip]:
    for voice in voices:
        folder = f"{keys.RAW}{voice.source}/{voice.speaker}/"
        names = {info.key.removeprefix(folder).rpartition(".")[0] for info in list_all(store, folder)}
        for name in sorted(names):
            yield Clip(source=voice.source, speaker=voice.speaker, utterance=name)
