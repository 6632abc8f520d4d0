"""Data parallelism in one process: parts cover the batch, gradients add up, and the same seed repeats."""

import copy

import pytest
import torch

from services.trainer.data import Batch
from services.trainer.losses import total_loss
from services.trainer.model import Recogniser
from services.trainer.recipes import RECIPES
from services.trainer.replicas import Replicas, split


@pytest.fixture(scope="module")
def batch() -> Batch:
    torch.manual_seed(1)
    lengths = torch.tensor([40, 80, 60, 50, 70])
    return Batch(torch.randn(2, 5, 80, 80), lengths, torch.randint(1, 6, (5, 3)), torch.full((5,), 3), 3.0)


@pytest.fixture
def model() -> Recogniser:
    torch.manual_seed(2)
    return Recogniser(RECIPES["smoke"].model, vocabulary=6)


def loss_of(model: Recogniser, part: Batch) -> torch.Tensor:
    return total_loss(model, part, RECIPES["smoke"], torch.device("cpu"), chunk=None)


def gradients(model: Recogniser) -> list[torch.Tensor]:
    return [parameter.grad.clone() for parameter in model.parameters()]


@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_parts_hold_every_utterance_once(batch, count):
    parts = split(batch, count)
    assert len(parts) == min(count, 5)
    found = sorted(length for part in parts for length in part.lengths_B.tolist())
    assert found == sorted(batch.lengths_B.tolist())


def test_gradients_are_the_weighted_sum_of_the_parts(model, batch):
    twin = copy.deepcopy(model).train()
    loss = Replicas(model, 2).backward(batch, loss_of, seed=9)
    expected = 0.0
    for index, part in enumerate(split(batch, 2)):
        alone = Replicas(copy.deepcopy(twin), 1)
        share = len(part.lengths_B) / 5
        expected += share * alone.backward(part, loss_of, seed=9 + index)
        for parameter, other in zip(twin.parameters(), alone._models[0].parameters(), strict=True):
            grown = share * other.grad
            parameter.grad = grown if parameter.grad is None else parameter.grad + grown
    assert loss == pytest.approx(expected, rel=1e-5)
    for found, wanted in zip(gradients(model), gradients(twin), strict=True):
        torch.testing.assert_close(found, wanted, atol=1e-6, rtol=1e-4)


def test_the_same_seed_gives_the_same_gradients_bit_for_bit(model, batch):
    replicas = Replicas(model, 2)
    state = copy.deepcopy(model.state_dict())
    runs = []
    for seed in (4, 4, 5):
        model.load_state_dict(state)
        replicas.backward(batch, loss_of, seed)
        runs.append(gradients(model))
    assert all(torch.equal(a, b) for a, b in zip(runs[0], runs[1], strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(runs[0], runs[2], strict=True))


def test_copies_follow_the_weights_and_share_the_statistics(model, batch):
    replicas = Replicas(model, 3)
    with torch.no_grad():
        model.head.weight.add_(1.0)
    replicas.backward(batch, loss_of, seed=1)
    for twin in replicas._models[1:]:
        for name, value in model.state_dict().items():
            assert torch.equal(value, twin.state_dict()[name]), name
