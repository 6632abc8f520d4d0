"""Training in several processes under torchrun: who this one is, and what they do together."""

import os
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor
from torch._C._distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from services.trainer.counters import Counters
from voxloom.errors import Unavailable

_MEETING_S = 600.0


@dataclass(frozen=True)
class Ranks:
    """This process among `size`; alone, nothing is sent anywhere."""

    rank: int = 0
    size: int = 1

    @property
    def rows(self) -> slice:
        """The rows of each batch that this process computes: every size-th one."""
        return slice(self.rank, None, self.size)

    def all_rows(self, mine: Tensor, count: int) -> Tensor:
        """All `count` rows of a tensor of which each process has its own, on every rank."""
        if self.size == 1:
            return mine
        whole = mine.new_zeros(count, *mine.shape[1:])
        whole[self.rows] = mine
        dist.all_reduce(whole)
        return whole

    def add_up(
        self, loss: float, used: int, statistics: Sequence[Tensor], parameters: Sequence[torch.nn.Parameter]
    ) -> tuple[float, int]:
        """Sums loss, copies used, statistics and gradients over all processes; tensors in place.

        A process that had no part of the batch adds nothing. All ranks end with the same bits.
        """
        if self.size == 1:
            return loss, used
        share = 1.0 if used else 0.0
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        has_gradient = [0.0 if p.grad is None else 1.0 for p in parameters]
        head = torch.tensor([loss, float(used), *has_gradient], device=grads[0].device)
        flat = torch.cat([head, *((s * share).flatten() for s in statistics), *(g.flatten() for g in grads)])
        dist.all_reduce(flat)
        counts = flat[: len(head)].tolist()
        rest = torch.split(flat[len(head) :], [t.numel() for t in (*statistics, *grads)])
        for statistic, total in zip(statistics, rest, strict=False):
            statistic.copy_(total.view_as(statistic))
        for parameter, count, total in zip(parameters, counts[2:], rest[len(statistics) :], strict=True):
            parameter.grad = total.view_as(parameter).clone() if count else None
        return counts[0], round(counts[1])

    def agree(self, value: float) -> float:
        """The first rank's value, on every rank: clocks and signals differ, and all must do the same."""
        if self.size == 1:
            return value
        told = torch.tensor([value], dtype=torch.float64)
        dist.broadcast(told, src=0)
        return told.item()

    def most(self, value: float) -> float:
        """The largest of all ranks' values."""
        if self.size == 1:
            return value
        told = torch.tensor([value], dtype=torch.float64)
        dist.all_reduce(told, dist.ReduceOp.MAX)
        return told.item()

    def from_first(self, data: bytes) -> bytes:
        """The first rank's bytes, on every rank."""
        if self.size == 1:
            return data
        length = round(self.agree(len(data)))
        told = torch.zeros(length, dtype=torch.uint8)
        if self.rank == 0:
            told.copy_(torch.frombuffer(bytearray(data), dtype=torch.uint8))
        dist.broadcast(told, src=0)
        return told.numpy().tobytes()

    def agree_on(self, at: Counters) -> Counters:
        """The first rank's, whose validation may differ in its last bit on another kind of machine."""
        if self.size == 1:
            return at
        return Counters.model_validate_json(self.from_first(at.model_dump_json().encode()))


ALONE = Ranks()


@contextmanager
def join() -> Iterator[Ranks]:
    """This process among those that torchrun started; alone without it."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield ALONE
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    store, rank, size = next(rendezvous("env://"))
    dist.init_process_group(
        "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo",
        store=PrefixStore(_meet(store, rank, size), store),
        rank=rank,
        world_size=size,
    )
    try:
        yield Ranks(rank, size)
    finally:
        dist.destroy_process_group()


def _meet(store: Store, rank: int, size: int) -> str:
    """A name that this start of the processes has to itself, the same on every rank.

    torchrun keeps one store for all starts of a run, and gloo connects to the addresses that stand in it:
    after a rank was killed, those of dead processes. So each rank calls with a new word, the first one
    answers with the name and the words it has heard, until each rank has found its own among them.
    """
    mine, others, deadline = uuid.uuid4().hex, range(1, size), time.monotonic() + _MEETING_S
    if rank:
        store.set(f"call/{rank}", mine)
    while time.monotonic() < deadline:
        if rank == 0:
            calls = [store.get(f"call/{other}").decode() for other in others]
            store.set("answer", " ".join([mine, *calls]))
            if store.check([f"{mine}/{other}" for other in others]):
                return mine
        elif (answer := store.get("answer").decode().split())[rank : rank + 1] == [mine]:
            store.set(f"{answer[0]}/{rank}", "here")
            return str(answer[0])
        time.sleep(0.02)
    raise Unavailable(
        f"rank {rank} of {size} waited {_MEETING_S:.0f} s for the others; torchrun starts them again"
    )
