"""Gauges made of the store: a thread looks every few seconds, and a scrape shows what it found.

So a scrape never waits for the store, and nothing is looked at while nobody asks for metrics.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from datetime import datetime
from itertools import chain

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily

from voxloom.jobs import Jobs, JobState
from voxloom.metrics import REGISTRY

Look = Callable[[], Iterable[Metric]]  # one metric a sample; must be cheap: never a listing of raw/
PERIOD_S = 10.0


def gauge(name: str, help_text: str, value: float, **labels: str) -> Metric:
    family = GaugeMetricFamily(name, help_text, labels=list(labels))
    family.add_metric(list(labels.values()), value)
    return family


def info(name: str, help_text: str, **labels: str) -> Metric:
    """Always 1; its labels tell. The name in a scrape ends with `_info`."""
    return InfoMetricFamily(name, help_text, value=labels)


def unix_time(iso_8601: str) -> float:
    return datetime.fromisoformat(iso_8601).timestamp()


class Shown:
    """What the services of this process found last, as a collector."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, int], tuple[Metric, ...]] = {}

    def look(self, service: str, looks: Sequence[Look]) -> None:
        """Asks each look, also when one before it raised; then raises what one of them raised."""
        with ExitStack() as stack:
            for number, look in enumerate(looks):
                stack.callback(self._ask, (service, number), look)

    def _ask(self, place: tuple[str, int], look: Look) -> None:
        found: tuple[Metric, ...] = ()
        try:
            found = tuple(look())
        finally:
            self._found[place] = found  # after a failure nothing: an old figure would pass for today's

    def collect(self) -> Iterator[Metric]:
        """Each metric once, with the samples of all services that have it."""
        families: dict[str, Metric] = {}
        for metric in chain.from_iterable(self._found.copy().values()):
            family = families.setdefault(metric.name, Metric(metric.name, metric.documentation, metric.type))
            family.samples.extend(metric.samples)
        yield from families.values()


SHOWN = Shown()
REGISTRY.register(SHOWN)


def look_at_jobs(jobs: Jobs, *kinds: str) -> Look:
    """The jobs of these kinds by state, and how far the one in progress is."""

    def look() -> Iterator[Metric]:
        for kind in kinds:
            records = jobs.list(kind)
            for state in JobState:
                count = sum(record.state is state for record in records)
                yield gauge("voxloom_jobs", "Job records.", count, kind=kind, state=state)
            running = next((record for record in records if record.state is JobState.RUNNING), None)
            if running:
                yield gauge(
                    "voxloom_running_job_accepted_timestamp_seconds",
                    "When the oldest job in progress was accepted.",
                    unix_time(running.created_at),
                    kind=kind,
                )
                yield gauge(
                    "voxloom_running_job_progress_ratio",
                    "How much of the oldest job in progress is done, 0 while that is unknown.",
                    running.done / running.total if running.total else 0.0,
                    kind=kind,
                )

    return look
