"""The loop on real tensors: exact resume, falling loss."""

from dataclasses import replace

import pytest
import torch
from trainer_bench import RECIPE, Bench
from trainer_maker import withdraw

from services.trainer.metrics import read_metrics
from services.trainer.train import Interrupted
from voxloom import keys
from voxloom.forgotten import add_mark


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


@pytest.mark.parametrize(("budget_s", "one_view"), [(1e-3, True), (1e6, False), (0.0, False)])
def test_a_short_budget_is_spent_on_one_view(tmp_path, budget_s, one_view):
    bench = Bench(tmp_path, budget_s=budget_s)
    assert bench.run().at.one_view == one_view


def test_loss_falls(tmp_path):
    bench = Bench(
        tmp_path, replace(RECIPE, epochs=20, warmup_steps=5, learning_rate=3e-3, easy_above_cer=0.0)
    )
    bench.run()
    quarter = len(bench.losses) // 4
    assert sum(bench.losses[-quarter:]) < 0.8 * sum(bench.losses[:quarter])
