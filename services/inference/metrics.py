"""What inference counts, apart for `calls` (Recognize) and `streams` (StreamingRecognize)."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from voxloom.metrics import counter

KINDS = ("calls", "streams")
AUDIO_SECONDS = counter(
    "voxloom_inference_audio_seconds_total", "Audio that came in to be transcribed.", kind=KINDS
)
COMPUTE_SECONDS = counter(
    "voxloom_inference_compute_seconds_total", "Time that worker threads spent on it.", kind=KINDS
)
REFUSED = counter("voxloom_inference_refused_total", "Refused because the limit was reached.", kind=KINDS)
LOADS = counter(
    "voxloom_serving_model_loads_total",
    "Models that were loaded to be served, or refused.",
    outcome=("loaded", "refused"),
)


@contextmanager
def computing(kind: str) -> Iterator[None]:
    """Counts the time of the block or, as a decorator, of each call; used inside a worker thread."""
    start = time.perf_counter()
    try:
        yield
    finally:
        COMPUTE_SECONDS.labels(kind).inc(time.perf_counter() - start)
