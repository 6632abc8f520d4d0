"""The tensors of a checkpoint: what they are, and whether what was read is that. Nothing read is trusted."""

from collections.abc import Mapping
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as parse_tensors
from safetensors.torch import save as dump_tensors
from torch import Tensor, nn

from services.trainer.ranks import Ranks
from services.trainer.train import State
from voxloom.errors import BadInput
from voxloom.storage import ObjectInfo

_HEADER_BYTES = 1 << 20
_MOMENTS = ("exp_avg", "exp_avg_sq")


def tensors_of(state: State) -> dict[str, Tensor]:
    """Weights, averaged weights and both moments of the optimizer, by name."""
    tensors = {f"model.{name}": value for name, value in state.model.state_dict().items()}
    tensors |= {f"average.{name}": value for name, value in state.average.state_dict().items()}
    for index, moments in state.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": value for name, value in moments.items()}
    return {name: value.detach().cpu().contiguous() for name, value in tensors.items()}


def put_tensors(state: State, tensors: dict[str, Tensor]) -> None:
    """The inverse of `tensors_of`, for what `check_state` let pass."""
    state.model.load_state_dict(_under("model.", tensors))
    state.average.load_state_dict(_under("average.", tensors))
    moments: dict[int, dict[str, Any]] = {}
    for name, value in _under("optimizer.", tensors).items():
        index, _, moment = name.partition(".")
        moments.setdefault(int(index), {})[moment] = value
    state.optimizer.load_state_dict({**state.optimizer.state_dict(), "state": moments})


def share(state: State, ranks: Ranks) -> None:
    """Every rank's state becomes that of the first, which alone reads checkpoints."""
    if ranks.size == 1:
        return
    data = ranks.from_first(dump_tensors(tensors_of(state)) if ranks.rank == 0 else b"")
    state.at = ranks.agree_on(state.at)
    if ranks.rank:
        put_tensors(state, parse(data, "that the first rank sent"))


def parse(data: bytes, key: str) -> dict[str, Tensor]:
    """BadInput naming the key for what is no safetensors."""
    try:
        tensors: dict[str, Tensor] = parse_tensors(data)
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise BadInput(f"checkpoint {key} is damaged ({error})") from error
    return tensors


def check_size(info: ObjectInfo, model: nn.Module) -> None:
    """Model, average and two moments are the most that a checkpoint of this network can hold."""
    largest = 4 * sum(t.numel() * t.element_size() for t in model.state_dict().values()) + _HEADER_BYTES
    if info.size > largest:
        raise BadInput(f"checkpoint {info.key} has {info.size} bytes; this network's have at most {largest}")


def check_weights(tensors: Mapping[str, Tensor], model: nn.Module, key: str) -> None:
    """BadInput unless these are all tensors of the model, in shape and type, and finite."""
    _compare(tensors, model.state_dict(), key)


def check_state(tensors: Mapping[str, Tensor], state: State, key: str) -> None:
    """The same for a whole state. A weight that never had a gradient has no moments."""
    expected = {f"model.{name}": value for name, value in state.model.state_dict().items()}
    expected |= {f"average.{name}": value for name, value in state.average.state_dict().items()}
    parameters = [p for group in state.optimizer.param_groups for p in group["params"]]
    begun = {name.split(".")[1] for name in tensors if name.startswith("optimizer.")}
    for index, parameter in enumerate(parameters):
        if str(index) in begun:
            expected |= {f"optimizer.{index}.{moment}": parameter for moment in _MOMENTS}
            expected[f"optimizer.{index}.step"] = torch.zeros(())
    _compare(tensors, expected, key)


def _compare(found: Mapping[str, Tensor], expected: Mapping[str, Tensor], key: str) -> None:
    if strange := sorted(found.keys() ^ expected.keys()):
        raise BadInput(
            f"checkpoint {key} is of another network: {len(strange)} tensors, first {strange[0][:80]!r}"
        )
    for name, tensor in found.items():
        wanted = expected[name]
        if tensor.shape != wanted.shape or tensor.dtype != wanted.dtype:
            raise BadInput(
                f"checkpoint {key}: {name} is {tensor.dtype} {list(tensor.shape)}; "
                f"expected {wanted.dtype} {list(wanted.shape)}"
            )
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise BadInput(f"checkpoint {key}: {name} is not finite")


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
