"""Memory that runs out: seen before the first step, met in a step, and taken in smaller bites."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from trainer_bench import RECIPE, Bench, same_weights

from services.trainer import memory
from services.trainer.counters import Mishaps
from services.trainer.data import Batch
from services.trainer.losses import total_loss
from services.trainer.memory import available_bytes, backward, is_out_of_memory, scan, worst_batches
from services.trainer.model import Recogniser
from services.trainer.planning import Item
from services.trainer.recipes import RECIPES
from services.trainer.replicas import Replicas
from services.trainer.train import loss_of, new_state
from voxloom.errors import Exhausted

GIB = 1 << 30
FAR_TOO_MUCH = 1 << 50  # bytes; torch refuses it on every machine


def without_dropout() -> Recogniser:
    torch.manual_seed(2)
    return Recogniser(replace(RECIPES["smoke"].model, dropout=0.0, skip=0.0), vocabulary=6)


@pytest.fixture(scope="module")
def batch() -> Batch:
    torch.manual_seed(1)
    lengths = torch.tensor([40, 80, 60, 50, 70, 80, 44, 76])
    return Batch(torch.randn(2, 8, 80, 80), lengths, torch.randint(1, 6, (8, 3)), torch.full((8,), 3), 5.0)


def loss_of_part(model: Recogniser, part: Batch) -> torch.Tensor:
    return total_loss(model, part, RECIPES["smoke"], torch.device("cpu"), chunk=None)


class Small:
    """A machine that holds so many utterances at a time: beyond, torch itself says that memory ran out."""

    def __init__(self, utterances: int) -> None:
        self.utterances, self.tries = utterances, 0

    def __call__(self, model: Recogniser, part: Batch) -> torch.Tensor:
        self.tries += 1
        value = loss_of_part(model, part)
        if len(part.lengths_B) > self.utterances:
            torch.empty(FAR_TOO_MUCH)
        return value


def test_torch_and_python_say_it_each_in_their_way() -> None:
    for ask in (lambda: torch.empty(FAR_TOO_MUCH), lambda: bytearray(1 << 60)):
        with pytest.raises((RuntimeError, MemoryError)) as refused:
            ask()
        assert is_out_of_memory(refused.value)
    with pytest.raises(RuntimeError) as other:
        torch.ones(2, 3) @ torch.ones(2, 3)
    assert not is_out_of_memory(other.value)


def test_parts_give_the_gradient_that_as_many_copies_give(batch: Batch) -> None:
    one, two = without_dropout(), without_dropout()
    loss = Replicas(one, 1).backward(batch, loss_of_part, 3, parts=2)
    assert loss == Replicas(two, 2).backward(batch, loss_of_part, 3)
    for mine, other in zip(one.parameters(), two.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, other.grad, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_batch_that_does_not_fit_is_taken_in_more_parts(batch: Batch, threads: int) -> None:
    model, small, mishaps = without_dropout(), Small(1), Mishaps()
    expected = without_dropout()
    backward(Replicas(model, threads), batch, small, 3, mishaps)
    assert mishaps.parts == 8 // threads
    Replicas(expected, threads).backward(batch, loss_of_part, 3, parts=8 // threads)
    for mine, other in zip(model.parameters(), expected.parameters(), strict=True):
        assert torch.equal(mine.grad, other.grad)
    for name, value in expected.state_dict().items():  # the tries that failed left nothing in batch norm
        if value.is_floating_point():
            assert torch.equal(value, model.state_dict()[name]), name


def test_one_utterance_that_does_not_fit_is_said(batch: Batch) -> None:
    with pytest.raises(Exhausted, match=r"allocate memory.*1 utterances of 0\.8 s .*VOXLOOM_TRAIN_THREADS"):
        backward(Replicas(without_dropout(), 1), batch, Small(0), 3, Mishaps())


def test_another_fault_is_not_taken_for_it(batch: Batch) -> None:
    def broken(model: Recogniser, part: Batch) -> torch.Tensor:
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes"):
        backward(Replicas(without_dropout(), 2), batch, broken, 3, Mishaps())


def test_the_scan_meets_the_worst_batches_and_leaves_the_state(tmp_path: Path) -> None:
    bench = Bench(tmp_path, replace(RECIPE, batch_s=2.0, speeds=(0.9, 1.0)), threads=1)
    state, untouched = new_state(bench.task), new_state(bench.task)
    largest, longest = worst_batches(bench.task.train)
    clips = bench.task.train.features.clips.clips

    def length_s(item: Item) -> float:
        return sum(clips[draw.index].duration_s / draw.speed for draw in item)

    def padded_s(items: list[Item]) -> float:
        return len(items) * max(map(length_s, items))

    plan = bench.task.train.batches(0, False)
    assert all(padded_s(largest) >= padded_s(items) for items in plan)
    assert length_s(longest[0]) >= max(clip.duration_s for clip in clips) / 0.9
    assert length_s(longest[0]) >= max(length_s(item) for items in plan for item in items)
    assert len(longest) == 1 or padded_s(longest) <= 2.0 < padded_s([*longest, longest[0]])
    scan(bench.task.train, state, Replicas(state.model, 1), loss_of(bench.task, None))
    assert same_weights(state, untouched)
    assert state.at == untouched.at
    assert all(parameter.grad is None for parameter in state.model.parameters())


def test_what_would_not_fit_is_foretold_on_a_cpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Less is free than a whole batch takes, and more than an utterance."""
    bench = Bench(tmp_path, replace(RECIPE, batch_s=8.0), threads=1)
    state = new_state(bench.task)
    replicas, loss = Replicas(state.model, 1), loss_of(bench.task, None)
    worst = [bench.task.train.load(items, 0, False) for items in worst_batches(bench.task.train)]
    weights = sum(4 * parameter.numel() for parameter in state.model.parameters())
    whole, half = (
        max(memory.predicted_bytes(replicas, batch, loss, parts, weights) for batch in worst)
        for parts in (1, 2)
    )
    assert weights < half < whole
    monkeypatch.setattr(memory, "available_bytes", lambda: (whole + half) // 2)
    scan(bench.task.train, state, replicas, loss)
    assert state.at.mishaps.parts == 2
    monkeypatch.setattr(memory, "available_bytes", lambda: weights)
    with pytest.raises(Exhausted, match=r"a step would take .* GB are free.*each alone"):
        scan(bench.task.train, state, replicas, loss)


def test_the_free_memory_is_that_of_the_machine_or_of_its_container(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:       8388608 kB\nMemAvailable:   4194304 kB\n")
    group = tmp_path / "v2"
    group.mkdir()
    assert available_bytes(group, meminfo) == 4 * GIB
    for name, text in (("max", "max"), ("current", str(GIB)), ("stat", "anon 5\ninactive_file 1024")):
        (group / f"memory.{name}").write_text(f"{text}\n")
    assert available_bytes(group, meminfo) == 4 * GIB
    (group / "memory.max").write_text(f"{3 * GIB}\n")
    assert available_bytes(group, meminfo) == 2 * GIB + 1024
    old = tmp_path / "v1/memory"
    old.mkdir(parents=True)
    for name, text in (("limit_in_bytes", 3 * GIB), ("usage_in_bytes", 2 * GIB)):
        (old / f"memory.{name}").write_text(f"{text}\n")
    (old / "memory.stat").write_text("total_inactive_file 0\n")
    assert available_bytes(tmp_path / "v1", meminfo) == GIB
    assert available_bytes(tmp_path / "none", tmp_path / "none") > 1 << 60
    assert 0 < available_bytes() < 1 << 60


def test_parts_are_kept_by_a_resumed_run(tmp_path: Path) -> None:
    bench = Bench(tmp_path, threads=1)
    state = new_state(bench.task)
    state.at.mishaps.parts = 4
    bench.checkpoints.save(state)
    ended = bench.run()
    assert ended.at.mishaps.parts == 4
    assert any("taken in 4 parts" in message for message in bench.messages())


LIMITED = """
import resource, sys
import torch
from pathlib import Path
from dataclasses import replace
from trainer_bench import RECIPE, Bench
from services.trainer import memory, train
torch.set_num_threads(1)
model = replace(RECIPE.model, front_channels=64)
recipe = replace(RECIPE, model=model, batch_s=120.0, epochs=1, noise_probability=0.0)
bench = Bench(Path(sys.argv[1]), recipe, threads=1, clips=200)
memory.available_bytes = lambda: 1 << 62  # nothing is foretold: it is met
scan = train.scan

def limited(*arguments):
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + int(sys.argv[2]) * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
    scan(*arguments)
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

train.scan = limited
state = bench.run()
print("parts", state.at.mishaps.parts, "epoch", state.at.epoch)
"""


@pytest.mark.slow
def test_a_process_that_may_not_have_more_memory_trains_all_the_same(tmp_path: Path) -> None:
    command = [sys.executable, "-c", LIMITED, str(tmp_path), "500"]
    env = {"PYTHONPATH": ":".join(sys.path), "MALLOC_ARENA_MAX": "2"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    parts = int(done.stdout.split()[-3])
    assert parts > 1
    assert done.stdout.split()[-2:] == ["epoch", "1"]
