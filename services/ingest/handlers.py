"""What ingest does on events: data that came or went begins the quiet time anew, a chunk wakes the worker.

Reconcile runs after every event, at start and every minute; it alone decides, from the store.
"""

import time
from collections.abc import Callable, Mapping

from services.ingest.aftercare import Aftercare
from services.ingest.retrain import Retrain
from services.ingest.uploads import sweep, sweep_chunks
from voxloom.bus import Handler
from voxloom.jobs import Jobs
from voxloom.storage import ObjectStore
from voxloom.v1.events_pb2 import Event


def reconciler(store: ObjectStore, jobs: Jobs, retrain: Retrain) -> Callable[[], None]:
    aftercare = Aftercare(store, jobs)

    def reconcile() -> None:
        sweep(store, jobs, time.time())
        sweep_chunks(store, jobs)
        retrain.step()
        aftercare.step()

    return reconcile


def handlers(
    retrain: Retrain, wake: Callable[[], None], wake_chunks: Callable[[], None]
) -> Mapping[str, Handler]:
    def data_changed(event: Event) -> None:
        retrain.changed(event.header.trace)

    def data_deleted(event: Event) -> None:
        data_changed(event)
        wake()  # the recorder has left a job that deletes the copies

    def chunk_ready(event: Event) -> None:
        wake_chunks()

    return {
        "recording_stored": data_changed,
        "recording_deleted": data_deleted,
        "corpus_imported": data_changed,
        "import_chunk_ready": chunk_ready,
    }
