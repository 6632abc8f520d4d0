"""Products in bfloat16: near those in float32, the same each time, and only where they are wanted."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from services.trainer import precision
from services.trainer.precision import _Products, fast_products

CPU = torch.device("cpu")


def gradients(layer: nn.Linear, x_BSI: Tensor) -> list[Tensor]:
    """Of input, weight and bias, for a loss that looks at all outputs."""
    for tensor in (x_BSI, *layer.parameters()):
        tensor.grad = None
    F.silu(layer(x_BSI)).square().sum().backward()
    return [tensor.grad for tensor in (x_BSI, layer.weight, layer.bias) if tensor.grad is not None]


def layer_and_input() -> tuple[nn.Linear, Tensor]:
    torch.manual_seed(3)
    return nn.Linear(48, 20), torch.randn(4, 30, 48, requires_grad=True)


def test_outputs_and_gradients_are_those_of_float32_but_for_rounding() -> None:
    layer, x_BSI = layer_and_input()
    exact, exact_gradients = layer(x_BSI), gradients(layer, x_BSI)
    with _Products():
        rough, rough_gradients = layer(x_BSI), gradients(layer, x_BSI)
        again = gradients(layer, x_BSI)
    for wanted, found in zip([exact, *exact_gradients], [rough, *rough_gradients], strict=True):
        assert (found.dtype, found.shape) == (torch.float32, wanted.shape)
        assert not torch.equal(found, wanted)
        assert (found - wanted).norm() < 0.01 * wanted.norm()
    assert all(torch.equal(*pair) for pair in zip(rough_gradients, again, strict=True))


def test_only_linear_layers_are_changed() -> None:
    x_BDS, weight_D1K = torch.randn(2, 8, 30), torch.randn(8, 1, 5)
    exact = F.conv1d(x_BDS, weight_D1K, groups=8).softmax(1)
    with _Products():
        assert torch.equal(F.conv1d(x_BDS, weight_D1K, groups=8).softmax(1), exact)


@pytest.mark.parametrize(("wanted", "has_instructions"), [(False, True), (True, False)])
def test_nothing_changes_where_it_is_not_wanted_or_does_not_pay(
    monkeypatch: pytest.MonkeyPatch, wanted: bool, has_instructions: bool
) -> None:
    monkeypatch.setattr(precision, "multiplies_bfloat16", lambda device: has_instructions)
    layer, x_BSI = layer_and_input()
    exact = layer(x_BSI)
    with fast_products(CPU, wanted):
        assert torch.equal(layer(x_BSI), exact)


def test_where_it_pays_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "multiplies_bfloat16", lambda device: True)
    layer, x_BSI = layer_and_input()
    exact = layer(x_BSI)
    with fast_products(CPU, wanted=True):
        assert not torch.equal(layer(x_BSI), exact)
    assert torch.equal(layer(x_BSI), exact)
