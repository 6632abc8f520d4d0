"""After the last epoch: the weights that are kept, their language model, what they make of val and test, the
transcripts that they doubt, and the export."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from services.trainer.averaging import choose_weights
from services.trainer.checkpoint import Checkpoints
from services.trainer.clips import load_split
from services.trainer.data import Features
from services.trainer.evaluate import decoders, evaluate
from services.trainer.export import export
from services.trainer.language_model import Outcome, add_language_model
from services.trainer.planning import Draw
from services.trainer.progress import Progress
from services.trainer.report import store_report, store_suspects
from services.trainer.runs import RunRecord
from services.trainer.saving import patiently
from services.trainer.suspects import find_suspects
from services.trainer.train import State, Task
from voxloom.bundle import Export
from voxloom.manifest import DatasetRecord, SplitName
from voxloom.storage import ObjectStore

_PROBE_CLIPS = 6
Result = TypeVar("Result")


@dataclass(frozen=True)
class Finish:
    """Of the first rank. What is interrupted here is done anew at the next start."""

    store: ObjectStore
    record: RunRecord
    dataset: DatasetRecord
    task: Task
    checkpoints: Checkpoints
    progress: Progress
    folder: Path  # for the samples of the test clips
    threads: int
    give_up_s: float  # the end of hours of work outlasts an outage of the store of so long

    def execute(self, state: State) -> Export:
        val_wer = self._patiently(lambda: self._weights(state))
        language = self._patiently(lambda: self._language_model(state))
        self._patiently(lambda: self._report(state, language))
        self._patiently(lambda: self._suspects(state))
        self.progress.tell("exports")
        return self._patiently(lambda: self._export(state, val_wer, language))

    def _weights(self, state: State) -> float:
        return choose_weights(self.checkpoints, state, self.task.val, self.task.tokenizer)

    def _language_model(self, state: State) -> Outcome:
        model, task = state.average.to(self.task.device), self.task
        return add_language_model(
            self.store, self.dataset, model, task.val, task.tokenizer, self.threads, self.progress.tell
        )

    def _report(self, state: State, language: Outcome) -> None:
        """What the weights make of val and test, for `voxloom runs show`."""
        test = load_split(self.store, self.dataset, "test", self.folder, self.progress.loading)
        splits: dict[SplitName, Features] = {"val": self.task.val, "test": Features(test, self.task.recipe)}
        ways = decoders(self.task.tokenizer, language.arpa, language.decoding.weights)
        lines = evaluate(state.average, splits, ways, self.progress.evaluating)
        store_report(self.store, self.record.run, self.record.dataset, lines)

    def _suspects(self, state: State) -> None:
        """Which transcripts of train and val the weights doubt."""
        splits: dict[SplitName, Features] = {"train": self.task.train.features, "val": self.task.val}
        model, tokenizer = state.average, self.task.tokenizer
        run, left_out = self.record.run, self.record.left_out
        found = find_suspects(run, model, splits, tokenizer, self.progress.aligning, left_out)
        store_suspects(self.store, self.record.dataset, found)

    def _export(self, state: State, val_wer: float, language: Outcome) -> Export:
        val, train = self.task.val, self.task.train.features
        probe = [val.clean(Draw(index, 1.0)) for index in range(len(val.clips.clips))[:_PROBE_CLIPS]]
        probe = probe or [train.clean(Draw(0, 1.0))]
        model, tokenizer = state.average.cpu(), self.task.tokenizer
        return export(self.store, self.record, self.dataset, model, tokenizer, probe, val_wer, language)

    def _patiently(self, act: Callable[[], Result]) -> Result:
        return patiently(act, self.give_up_s)
