"""As the training process has it: the batch is split over threads, not each operation."""

from collections.abc import Iterator

import pytest
import torch

from services.trainer.model import Recogniser
from services.trainer.recipes import RECIPES


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def model() -> Recogniser:
    torch.manual_seed(3)
    model = Recogniser(RECIPES["smoke"].model, vocabulary=7)
    model.train()
    for _ in range(2):  # gives the batch norms statistics worth having
        model(torch.randn(4, 100, 80), torch.tensor([100, 90, 80, 70]))
    return model.eval()
