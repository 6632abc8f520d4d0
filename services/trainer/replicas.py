"""One step on several processors: each thread takes a part of the batch through its own copy of the model.

Small models on small batches are thousands of short operations. Splitting each of them over threads, as torch
does by itself, spends the time on waiting; splitting the batch, as data parallelism does, waits once a step.
"""

import copy
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import chain

import torch
from torch import Tensor

from services.trainer.data import Batch
from services.trainer.model import ChannelDropout, Recogniser

MOST = 8  # more parts would leave batch norm a handful of clips each

Loss = Callable[[Recogniser, Batch], Tensor]


class Replicas:
    """The model and copies that share its weights but not its gradients.

    The same seed, batch and number of copies give the same gradients, bit for bit: each copy has its own
    random numbers, and gradients are added in a fixed order.
    """

    def __init__(self, model: Recogniser, count: int) -> None:
        self._models = [model, *(_sharing_weights(model) for _ in range(count - 1))]
        self._parameters = [list(each.parameters()) for each in self._models]
        self._buffers = [[b for b in each.buffers() if b.is_floating_point()] for each in self._models]
        device = next(model.parameters()).device
        self._randoms = [torch.Generator(device) for _ in self._models]
        for each, random in zip(self._models, self._randoms, strict=True):
            _use(random, each.train())
        self._threads = ThreadPoolExecutor(count) if count > 1 else None

    def backward(self, batch: Batch, loss: Loss, seed: int) -> float:
        """Leaves the batch's mean gradient in the model, and returns its mean loss over utterances."""
        for parameter in chain.from_iterable(self._parameters):
            parameter.grad = None
        parts = split(batch, len(self._models))
        jobs = [
            (self._models[index], part, len(part.lengths_B) / len(batch.lengths_B), seed + index)
            for index, part in enumerate(parts)
        ]

        def one(index: int) -> float:
            model, part, share, part_seed = jobs[index]
            self._randoms[index].manual_seed(part_seed)
            value = loss(model, part) * share
            value.backward()  # type: ignore[no-untyped-call]
            return value.item()

        run = self._threads.map if self._threads else map
        total = sum(run(one, range(len(jobs))))
        self._gather(len(jobs))
        return total

    def _gather(self, used: int) -> None:
        """Adds the gradients and averages the batch norms' statistics, in the model and in every copy."""
        first, *others = ([p.grad for p in each if p.grad is not None] for each in self._parameters[:used])
        for other in others:
            torch._foreach_add_(first, other)
        mean, *twins = self._buffers
        with torch.no_grad():
            for other in twins[: used - 1]:
                torch._foreach_add_(mean, other)
            torch._foreach_div_(mean, used)
            for twin in twins:
                torch._foreach_copy_(twin, mean)


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


def _sharing_weights(model: Recogniser) -> Recogniser:
    twin = copy.deepcopy(model)
    for parameter, shared in zip(twin.parameters(), model.parameters(), strict=True):
        parameter.data = shared.data
    return twin


def _use(random: torch.Generator, model: Recogniser) -> None:
    for module in model.modules():
        if isinstance(module, ChannelDropout):
            module.random = random
