"""What ingest shows: how far the next dataset is, and what the newest one holds."""

from collections.abc import Iterator

from prometheus_client import Metric

from services.ingest.retrain import Retrain
from voxloom import keys
from voxloom.errors import NotFound
from voxloom.gauges import gauge, info, unix_time
from voxloom.manifest import DatasetRecord
from voxloom.storage import ObjectStore, read_model


class DataGauges:
    """Lists nothing itself: shows what the retrain policy counted last, and a record that never changes."""

    def __init__(self, store: ObjectStore, retrain: Retrain) -> None:
        self._store = store
        self._retrain = retrain
        self._newest: DatasetRecord | None = None

    def __call__(self) -> Iterator[Metric]:
        dataset, decision = self._retrain.last_look()
        if decision:
            yield gauge(
                "voxloom_retrain_new_utterances", "Utterances since the newest dataset.", decision.new
            )
            yield gauge(
                "voxloom_retrain_needed_utterances",
                "New utterances that start the next dataset.",
                decision.needed,
            )
        if record := self._record(dataset):
            yield from _describe(record)

    def _record(self, dataset: str) -> DatasetRecord | None:
        if dataset and (self._newest is None or self._newest.dataset != dataset):
            try:
                self._newest = read_model(self._store, keys.dataset_record(dataset), DatasetRecord)
            except NotFound:
                return None  # removed by hand
        return self._newest


def _describe(record: DatasetRecord) -> Iterator[Metric]:
    yield info("voxloom_dataset", "The newest dataset.", dataset=record.dataset)
    yield gauge(
        "voxloom_dataset_created_timestamp_seconds",
        "When the newest dataset was asked for.",
        unix_time(record.created_at),
    )
    for split, summary in record.splits.items():
        yield gauge(
            "voxloom_dataset_utterances",
            "Utterances of the newest dataset.",
            summary.utterances,
            split=split,
        )
        yield gauge(
            "voxloom_dataset_audio_seconds",
            "Audio in the newest dataset.",
            summary.hours * 3600,
            split=split,
        )
    for reason, count in record.dropped_by_reason.items():
        yield gauge(
            "voxloom_dataset_dropped_utterances",
            "Utterances that the newest dataset left out.",
            count,
            reason=reason,
        )
