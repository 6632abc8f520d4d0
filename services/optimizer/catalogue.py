"""What the store knows of models: folders, bundles, decisions."""

from dataclasses import dataclass

from services.optimizer.records import Decision
from voxloom import keys, storage
from voxloom.bundle import Bundle
from voxloom.errors import NotFound
from voxloom.storage import ObjectStore

DECISION, BUNDLE, HYPOTHESES = "decision.json", "bundle.json", "test_hypotheses.jsonl"


@dataclass(frozen=True)
class Entry:
    """A model with a bundle; without a decision it is still being measured."""

    bundle: Bundle
    decision: Decision | None


def list_models(store: ObjectStore) -> list[Entry]:
    """Newest first."""
    found = storage.usable(lambda model: find_model(store, model), storage.folders(store, "models/"))
    return sorted(filter(None, found), key=lambda entry: entry.bundle.created_at, reverse=True)


def find_model(store: ObjectStore, model: str) -> Entry | None:
    try:
        bundle = storage.read_model(store, keys.model_file(model, BUNDLE), Bundle)
    except NotFound:
        return None
    return Entry(bundle, read_decision(store, model)[0])


def get_model(store: ObjectStore, model: str) -> Entry:
    entry = find_model(store, keys.check_id(model, "model"))
    if entry is None:
        raise NotFound(f"model {model} does not exist; list the models to see those that do")
    return entry


def read_decision(store: ObjectStore, model: str) -> tuple[Decision | None, str | None]:
    """The decision and its etag; (None, None) while there is none."""
    key = keys.model_file(model, DECISION)
    try:
        data, etag = store.get_with_etag(key)
    except NotFound:
        return None, None
    return storage.parse_model(key, data, Decision), etag
