"""A training run in a folder, in this process, with what it needs to go wrong on purpose."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from trainer_maker import make_dataset

from services.trainer.checkpoint import Checkpoints, is_anchor
from services.trainer.clips import load_split
from services.trainer.counters import Mishaps
from services.trainer.data import Batch, Features, TrainingData, training_data
from services.trainer.guard import Faults, Guard
from services.trainer.metrics import Metrics, MetricsLog
from services.trainer.planning import Item
from services.trainer.progress import Progress
from services.trainer.ranks import ALONE, Ranks
from services.trainer.recipes import RECIPES, Recipe
from services.trainer.saving import Saver
from services.trainer.streaming import open_train
from services.trainer.train import Hooks, State, Task, blank_state, new_state, train
from voxloom.storage import ObjectStore
from voxloom.tokenizer import CharTokenizer

RECIPE = replace(RECIPES["smoke"], epochs=3, batch_s=3.0, noise_probability=0.5, easy_above_cer=2.0)
RUN = "r-test"
Poison = Callable[[int, Mishaps], bool]


@dataclass(frozen=True)
class Poisoned(TrainingData):
    """Training data whose first utterance is not finite at some steps."""

    poison: Poison = lambda step, mishaps: False
    states: list[State] = field(default_factory=list)  # the state of the run, once there is one

    def load(
        self, items: list[Item], step: int, easy: bool, one_view: bool = False, rows: slice = slice(None)
    ) -> Batch:
        batch = super().load(items, step, easy, one_view, rows)
        if not rows.start and self.states and self.poison(step, self.states[-1].at.mishaps):
            batch.log_mel_RBTF[:, 0, :4] = float("nan")
        return batch


class Bench:
    """A run in a folder, with hooks that note what they are given."""

    def __init__(
        self,
        folder: Path,
        recipe: Recipe = RECIPE,
        budget_s: float = 0.0,
        *,
        poison: Poison | None = None,
        store: Callable[[ObjectStore], ObjectStore] = lambda store: store,
        ranks: Ranks = ALONE,
        threads: int = 2,
        clips: int = 12,
        shards: int = 1,
        window: int = 0,
        source: Callable[[ObjectStore], ObjectStore] = lambda store: store,
        fetch_give_up_s: float = 0.5,
    ) -> None:
        folder.mkdir(exist_ok=True)
        store_, self.dataset, _ = make_dataset(folder / "store", clips, shards=shards)
        self.store = source(store_)  # what the audio is read from
        self._window, self._fetch_give_up_s = window, fetch_give_up_s
        self.run_store = store(store_)  # what the run writes to
        self._poison, self._ranks, self._threads = poison, ranks, threads
        self.load(folder, recipe, budget_s)
        self.checkpoints = Checkpoints(self.run_store, RUN)
        self.losses: list[float] = []
        self.told: list[Metrics] = []
        self.checkpoint_every_s, self.give_up_s = 1e9, 1e9
        self.after_step: Callable[[State], None] = lambda state: None

    def load(self, folder: Path, recipe: Recipe = RECIPE, budget_s: float = 0.0) -> None:
        """What the shards hold now; with a window, train is streamed."""
        progress = Progress(threading.Event(), quiet=True)
        give_up_s = self._fetch_give_up_s
        train_clips = open_train(self.store, self.dataset, self._window, folder, progress, give_up_s)
        val_clips = load_split(self.store, self.dataset, "val", folder, progress.loading)
        tokenizer = CharTokenizer.from_alphabet(self.dataset.alphabet)
        data, _ = training_data(train_clips, tokenizer, recipe, seed=5)
        if self._poison:
            data = Poisoned(**vars(data), poison=self._poison)
        val = Features(val_clips, recipe)
        self.task = Task(recipe, 5, budget_s, data, val, tokenizer, threads=self._threads, ranks=self._ranks)

    def run(self, stop_after: int = 10**9) -> State:
        """Trains from the latest checkpoint, or from the start, for at most so many steps."""
        state = blank_state(self.task)
        self.checkpoints = Checkpoints(self.run_store, RUN)
        if not self.checkpoints.restore(state):
            state = new_state(self.task)
        if isinstance(self.task.train, Poisoned):
            self.task.train.states.append(state)
        log = MetricsLog(self.run_store, RUN, state.at.step, self.told.append, clock=self._tick)
        log.step = lambda line: self._note(line, state)  # type: ignore[method-assign]
        end = len(self.losses) + stop_after
        saver = Saver(self.checkpoints, self._teller(log), self.give_up_s, clock=self._tick)
        hooks = Hooks(
            log=log,
            save=saver.save,
            save_best=self.checkpoints.save_best,
            should_stop=lambda: len(self.losses) >= end,
            lap=lambda: 0.1,
            checkpoint_every_s=self.checkpoint_every_s,
            guard=Guard(
                Faults(self.run_store, RUN),
                lambda state: self.checkpoints.restore_anchor(state, lambda: new_state(self.task)),
            ),
            must_save=is_anchor,
        )
        self.last_state, self.last_hooks, self.last_saver = state, hooks, saver
        try:
            return train(self.task, state, hooks)
        finally:
            log.close()

    def messages(self) -> list[str]:
        return [line.message for line in self.told if line.message]

    def _note(self, line: Metrics, state: State) -> None:
        self.losses.append(line.loss)
        self.after_step(state)

    def _teller(self, log: MetricsLog) -> Callable[[State, str], None]:
        return lambda state, message: log.note(Metrics(step=state.at.step, message=message))

    def _tick(self) -> float:
        return len(self.losses) * 1.0


def same_weights(one: State, other: State) -> bool:
    """Bit for bit, the average included."""
    return all(
        torch.equal(mine[name], theirs[name])
        for mine, theirs in (
            (one.model.state_dict(), other.model.state_dict()),
            (one.average.state_dict(), other.average.state_dict()),
        )
        for name in mine
    )
