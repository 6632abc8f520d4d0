"""What becomes of a step that went wrong: it is left out and kept for people to look at; of several in a row
the run goes back to its last good checkpoint, with a lower learning rate, and at last gives up."""

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from pydantic import ConfigDict
from safetensors.torch import save as dump_tensors
from torch import nn

from services.trainer.counters import Counters, Mishaps
from services.trainer.data import Batch, TrainingData
from services.trainer.metrics import Metrics, MetricsLog
from services.trainer.planning import Item
from voxloom import keys
from voxloom.errors import BadInput, Unavailable
from voxloom.forgotten import num_withdrawn
from voxloom.record import Part, Record
from voxloom.storage import ObjectStore, write_model

if TYPE_CHECKING:
    from services.trainer.train import State

MOST_IN_ROW = 3  # steps left out one after the other; then the run goes back
MOST_ROLLBACKS = 3
_MOST_KEPT = 20  # batches of a run: enough to see what they share
_MOST_NAMED = 8
_PLATEAU_EPOCHS, _PLATEAU_STEPS = 8, 800  # some hundred steps are usual, on whatever number of clips
_PLATEAU_ADVICE = (
    "the model still answers every clip with silence (CTC's blank plateau); if this does not end in a few "
    "epochs, listen to some clips of the dataset and compare them with their texts (voxloom dataset report): "
    "where these match, the run needs more recordings or a longer budget"
)
_log = logging.getLogger(__name__)
Heard = list[list[tuple[str, float]]]


class RolledBack(Exception):
    """The state is that of an earlier checkpoint now: the loop begins again from there."""


class Suspect(Part):
    """An utterance of a faulty batch."""

    utterance: str
    speed: float
    finite: bool  # whether its features are


class Fault(Record):
    """runs/<run>/faults/step-N.json; the features, padded, lie beside it as safetensors."""

    model_config = ConfigDict(ser_json_inf_nan="strings")

    step: int
    epoch: int
    loss: float
    gradient_norm: float
    weight_norm: float
    learning_rate: float
    rollbacks: int
    utterances: list[Suspect]

    @property
    def suspects(self) -> str:
        """Those whose features are not finite; without any, all of the batch."""
        names = [each.utterance for each in self.utterances if not each.finite]
        names = names or [each.utterance for each in self.utterances]
        more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
        return ", ".join(names[:_MOST_NAMED]) + more


@dataclass(frozen=True)
class Faults:
    """runs/<run>/faults/: the batches that were left out."""

    store: ObjectStore
    run: str

    def keep(self, fault: Fault, batch: Batch) -> None:
        """Features are somebody's speech: once some of the run's data is withdrawn they are not kept."""
        name = f"step-{fault.step:09d}-r{fault.rollbacks}"
        try:
            if not num_withdrawn(self.store, keys.withdrawn(f"runs/{self.run}")):
                tensors = {"log_mel_RBTF": batch.log_mel_RBTF, "lengths_B": batch.lengths_B}
                data = dump_tensors({name: value.contiguous() for name, value in tensors.items()})
                self.store.put(keys.fault(self.run, f"{name}.safetensors"), data)
                write_model(self.store, keys.fault(self.run, f"{name}.json"), fault)
        except Unavailable as error:
            _log.warning("the batch of step %d is not kept for a look at it: %s", fault.step, error)


@dataclass(frozen=True)
class Guard:
    """Looks at each step. Without `faults` nothing is kept, without `restore` the run gives up at once."""

    faults: Faults | None = None
    restore: Callable[["State"], None] | None = None  # to the anchor that the state's mishaps name
    _parts: list[int] = field(default_factory=lambda: [1])  # as last told

    def look(
        self,
        state: "State",
        heard: Heard,
        whole: Callable[[], Batch],
        step: tuple[float, float],
        log: MetricsLog,
    ) -> None:
        """Counts and tells. `whole` gives the whole batch, `step` is loss and gradient norm.
        Raises RolledBack, or BadInput to give up."""
        mishaps = state.at.mishaps
        if mishaps.parts != self._parts[0]:
            self._parts[0] = mishaps.parts
            _note(log, state, f"memory ran out: each batch is taken in {mishaps.parts} parts from now on")
        if is_finite(*step):
            mishaps.skipped_in_row = 0
            return
        mishaps.skipped_steps += 1
        mishaps.skipped_in_row += 1
        batch = whole()
        fault = fault_of(state, heard, batch, step)
        if self.faults and mishaps.skipped_steps <= _MOST_KEPT:
            self.faults.keep(fault, batch)
        _note(
            log, state, f"step {state.at.step} is left out: its {_what(fault)}, with {fault.suspects}", *step
        )
        if mishaps.skipped_in_row >= MOST_IN_ROW or not all_finite(state.model):
            self._go_back(state, fault, log)

    def _go_back(self, state: "State", fault: Fault, log: MetricsLog) -> None:
        mishaps, trained_s, step = state.at.mishaps, state.at.trained_s, state.at.step
        if self.restore is None or mishaps.rollbacks >= MOST_ROLLBACKS:
            raise BadInput(_give_up(fault, mishaps, self.faults))
        self.restore(state)
        anchor = state.at.mishaps.anchor
        carried = {"rollbacks": mishaps.rollbacks + 1, "skipped_in_row": 0, "anchor": anchor}
        state.at.mishaps, state.at.trained_s = mishaps.model_copy(update=carried), trained_s
        log.cut(state.at.step)
        _note(
            log,
            state,
            f"went back from step {step} to step {state.at.step}: its {_what(fault)}, "
            f"{mishaps.skipped_in_row} times in a row, last with {fault.suspects}; the learning rate is "
            f"{state.at.mishaps.rate_factor:g} of the recipe's from now on",
        )
        raise RolledBack


def utterances_of(data: TrainingData, items: list[Item]) -> Heard:
    """Ids and speeds of the clips in each row of a batch."""
    clips = data.features.clips.clips
    return [[(clips[draw.index].row.utterance, draw.speed) for draw in item] for item in items]


def plateau_advice(at: Counters) -> str:
    """Empty while there is no need for it."""
    stays = at.silent_epochs >= _PLATEAU_EPOCHS and at.step >= _PLATEAU_STEPS
    return _PLATEAU_ADVICE if stays else ""


def is_finite(loss: float, gradient_norm: float) -> bool:
    return math.isfinite(loss) and math.isfinite(gradient_norm)


def all_finite(model: nn.Module) -> bool:
    """Whether every weight and statistic is."""
    tensors = [t for t in model.state_dict().values() if t.is_floating_point()]
    return bool(torch.stack([torch.isfinite(t).all() for t in tensors]).all())


def fault_of(state: "State", heard: Heard, batch: Batch, step: tuple[float, float]) -> Fault:
    finite = [_finite_row(batch, row) for row in range(len(heard))]
    norms = torch.stack([p.detach().norm() for p in state.model.parameters()])
    return Fault(
        step=state.at.step,
        epoch=state.at.epoch,
        loss=step[0],
        gradient_norm=step[1],
        weight_norm=norms.norm().item(),
        learning_rate=float(state.optimizer.param_groups[0]["lr"]),
        rollbacks=state.at.mishaps.rollbacks,
        utterances=[
            Suspect(utterance=name, speed=speed, finite=good)
            for clips, good in zip(heard, finite, strict=True)
            for name, speed in clips
        ],
    )


def _finite_row(batch: Batch, row: int) -> bool:
    return bool(torch.isfinite(batch.log_mel_RBTF[:, row, : int(batch.lengths_B[row])]).all())


def _what(fault: Fault) -> str:
    if math.isfinite(fault.loss):
        return f"gradient norm is {fault.gradient_norm}"
    return f"loss is {fault.loss}"


def _note(log: MetricsLog, state: "State", message: str, loss: float = 0.0, norm: float = 0.0) -> None:
    _log.warning("%s", message)
    log.note(
        Metrics(step=state.at.step, epoch=state.at.epoch, loss=loss, gradient_norm=norm, message=message)
    )


def _give_up(fault: Fault, mishaps: Mishaps, faults: Faults | None) -> str:
    where = f"; the batches lie in runs/{faults.run}/faults/" if faults else ""
    return (
        f"training gave up at step {fault.step}: its {_what(fault)}, {mishaps.skipped_in_row} times in a "
        f"row, {mishaps.skipped_steps} steps in all, after {mishaps.rollbacks} rollbacks with the learning "
        f"rate halved each time{where}. The last one held {fault.suspects}: listen to these, take out what "
        "is broken (voxloom forget) and build the dataset again, or train another recipe (--recipe)"
    )
