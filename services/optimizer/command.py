"""What a person may order: serve this model, go back to the one before, keep the one that is served."""

import logging

from services.optimizer import catalogue, promote
from voxloom import keys
from voxloom.bundle import load_bundle
from voxloom.bus import EventBus, new_event
from voxloom.errors import BadInput, NotReady
from voxloom.runtime import announce
from voxloom.storage import ObjectStore
from voxloom.v1.events_pb2 import ModelPromoted

_SOURCE = "optimizer"
_MAX_WHY = 500  # characters
_log = logging.getLogger(__name__)


def promote_model(store: ObjectStore, bus: EventBus, model: str, force: bool) -> str:
    """Puts a measured model in production; returns the previous one.

    NotReady while it is not decided on, when the gate rejected it and `force` is not set, or while another
    model is pinned; BadInput when its bundle is damaged, whatever `force` says.
    """
    decision = catalogue.get_model(store, model).decision
    if decision is None:
        raise NotReady(f"{model} is still being measured; try again when it has a decision")
    if decision.outcome == "rejected" and not force:
        reasons = "; ".join(decision.reasons)
        raise NotReady(f"{model} was rejected: {reasons}; promote it with force to serve it all the same")
    trace = load_bundle(store, model).record.trace
    previous, moved = promote.by_hand(store, model)
    if moved:
        _tell(bus, model, previous, "promoted by hand", trace)
    return previous


def rollback_model(store: ObjectStore, bus: EventBus) -> tuple[str, str]:
    """Puts the model before the present one back in production; (model, previous)."""
    model, previous = promote.roll_back(store)
    _tell(bus, model, previous, f"rolled back from {previous}", "")
    return model, previous


def pin_model(store: ObjectStore, model: str, why: str) -> str:
    """Keeps the model in production where it is until `unpin_model`; returns its id."""
    if len(why) > _MAX_WHY:
        raise BadInput(f"the reason has {len(why)} characters; expected at most {_MAX_WHY}")
    pinned = promote.pin(store, keys.check_id(model, "model") if model else "", why)
    _log.info("%s is pinned: %s", pinned, why or "no reason given")
    return pinned


def unpin_model(store: ObjectStore) -> str:
    unpinned = promote.unpin(store)
    _log.info("%s is no longer pinned", unpinned)
    return unpinned


def _tell(bus: EventBus, model: str, previous: str, why: str, trace: str) -> None:
    body = ModelPromoted(model=model, previous=previous, reasons=[why])
    announce(bus, new_event(_SOURCE, model, body, trace))
