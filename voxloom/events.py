"""Telling others: an event that is lost is logged, for the store is the truth."""

import logging
from collections.abc import Callable

from voxloom import metrics
from voxloom.bus import EventBus, kind_of, new_event
from voxloom.errors import VoxloomError
from voxloom.jobs import JobRecord
from voxloom.v1.events_pb2 import Event, StageFailed

_log = logging.getLogger(__name__)


def announce(bus: EventBus, event: Event) -> bool:
    """Publishes what has been written; a loss is logged and told by False, never raised.

    Whoever missed the event finds the change at the next reconcile.
    """
    kind, subject = kind_of(event), event.header.subject
    try:
        bus.publish(event)
    except VoxloomError as error:
        metrics.EVENTS_PUBLISHED.labels(kind, "lost").inc()
        _log.warning("event %s of %s is lost, others see it within a minute: %s", kind, subject, error)
        return False
    metrics.EVENTS_PUBLISHED.labels(kind, "published").inc()
    return True


def stage_failed(bus: EventBus, source: str) -> Callable[[JobRecord], None]:
    """The on_failed of a JobWorker: tells everyone watching that a job is given up."""

    def tell(job: JobRecord) -> None:
        body = StageFailed(stage=job.kind, job=job.id, error=job.error, attempts=job.failures)
        announce(bus, new_event(source, job.id, body, job.trace))

    return tell
