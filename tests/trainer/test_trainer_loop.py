"""The loop on real tensors: exact resume, falling loss; damaged checkpoints are named."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from trainer_maker import make_dataset, withdraw

from services.trainer.checkpoint import Checkpoints
from services.trainer.clips import load_split
from services.trainer.data import Features, training_data
from services.trainer.metrics import MetricsLog, read_metrics
from services.trainer.recipes import RECIPES
from services.trainer.train import (
    Hooks,
    Interrupted,
    State,
    Task,
    new_state,
    train,
)
from voxloom import keys
from voxloom.errors import BadInput
from voxloom.forgotten import add_mark
from voxloom.tokenizer import CharTokenizer

RECIPE = replace(RECIPES["smoke"], epochs=3, batch_s=3.0, noise_probability=0.5, easy_above_cer=2.0)


class Bench:
    """A run in a folder, with hooks that note what they are given."""

    def __init__(self, folder: Path, recipe=RECIPE, budget_s: float = 0.0) -> None:
        self.store, self.dataset, _ = make_dataset(folder / "store")
        self.load(folder, recipe, budget_s)
        self.checkpoints = Checkpoints(self.store, "r-test")
        self.losses: list[float] = []

    def load(self, folder: Path, recipe=RECIPE, budget_s: float = 0.0) -> None:
        """What the shards hold now."""
        train_clips, val_clips = (
            load_split(self.store, self.dataset, split, folder, lambda done, total: None)
            for split in ("train", "val")
        )
        tokenizer = CharTokenizer.from_alphabet(self.dataset.alphabet)
        data, _ = training_data(train_clips, tokenizer, recipe, seed=5)
        val = Features(val_clips, recipe)
        self.task = Task(recipe, 5, budget_s, data, val, tokenizer, threads=2)

    def run(self, stop_after: int = 10**9) -> State:
        """Trains from the latest checkpoint, or from the start, for at most so many steps."""
        state = new_state(self.task)
        self.checkpoints.restore(state)
        log = MetricsLog(self.store, "r-test", state.at.step, lambda line: None, clock=self._tick)
        log.step = lambda line: self.losses.append(line.loss)  # type: ignore[method-assign]
        until = state.at.step + stop_after
        hooks = Hooks(
            log=log,
            save=self.checkpoints.save,
            save_best=self.checkpoints.save_best,
            should_stop=lambda: state.at.step >= until,
            lap=lambda: 0.1,
            checkpoint_every_s=1e9,
        )
        try:
            return train(self.task, state, hooks)
        finally:
            log.flush()

    def _tick(self) -> float:
        return len(self.losses) * 1.0


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_an_interrupted_run_ends_in_the_same_weights(tmp_path):
    (tmp_path / "a").mkdir(), (tmp_path / "b").mkdir()
    whole, cut = Bench(tmp_path / "a"), Bench(tmp_path / "b")
    expected = whole.run()
    for steps in (2, 1, 4):  # within an epoch, one step, over the end of an epoch
        with pytest.raises(Interrupted):
            cut.run(stop_after=steps)
    resumed = cut.run()
    assert cut.losses == whole.losses
    assert resumed.at == expected.at
    for name, tensor in expected.average.state_dict().items():
        assert torch.equal(tensor, resumed.average.state_dict()[name]), name


def test_a_run_goes_on_when_some_of_its_data_was_withdrawn(tmp_path):
    bench = Bench(tmp_path)
    with pytest.raises(Interrupted):
        bench.run(stop_after=len(bench.task.train.batches(0, easy=True)) + 1)  # in the second epoch
    assert any(line.example_reference for line in read_metrics(bench.store, "r-test"))
    withdraw(bench.store, bench.dataset, *(f"train-{number:03d}" for number in range(3, 12)), "val-000")
    add_mark(bench.store, keys.withdrawn("runs/r-test"), {"train": ["0" * 32]}, "")
    (tmp_path / "again").mkdir()
    steps = len(bench.task.train.batches(1, easy=False))
    bench.load(tmp_path / "again")
    assert len(bench.task.train.batches(1, easy=False)) < steps
    assert bench.run().at.epoch == RECIPE.epochs
    after = read_metrics(bench.store, "r-test")
    assert len(after) == RECIPE.epochs
    assert not any(line.example_reference or line.example_hypothesis for line in after)


def test_loss_falls(tmp_path):
    bench = Bench(tmp_path, replace(RECIPE, epochs=12, warmup_steps=5, easy_above_cer=0.0))
    bench.run()
    quarter = len(bench.losses) // 4
    assert sum(bench.losses[-quarter:]) < 0.8 * sum(bench.losses[:quarter])


def test_a_damaged_checkpoint_is_named(tmp_path):
    bench = Bench(tmp_path)
    with pytest.raises(Interrupted):
        bench.run(stop_after=2)
    bench.store.put(keys.checkpoint("r-test", "step-000000002.safetensors"), b"\x80\x04cos\nsystem\n")
    with pytest.raises(BadInput, match=r"step-000000002\.safetensors is damaged"):
        bench.run()


def test_only_the_last_two_checkpoints_and_the_best_are_kept(tmp_path):
    bench = Bench(tmp_path)
    bench.run()
    names = [info.key.rsplit("/", 1)[1] for info in bench.store.list_page("runs/r-test/checkpoints/")]
    assert names[0] == "best.safetensors"
    assert names[1] == "latest.json"
    assert len(names) == 4
