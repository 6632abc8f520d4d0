"""While one batch is trained on the next one is computed, and the clips after it are fetched."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import replace

from services.trainer.counters import Counters
from services.trainer.data import Batch, TrainingData
from services.trainer.planning import Plan
from services.trainer.ranks import Ranks
from services.trainer.threads import compute_threads


def loaded_ahead(data: TrainingData, plan: Plan, at: Counters, easy: bool, ranks: Ranks) -> Iterator[Batch]:
    """This rank's rows of the epoch's remaining batches, one ahead of the one that is trained on."""
    first, begun, one_view = at.step - at.step_in_epoch, at.step_in_epoch, at.one_view

    def load(number: int) -> Batch:
        if number == begun or number in plan.begins:
            window = plan.window(number)
            data.features.clips.expect(plan.windows[window], plan.windows[window + 1])
        return data.load(plan.batches[number], first + number, easy, one_view, ranks.rows)

    coming: deque[Future[Batch]] = deque()
    with compute_threads(1, "loader") as loader:
        for number in range(begun, len(plan.batches)):
            coming.append(loader.submit(load, number))
            if len(coming) > 1:
                yield coming.popleft().result()
        for last in coming:
            yield last.result()


def whole_batch(batch: Batch, ranks: Ranks) -> Batch:
    """All rows of a batch of which each rank has its own, on every rank."""
    count = batch.utterances
    return replace(
        batch,
        log_mel_RBTF=ranks.all_rows(batch.log_mel_RBTF.transpose(0, 1), count).transpose(0, 1),
        lengths_B=ranks.all_rows(batch.lengths_B, count),
        targets_BU=ranks.all_rows(batch.targets_BU, count),
        target_lengths_B=ranks.all_rows(batch.target_lengths_B, count),
        whole=0,
    )
