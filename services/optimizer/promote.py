"""The production pointer: moved by compare-and-swap, its history never shortened."""

from datetime import UTC, datetime

from voxloom import keys, storage
from voxloom.bundle import Pin, PointerEntry, ProductionPointer, load_bundle, read_pointer
from voxloom.errors import Conflict, NotReady
from voxloom.storage import ObjectStore

_ROLLED_BACK = "rolled back"
_TRIES = 5
_MOVED = "the production pointer is being moved by somebody else; try again"


def was_promoted(pointer: ProductionPointer | None, model: str) -> bool:
    """Whether the model was in production once: a later rollback must not be undone."""
    return pointer is not None and any(entry.model == model for entry in pointer.history)


def move(
    store: ObjectStore, pointer: ProductionPointer | None, etag: str, model: str, why: str
) -> ProductionPointer:
    """Puts the model in production if the pointer is still the one that was read; else Conflict.

    NotReady while another model is pinned.
    """
    check_unpinned(pointer)
    entry = PointerEntry(model=model, at=datetime.now(UTC).isoformat(), why=why)
    moved = ProductionPointer(model=model, history=[*(pointer.history if pointer else []), entry])
    if pointer is None:
        storage.write_model(store, keys.PRODUCTION, moved, if_absent=True)
    else:
        storage.write_model(store, keys.PRODUCTION, moved, if_match=etag)
    return moved


def check_unpinned(pointer: ProductionPointer | None) -> None:
    """NotReady while a person keeps the model in production where it is."""
    if pointer and pointer.pin:
        why = f" ({pointer.pin.why})" if pointer.pin.why else ""
        raise NotReady(
            f"{pointer.model} has been pinned since {pointer.pin.at[:10]}{why}, so nothing takes its place; "
            "unpin it first: voxloom models unpin"
        )


def pin(store: ObjectStore, model: str, why: str) -> str:
    """Keeps the model in production until `unpin`; the empty name means whichever it is. Pinned again it has
    the new reason."""
    for _ in range(_TRIES):
        pointer, etag = read_pointer(store)
        if pointer is None:
            raise NotReady("nothing is in production yet, so there is nothing to pin")
        if model not in ("", pointer.model):
            raise NotReady(
                f"{model} is not in production, {pointer.model} is: promote it first, or pin that one"
            )
        made = Pin(at=datetime.now(UTC).isoformat(), why=why)
        if _replace(store, pointer.model_copy(update={"pin": made}), etag):
            return pointer.model
    raise Conflict(_MOVED)


def unpin(store: ObjectStore) -> str:
    """Returns the model in production, which may be replaced again; NotReady if it is not pinned."""
    for _ in range(_TRIES):
        pointer, etag = read_pointer(store)
        if pointer is None or pointer.pin is None:
            raise NotReady(f"{pointer.model} is not pinned" if pointer else "nothing is in production yet")
        if _replace(store, pointer.model_copy(update={"pin": None}), etag):
            return pointer.model
    raise Conflict(_MOVED)


def _replace(store: ObjectStore, pointer: ProductionPointer, etag: str) -> bool:
    """Whether the pointer was still the one that was read."""
    try:
        storage.write_model(store, keys.PRODUCTION, pointer, if_match=etag)
    except Conflict:
        return False
    return True


def by_hand(store: ObjectStore, model: str) -> tuple[str, bool]:
    """Puts the model in production whatever is there now; the model before it, and whether it had to move."""
    for _ in range(_TRIES):
        pointer, etag = read_pointer(store)
        if pointer and pointer.model == model:
            return _former(pointer), False
        try:
            move(store, pointer, etag, model, "promoted by hand")
        except Conflict:
            continue
        return (pointer.model if pointer else ""), True
    raise Conflict(_MOVED)


def roll_back(store: ObjectStore) -> tuple[str, str]:
    """Returns to the model that was in production before the present one; (model, previous)."""
    for _ in range(_TRIES):
        pointer, etag = read_pointer(store)
        check_unpinned(pointer)  # before a target is looked for: it is what stands in the way
        target = rollback_target(pointer)
        assert pointer is not None
        load_bundle(store, target)  # BadInput if it is damaged: what is served now stays
        try:
            move(store, pointer, etag, target, f"{_ROLLED_BACK} from {pointer.model}")
        except Conflict:
            continue
        return target, pointer.model
    raise Conflict(_MOVED)


def rollback_target(pointer: ProductionPointer | None) -> str:
    """The model below the present one. Rolling back twice goes two models back, not to and fro."""
    stack: list[str] = []
    for entry in pointer.history if pointer else []:
        if entry.why.startswith(_ROLLED_BACK) and stack[-2:-1] == [entry.model]:
            stack.pop()
        elif stack[-1:] != [entry.model]:
            stack.append(entry.model)
    if len(stack) < 2:
        raise NotReady(
            f"there is no model to roll back to: {stack[0]} is the first"
            if stack
            else "nothing is in production yet"
        )
    return stack[-2]


def _former(pointer: ProductionPointer) -> str:
    others = [entry.model for entry in pointer.history if entry.model != pointer.model]
    return others[-1] if others else ""
