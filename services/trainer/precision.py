"""Matrix products in bfloat16 where the processor multiplies that faster; weights and sums stay in float32.

Micikevicius et al. 2018, arXiv 1710.03740, with the number format of Kalamkar et al. 2019, arXiv 1905.12322.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode


def fast_products(device: torch.device, wanted: bool) -> AbstractContextManager[Any]:
    """In it, a forward pass on this device takes its large products in bfloat16, and its backward pass too.

    Nothing changes where that is not `wanted`, and where the processor has no instructions for it: there
    bfloat16 is computed in software, many times slower.
    """
    if not wanted or not multiplies_bfloat16(device):
        return nullcontext()
    if device.type == "cuda":
        return torch.autocast("cuda", dtype=torch.bfloat16)
    return _Products()


def multiplies_bfloat16(device: torch.device) -> bool:
    """Whether the processor has instructions for it: AVX-512 BF16 or AMX; Ampere and later."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


class _Products(TorchFunctionMode):
    """Linear layers take theirs from `_Product`. CPU autocast would also bring attention and convolutions to
    bfloat16, which are slower so: it makes a training step longer than in float32, not shorter."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        chosen: Callable[..., Any] = _Product.apply if func is F.linear else func
        return chosen(*args, **(kwargs or {}))


class _Product(torch.autograd.Function):
    """x_XI (..., I), weight_OI, bias_O -> (..., O), all float32 to the outside."""

    @staticmethod
    def forward(ctx: Any, x_XI: Tensor, weight_OI: Tensor, bias_O: Tensor) -> Tensor:
        x_NI, weight_OI = x_XI.flatten(0, -2).bfloat16(), weight_OI.bfloat16()
        ctx.save_for_backward(x_NI, weight_OI)
        ctx.shape = x_XI.shape
        return torch.addmm(bias_O.bfloat16(), x_NI, weight_OI.t()).float().view(*x_XI.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x_NI, weight_OI = ctx.saved_tensors
        whole_NO = gradients[0].flatten(0, -2)
        half_NO = whole_NO.bfloat16()
        return (half_NO @ weight_OI).float().view(ctx.shape), (half_NO.t() @ x_NI).float(), whole_NO.sum(0)
