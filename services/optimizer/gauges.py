"""What the optimizer shows: the models there are, and what the gate measured and decided last."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import get_args

from prometheus_client import Metric

from services.optimizer.catalogue import BUNDLE, DECISION
from services.optimizer.records import Decision, ErrorCounts, Outcome
from voxloom.bundle import read_pointer
from voxloom.gauges import gauge, info, unix_time
from voxloom.storage import ObjectInfo, ObjectStore, list_all, parse_model


class ModelGauges:
    """Lists models/ once a look; of the decisions only those that changed are read again."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._read: dict[str, tuple[str, Decision]] = {}  # key -> etag, and what that version says

    def __call__(self) -> Iterator[Metric]:
        found = list(list_all(self._store, "models/"))
        bundles = sum(each.key.endswith(f"/{BUNDLE}") for each in found)
        yield gauge("voxloom_models", "Models in the store.", bundles)
        decisions = self._decisions(each for each in found if each.key.endswith(f"/{DECISION}"))
        counts = Counter(decision.outcome for decision in decisions)
        for outcome in get_args(Outcome):
            yield gauge("voxloom_gate_decisions", "Models by verdict.", counts[outcome], outcome=outcome)
        pointer, _ = read_pointer(self._store)
        served = [each for each in decisions if pointer and each.model == pointer.model]
        newest = sorted(decisions, key=lambda decision: decision.created_at)[-1:]
        for role, chosen in (("production", served), ("candidate", newest)):
            for decision in chosen:
                yield from _measured(role, decision)

    def _decisions(self, found: Iterable[ObjectInfo]) -> list[Decision]:
        versions: dict[str, tuple[str, Decision]] = {}
        for each in found:
            version = self._read.get(each.key)
            if version is None or version[0] != each.etag:
                data, etag = self._store.get_with_etag(each.key)
                version = etag, parse_model(each.key, data, Decision)
            versions[each.key] = version
        self._read = versions
        return [decision for _, decision in versions.values()]


def _measured(role: str, decision: Decision) -> Iterator[Metric]:
    """A model that was measured on nothing has no error rate, and is not shown with one of 0."""
    yield info(
        "voxloom_gate_model",
        "The model in production, and the candidate decided on last.",
        role=role,
        model=decision.model,
        dataset=decision.dataset,
        outcome=decision.outcome,
    )
    yield gauge(
        "voxloom_gate_decided_timestamp_seconds",
        "When the gate decided on the model.",
        unix_time(decision.created_at),
        role=role,
    )
    if decision.served.words.reference:
        yield from _error_rates(role, decision.served.words, decision.served.characters)


def _error_rates(role: str, words: ErrorCounts, characters: ErrorCounts) -> Iterator[Metric]:
    yield gauge("voxloom_gate_test_wer_ratio", "WER on the frozen test set.", words.rate, role=role)
    for bound, rate in (("low", words.low), ("high", words.high)):
        yield gauge(
            "voxloom_gate_test_wer_bound_ratio",
            "Bounds of the 95 % bootstrap interval of the WER.",
            rate,
            role=role,
            bound=bound,
        )
    yield gauge("voxloom_gate_test_cer_ratio", "CER on the frozen test set.", characters.rate, role=role)
