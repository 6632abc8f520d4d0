"""A run saved whole, found again bit for bit: safetensors and JSON, so that nothing is ever unpickled."""

from dataclasses import dataclass
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load as parse_tensors
from safetensors.torch import save as dump_tensors
from torch import Tensor

from services.trainer.model import Recogniser
from services.trainer.train import Counters, State
from voxloom import keys
from voxloom.errors import BadInput, NotFound
from voxloom.record import Record
from voxloom.storage import ObjectStore, list_all, read_model, write_model

_LATEST = "latest.json"
_BEST = "best.safetensors"


class Latest(Record):
    """checkpoints/latest.json, written after the checkpoint that it names."""

    name: str
    counters: Counters


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one run: the last two, and the best weights."""

    store: ObjectStore
    run: str

    def save(self, state: State) -> None:
        """Writes all, then points to it, then removes all but the last two: a crash leaves an older one."""
        name = f"step-{state.at.step:09d}.safetensors"
        self.store.put(keys.checkpoint(self.run, name), dump_tensors(tensors_of(state)))
        write_model(self.store, keys.checkpoint(self.run, _LATEST), Latest(name=name, counters=state.at))
        self._remove_old()

    def restore(self, state: State) -> bool:
        """Fills the state from the latest checkpoint; false when there is none yet."""
        try:
            latest = read_model(self.store, keys.checkpoint(self.run, _LATEST), Latest)
        except NotFound:
            return False
        put_tensors(state, self._read(latest.name))
        state.at = latest.counters
        return True

    def save_best(self, state: State) -> None:
        """The averaged weights of the best epoch, which the export takes."""
        tensors = {name: value.contiguous() for name, value in state.average.state_dict().items()}
        self.store.put(keys.checkpoint(self.run, _BEST), dump_tensors(tensors))

    def load_best(self, model: Recogniser) -> None:
        model.load_state_dict(self._read(_BEST))

    def _read(self, name: str) -> dict[str, Tensor]:
        key = keys.checkpoint(self.run, name)
        try:
            return parse_tensors(self.store.get(key))
        except SafetensorError as error:
            raise BadInput(
                f"checkpoint {key} is damaged ({error}); remove it to start from the one before"
            ) from error

    def _remove_old(self) -> None:
        folder = keys.checkpoint(self.run, "step-")
        names = [info.key for info in list_all(self.store, folder)]
        for key in names[:-2]:
            self.store.delete(key)


def tensors_of(state: State) -> dict[str, Tensor]:
    """Weights, averaged weights and both moments of the optimizer, by name."""
    tensors = {f"model.{name}": value for name, value in state.model.state_dict().items()}
    tensors |= {f"average.{name}": value for name, value in state.average.state_dict().items()}
    for index, moments in state.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": value for name, value in moments.items()}
    return {name: value.detach().cpu().contiguous() for name, value in tensors.items()}


def put_tensors(state: State, tensors: dict[str, Tensor]) -> None:
    """The inverse of `tensors_of`; a tensor missing or of another shape raises, naming it."""
    state.model.load_state_dict(_under("model.", tensors))
    state.average.load_state_dict(_under("average.", tensors))
    moments: dict[int, dict[str, Any]] = {}
    for name, value in _under("optimizer.", tensors).items():
        index, _, moment = name.partition(".")
        moments.setdefault(int(index), {})[moment] = value
    state.optimizer.load_state_dict({**state.optimizer.state_dict(), "state": moments})


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
