"""What a process counts for Prometheus, and the HTTP endpoint that shows it."""

import functools
import logging
import platform
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
    start_http_server,
)

import voxloom
from voxloom.errors import Unavailable

REGISTRY = CollectorRegistry()  # of this process; a service's own metrics register here too
CALLS = Counter(
    "voxloom_grpc_calls_total",
    "gRPC calls that have ended.",
    ["service", "method", "code"],
    registry=REGISTRY,
)
CALL_SECONDS = Histogram(
    "voxloom_grpc_call_duration_seconds",
    "Time from the start of a gRPC call to its end; a stream lasts as long as its client wants.",
    ["service", "method"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
    registry=REGISTRY,
)
EVENTS_PUBLISHED = Counter(
    "voxloom_events_published_total",
    "Events announced; outcome is published (the bus took it) or lost.",
    ["kind", "outcome"],
    registry=REGISTRY,
)
EVENTS_HANDLED = Counter(
    "voxloom_events_handled_total",
    "Deliveries of events; outcome is handled or failed, and what failed is delivered again.",
    ["service", "kind", "outcome"],
    registry=REGISTRY,
)
RECONCILE_SECONDS = Histogram(
    "voxloom_reconcile_duration_seconds",
    "Time of one look at the store that does what is missing.",
    ["service"],
    buckets=(0.01, 0.05, 0.1, 0.5, 1, 5, 30, 120),
    registry=REGISTRY,
)
RECONCILE_FAILURES = Counter(
    "voxloom_reconcile_failures_total", "Reconciles that raised.", ["service"], registry=REGISTRY
)
_log = logging.getLogger(__name__)


def counter(name: str, help_text: str, **values: Iterable[str]) -> Counter:
    """A counter with one label of known values: each begins at 0, so that its first event shows in a rate."""
    ((label, known),) = values.items()
    made = Counter(name, help_text, [label], registry=REGISTRY)
    for value in known:
        made.labels(value)
    return made


def call_ended(path: str, code: str, seconds: float) -> None:
    """Counts a call of /voxloom.v1.<Name>Service/<Method>; health and reflection are no part of the loop."""
    name, _, method = path.removeprefix("/").rpartition("/")
    if name.startswith("grpc."):
        return
    service = name.rpartition(".")[2].removesuffix("Service").lower()
    CALLS.labels(service, method, code).inc()
    CALL_SECONDS.labels(service, method).observe(seconds)


@contextmanager
def handling(service: str, kind: str) -> Iterator[None]:
    """Counts how the handling of one delivery ends."""
    outcome = "failed"
    try:
        yield
        outcome = "handled"
    finally:
        EVENTS_HANDLED.labels(service, kind, outcome).inc()


def reconciled(service: str, reconcile: Callable[[], None]) -> Callable[[], None]:
    """`reconcile`, its runs timed and its failures counted."""
    seconds, failures = RECONCILE_SECONDS.labels(service), RECONCILE_FAILURES.labels(service)

    def run() -> None:
        with seconds.time(), failures.count_exceptions():
            reconcile()

    return run


@contextmanager
def served(host: str, port: int) -> Iterator[None]:
    """Shows REGISTRY at http://host:port/metrics until the block ends; with port 0, nothing is shown.

    Unavailable when the address cannot be bound.
    """
    if not port:
        yield
        return
    disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each counter
    _describe_process()
    try:
        server, _ = start_http_server(port, host.strip("[]"), REGISTRY)
    except OSError as error:
        raise Unavailable(
            f"cannot serve metrics on {host}:{port}: {error.strerror or error}; stop the program that has the"
            " port, or set VOXLOOM_METRICS_PORT to another one (0: no metrics)"
        ) from error
    _log.info("metrics are served at http://%s:%d/metrics", host, port)
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


@functools.cache
def _describe_process() -> None:
    """Once a process: the registry refuses a metric that it has."""
    ProcessCollector(registry=REGISTRY)
    build = Info("voxloom_build", "The release that runs here.", registry=REGISTRY)
    build.info({"version": voxloom.__version__, "python": platform.python_version()})
