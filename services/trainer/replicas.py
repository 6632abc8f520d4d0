"""One step on several processors: each thread takes a part of the batch through its own copy of the model.

Small models on small batches are thousands of short operations. Splitting each of them over threads, as torch
does by itself, spends the time on waiting; splitting the batch, as data parallelism does, waits once a step.
"""

import copy
from collections.abc import Callable
from concurrent.futures import wait
from itertools import chain

import torch
from torch import Tensor

from services.trainer.data import Batch
from services.trainer.model import ChannelDropout, Recogniser
from services.trainer.ranks import ALONE, Ranks
from services.trainer.threads import compute_threads

MOST = 8  # more parts would leave batch norm a handful of clips each

Loss = Callable[[Recogniser, Batch], Tensor]


class Replicas:
    """The model and copies that share its weights but not its gradients.

    The same seed, batch and number of copies give the same gradients, bit for bit: each copy has its own
    random numbers, and gradients are added in a fixed order. Copies may be spread over processes (`ranks`):
    two processes of one copy do what one process of two copies does.
    """

    def __init__(self, model: Recogniser, count: int, ranks: Ranks = ALONE) -> None:
        self._models = [model, *(_sharing_weights(model) for _ in range(count - 1))]
        self._parameters = [list(each.parameters()) for each in self._models]
        self._buffers = [[b for b in each.buffers() if b.is_floating_point()] for each in self._models]
        self._whole = list(model.buffers())  # with batch norm's count of batches
        self._before = [b.clone() for b in self._whole]
        device = next(model.parameters()).device
        self._randoms = [torch.Generator(device) for _ in self._models]
        for each, random in zip(self._models, self._randoms, strict=True):
            _use(random, each.train())
        self._threads = compute_threads(count, "replica") if count > 1 else None
        self.ranks = ranks

    @property
    def slots(self) -> int:
        """Copies of the model, over all processes."""
        return len(self._models) * self.ranks.size

    def backward(self, batch: Batch, loss: Loss, seed: int, parts: int = 1) -> float:
        """Leaves the batch's mean gradient in the model, and returns its mean loss over utterances. Of
        several processes each is given its own rows of the batch (`Ranks.rows`).

        With `parts` above 1 each copy takes its share of the batch in so many pieces, one after the other:
        less memory for the same gradient, but for batch norm, which sees fewer clips at a time.
        """
        torch._foreach_copy_(self._before, self._whole)
        self.clear_gradients()
        pieces = split(batch, len(self._models) * parts)
        mine = [pieces[index :: len(self._models)] for index in range(len(self._models))]
        used = sum(map(bool, mine))

        def one(index: int) -> float:
            self._randoms[index].manual_seed(_seed(seed, self._slot(index)))
            return sum(self._one(index, part, batch.utterances, loss) for part in mine[index])

        return self._gather(self._run(one, used), used)

    def restore_statistics(self) -> None:
        """Takes back what the last `backward` did to the batch norms' statistics."""
        torch._foreach_copy_(self._whole, self._before)
        self.follow()

    def follow(self) -> None:
        """Copies take over the statistics of the model, which were put there from outside."""
        for buffers in self._buffers[1:]:
            torch._foreach_copy_(buffers, self._buffers[0])

    def clear_gradients(self) -> None:
        for parameter in chain.from_iterable(self._parameters):
            parameter.grad = None

    def activation_bytes(self, batch: Batch, loss: Loss) -> int:
        """What one copy keeps of a batch between forward and backward, weights apart."""
        torch._foreach_copy_(self._before, self._whole)
        weights = {p.untyped_storage().data_ptr() for p in self._parameters[0]}
        kept: dict[int, int] = {}

        def pack(tensor: Tensor) -> Tensor:
            storage = tensor.untyped_storage()
            kept[storage.data_ptr()] = storage.nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            loss(self._models[0], batch)
        self.restore_statistics()
        return sum(size for address, size in kept.items() if address not in weights)

    def _slot(self, index: int) -> int:
        return index * self.ranks.size + self.ranks.rank

    def _one(self, index: int, part: Batch, rows: int, loss: Loss) -> float:
        value = loss(self._models[index], part) * (len(part.lengths_B) / rows)
        value.backward()  # type: ignore[no-untyped-call]
        return value.item()

    def _run(self, one: Callable[[int], float], used: int) -> float:
        """The sum over the copies. All have ended when it returns or raises: none meets the next try."""
        if self._threads is None:
            return sum(map(one, range(used)))
        jobs = [self._threads.submit(one, index) for index in range(used)]
        wait(jobs)
        return sum(job.result() for job in jobs)

    def _gather(self, loss: float, used: int) -> float:
        """Adds the gradients and averages the batch norms' statistics, in the model and in every copy."""
        grads = [[p.grad for p in each if p.grad is not None] for each in self._parameters[:used]]
        for other in grads[1:]:
            torch._foreach_add_(grads[0], other)
        mean, *twins = self._buffers
        with torch.no_grad():
            for other_buffers in twins[: max(0, used - 1)]:
                torch._foreach_add_(mean, other_buffers)
            loss, used = self.ranks.add_up(loss, used, mean, self._parameters[0])
            torch._foreach_div_(mean, used)
        self.follow()
        return loss


def split(batch: Batch, count: int) -> list[Batch]:
    """Up to `count` parts of about equal work: every count-th utterance, in the batch's own padding."""
    return [_rows(batch, slice(start, None, count)) for start in range(min(count, len(batch.lengths_B)))]


def _rows(batch: Batch, rows: slice) -> Batch:
    lengths_B = batch.lengths_B[rows]
    return Batch(
        log_mel_RBTF=batch.log_mel_RBTF[:, rows],
        lengths_B=lengths_B,
        targets_BU=batch.targets_BU[rows],
        target_lengths_B=batch.target_lengths_B[rows],
        audio_s=int(lengths_B.sum()) / 100,
    )


def _seed(seed: int, slot: int) -> int:
    """Of one copy in one step. Steps are `MOST` apart, so what is above goes to other numbers altogether."""
    return seed + slot % MOST + (slot // MOST << 40)


def _sharing_weights(model: Recogniser) -> Recogniser:
    twin = copy.deepcopy(model)
    for parameter, shared in zip(twin.parameters(), model.parameters(), strict=True):
        parameter.data = shared.data
    return twin


def _use(random: torch.Generator, model: Recogniser) -> None:
    for module in model.modules():
        if isinstance(module, ChannelDropout):
            module.random = random
