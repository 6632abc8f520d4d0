"""What the trainer shows: where the curves of the newest run stand."""

from collections.abc import Iterator, Mapping

from prometheus_client import Metric

from services.trainer.curve import Latest, read_latest
from services.trainer.feasible import REASONS
from services.trainer.metrics import Metrics
from services.trainer.runs import KIND, read_run
from voxloom import keys
from voxloom.errors import NotFound
from voxloom.gauges import gauge, info
from voxloom.jobs import Jobs, JobState
from voxloom.storage import ObjectStore


class TrainingGauges:
    """The curve of a long run is large: it is read anew only when it has changed."""

    def __init__(self, store: ObjectStore, jobs: Jobs) -> None:
        self._store = store
        self._jobs = jobs
        self._version = ("", "")  # key and etag of what was read
        self._latest = Latest()
        self._left_out: dict[str, int] = {}

    def __call__(self) -> Iterator[Metric]:
        runs = self._jobs.list(KIND)
        if not runs:
            return
        newest = runs[-1]
        yield info(
            "voxloom_training_run",
            "The newest run.",
            run=newest.id,
            dataset=str(newest.spec.get("dataset", "")),
        )
        latest = self._read(newest.id)
        if latest.line:
            yield from _epoch(latest.line)
            yield from _left_out(self._left_out)
        if latest.step:
            yield from _step(latest.step)
            if newest.state is JobState.RUNNING:
                yield from _pace(latest.step)
        if latest.validation:
            yield from _validation(latest.validation)

    def _read(self, run: str) -> Latest:
        key = keys.run_metrics(run)
        try:
            version = (key, self._store.stat(key).etag)
            if version != self._version:
                self._latest = read_latest(self._store, run)
                self._left_out = self._count_left_out(run)
                self._version = version
        except NotFound:
            return Latest()  # it has not begun
        return self._latest

    def _count_left_out(self, run: str) -> dict[str, int]:
        try:
            return read_run(self._store, run).left_out
        except NotFound:
            return {}


def _epoch(line: Metrics) -> Iterator[Metric]:
    yield gauge("voxloom_training_epoch", "Epoch that the newest run is in, or ended in.", line.epoch)
    yield gauge("voxloom_training_epochs", "Epochs that the newest run will have at most.", line.epochs)


def _left_out(counts: Mapping[str, int]) -> Iterator[Metric]:
    for reason in REASONS:
        yield gauge(
            "voxloom_training_left_out_clips",
            "Training clips that the newest run could not learn from.",
            counts.get(reason, 0),
            reason=reason,
        )


def _step(line: Metrics) -> Iterator[Metric]:
    yield gauge("voxloom_training_loss", "Training loss of the newest run.", line.loss)
    yield gauge("voxloom_training_learning_rate", "Learning rate of the newest run.", line.learning_rate)


def _pace(line: Metrics) -> Iterator[Metric]:
    yield gauge(
        "voxloom_training_audio_seconds_per_second",
        "Seconds of audio that the run in progress trains on in a second.",
        line.audio_s_per_s,
    )
    yield gauge("voxloom_training_eta_seconds", "Time that the run in progress still needs.", line.eta_s)


def _validation(line: Metrics) -> Iterator[Metric]:
    if line.val_wer is not None:
        yield gauge(
            "voxloom_training_val_wer_ratio", "Validation WER of the newest run, 0 to 1.", line.val_wer
        )
    if line.val_cer is not None:
        yield gauge(
            "voxloom_training_val_cer_ratio", "Validation CER of the newest run, 0 to 1.", line.val_cer
        )
