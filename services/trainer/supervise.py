"""Runs a training job in a process of its own, so that torch, its memory and its crashes stay there."""

import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from services.trainer.config import TrainerConfig
from services.trainer.recipes import recipe_from_dict
from services.trainer.runs import RunRecord, find_dataset, read_run, refuse_lossy, refuse_pruned
from voxloom.bundle import Export
from voxloom.errors import BadInput, NewerSchema, NotReady, VoxloomError
from voxloom.jobs import JobInterrupted, JobRecord, Lease, LeaseLost
from voxloom.keys import export_file
from voxloom.storage import ObjectStore, exists, read_model

_CHECKPOINT_GRACE_S = 30.0
_FINAL = {kind.__name__: kind for kind in (BadInput, NewerSchema)}  # what no second try can mend
_log = logging.getLogger(__name__)

_ALLOCATOR = {
    # glibc hands large blocks back to the kernel after each use; a step then spends its time on page faults.
    "MALLOC_MMAP_THRESHOLD_": "4294967296",
    "MALLOC_TRIM_THRESHOLD_": "8589934592",
}


@dataclass(frozen=True)
class TrainJob:
    """What the trainer's JobWorker runs: checks, one child process, its last word as the result."""

    config: TrainerConfig
    store: ObjectStore
    announce_trained: Callable[[str], None]  # takes the run

    def run(self, record: JobRecord, lease: Lease) -> dict[str, Any]:
        """Returns the child's result; raises BadInput for what no second try can mend."""
        run = read_run(self.store, record.id)
        key = export_file(run.run, "export.json")
        if not exists(self.store, key):  # it is there when a service died before its job's last word
            self._check(run)
            _Child(run.run, environment(self.config)).follow(lease)
        export = read_model(self.store, key, Export)
        self.announce_trained(run.run)
        return {"model": export.model, "val_wer": export.val_wer, "val_wer_lm": export.val_wer_lm}

    def _check(self, run: RunRecord) -> None:
        dataset = find_dataset(self.store, run.dataset)
        try:
            refuse_lossy(dataset, recipe_from_dict(run.recipe))
            refuse_pruned(self.store, dataset)
        except NotReady as refusal:
            raise BadInput(str(refusal)) from refusal


def environment(config: TrainerConfig) -> dict[str, str]:
    """The child's environment: this one, with what the service was configured to use. It serves nobody."""
    return {
        **_ALLOCATOR,
        **os.environ,
        "VOXLOOM_GRPC_HOST": "127.0.0.1",
        "VOXLOOM_STORE": config.store,
        "VOXLOOM_S3_ACCESS_KEY": config.s3_access_key.get_secret_value(),
        "VOXLOOM_S3_ACCESS_KEY_FILE": "",
        "VOXLOOM_S3_SECRET_KEY": config.s3_secret_key.get_secret_value(),
        "VOXLOOM_S3_SECRET_KEY_FILE": "",
        "VOXLOOM_PARENT_PID": str(os.getpid()),
    }


class _Child:
    """`python -m services.trainer run RUN`: its stdout is JSON lines of progress, result or error."""

    def __init__(self, run: str, env: dict[str, str]) -> None:
        command = [sys.executable, "-m", "services.trainer", "run", run]
        self._process = subprocess.Popen(
            command,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._result: dict[str, Any] | None = None
        self._error: VoxloomError | None = None
        self._latest = (0, 0, "starts")
        self._reader = threading.Thread(target=self._read, name=f"train-{run}", daemon=True)
        self._reader.start()

    def follow(self, lease: Lease) -> dict[str, Any]:
        """Waits for the child while telling its progress; stops it when the lease is lost or asked back."""
        try:
            while self._process.poll() is None:
                lease.progress(*self._latest)
                self._reader.join(0.3)
        except (JobInterrupted, LeaseLost) as end:
            self._stop(signal.SIGTERM if isinstance(end, JobInterrupted) else signal.SIGKILL)
            raise
        except BaseException:
            self._stop(signal.SIGKILL)
            raise
        self._reader.join(5)
        return self._outcome()

    def _outcome(self) -> dict[str, Any]:
        if self._result is not None:
            return self._result
        if self._error is not None:
            raise self._error
        raise VoxloomError(
            f"the training process ended with status {self._process.returncode} and no word; "
            "its log is above; -9 often means that memory ran out"
        )

    def _stop(self, first: signal.Signals) -> None:
        self._process.send_signal(first)
        try:
            self._process.wait(_CHECKPOINT_GRACE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            try:
                self._take(json.loads(line))
            except (ValueError, KeyError, TypeError):
                _log.warning("the training process said %r, which is not one of its messages", line[:200])

    def _take(self, message: dict[str, Any]) -> None:
        if "result" in message:
            self._result = message["result"]
        elif "error" in message:
            self._error = _FINAL.get(message["kind"], VoxloomError)(message["error"])
        else:
            self._latest = (message["done"], message["total"], message["message"])
