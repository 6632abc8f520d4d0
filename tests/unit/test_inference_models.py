"""The model in memory follows the pointer, and a bad bundle changes nothing."""

import gc
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from integration import bundle_maker

from services.inference.models import Models
from services.inference.pool import Pool
from voxloom.bus import MemoryBus
from voxloom.cpus import cpu_count
from voxloom.errors import Exhausted, Unavailable
from voxloom.storage import FolderStore
from voxloom.v1.events_pb2 import Event


class World:
    def __init__(self, root: Path) -> None:
        self.store = FolderStore(root)
        self.bus = MemoryBus()
        self.events: list[Event] = []
        self.bus.tail(self.events.append)
        self.now_s = 0.0
        self.models = Models(self.store, self.bus, clock=lambda: self.now_s)

    def promote(self, model: str, damaged: bool = False) -> None:
        bundle_maker.write_model_bundle(self.store, model, bundle_maker.graph())
        if damaged:
            self.flip_byte(model)
        bundle_maker.point_to(self.store, model)

    def flip_byte(self, model: str) -> None:
        key = f"models/{model}/model.onnx"
        data = bytearray(self.store.get(key))
        data[len(data) // 2] ^= 1
        self.store.put(key, bytes(data))

    def told(self) -> list[str]:
        """Kinds and subjects of all events so far."""
        return [f"{event.WhichOneof('body')} {event.header.subject}" for event in self.events]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.bus.close()


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_nothing_is_served_before_the_first_promotion(world: World) -> None:
    world.models.reconcile()
    assert not world.models.is_ready()
    with pytest.raises(Unavailable, match="no model is served yet"):
        world.models.current()


def test_the_pointer_is_followed_and_told_of(world: World) -> None:
    world.promote("m-a")
    world.models.reconcile()
    assert world.models.is_ready()
    assert world.models.current().id == "m-a"
    eventually(lambda: world.told() == ["model_serving m-a"])
    assert world.events[0].model_serving.load_s > 0
    world.models.reconcile()
    world.promote("m-b")
    world.models.reconcile()
    assert world.models.current().id == "m-b"
    eventually(lambda: world.told() == ["model_serving m-a", "model_serving m-b"])


def test_the_old_model_is_freed_when_its_last_user_lets_go(world: World) -> None:
    world.promote("m-a")
    world.models.reconcile()
    in_use = world.models.current()
    engine = weakref.ref(in_use.engine)
    world.promote("m-b")
    world.models.reconcile()
    gc.collect()
    assert engine() is not None
    assert in_use.id == "m-a"
    del in_use
    gc.collect()
    assert engine() is None


def test_a_flipped_byte_is_refused_once_and_the_old_model_stays(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.promote("m-a")
    world.models.reconcile()
    world.promote("m-bad", damaged=True)
    for _ in range(3):
        world.models.reconcile()
    assert world.models.current().id == "m-a"
    eventually(lambda: world.told() == ["model_serving m-a", "stage_failed m-bad"])
    assert "models/m-bad/model.onnx has sha256" in world.events[1].stage_failed.error
    assert world.events[1].stage_failed.stage == "serve"


def test_a_refused_bundle_is_looked_at_again_later(world: World) -> None:
    world.promote("m-bad", damaged=True)
    world.models.reconcile()
    world.flip_byte("m-bad")  # put right
    world.models.reconcile()
    assert not world.models.is_ready()
    world.now_s += 600
    world.models.reconcile()
    assert world.models.current().id == "m-bad"


def test_a_rollback_ends_a_refusal(world: World) -> None:
    world.promote("m-a")
    world.models.reconcile()
    world.promote("m-bad", damaged=True)
    world.models.reconcile()
    world.promote("m-a")
    world.models.reconcile()
    assert world.models.current().id == "m-a"
    world.flip_byte("m-bad")
    bundle_maker.point_to(world.store, "m-bad")
    world.models.reconcile()
    assert world.models.current().id == "m-bad"


def test_a_model_that_fails_when_run_is_refused(world: World) -> None:
    bundle_maker.write_model_bundle(world.store, "m-nan", bundle_maker.graph(poison=float("nan")))
    bundle_maker.point_to(world.store, "m-nan")
    world.models.reconcile()
    assert not world.models.is_ready()
    eventually(lambda: world.told() == ["stage_failed m-nan"])
    assert "gives no numbers" in world.events[0].stage_failed.error


def test_a_pointer_to_nothing_is_refused(world: World) -> None:
    bundle_maker.point_to(world.store, "m-none")
    world.models.reconcile()
    assert not world.models.is_ready()
    eventually(lambda: world.told() == ["stage_failed m-none"])


def test_a_model_is_told_of_when_the_bus_is_back(tmp_path: Path) -> None:
    store, closed, bus = FolderStore(tmp_path), MemoryBus(), MemoryBus()
    closed.close()
    bundle_maker.write_model_bundle(store, "m-a", bundle_maker.graph())
    bundle_maker.point_to(store, "m-a")
    models, events = Models(store, closed), []
    models.reconcile()
    assert models.is_ready()
    models._bus = bus
    bus.tail(events.append)
    models.reconcile()
    models.reconcile()
    eventually(lambda: len(events) == 1)
    bus.close()


def test_calls_beyond_the_limit_are_refused_and_places_come_free() -> None:
    pool = Pool(threads=1, max_calls=2, max_streams=1)
    with pool.calls.enter(), pool.calls.enter():
        with pytest.raises(Exhausted, match="all 2 calls are taken"), pool.calls.enter():
            pass
        with pool.streams.enter():
            assert pool.streams.active == 1
    with pool.calls.enter():
        pass
    pool.close()


@pytest.mark.parametrize(
    ("files", "most"),
    [
        ({"cpu.max": "100000 100000\n"}, 1),
        ({"cpu.max": "50000 100000\n"}, 1),
        ({"cpu.max": "max 100000\n"}, 10_000),
        ({"cpu/cpu.cfs_quota_us": "100000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 1),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 10_000),
        ({}, 10_000),
    ],
)
def test_threads_keep_to_the_quota_of_the_container(tmp_path: Path, files: dict[str, str], most: int) -> None:
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
    assert 1 <= cpu_count(tmp_path) <= most
