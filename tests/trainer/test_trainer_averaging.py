"""The weights that a run hands over: of its best epoch, or the mean of its best few."""

from pathlib import Path

import pytest
import torch
from trainer_bench import RUN, Bench

from services.trainer.averaging import choose_weights
from services.trainer.checkpoint import Checkpoints
from services.trainer.train import State
from voxloom import keys

Tensors = dict[str, torch.Tensor]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path, threads=1)


def chosen(bench: Bench, state: State) -> tuple[float, Tensors]:
    wer = choose_weights(bench.checkpoints, state, bench.task.val, bench.task.tokenizer)
    return wer, state.average.state_dict()


def claim(state: State, wer: float) -> None:
    """As if the epochs had made so many errors."""
    state.at.best = [best.model_copy(update={"wer": wer, "cer": wer}) for best in state.at.best]


def kept(bench: Bench, state: State) -> list[Tensors]:
    return [weights for _, weights in Checkpoints(bench.store, RUN).best_weights(state)]


def same(one: Tensors, other: Tensors) -> bool:
    return all(torch.allclose(one[name].double(), other[name].double(), atol=1e-6) for name in one)


def mean(all_weights: list[Tensors]) -> Tensors:
    names = all_weights[0]
    return {name: torch.stack([each[name].double() for each in all_weights]).mean(0) for name in names}


def floating(weights: Tensors) -> Tensors:
    return {name: value for name, value in weights.items() if value.is_floating_point()}


def test_the_mean_of_the_best_three_is_taken_when_it_makes_no_more_errors(bench: Bench) -> None:
    state = bench.run()
    claim(state, 10.0)
    wer, weights = chosen(bench, state)
    best = kept(bench, state)
    assert len(best) == 3
    assert not same(best[0], best[2])
    means = [mean([floating(each) for each in best[:count]]) for count in (2, 3)]
    assert any(same(floating(weights), each) for each in means)
    assert wer < 10.0, "that of the mean, not that of the epochs"
    counts = [name for name in weights if name not in floating(weights)]
    assert counts
    assert all(torch.equal(weights[name], best[0][name]) for name in counts)


def test_the_best_epoch_stays_when_the_means_make_more_errors(bench: Bench) -> None:
    state = bench.run()
    claim(state, 0.0)
    wer, weights = chosen(bench, state)
    assert wer == 0.0
    assert same(weights, kept(bench, state)[0])


def test_damaged_weights_are_left_out_of_the_mean(bench: Bench) -> None:
    state = bench.run()
    claim(state, 10.0)
    bench.store.put(keys.checkpoint(RUN, state.at.best[1].name), b"no tensors")
    best = kept(bench, state)
    assert len(best) == 2
    _, weights = chosen(bench, state)
    assert same(floating(weights), mean([floating(each) for each in best]))
    assert state.at.best[1].name in bench.checkpoints.damaged[0]
