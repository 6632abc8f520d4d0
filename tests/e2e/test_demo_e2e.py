"""The demo on a small corpus: interrupted, started again, and once more when it has ended."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from embedded_process import voxloom
from mini_corpus import make_mini_corpus

from voxloom.datadir import DataDir

pytestmark = pytest.mark.slow

TRAIN, TEST, HELD_BACK = 84, 12, 24
SETTINGS = {
    "VOXLOOM_TRAIN_RECIPE": "smoke",
    "VOXLOOM_TRAIN_CHECKPOINT_S": "0.2",
    "VOXLOOM_GATE_MAX_WER": "100",
    "VOXLOOM_RETRAIN_FIRST": "20",
}


def test_the_demo_walks_the_whole_loop_and_resumes(tmp_path: Path) -> None:
    corpus = make_mini_corpus(tmp_path / "mini", train=TRAIN, test=TEST)
    data = tmp_path / "demo"
    arguments = ("demo", "--data", str(data), "--corpus", str(corpus), "--minutes", "1")
    interrupt_while_it_trains(data, arguments)
    found = voxloom(*arguments, env=SETTINGS)
    assert found.code == 0, found.err + found.out
    assert "\x1b" not in found.out
    report = json.loads((data / "demo-report.json").read_text())
    assert report["finished"]
    assert report["imported"] == TRAIN - HELD_BACK + TEST
    assert report["test"]["utterances"] == TEST
    assert report["test"]["wer_low"] <= report["test"]["wer"] <= report["test"]["wer_high"]
    assert 0 <= report["model"]["test_wer_greedy"] <= 2
    assert 0 <= report["model"]["test_wer_lm"] <= 2
    assert report["model"]["decoder"] in ("greedy", "beam")
    assert {"best_val_wer", "val_wer_lm"} <= report.keys()
    assert "of these words, greedy" in found.out
    assert "with the language model" in found.out
    assert report["recorded"] == HELD_BACK
    assert report["policy"]["waits_for"] == 50 - HELD_BACK
    assert len(list((data / "runs").iterdir())) == 1
    assert len((data / "demo-transcripts.tsv").read_text().splitlines()) == TEST + 1
    assert not DataDir(data).is_locked()
    again = voxloom(*arguments)
    assert again.code == 0
    assert "is finished" in again.out


def interrupt_while_it_trains(data: Path, arguments: tuple[str, ...]) -> None:
    """Ctrl-C: the services it started checkpoint the training and end, and the folder is free."""
    command = [sys.executable, "-m", "voxloom.cli", *arguments]
    demo = subprocess.Popen(
        command,
        env={**os.environ, **SETTINGS},
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(
            signal.SIGINT, signal.SIG_DFL
        ),  # a shell's background job ignores it
    )
    deadline = time.monotonic() + 240
    while not list(data.glob("runs/*/metrics.jsonl")):
        assert demo.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    demo.send_signal(signal.SIGINT)
    printed, _ = demo.communicate(timeout=60)
    assert demo.returncode == 130
    assert "the same command goes on from here" in printed
    assert not DataDir(data).is_locked()
