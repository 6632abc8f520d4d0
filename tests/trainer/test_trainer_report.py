"""What a run leaves for its readers: a report of real weights, and event files that TensorBoard reads."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.directory_watcher import DirectoryWatcher
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.backend.event_processing.io_wrapper import IsSummaryEventsFile
from trainer_maker import make_dataset

from services.trainer.board import TensorBoard
from services.trainer.clips import load_split
from services.trainer.data import Features
from services.trainer.decode import Score, Scored, score
from services.trainer.evaluate import decoders, evaluate
from services.trainer.kneser_ney import estimate
from services.trainer.metrics import Metrics, MetricsLog, SourceErrors
from services.trainer.model import Recogniser
from services.trainer.recipes import RECIPES
from services.trainer.report import read_lines, store_report
from voxloom.errors import BadInput
from voxloom.lm import Weights
from voxloom.storage import FolderStore
from voxloom.tokenizer import CharTokenizer
from voxloom.wer import char_edits, word_edits

RECIPE = RECIPES["smoke"]


def test_the_report_says_what_validation_said(tmp_path: Path) -> None:
    store, dataset, _ = make_dataset(tmp_path / "store")
    loaded = [
        load_split(store, dataset, split, tmp_path, lambda done, total: None) for split in ("val", "test")
    ]
    val, test = (Features(clips, RECIPE) for clips in loaded)
    tokenizer = CharTokenizer.from_alphabet(dataset.alphabet)
    torch.manual_seed(3)
    model = Recogniser(RECIPE.model, len(tokenizer))
    told: list[tuple[int, int]] = []
    arpa = estimate({"abc": 3, "ab c": 2, "ba": 1}, 2, [1, 1])
    ways = {**decoders(tokenizer, arpa, Weights()), "loud": lambda log_probs_SV: "abc"}
    lines = evaluate(model, {"val": val, "test": test}, ways, lambda *done: told.append(done))
    summary = store_report(store, "r-1", dataset.dataset, lines)
    expected = score(model, val, tokenizer)
    assert summary.results[0].total.words.rate == expected.wer
    assert summary.results[0].total.characters.rate == expected.cer
    stored = list(read_lines(store, "r-1"))
    heard = {each.utterance: each.heard["greedy"].text for each in stored if each.split == "val"}
    assert heard == {each.utterance: each.hypothesis for each in expected.utterances}
    assert any(heard.values())
    assert {each.heard["loud"].text for each in stored} == {"abc"}
    words = {word for each in stored for word in each.heard["lm"].text.split()}
    assert words <= {"abc", "ab", "c", "ba"}
    assert [(each.split, each.decoder) for each in summary.results[:3]] == [
        ("val", "greedy"),
        ("val", "lm"),
        ("val", "loud"),
    ]
    assert told == [(number, 8) for number in range(1, 9)]


def test_an_evaluation_can_be_stopped(tmp_path: Path) -> None:
    store, dataset, _ = make_dataset(tmp_path / "store")
    clips = load_split(store, dataset, "val", tmp_path, lambda done, total: None)
    tokenizer = CharTokenizer.from_alphabet(dataset.alphabet)
    model = Recogniser(RECIPE.model, len(tokenizer))

    def stop(done: int, total: int) -> None:
        raise BadInput("stop")

    with pytest.raises(BadInput, match="stop"):
        list(evaluate(model, {"val": Features(clips, RECIPE)}, decoders(tokenizer), stop))


def scored(number: int, source: str, said: str, heard: str) -> Scored:
    return Scored(f"u-{number}", source, said, heard, word_edits(said, heard), char_edits(said, heard))


def test_the_same_utterances_are_followed_from_every_source() -> None:
    found = [
        scored(n, ("own", "tts", "cv")[n % 3], f"a sentence number {n}", f"number {n}") for n in range(60)
    ]
    examples = Score(found).examples
    assert examples == Score(found[::-1]).examples
    assert [each.reference for each in examples] == [
        each.reference for each in Score([replace(each, hypothesis="x") for each in found]).examples
    ]
    sources = {each.source for each in found if each.reference in {example.reference for example in examples}}
    assert sources == {"own", "tts", "cv"}
    by_source = Score(found).by_source
    assert sum(each.utterances for each in by_source.values()) == 60
    assert by_source["tts"].wer == Score([each for each in found if each.source == "tts"]).wer
    assert Score([]).examples == []


def events(folder: Path) -> list[tuple[str, int, float]]:
    """As TensorBoard finds them: tag, step, value."""
    watcher = DirectoryWatcher(str(folder), EventFileLoader, IsSummaryEventsFile)
    return [
        (value.tag, event.step, value.tensor.float_val[0])
        for event in watcher.Load()
        for value in event.summary.value
    ]


def step_line(step: int) -> Metrics:
    return Metrics(step=step, steps_total=9, loss=float(step), trained_s=step)


def test_tensorboard_reads_the_curve_also_of_a_run_that_went_on(tmp_path: Path) -> None:
    store, now = FolderStore(tmp_path), [1000.0]

    def begin(resumed_at_step: int) -> MetricsLog:
        board = TensorBoard(store, "r-1", tmp_path, float(resumed_at_step), clock=lambda: now[0])
        return MetricsLog(store, "r-1", resumed_at_step, lambda line: None, lambda: now[0], board=board)

    def run(log: MetricsLog, steps: range) -> None:
        for step in steps:
            now[0] += 20
            log.step(step_line(step))
        log.close()

    run(begin(0), range(1, 5))
    again = begin(3)
    run(again, range(4, 7))
    tts = SourceErrors(wer=1, cer=0, utterances=2)
    epoch = Metrics(step=6, epoch=1, val_wer=0.5, val_cer=0.25, val_by_source={"tts": tts})
    again.epoch(epoch)
    again.note(Metrics(step=6, epoch=1, message="a warning"))
    again.cut(5)
    run(again, range(6, 8))
    again.epoch(epoch.model_copy(update={"step": 7}))
    again.close()
    found = events(tmp_path / "runs" / "r-1" / "tensorboard")
    losses = [(step, value) for tag, step, value in found if tag == "train/loss"]
    assert losses == [(step, float(step)) for step in range(1, 8)]
    assert ("val/wer", 7, 0.5) in found
    assert ("val_wer/tts", 7, 1.0) in found
