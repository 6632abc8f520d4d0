"""`voxloom tts` with espeak-ng and a real ingest: made, sent, trained on, and kept out of val and test."""

import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from embedded_process import Outcome, voxloom_here
from mini_corpus import make_mini_corpus
from service_process import ServiceProcess, eventually

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("espeak-ng"), reason="needs espeak-ng: apt-get install espeak-ng"),
]


class Line:
    """The command line beside one ingest."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, store: Path) -> None:
        self._monkeypatch, self.store = monkeypatch, store

    def __call__(self, *arguments: str) -> Outcome:
        return voxloom_here(self._monkeypatch, *arguments)

    def clips(self) -> dict[str, dict[str, object]]:
        """Utterance id -> record of each synthetic clip that is stored."""
        records = map(json.loads, map(Path.read_text, self.store.glob("raw/tts_generated/*/*.json")))
        return {record["utterance"]: record for record in records}

    def dataset(self) -> dict[str, list[dict[str, str]]]:
        """Builds one; the rows of each split."""
        built = self("dataset", "build", "--json")
        assert built.code == 0, built.err
        folder = self.store / "manifests" / json.loads(built.out[built.out.index("{") :])["dataset"]
        self.record = json.loads((folder / "dataset.json").read_text())
        names = ("train", "val", "test")
        return {
            name: list(csv.DictReader(io.StringIO((folder / f"{name}.csv").read_text()))) for name in names
        }


@pytest.fixture
def line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Line]:
    store = tmp_path / "store"
    with ServiceProcess("ingest", store, bus="memory://", retrain_first="100000") as service:
        port = service.find(lambda said: "port" in said)["port"]
        monkeypatch.setenv("VOXLOOM_INGEST_ADDRESS", f"127.0.0.1:{port}")
        yield Line(monkeypatch, store)


def test_synthetic_speech_is_trained_on_and_never_judges(line: Line, tmp_path: Path) -> None:
    corpus = make_mini_corpus(tmp_path / "an4", train=40, test=12)
    assert line("import", str(corpus), "--keep-split").code == 0
    held_out = [row["text"] for row in line.dataset()["test"]]

    sentences = tmp_path / "sentences.txt"
    sentences.write_text("\n".join([*(f"Sentence {n} is new." for n in range(20)), *held_out[:3]]) + "\n")
    made = line("tts", "--count", "46", "--text", str(sentences), "--seed", "5")
    assert made.code == 0, made.err
    assert "46 utterances imported" in made.out

    splits = line.dataset()
    sources = {name: {row["source"] for row in rows} for name, rows in splits.items()}
    assert "tts_generated" in sources["train"]
    assert sources["test"] == {"imported"}
    assert "tts_generated" not in sources["val"]
    assert [row["text"] for row in splits["test"]] == held_out
    spoken = [row for row in splits["train"] if row["source"] == "tts_generated"]
    assert len(spoken) == 40
    assert not {row["text"] for row in spoken} & set(held_out)
    assert line.record["dropped_by_reason"]["sentence_in_val_or_test"] >= 6
    details = [record["details"] for record in line.clips().values()]
    assert {each["engine"] for each in details} == {"espeak-ng"}
    assert all(each["voice"] and each["engine_version"] for each in details)


def test_the_same_command_adds_nothing_and_a_larger_count_only_the_rest(line: Line, tmp_path: Path) -> None:
    out = tmp_path / "speech"
    first = line("tts", "--count", "24", "--out", str(out))
    assert first.code == 0, first.err
    before = line.clips()
    files = {path: path.stat().st_mtime_ns for path in out.rglob("*.flac")}
    assert (len(before), len(files)) == (24, 24)
    assert len({record["speaker"] for record in before.values()}) == 24

    assert line("tts", "--count", "24", "--out", str(out)).code == 0
    assert line("tts", "--count", "24").code == 0
    assert line.clips() == before
    assert line("tts", "--count", "36", "--out", str(out)).code == 0
    assert len(line.clips()) == 36
    assert line.clips().items() >= before.items()
    assert {path: path.stat().st_mtime_ns for path in files} == files


def test_an_interrupted_run_ends_at_once_and_goes_on(line: Line, tmp_path: Path) -> None:
    """Ctrl-C in a terminal goes to every process of the group, just when threads hand over results."""
    out = tmp_path / "speech"
    command = [sys.executable, "-m", "voxloom.cli", "tts", "--count", "1200", "--out", str(out)]
    for goal in (20, 60, 100):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
        eventually(lambda goal=goal: len(list(out.rglob("*.flac"))) >= goal)
        os.killpg(process.pid, signal.SIGINT)
        said, _ = process.communicate(timeout=20)
        assert process.returncode == 130
        assert f"the same command goes on from {out}" in said.replace("\n", "")
    kept = {path: path.stat().st_mtime_ns for path in out.rglob("*.flac")}
    assert 100 <= len(kept) < 1200
    assert line.clips() == {}
    done = line("tts", "--count", "120", "--out", str(out))
    assert done.code == 0, done.err
    assert 115 <= len(line.clips()) <= 120  # some voices say some sentences too fast for CTC
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


def test_what_people_said_in_train_is_said_again_and_nothing_of_the_rest(line: Line, tmp_path: Path) -> None:
    asked_too_early = line("tts", "--from", "dataset")
    assert (asked_too_early.code, "no dataset yet" in asked_too_early.err) == (1, True)
    corpus = make_mini_corpus(tmp_path / "an4", train=30, test=10)
    assert line("import", str(corpus), "--keep-split").code == 0
    trained_on = {row["text"] for row in line.dataset()["train"]}
    made = line("tts", "--from", "dataset", "--count", "20", "--voices", "en-us+f2,en-gb")
    assert made.code == 0, made.err
    assert {record["text"] for record in line.clips().values()} <= trained_on
    assert {record["details"]["voice"] for record in line.clips().values()} == {"en-us+f2", "en-gb"}  # type: ignore[index]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--language", "cy"], "--text sentences.txt"),
        (["--language", "qaa"], "espeak-ng does not speak 'qaa'"),
        (["--voices", "en-us,nobody"], "no voice 'nobody'"),
        (["--engine", "piper"], "--model voice.onnx"),
        (["--model", "x.onnx"], "--model is for --engine piper"),
        (["--text", "no-such-file.txt"], "no-such-file.txt"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(line: Line, arguments: list[str], says: str) -> None:
    ended = line("tts", *arguments)
    assert ended.code == 1
    assert says in ended.err
    assert ended.err.count("\n") == 1
    assert line.clips() == {}
