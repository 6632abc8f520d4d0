"""Finds exports that nobody decided on, and promotions whose pointer move was lost."""

import logging

from services.optimizer import catalogue
from services.optimizer.exports import RECORD
from services.optimizer.optimize import KIND, finish
from voxloom import keys, storage
from voxloom.bundle import Export
from voxloom.bus import EventBus
from voxloom.errors import BadInput, NewerSchema, NotFound
from voxloom.jobs import Jobs, JobState
from voxloom.manifest import DatasetRecord
from voxloom.storage import ObjectStore, folders

_log = logging.getLogger(__name__)


class Reconcile:
    """Compares runs with decisions. Runs that are settled for good are not looked at again."""

    def __init__(self, store: ObjectStore, bus: EventBus, jobs: Jobs) -> None:
        self._store = store
        self._bus = bus
        self._jobs = jobs
        self._settled: set[str] = set()

    def __call__(self) -> None:
        for run in folders(self._store, "runs/"):
            if run not in self._settled and self.look_at(run):
                self._settled.add(run)

    def look_at(self, run: str) -> bool:
        """Does what the run lacks; whether it is settled for good."""
        try:
            export = storage.read_model(self._store, keys.export_file(run, RECORD), Export)
        except NotFound:
            return False  # still in training
        except BadInput as error:
            _log.error("run %s is left out: %s; export it again", run, error)
            return True
        try:
            return self._settle(export)
        except BadInput as error:  # a record that cannot be read holds up no other run
            _log.error("run %s is left out: %s", run, error)
            return isinstance(error, NewerSchema)

    def _settle(self, export: Export) -> bool:
        if self._is_experiment(export.dataset):
            return True  # its run reports what it measured; nothing of it is to be served
        spec = {"run": export.run, "dataset": export.dataset}
        if catalogue.read_decision(self._store, export.model)[0] is None:
            self._jobs.submit(KIND, export.model, spec, export.trace)
            return False
        if self._is_open(export.model):
            return False
        if finish(self._store, self._bus, export.model, export.trace) is None:
            _log.warning(
                "%s was found good, but production changed before it was promoted, and its job has ended; "
                "promote it by hand if it is to be served",
                export.model,
            )
        return True

    def _is_experiment(self, dataset: str) -> bool:
        """What a dataset was built for holds for all that is made of it (docs/adr/0024)."""
        try:
            key = keys.dataset_record(keys.check_id(dataset, "dataset"))
            return storage.read_model(self._store, key, DatasetRecord).experiment
        except NotFound:
            return False  # it was deleted: the job says so

    def _is_open(self, model: str) -> bool:
        """While its job lives, the job does what is to do."""
        try:
            state = self._jobs.get(KIND, model).state
        except NotFound:
            return False
        return state in (JobState.ACCEPTED, JobState.RUNNING)
