"""What inference shows: the model that it serves, and how full the house is."""

from collections.abc import Iterator

from prometheus_client import Metric

from services.inference.models import Models, ServedModel
from services.inference.pool import Pool
from voxloom.gauges import Look, gauge, info, unix_time


def look_at_serving(models: Models, pool: Pool) -> Look:
    def look() -> Iterator[Metric]:
        for kind, admission in (("calls", pool.calls), ("streams", pool.streams)):
            yield gauge("voxloom_inference_active", "In progress now.", admission.active, kind=kind)
            yield gauge("voxloom_inference_limit", "At most at once.", admission.limit, kind=kind)
        if models.serving:
            yield from _describe(models.serving)

    return look


def _describe(model: ServedModel) -> Iterator[Metric]:
    record = model.record
    yield info(
        "voxloom_serving_model",
        "The model in memory.",
        model=record.model,
        dataset=record.dataset,
        file=record.served_file,
    )
    yield gauge(
        "voxloom_serving_model_loaded_timestamp_seconds",
        "When the model in memory was loaded.",
        unix_time(model.since),
    )
    yield gauge("voxloom_serving_model_load_seconds", "How long loading and warming up took.", model.load_s)
