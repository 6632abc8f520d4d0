"""Watching the automatic chain: each step is found in the services' state, never started from here."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from voxloom.cli import dataset as datasets
from voxloom.cli.connect import CALL_TIMEOUT_S, client_at
from voxloom.cli.demo.place import Place
from voxloom.cli.output import Meter
from voxloom.cli.runs import all_runs
from voxloom.errors import NotFound, Unavailable, VoxloomError
from voxloom.v1 import inference_pb2, ingest_pb2, optimizer_pb2, trainer_pb2

POLL_S = 0.5

Found = TypeVar("Found")


class Chain:
    """Waits for what the loop does by itself, and tells at once when a stage has given up."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._known_failures = len(place.failures())

    def client(self, service: str) -> AbstractContextManager[Any]:
        """The stub of a service of this demo."""
        return client_at(service, self._place.addresses[service])

    def dataset(self, other_than: str = "", timeout_s: float = 600.0) -> ingest_pb2.Dataset:
        """The newest dataset once there is one (other than the one known)."""

        def look() -> ingest_pb2.Dataset | None:
            try:
                with self.client("ingest") as ingest:
                    found = datasets.get(ingest)
            except NotFound:
                return None
            return found if found.id != other_than else None

        return self._wait(look, "waiting for a dataset", timeout_s, lambda: self.policy().summary)

    def policy(self) -> ingest_pb2.RetrainPolicy:
        """What the retrain policy sees now."""
        with self.client("ingest") as ingest:
            request = ingest_pb2.GetRetrainPolicyRequest()
            found: ingest_pb2.RetrainPolicy = ingest.GetRetrainPolicy(request, timeout=CALL_TIMEOUT_S)
        return found

    def run_on(self, dataset: str, timeout_s: float = 300.0) -> trainer_pb2.Run:
        """The training run that the trainer starts by itself on a dataset."""

        def look() -> trainer_pb2.Run | None:
            with self.client("trainer") as trainer:
                return next((run for run in all_runs(trainer) if run.dataset == dataset), None)

        return self._wait(look, "waiting for the training", timeout_s)

    def model_of(self, run: str, timeout_s: float = 900.0) -> optimizer_pb2.Model:
        """The model of a run once the gate has decided on it."""

        def look() -> optimizer_pb2.Model | None:
            with self.client("optimizer") as optimizer:
                listed = optimizer.ListModels(
                    optimizer_pb2.ListModelsRequest(), timeout=CALL_TIMEOUT_S
                ).models
            return next((model for model in listed if model.run == run and model.decision), None)

        return self._wait(look, "optimising and measuring", timeout_s)

    def serving(self, model: str, timeout_s: float = 120.0) -> inference_pb2.ServingModel:
        """What inference serves, once it is this model."""

        def look() -> inference_pb2.ServingModel | None:
            request = inference_pb2.GetServingModelRequest()
            try:
                with self.client("inference") as inference:
                    found = inference.GetServingModel(request, timeout=CALL_TIMEOUT_S)
            except Unavailable:
                return None
            return found if found.model == model else None

        return self._wait(look, "swapping the model in", timeout_s)

    def _wait(
        self,
        look: Callable[[], Found | None],
        label: str,
        timeout_s: float,
        note: Callable[[], str] = lambda: "",
    ) -> Found:
        deadline = time.monotonic() + timeout_s
        with Meter(label) as meter:
            while (found := look()) is None:
                self._check_failures()
                if time.monotonic() > deadline:
                    raise Unavailable(
                        f"{label} took longer than {timeout_s:.0f} s; look at {self._place.log}"
                    )
                meter.update(0, 0, note())
                time.sleep(POLL_S)
        return found

    def _check_failures(self) -> None:
        failures = self._place.failures()[self._known_failures :]
        if failures:
            body = failures[0]["body"]
            raise VoxloomError(
                f"the {body.get('stage')} job {body.get('job')} has failed: {body.get('error')}; "
                f"the log says more: {self._place.log}"
            )
