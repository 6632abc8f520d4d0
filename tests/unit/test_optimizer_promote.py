"""The pointer: its history only grows, and rolling back goes down the stack of models."""

from pathlib import Path

import pytest
from integration import bundle_maker

from services.optimizer import promote
from voxloom.bundle import read_pointer
from voxloom.errors import BadInput, Conflict, NotReady
from voxloom.storage import FolderStore


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    store = FolderStore(tmp_path)
    for model in ("m-a", "m-b", "m-c"):
        bundle_maker.write_model_bundle(store, model, bundle_maker.graph())
    return store


def history(store: FolderStore) -> list[str]:
    pointer, _ = read_pointer(store)
    return [entry.model for entry in pointer.history] if pointer else []


def test_rolling_back_twice_goes_two_models_back(store: FolderStore) -> None:
    for model in ("m-a", "m-b", "m-c"):
        promote.by_hand(store, model)
    assert promote.roll_back(store) == ("m-b", "m-c")
    assert promote.roll_back(store) == ("m-a", "m-b")
    assert history(store) == ["m-a", "m-b", "m-c", "m-b", "m-a"]
    with pytest.raises(NotReady, match="m-a is the first"):
        promote.roll_back(store)


def test_after_a_rollback_a_new_model_stands_on_the_one_rolled_back_to(store: FolderStore) -> None:
    for model in ("m-a", "m-b"):
        promote.by_hand(store, model)
    promote.roll_back(store)
    promote.by_hand(store, "m-c")
    assert promote.roll_back(store) == ("m-a", "m-c")


def test_promoting_an_earlier_model_by_hand_is_not_a_rollback(store: FolderStore) -> None:
    for model in ("m-a", "m-b", "m-a"):
        promote.by_hand(store, model)
    assert promote.roll_back(store) == ("m-b", "m-a")


def test_nothing_to_roll_back_to(store: FolderStore) -> None:
    with pytest.raises(NotReady, match="nothing is in production"):
        promote.roll_back(store)


def test_a_damaged_model_is_not_rolled_back_to(store: FolderStore) -> None:
    for model in ("m-a", "m-b"):
        promote.by_hand(store, model)
    store.put("models/m-a/tokens.txt", b"<blk> 0\n")
    with pytest.raises(BadInput, match=r"models/m-a/tokens\.txt"):
        promote.roll_back(store)
    assert history(store) == ["m-a", "m-b"]


def test_the_pointer_moves_only_from_what_was_read(store: FolderStore) -> None:
    pointer, etag = read_pointer(store)
    promote.move(store, pointer, etag, "m-a", "first")
    with pytest.raises(Conflict):
        promote.move(store, pointer, etag, "m-b", "late")
    pointer, etag = read_pointer(store)
    promote.move(store, pointer, etag, "m-b", "second")
    with pytest.raises(Conflict):
        promote.move(store, pointer, etag, "m-c", "late")
    assert history(store) == ["m-a", "m-b"]


def test_promoting_what_is_in_production_changes_nothing(store: FolderStore) -> None:
    assert promote.by_hand(store, "m-a") == ("", True)
    assert promote.by_hand(store, "m-b") == ("m-a", True)
    assert promote.by_hand(store, "m-b") == ("m-a", False)
    assert history(store) == ["m-a", "m-b"]


def test_a_pin_keeps_the_model_until_it_is_unpinned(store: FolderStore) -> None:
    for model in ("m-a", "m-b"):
        promote.by_hand(store, model)
    assert promote.pin(store, "", "for the exhibition") == "m-b"
    pointer, etag = read_pointer(store)
    for order in (
        lambda: promote.by_hand(store, "m-c"),
        lambda: promote.roll_back(store),
        lambda: promote.move(store, pointer, etag, "m-c", "better"),
    ):
        with pytest.raises(NotReady, match=r"m-b has been pinned since .* \(for the exhibition\).* unpin"):
            order()
    assert promote.by_hand(store, "m-b") == ("m-a", False)
    assert history(store) == ["m-a", "m-b"]
    assert promote.unpin(store) == "m-b"
    assert promote.roll_back(store) == ("m-a", "m-b")


def test_only_what_is_in_production_can_be_pinned_or_unpinned(store: FolderStore) -> None:
    with pytest.raises(NotReady, match="nothing is in production"):
        promote.pin(store, "m-a", "")
    with pytest.raises(NotReady, match="nothing is in production"):
        promote.unpin(store)
    promote.by_hand(store, "m-a")
    with pytest.raises(NotReady, match="m-b is not in production, m-a is"):
        promote.pin(store, "m-b", "")
    with pytest.raises(NotReady, match="m-a is not pinned"):
        promote.unpin(store)


def test_pinning_again_gives_the_new_reason(store: FolderStore) -> None:
    promote.by_hand(store, "m-a")
    for why in ("first", "second"):
        promote.pin(store, "m-a", why)
    pointer, _ = read_pointer(store)
    assert pointer
    assert pointer.pin
    assert pointer.pin.why == "second"
    assert history(store) == ["m-a"]
