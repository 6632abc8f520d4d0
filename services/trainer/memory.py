"""Whether a run fits into memory, found out before its first step; and a smaller bite when it does not."""

import gc
import logging
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from services.trainer.counters import Mishaps
from services.trainer.data import Batch, TrainingData
from services.trainer.planning import Draw, Item
from services.trainer.replicas import Loss, Replicas, split
from voxloom.errors import Exhausted

if TYPE_CHECKING:
    from services.trainer.train import State

_CGROUP, _MEMINFO = Path("/sys/fs/cgroup"), Path("/proc/meminfo")
_OVER_ACTIVATIONS = 1.5  # what backward holds at its peak, over what forward left
_SIGNS = (
    "not enough memory",
    "can't allocate memory",
    "could not create a primitive",  # oneDNN
    "CUDA error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
)
_log = logging.getLogger(__name__)


def backward(replicas: Replicas, batch: Batch, loss: Loss, seed: int, mishaps: Mishaps) -> float:
    """`Replicas.backward`, in ever more parts until it fits; Exhausted when one utterance alone does not."""
    while True:
        done, why = _attempt(replicas, batch, loss, seed, mishaps.parts)
        if done is not None:
            return done
        replicas.restore_statistics()
        free(replicas)
        _halve(replicas, batch, mishaps, why)


def scan(data: TrainingData, state: "State", replicas: Replicas, loss: Loss) -> None:
    """Forward and backward of batches as large as the worst ones, before a step is spent. The state stays as
    it is, but for the number of parts that batches are taken in. On a CPU the size is foretold as well: Linux
    grants memory that it does not have, and kills who uses it."""
    device = next(state.model.parameters()).device
    moments = _moments_to_come(state, device)
    for items in worst_batches(data):
        batch = data.blank(items, 0, False, rows=replicas.ranks.rows)
        if device.type == "cpu":
            _foretell(replicas, batch, loss, state)
        backward(replicas, batch, loss, 0, state.at.mishaps)
        replicas.restore_statistics()
        free(replicas)
    del moments


def worst_batches(data: TrainingData) -> Iterator[list[Item]]:
    """The one with most padded audio in the first epoch's plan, and one of the longest item only."""
    clips = data.features.clips.clips

    def length_s(item: Item) -> float:
        return sum(clips[draw.index].duration_s / draw.speed for draw in item)

    plan = data.batches(0, False)
    yield max(plan, key=lambda items: len(items) * max(map(length_s, items)))
    slowest = min(data.recipe.speeds)
    alone = [(Draw(index, slowest),) for index in range(len(clips))]
    longest = max(chain(alone, chain.from_iterable(plan)), key=length_s)
    yield [longest] * max(1, int(data.recipe.batch_s / length_s(longest)))


def predicted_bytes(replicas: Replicas, batch: Batch, loss: Loss, parts: int, weights: int) -> int:
    """Memory that a step takes beyond what is in use now: activations, and the gradients of each copy."""
    rows, gradients = -(-batch.utterances // parts), replicas.slots * weights
    each = [replicas.activation_bytes(row, loss) for row in split(batch, len(batch.lengths_B))[:1]]
    return int(_OVER_ACTIVATIONS * rows * sum(each)) + gradients


def available_bytes(cgroup: Path = _CGROUP, meminfo: Path = _MEMINFO) -> int:
    """What this process can still have: of the machine, or of its container where that is less."""
    limits = (
        _of_machine(meminfo),
        _of_cgroup(cgroup, "memory.max", "memory.current", "inactive_file"),
        _of_cgroup(
            cgroup / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"
        ),
    )
    return min((each for each in limits if each is not None), default=1 << 62)


def is_out_of_memory(error: BaseException) -> bool:
    """Torch says it in one way on a GPU and in another on a CPU."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _SIGNS)


def free(replicas: Replicas) -> None:
    """Gives back what a step left."""
    replicas.clear_gradients()
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _attempt(replicas: Replicas, batch: Batch, loss: Loss, seed: int, parts: int) -> tuple[float | None, str]:
    """The loss, or None and the reason. The error is gone when it returns: it holds on to the tensors."""
    try:
        return replicas.backward(batch, loss, seed, parts), ""
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        return None, f"memory ran out ({str(error).splitlines()[0][:200]})"


def _foretell(replicas: Replicas, batch: Batch, loss: Loss, state: "State") -> None:
    weights = sum(p.numel() * p.element_size() for p in state.model.parameters())
    while True:
        needed = predicted_bytes(replicas, batch, loss, state.at.mishaps.parts, weights)
        short = needed - available_bytes()
        if replicas.ranks.most(short) <= 0:
            return
        why = f"a step would take {needed / 1e9:.1f} GB, {(needed - short) / 1e9:.1f} GB are free"
        _halve(replicas, batch, state.at.mishaps, why)


def _halve(replicas: Replicas, batch: Batch, mishaps: Mishaps, why: str) -> None:
    rows, longest_s = batch.utterances, batch.log_mel_RBTF.shape[2] / 100
    if replicas.slots * mishaps.parts >= rows:
        raise Exhausted(
            f"{why}, with {min(rows, replicas.slots)} utterances of {longest_s:.1f} s at a time, each alone: "
            "train on a machine with more memory, with fewer threads (VOXLOOM_TRAIN_THREADS), with a smaller "
            "recipe, or without the longest utterances"
        )
    mishaps.parts *= 2
    _log.warning("%s: each batch is taken in %d parts from now on", why, mishaps.parts)


def _moments_to_come(state: "State", device: torch.device) -> list[torch.Tensor]:
    """Room on a GPU for what the optimizer makes in its first step."""
    if device.type == "cpu" or state.optimizer.state:
        return []
    return [torch.empty_like(p) for p in state.model.parameters() for _ in range(2)]


def _of_machine(meminfo: Path) -> int | None:
    try:
        lines = dict(line.split(":", 1) for line in meminfo.read_text().splitlines())
        return int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, ValueError, KeyError):
        return None


def _of_cgroup(folder: Path, limit: str, usage: str, reclaimable: str) -> int | None:
    """The limit without what is in use; cached files go when memory is asked for."""
    try:
        allowed, used = (int((folder / name).read_text()) for name in (limit, usage))
        lines = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        return max(0, allowed - used + int(lines.get(reclaimable, 0)))
    except (OSError, ValueError):  # no such file, or "max"
        return None
