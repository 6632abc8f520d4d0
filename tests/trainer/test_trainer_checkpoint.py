"""Checkpoints that were damaged or made by an enemy, and what is kept: real files, real tensors."""

import json
import pickle
import struct
from collections.abc import Callable
from typing import Any

import pytest
import torch
from safetensors.torch import load as parse_tensors
from safetensors.torch import save as dump_tensors
from trainer_bench import RECIPE, RUN, Bench, same_weights

from services.trainer.checkpoint import Checkpoints, Latest
from services.trainer.recipes import RECIPES
from services.trainer.train import Interrupted, new_state
from voxloom import keys
from voxloom.errors import BadInput, Unavailable
from voxloom.storage import FolderStore, read_model

CHANGES = ("put", "delete")


def names(bench: Bench) -> list[str]:
    found = bench.store.list_page(f"runs/{RUN}/checkpoints/")
    return [info.key.rpartition("/")[2] for info in found]


def latest(bench: Bench) -> Latest:
    return read_model(bench.store, keys.checkpoint(RUN, "latest.json"), Latest)


def forge(bench: Bench, data: bytes) -> str:
    """The newest checkpoint is another, and its record knows no better."""
    record = latest(bench)
    bench.store.put(keys.checkpoint(RUN, record.name), data)
    document = json.loads(record.model_dump_json()) | {"sha256": ""}
    bench.store.put(keys.checkpoint(RUN, "latest.json"), json.dumps(document).encode())
    return record.name


def altered(**changes: Callable[[torch.Tensor], torch.Tensor | None]) -> Callable[[bytes], bytes]:
    def alter(data: bytes) -> bytes:
        tensors = parse_tensors(data)
        for name, change in changes.items():
            value = change(tensors.pop(name))
            if value is not None:
                tensors[name] = value.contiguous()
        return dump_tensors(tensors)

    return alter


HOSTILE: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "truncated": (lambda data: data[:-100], "damaged"),
    "empty": (lambda data: b"", "damaged"),
    "a pickle": (lambda data: pickle.dumps({"model": 1}), "damaged"),
    "huge header": (lambda data: struct.pack("<Q", 1 << 60) + data[8:], "damaged"),
    "far too large": (lambda data: data + bytes(4 << 20), "this network's have at most"),
    "another shape": (altered(**{"model.head.weight": lambda t: t[:, :-1]}), "model.head.weight is"),
    "another type": (altered(**{"average.head.bias": lambda t: t.double()}), "average.head.bias is"),
    "a tensor less": (altered(**{"model.head.bias": lambda t: None}), "of another network"),
    "moments of another shape": (
        altered(**{"optimizer.0.exp_avg": lambda t: t[None]}),
        r"optimizer\.0\.exp_avg is",
    ),
    "not finite": (altered(**{"model.head.bias": lambda t: t * float("nan")}), "head.bias is not finite"),
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Interrupted in the second epoch, with checkpoints of steps 4 and 5."""
    bench = Bench(tmp_path_factory.mktemp("trained"), threads=1)
    bench.checkpoint_every_s = 0.0
    with pytest.raises(Interrupted):
        bench.run(stop_after=5)
    return bench


@pytest.fixture
def bench(trained: Bench) -> Any:
    """The same again: what a test does to the store is undone."""
    before = {info.key: trained.store.get(info.key) for info in trained.store.list_page("")}
    yield trained
    for info in trained.store.list_page(""):
        trained.store.delete(info.key)
    for key, data in before.items():
        trained.store.put(key, data)


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_checkpoint_is_named_and_the_one_before_is_taken(bench: Bench, kind: str) -> None:
    change, says = HOSTILE[kind]
    before = latest(bench).earlier[0]
    name = forge(bench, change(bench.store.get(keys.checkpoint(RUN, latest(bench).name))))
    checkpoints, state = Checkpoints(bench.store, RUN), new_state(bench.task)
    assert checkpoints.restore(state)
    assert state.at == before.counters
    [damage] = checkpoints.damaged
    assert name in damage
    with pytest.raises(BadInput, match=says):
        raise BadInput(damage)


def test_a_flipped_bit_is_found(bench: Bench) -> None:
    key = keys.checkpoint(RUN, latest(bench).name)
    data = bytearray(bench.store.get(key))
    data[-5] ^= 1
    bench.store.put(key, bytes(data))
    checkpoints, state = Checkpoints(bench.store, RUN), new_state(bench.task)
    assert checkpoints.restore(state)
    assert state.at.step == latest(bench).counters.step - 1
    assert "its content is not what was written" in checkpoints.damaged[0]


def test_without_a_sound_one_all_are_named(bench: Bench) -> None:
    found = [name for name in names(bench) if name.startswith("step-")]
    for name in found:
        bench.store.put(keys.checkpoint(RUN, name), b"\x80\x04cos\nsystem\n")
    with pytest.raises(BadInput) as refused:
        Checkpoints(bench.store, RUN).restore(new_state(bench.task))
    assert all(name in str(refused.value) for name in found)
    assert "latest.json to begin it anew" in str(refused.value)


def test_a_checkpoint_of_another_recipe_is_no_state_of_this_run(bench: Bench) -> None:
    other = new_state(bench.task)
    wide = RECIPES["tiny"].model
    bench_task = bench.task
    bench.task = type(bench_task)(
        **{**vars(bench_task), "recipe": type(RECIPE)(**{**vars(RECIPE), "model": wide})}
    )
    try:
        state = new_state(bench.task)
        before = {name: value.clone() for name, value in state.model.state_dict().items()}
        with pytest.raises(BadInput, match=r"of another network|is torch\.float32"):
            Checkpoints(bench.store, RUN).restore(state)
        assert all(torch.equal(value, before[name]) for name, value in state.model.state_dict().items())
    finally:
        bench.task = bench_task
    assert Checkpoints(bench.store, RUN).restore(other)


def test_the_last_two_their_anchors_and_the_best_three_are_kept(tmp_path: Any) -> None:
    recipe = type(RECIPE)(**{**vars(RECIPE), "epochs": 6})
    bench = Bench(tmp_path, recipe, threads=1)
    bench.checkpoint_every_s = 0.0
    ranks: list[tuple[float, float, int]] = []
    keep = Checkpoints.save_best

    def noted(self: Checkpoints, state: Any, wer: float, cer: float) -> None:
        ranks.append((wer, cer, -state.at.epoch))
        keep(self, state, wer, cer)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Checkpoints, "save_best", noted)
        state = bench.run()
    assert [best.rank for best in state.at.best] == sorted(ranks)[:3]
    found = names(bench)
    named = {best.name for each in latest(bench).all for best in each.counters.best}
    assert {best.name for best in state.at.best} <= named == {n for n in found if n.startswith("best-")}
    assert len(named) <= 4
    steps = [n for n in found if n.startswith("step-")]
    assert sorted(steps) == sorted(each.name for each in latest(bench).all)
    assert 2 <= len(steps) <= 4
    checkpoints = Checkpoints(bench.store, RUN)
    assert checkpoints.load_best(state).rank == min(ranks)
    bench.store.put(keys.checkpoint(RUN, state.at.best[0].name), b"no tensors")
    assert checkpoints.load_best(state).rank == sorted(ranks)[1]
    assert state.at.best[0].name in checkpoints.damaged[0]


def test_a_run_of_the_first_release_goes_on_and_its_best_weights_count(bench: Bench) -> None:
    record = latest(bench)
    for best in record.counters.best[1:]:
        bench.store.delete(keys.checkpoint(RUN, best.name))
    first = record.counters.best[0]
    weights = bench.store.get(keys.checkpoint(RUN, first.name))
    bench.store.delete(keys.checkpoint(RUN, first.name))
    bench.store.put(keys.checkpoint(RUN, "best.safetensors"), weights)
    counters = record.counters.model_dump(exclude={"best", "mishaps"})
    document = {"schema_version": 1, "name": record.name, "counters": counters}
    bench.store.put(keys.checkpoint(RUN, "latest.json"), json.dumps(document).encode())
    state = new_state(bench.task)
    assert Checkpoints(bench.store, RUN).restore(state)
    assert [best.name for best in state.at.best] == ["best.safetensors"]
    ended = bench.run()
    assert len(ended.at.best) == 3
    assert ended.at.best[0].rank == min(best.rank for best in ended.at.best)


class DyingStore(FolderStore):
    """A real folder that is cut off at its n-th change of a checkpoint."""

    left = 10**9

    def put(self, key: str, data: bytes, **conditions: Any) -> str:
        self._count()
        return super().put(key, data, **conditions)

    def delete(self, key: str) -> None:
        self._count()
        super().delete(key)

    def _count(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Unavailable("cut off")


def test_wherever_a_save_is_cut_off_the_run_can_be_restored(bench: Bench, tmp_path: Any) -> None:
    whole, state = Checkpoints(bench.store, RUN), new_state(bench.task)
    assert whole.restore(state)
    before = new_state(bench.task)
    assert Checkpoints(bench.store, RUN).restore(before)
    store = DyingStore(bench.store._root)
    for changes in range(20):
        checkpoints, state = Checkpoints(store, RUN), new_state(bench.task)
        store.left = 10**9
        assert checkpoints.restore(state)
        step = state.at.step
        state.at.step, state.at.step_in_epoch, state.at.epoch = step + 1, 0, 2
        checkpoints.save_best(state, 0.1, 0.1)
        store.left = changes
        try:
            checkpoints.save(state)
            cut = False
        except Unavailable:
            cut = True
        found = new_state(bench.task)
        after = Checkpoints(bench.store, RUN)
        assert after.restore(found)
        assert after.damaged == []
        assert found.at.step in (step, step + 1)
        assert same_weights(found, before)
        assert after.load_best(found)
        assert after.damaged == []
        if not cut and store.left > 3:
            break
    else:
        pytest.fail("never whole")
