"""The weights that a run hands over: those it ended with, of its best epoch, or the mean of its best few."""

from pathlib import Path

import pytest
import torch
from trainer_bench import RUN, Bench

from services.trainer.averaging import Candidate, best_of, choose_weights, standard_error
from services.trainer.checkpoint import Checkpoints
from services.trainer.train import State
from voxloom import keys
from voxloom.errors import BadInput

Tensors = dict[str, torch.Tensor]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path, threads=1)


def chosen(bench: Bench, state: State) -> tuple[float, Tensors]:
    wer = choose_weights(bench.checkpoints, state, bench.task.val, bench.task.tokenizer)
    return wer, state.average.state_dict()


def claim(state: State, wer: float) -> None:
    """As if the epochs had made so many errors."""
    state.at.best = [each.model_copy(update={"wer": wer, "cer": wer}) for each in state.at.best]


def best(bench: Bench, state: State) -> Candidate:
    return best_of(bench.checkpoints, state, bench.task.val, bench.task.tokenizer)


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
    claim(state, 1000.0)
    found, three = best(bench, state), kept(bench, state)
    assert len(three) == 3
    assert not same(three[0], three[2])
    weights = found.weights
    means = [mean([floating(each) for each in three[:count]]) for count in (2, 3)]
    assert any(same(floating(weights), each) for each in means)
    assert found.wer < 1000.0, "that of the mean, not that of the epochs"
    counts = [name for name in weights if name not in floating(weights)]
    assert counts
    assert all(torch.equal(weights[name], three[0][name]) for name in counts)


def test_the_best_epoch_stays_when_the_means_make_more_errors(bench: Bench) -> None:
    state = bench.run()
    claim(state, 0.0)
    wer, weights = chosen(bench, state)
    assert wer == 0.0, "the end is worse by more than chance"
    assert same(weights, kept(bench, state)[0])


def test_damaged_weights_are_left_out_of_the_mean(bench: Bench) -> None:
    state = bench.run()
    claim(state, 1000.0)
    bench.store.put(keys.checkpoint(RUN, state.at.best[1].name), b"no tensors")
    two = kept(bench, state)
    assert len(two) == 2
    assert same(floating(best(bench, state).weights), mean([floating(each) for each in two]))
    assert state.at.best[1].name in bench.checkpoints.damaged[0]


def test_the_end_is_taken_when_the_best_epoch_is_better_by_chance_only(bench: Bench) -> None:
    state = bench.run()
    end = {name: value.clone() for name, value in state.average.state_dict().items()}
    words = sum(len(clip.row.text.split()) for clip in bench.task.val.clips.clips)
    state.at.best = [each for each in state.at.best if each.epoch != state.at.epoch]
    wer, _ = chosen(bench, state)
    state.average.load_state_dict(end)
    claim(state, wer - 0.9 * standard_error(wer, words))
    _, weights = chosen(bench, state)
    assert same(weights, end)
    assert not same(weights, kept(bench, state)[0])


def test_what_cannot_be_read_changes_nothing(bench: Bench) -> None:
    """A store that is away for a moment is asked again, with the weights that the run ended with."""
    state = bench.run()
    end = {name: value.clone() for name, value in state.average.state_dict().items()}
    for each in state.at.best:
        bench.store.put(keys.checkpoint(RUN, each.name), b"no tensors")
    with pytest.raises(BadInput, match="no best weights"):
        chosen(bench, state)
    assert same(state.average.state_dict(), end)


@pytest.mark.parametrize(
    ("wer", "words", "error"), [(0.1, 100, 0.031), (0.0, 100, 0.0097), (4.0, 100, 0.0097)]
)
def test_the_standard_error_of_a_rate(wer: float, words: int, error: float) -> None:
    assert standard_error(wer, words) == pytest.approx(error, rel=0.02)
