"""The curve of a run: bounded however long it lasts, and told line by line, each once."""

from pathlib import Path

import pytest

from services.trainer import metrics
from services.trainer.curve import Curve, read_latest
from services.trainer.metrics import Example, Metrics, MetricsLog, SourceErrors, read_metrics
from services.trainer.servicer import to_metrics
from voxloom.storage import FolderStore


class Time:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def log_of(store: FolderStore, clock: Time, resumed_at_step: int = 0) -> MetricsLog:
    return MetricsLog(store, "r-1", resumed_at_step, lambda line: None, clock)


def test_the_lines_of_a_long_run_stay_few_and_epochs_stay_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "_MOST_STEP_LINES", 64)
    monkeypatch.setattr(metrics, "_WRITE_EVERY_S", 1e9)
    store, clock = FolderStore(tmp_path), Time()
    log = log_of(store, clock)
    for step in range(1, 2001):
        clock.now_s += 1.0
        log.step(Metrics(step=step, steps_total=2000, epoch=step // 100, loss=step))
        if step % 100 == 0:
            log.epoch(Metrics(step=step, epoch=step // 100, val_wer=1 / step))
    log.flush()
    lines = read_metrics(store, "r-1")
    assert 32 <= sum(line.is_step for line in lines) <= 64
    epochs = [line for line in lines if not line.is_step]
    assert len(epochs) == 20
    assert epochs[1].loss == pytest.approx(150.5)  # the mean of steps 101 to 200
    assert [line.step for line in lines] == sorted(line.step for line in lines)
    latest = read_latest(store, "r-1")
    assert latest.best_wer == 1 / 2000
    assert latest.line == lines[-1]
    assert latest.step == next(line for line in reversed(lines) if line.is_step)


def test_a_line_tells_the_mean_of_the_steps_since_the_one_before(tmp_path: Path) -> None:
    store, clock = FolderStore(tmp_path), Time()
    log = log_of(store, clock)
    for step in range(1, 9):
        clock.now_s += 0.25
        log.step(Metrics(step=step, steps_total=8, loss=step, gradient_norm=2 * step, audio_s_per_s=3 * step))
    log.flush()
    told = [
        (line.step, line.loss, line.gradient_norm, line.audio_s_per_s) for line in read_metrics(store, "r-1")
    ]
    assert told == [(4, 2.5, 5.0, 7.5), (8, 6.5, 13.0, 19.5)]


def test_news_come_once_though_a_resumed_run_says_them_again(tmp_path: Path) -> None:
    store, clock = FolderStore(tmp_path), Time()
    curve = Curve(store, "r-1")
    assert curve.news() == []
    log = log_of(store, clock)
    for step in (1, 2):
        log.epoch(Metrics(step=step, epoch=step, val_wer=0.5))
    log.flush()
    assert [line.step for line in curve.news()] == [1, 2]
    assert curve.news() == []
    log.note(Metrics(step=2, epoch=2, message="a warning"))
    log.flush()
    assert [(line.step, line.message) for line in curve.news()] == [(2, "a warning")]
    assert read_latest(store, "r-1").line.message == "a warning"
    again = log_of(store, clock, resumed_at_step=1)
    for step in (2, 3):
        again.epoch(Metrics(step=step, epoch=step, val_wer=0.5))
    again.flush()
    assert [line.step for line in curve.news()] == [3]


def test_a_line_crosses_the_wire_whole() -> None:
    line = Metrics(
        step=3,
        val_wer=0.5,
        trained_s=2.0,
        val_by_source={"imported": SourceErrors(wer=0.25, cer=0.125, utterances=4)},
        examples=[Example(reference="a", hypothesis="b")],
    )
    message = to_metrics(line)
    assert (message.step, message.val_wer, message.HasField("val_cer"), message.trained_s) == (
        3,
        0.5,
        False,
        2.0,
    )
    assert message.val_by_source["imported"].utterances == 4
    assert (message.examples[0].reference, message.examples[0].hypothesis) == ("a", "b")
