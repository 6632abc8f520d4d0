"""One training run from its record to its export: the process `python -m services.trainer run RUN`."""

import ctypes
import json
import logging
import os
import platform
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import torch
import torchaudio

import voxloom
from services.trainer.augment import recorded_noises
from services.trainer.checkpoint import Checkpoints
from services.trainer.clips import load_split
from services.trainer.config import TrainerConfig
from services.trainer.data import Draw, Features, training_data
from services.trainer.export import export
from services.trainer.language_model import Outcome, add_language_model
from services.trainer.metrics import Metrics, MetricsLog
from services.trainer.recipes import Recipe, recipe_from_dict
from services.trainer.replicas import MOST
from services.trainer.runs import RunRecord, find_dataset, read_run
from services.trainer.scratch import scratch
from services.trainer.train import Hooks, Interrupted, State, Task, new_state, train
from voxloom import keys, logs
from voxloom.config import load
from voxloom.cpus import cpu_count
from voxloom.errors import VoxloomError
from voxloom.manifest import DatasetRecord
from voxloom.storage import ObjectStore, open_store, write_model
from voxloom.tokenizer import CharTokenizer

_EXPORT_RESERVE_S = 15.0  # of a budget, for what comes after the last epoch
_PROBE_CLIPS = 6
_PR_SET_PDEATHSIG = 1
_log = logging.getLogger(__name__)


def run_job(run_id: str) -> int:
    """Trains the run; says on stdout, as JSON lines, how far it is and how it ended."""
    config = load(TrainerConfig)
    logs.setup("trainer", config.log_format)
    _die_with_parent()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, lambda *_: stop.set())
    for chatty in ("torch.onnx", "onnx_ir", "onnxscript"):
        logging.getLogger(chatty).setLevel(logging.ERROR)  # each rewritten node, each package not installed
    torch.set_num_threads(1)  # the batch is split over threads, not each operation
    try:
        with logs.bind(run=run_id), scratch() as folder:
            _say(result=_Run(config, run_id, folder, stop).execute())
    except Interrupted as end:
        _log.info("%s", end)
        return 0
    except VoxloomError as error:
        _say(error=str(error), kind=type(error).__name__)
        return 1
    return 0


class _Run:
    """The pieces of one run, put together."""

    def __init__(self, config: TrainerConfig, run_id: str, folder: Path, stop: threading.Event) -> None:
        self.config, self.folder, self.stop = config, folder, stop
        secrets = (config.s3_access_key.get_secret_value(), config.s3_secret_key.get_secret_value())
        self.store: ObjectStore = open_store(config.store, access_key=secrets[0], secret_key=secrets[1])
        self.record = read_run(self.store, run_id)
        self.recipe: Recipe = recipe_from_dict(self.record.recipe)
        self.dataset: DatasetRecord = find_dataset(self.store, self.record.dataset)
        self.checkpoints = Checkpoints(self.store, run_id)

    def execute(self) -> dict[str, Any]:
        """Load, train, export; each part goes on from what an earlier sitting left."""
        begun_s = time.monotonic()
        self.record = self._note_versions()
        task = self._task()
        state = new_state(task)
        resumed = self.checkpoints.restore(state)
        _log.info(
            "%s at epoch %d, step %d", "resumes" if resumed else "begins", state.at.epoch, state.at.step
        )
        if not resumed:
            state.at.trained_s = time.monotonic() - begun_s  # loading counts towards the budget
        state = self._train(task, state)
        self._progress("exports")
        self.checkpoints.load_best(state.average)
        language = self._language_model(task, state)
        probe = [task.val.clean(Draw(index, 1.0)) for index in range(len(task.val.clips.clips))][
            :_PROBE_CLIPS
        ]
        probe = probe or [task.train.features.clean(Draw(0, 1.0))]
        done = export(
            self.store,
            self.record,
            self.dataset,
            state.average.cpu(),
            task.tokenizer,
            probe,
            state.at.best_wer,
            language,
        )
        return {
            "model": done.model,
            "val_wer": done.val_wer,
            "val_wer_lm": done.val_wer_lm,
            "epochs": state.at.epoch,
            "steps": state.at.step,
        }

    def _task(self) -> Task:
        tokenizer = CharTokenizer.from_alphabet(self.dataset.alphabet)
        train_clips = load_split(self.store, self.dataset, "train", self.folder, self._loading)
        val_clips = load_split(self.store, self.dataset, "val", self.folder, self._loading)
        noises = recorded_noises(Path(self.config.train_noise)) if self.config.train_noise else []
        data, refused = training_data(train_clips, tokenizer, self.recipe, self.record.seed, noises)
        if refused:
            _log.warning("%d training clips are too long or too fast for CTC and are left out", refused)
        budget_s = max(1.0, self.record.budget_minutes * 60 - _EXPORT_RESERVE_S)
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        return Task(
            recipe=self.recipe,
            seed=self.record.seed,
            budget_s=budget_s if self.record.budget_minutes else 0.0,
            train=data,
            val=Features(val_clips, self.recipe),
            tokenizer=tokenizer,
            device=device,
            threads=1 if device.type == "cuda" else min(MOST, self.config.train_threads or cpu_count()),
        )

    def _train(self, task: Task, state: State) -> State:
        log = MetricsLog(self.store, self.record.run, state.at.step, self._tell)
        hooks = Hooks(
            log=log,
            save=self.checkpoints.save,
            save_best=self.checkpoints.save_best,
            should_stop=self.stop.is_set,
            lap=stopwatch(),
            checkpoint_every_s=self.config.train_checkpoint_s,
        )
        try:
            return train(task, state, hooks)
        finally:
            log.flush()

    def _language_model(self, task: Task, state: State) -> Outcome:
        threads = min(MOST, self.config.train_threads or cpu_count())
        model = state.average.to(task.device)
        return add_language_model(
            self.store, self.dataset, model, task.val, task.tokenizer, threads, self._progress
        )

    def _note_versions(self) -> RunRecord:
        versions = {
            "voxloom": voxloom.__version__,
            "torch": torch.__version__,
            "torchaudio": torchaudio.__version__,
            "python": platform.python_version(),
            "device": torch.cuda.get_device_name() if torch.cuda.is_available() else platform.machine(),
        }
        record = self.record.model_copy(update={"versions": versions})
        write_model(self.store, keys.run_record(record.run), record)
        return record

    def _loading(self, done: int, total: int) -> None:
        if done % 200 == 0 or done == total:
            self._progress(f"loads clip {done} of {total}")
        if self.stop.is_set():
            raise Interrupted("stopped while loading; nothing was trained since the last checkpoint")

    def _progress(self, message: str) -> None:
        _say(done=0, total=0, message=message)

    def _tell(self, line: Metrics) -> None:
        rate = f", val WER {line.val_wer:.1%}" if line.val_wer is not None else ""
        _say(done=line.step, total=line.steps_total, message=f"epoch {line.epoch} of {line.epochs}{rate}")


def stopwatch() -> Any:
    """A function that returns the seconds since its last call."""
    last_s = time.monotonic()

    def lap() -> float:
        nonlocal last_s
        now_s = time.monotonic()
        seconds, last_s = now_s - last_s, now_s
        return seconds

    return lap


def _say(**message: Any) -> None:
    print(json.dumps(message), flush=True)


def _die_with_parent() -> None:
    """Asks Linux to kill this process when the service is gone, however it went."""
    parent = int(os.environ.get("VOXLOOM_PARENT_PID", "0"))
    if not parent or sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit("the service that started this training is gone")
