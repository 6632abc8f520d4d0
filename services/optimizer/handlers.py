"""What the optimizer does on events."""

from collections.abc import Mapping

from services.optimizer.reconcile import Reconcile
from voxloom.bus import Handler
from voxloom.v1.events_pb2 import Event


def handlers(reconcile: Reconcile) -> Mapping[str, Handler]:
    def model_trained(event: Event) -> None:
        reconcile.look_at(event.model_trained.run)

    return {"model_trained": model_trained}
