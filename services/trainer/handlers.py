"""What the trainer does on events: it looks at the store, as it does each minute."""

from collections.abc import Mapping
from dataclasses import dataclass

from services.trainer.config import TrainerConfig
from services.trainer.runs import KIND, newest_dataset, submit, untrained
from voxloom.bus import Handler
from voxloom.jobs import Jobs
from voxloom.storage import ObjectStore
from voxloom.v1.events_pb2 import Event


@dataclass(frozen=True)
class Reconcile:
    """Accepts a run for the newest dataset when it has none."""

    config: TrainerConfig
    store: ObjectStore
    jobs: Jobs

    def __call__(self) -> None:
        if not self.config.train_auto:
            return
        newest = newest_dataset(self.store)
        if newest and untrained(newest, self.jobs.list(KIND)):
            wish = self.config
            submit(
                self.store, self.jobs, newest, wish.train_recipe, wish.train_seed, wish.train_budget_minutes
            )


def handlers(reconcile: Reconcile) -> Mapping[str, Handler]:
    def on_dataset_ready(_event: Event) -> None:
        reconcile()

    return {"dataset_ready": on_dataset_ready}
