"""One training run from its record to its export: the process `python -m services.trainer run RUN`."""

import logging
import platform
import signal
import threading
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torchaudio

import voxloom
from services.trainer.augment import recorded_noises
from services.trainer.board import TensorBoard
from services.trainer.checkpoint import Checkpoints, is_anchor
from services.trainer.clips import Clips, load_split
from services.trainer.config import TrainerConfig
from services.trainer.data import Features, training_data
from services.trainer.feasible import in_words, left_out
from services.trainer.finish import Finish
from services.trainer.guard import Faults, Guard
from services.trainer.metrics import Metrics, MetricsLog
from services.trainer.process import die_with_parent, fair_share, say, stopwatch
from services.trainer.progress import Progress
from services.trainer.ranks import ALONE, Ranks, join
from services.trainer.recipes import Recipe, recipe_from_dict
from services.trainer.replicas import MOST
from services.trainer.runs import RunRecord, find_dataset, read_run
from services.trainer.saving import Saver, patiently
from services.trainer.scratch import scratch
from services.trainer.streaming import choose_window, open_train
from services.trainer.tensors import share
from services.trainer.train import Hooks, Interrupted, State, Task, blank_state, new_state, train
from services.trainer.units import tokenizer_of
from voxloom import keys, logs
from voxloom.config import load
from voxloom.cpus import cpu_count
from voxloom.errors import VoxloomError
from voxloom.manifest import DatasetRecord
from voxloom.storage import ObjectStore, open_store, write_model

_MAX_RESERVE_S = 30.0  # of a budget, for what comes after the last epoch: language model, report, export
_log = logging.getLogger(__name__)


def run_job(run_id: str) -> int:
    """Trains the run; says on stdout, as JSON lines, how far it is and how it ended."""
    config = load(TrainerConfig)
    logs.setup("trainer", config.log_format)
    die_with_parent()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, lambda *_: stop.set())
    for chatty in ("torch.onnx", "onnx_ir", "onnxscript"):
        logging.getLogger(chatty).setLevel(logging.ERROR)  # each rewritten node, each package not installed
    torch.set_num_threads(1)  # the batch is split over threads, not each operation
    try:
        with logs.bind(run=run_id), scratch() as folder, join() as ranks:
            with closing(_Run(config, run_id, folder, stop, ranks)) as run:
                result = run.execute()
            if result:
                say(result=result)
    except Interrupted as end:
        _log.info("%s", end)
        return 0
    except VoxloomError as error:
        say(error=str(error), kind=type(error).__name__)
        return 1
    return 0


class _Run:
    """The pieces of one run, put together."""

    def __init__(
        self, config: TrainerConfig, run_id: str, folder: Path, stop: threading.Event, ranks: Ranks = ALONE
    ) -> None:
        self.config, self.folder, self.stop, self.ranks = config, folder, stop, ranks
        self.progress = Progress(stop, quiet=ranks.rank > 0)
        secrets = (config.s3_access_key.get_secret_value(), config.s3_secret_key.get_secret_value())
        self.store: ObjectStore = open_store(config.store, access_key=secrets[0], secret_key=secrets[1])
        self.record = read_run(self.store, run_id)
        self.recipe: Recipe = recipe_from_dict(self.record.recipe)
        self.dataset: DatasetRecord = find_dataset(self.store, self.record.dataset)
        self.checkpoints = Checkpoints(self.store, run_id)
        self.train_clips: Clips | None = None

    def close(self) -> None:
        if self.train_clips:
            self.train_clips.close()

    def execute(self) -> dict[str, Any]:
        """Load, train, export; each part goes on from what an earlier sitting left. Of several ranks only the
        first reads checkpoints, writes, and has a result."""
        begun_s = time.monotonic()
        self.record = self._note_versions()
        task = self._task()
        state = blank_state(task)
        resumed = self.ranks.rank == 0 and self.checkpoints.restore(state)
        if not resumed:
            state = new_state(task) if self.ranks.rank == 0 else state
            state.at.trained_s = time.monotonic() - begun_s  # loading counts towards the budget
        share(state, self.ranks)
        begins = "resumes" if state.at.step else "begins"
        _log.info("%s at epoch %d, step %d", begins, state.at.epoch, state.at.step)
        state = self._train(task, state)
        if self.ranks.rank:
            return {}
        done = self._finish(task).execute(state)
        return {
            "model": done.model,
            "val_wer": done.val_wer,
            "val_wer_lm": done.val_wer_lm,
            "epochs": state.at.epoch,
            "steps": state.at.step,
        }

    def _task(self) -> Task:
        tokenizer = tokenizer_of(self.store, self.record.run, self.dataset, self.recipe, self.ranks)
        train_clips = self.train_clips = self._open_train()
        val_clips = load_split(self.store, self.dataset, "val", self.folder, self.progress.loading)
        noises = recorded_noises(Path(self.config.train_noise)) if self.config.train_noise else []
        data, _ = training_data(train_clips, tokenizer, self.recipe, self.record.seed, noises)
        self.record = self._note_record(left_out=left_out(train_clips.clips, tokenizer, self.recipe))
        asked_s = self.record.budget_minutes * 60
        budget_s = max(1.0, asked_s - min(_MAX_RESERVE_S, 10.0 + asked_s / 20))
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        return Task(
            recipe=self.recipe,
            seed=self.record.seed,
            budget_s=budget_s if self.record.budget_minutes else 0.0,
            train=data,
            val=Features(val_clips, self.recipe),
            tokenizer=tokenizer,
            device=device,
            threads=1 if device.type == "cuda" else min(MOST, self.config.train_threads or fair_share()),
            ranks=self.ranks,
        )

    def _open_train(self) -> Clips:
        """On disk or streamed, as the first rank chose when the run began: its batches depend on it."""
        window = self.record.window_shards
        if window is None and self.ranks.rank == 0:
            window = choose_window(self.store, self.dataset, self.folder, self.config.train_cache_gb)
        window = int(self.ranks.agree(window or 0))
        self.record = self._note_record(window_shards=window)
        give_up_s = self.config.train_give_up_s
        return open_train(self.store, self.dataset, window, self.folder, self.progress, give_up_s)

    def _train(self, task: Task, state: State) -> State:
        run, first = self.record.run, self.ranks.rank == 0
        wanted = first and self.config.train_tensorboard
        board = TensorBoard(self.store, run, self.folder, state.at.trained_s) if wanted else None
        log = MetricsLog(self.store, run, state.at.step, self._tell, writes=first, board=board)
        if self.ranks.rank:
            return train(task, state, self._follower(task, log))
        saver = Saver(self.checkpoints, _noter(log), self.config.train_give_up_s)
        hooks = Hooks(
            log=log,
            save=saver.save,
            save_best=self.checkpoints.save_best,
            should_stop=self._should_stop,
            lap=self._lap(),
            checkpoint_every_s=self.config.train_checkpoint_s,
            guard=self._guard(task, Faults(self.store, self.record.run)),
            must_save=is_anchor,
        )
        self._tell_beginning(task, state, _noter(log))
        try:
            state = train(task, state, hooks)
            saver.finish(state)
            return state
        finally:
            log.close()

    def _follower(self, task: Task, log: MetricsLog) -> Hooks:
        """Of a rank that does as the first one does, and writes nothing."""
        return Hooks(
            log=log,
            save=lambda state: None,
            save_best=lambda state, wer, cer: None,
            should_stop=self._should_stop,
            lap=self._lap(),
            checkpoint_every_s=self.config.train_checkpoint_s,
            guard=self._guard(task, None),
        )

    def _guard(self, task: Task, faults: Faults | None) -> Guard:
        def restore(state: State) -> None:
            if self.ranks.rank == 0:
                begin = partial(new_state, task)
                patiently(lambda: self.checkpoints.restore_anchor(state, begin), self.config.train_give_up_s)
            share(state, self.ranks)

        return Guard(faults, restore)

    def _should_stop(self) -> bool:
        return self.ranks.agree(float(self.stop.is_set())) > 0

    def _lap(self) -> Callable[[], float]:
        lap = stopwatch()
        return lambda: self.ranks.agree(lap())

    def _tell_beginning(self, task: Task, state: State, note: Callable[[State, str], None]) -> None:
        """What a user should know before the first step of this sitting."""
        if (found := len(task.tokenizer) - 1) < self.recipe.pieces and not state.at.step:
            note(state, f"the transcripts have {found} different pieces, of {self.recipe.pieces} wanted")
        if self.record.left_out and not state.at.step:
            count = sum(self.record.left_out.values())
            note(state, f"{count} training clips are left out: {in_words(self.record.left_out)}")
        for damage in self.checkpoints.damaged:
            note(state, f"went on from an earlier checkpoint: {damage}")

    def _finish(self, task: Task) -> Finish:
        return Finish(
            store=self.store,
            record=self.record,
            dataset=self.dataset,
            task=task,
            checkpoints=self.checkpoints,
            progress=self.progress,
            folder=self.folder,
            threads=min(MOST, self.config.train_threads or cpu_count()),
            give_up_s=self.config.train_give_up_s,
        )

    def _note_versions(self) -> RunRecord:
        versions = {
            "voxloom": voxloom.__version__,
            "torch": torch.__version__,
            "torchaudio": torchaudio.__version__,
            "python": platform.python_version(),
            "device": torch.cuda.get_device_name() if torch.cuda.is_available() else platform.machine(),
        }
        return self._note_record(versions=versions)

    def _note_record(self, **fields: Any) -> RunRecord:
        record = self.record.model_copy(update=fields)
        if self.ranks.rank == 0:
            write_model(self.store, keys.run_record(record.run), record)
        return record

    def _tell(self, line: Metrics) -> None:
        if self.ranks.rank:
            return
        rate = f", val WER {line.val_wer:.1%}" if line.val_wer is not None else ""
        say(done=line.step, total=line.steps_total, message=f"epoch {line.epoch} of {line.epochs}{rate}")


def _noter(log: MetricsLog) -> Callable[[State, str], None]:
    def note(state: State, message: str) -> None:
        log.note(Metrics(step=state.at.step, epoch=state.at.epoch, message=message))

    return note
