"""The commands that look at runs, on a trainer process that has trained: text, page, audio, event files."""

import json
from functools import partial
from pathlib import Path

import pytest
from embedded_process import Outcome, voxloom_here
from service_process import ServiceProcess
from trainer_maker import make_dataset

from voxloom import keys
from voxloom.audio import encode_wav
from voxloom.storage import FolderStore
from voxloom.v1 import trainer_pb2, trainer_pb2_grpc

pytestmark = pytest.mark.slow
RUNS = ("r-tones-smoke-s1", "r-tones-smoke-s2")


@pytest.fixture(scope="module")
def trainer(tmp_path_factory: pytest.TempPathFactory):
    """Two runs that differ in their seed, trained to their end."""
    root = tmp_path_factory.mktemp("runs") / "store"
    store, _, audio = make_dataset(root)
    for split in ("val", "test"):
        for number in range(4):
            samples = audio[f"train-{number:03d}"]
            store.put(keys.raw_audio("imported", "s", f"{split}-{number:03d}"), encode_wav(samples))
    with ServiceProcess(
        "trainer", root, train_auto="false", train_recipe="smoke", train_threads="1"
    ) as process:
        stub = trainer_pb2_grpc.TrainerServiceStub(process.channel)
        for seed, run in enumerate(RUNS, start=1):
            request = trainer_pb2.StartRunRequest(recipe="smoke", seed=seed)
            assert stub.StartRun(request, wait_for_ready=True, timeout=60).id == run
            *_, last = stub.WatchRun(trainer_pb2.WatchRunRequest(run=run), timeout=300)
            assert last.run.state == trainer_pb2.RUN_STATE_DONE
        yield process, store


@pytest.fixture
def voxloom(trainer, monkeypatch: pytest.MonkeyPatch):
    port = trainer[0].find(lambda line: "port" in line)["port"]
    monkeypatch.setenv("VOXLOOM_TRAINER_ADDRESS", f"127.0.0.1:{port}")
    return partial(voxloom_here, monkeypatch)


def done(outcome: Outcome) -> str:
    assert outcome.code == 0, outcome.err
    return outcome.out


def test_a_run_is_shown_watched_and_compared(voxloom) -> None:
    told = done(voxloom("runs", "show", RUNS[0]))
    for part in (
        "recipe.model.width 32",
        "curves over 2 epochs",
        "heard last",
        "by length",
        "worst utterances",
    ):
        assert part in told
    assert done(voxloom("runs", "watch", RUNS[0])).count("said") == 2
    found = json.loads(done(voxloom("runs", "show", RUNS[0], "--json")))
    assert {(each["split"], each["decoder"]) for each in found["report"]["results"]} >= {
        ("val", "greedy"),
        ("test", "greedy"),
    }
    assert found["suspects"]["scored"] == 12 + 4
    doubted = json.loads(done(voxloom("runs", "show", RUNS[0], "--suspects", "--json")))
    assert doubted == found["suspects"]
    assert f"{doubted['found']} of 16 transcripts" in done(voxloom("runs", "show", RUNS[0], "--suspects"))
    compared = done(voxloom("runs", "compare", *RUNS))
    assert f"{RUNS[1]} against {RUNS[0]}" in compared
    assert "seed" in compared
    assert "too few to tell" in compared
    refused = voxloom("runs", "compare", RUNS[0])
    assert (refused.code, "expected two or three" in refused.err) == (1, True)
    assert "has no train" in voxloom("runs", "show", RUNS[0], "--split", "train").err


def test_a_page_and_event_files_are_written(voxloom, tmp_path: Path) -> None:
    page, boards = tmp_path / "run.html", tmp_path / "boards"
    done(voxloom("runs", "report", RUNS[0], "--html", str(page), "--audio", "--tensorboard", str(boards)))
    assert "data:audio/wav;base64,UklGR" in page.read_text()
    events = list((boards / RUNS[0]).iterdir())  # a new one about every 15 s
    assert all("tfevents" in each.name for each in events)
    assert sum(each.stat().st_size for each in events) > 200


def test_the_worst_can_be_listened_to_until_they_are_deleted(voxloom, trainer, tmp_path: Path) -> None:
    done(voxloom("runs", "listen", RUNS[0], "--worst", "2", "--out", str(tmp_path)))
    files = sorted(tmp_path.iterdir())
    assert len(files) == 2
    store: FolderStore = trainer[1]
    for file in files:
        assert file.read_bytes() == store.get(f"raw/imported/s/{file.name}")
    store.delete(f"raw/imported/s/{files[0].name}")
    gone = voxloom("runs", "listen", RUNS[0], "--utterance", files[0].stem, "--out", str(tmp_path / "x"))
    assert gone.code == 1
    assert files[0].name in gone.err
    assert "not allowed" in voxloom("runs", "listen", RUNS[0], "--utterance", "../../x").err


def test_texts_come_and_go(voxloom, trainer, tmp_path: Path) -> None:
    store: FolderStore = trainer[1]
    files = {"more.txt": "cab cab\nzebra\n", "Mein Brief.txt": "b b a\n", "bad.txt": "caf\u00e9"}
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="latin-1")
    told = done(voxloom("texts", "add", str(tmp_path / "more.txt"), str(tmp_path / "Mein Brief.txt")))
    assert "more: 1 sentences, 2 words" in told
    assert "1 a character that the model cannot write" in told
    assert "e 1 times" in told
    found = json.loads(done(voxloom("texts", "list", "--json")))
    assert {each["words"] for each in found} == {2, 3}
    assert store.get("texts/more.txt") == files["more.txt"].encode()
    names = [each["name"] for each in found]
    refused = voxloom("texts", "add", str(tmp_path / "bad.txt"))
    assert (refused.code, "bad is not UTF-8 in line 1" in refused.err) == (1, True)
    twice = voxloom("texts", "add", str(tmp_path / "more.txt"), str(tmp_path / "more.txt"))
    assert "named twice" in twice.err
    done(voxloom("texts", "remove", *names))
    assert "no text yet" in done(voxloom("texts", "list"))
    assert "no text 'more'" in voxloom("texts", "remove", "more").err
