"""Forgetting through the command line, with the recorder and ingest as processes that share a store alone: no
event passes between them."""

import io
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest
from embedded_process import Outcome, voxloom_here
from service_process import ServiceProcess, code_of, eventually
from voices import encoded, speech

from voxloom import keys
from voxloom.forgotten import num_withdrawn
from voxloom.manifest import RawUtterance
from voxloom.storage import FolderStore, list_all, read_model
from voxloom.v1 import audio_pb2, recorder_pb2, recorder_pb2_grpc

pytestmark = pytest.mark.slow
Cli = Callable[..., Outcome]
TEXTS = {
    "Ada Lovelace": ("go left at the bridge", "stop"),
    "Bob": ("where is it", "over there"),
    "Cy": ("yes",),
}


@dataclass
class World:
    """What was stored before anything is forgotten."""

    store: FolderStore
    recorder: Any
    addresses: dict[str, str]
    corpus: Path
    taken: dict[str, RawUtterance]  # by text
    dataset: str = ""

    def record(self, speaker: str, text: str) -> RawUtterance:
        """The same text is the same take."""
        stored = self.recorder.UploadTake(_take(speaker, text), timeout=30)
        return read_model(self.store, stored.record_key, RawUtterance)

    def everything(self) -> Iterator[tuple[str, bytes]]:
        """Every object, members of shards apart."""
        for info in list(list_all(self.store, "")):
            content = self.store.get(info.key)
            yield info.key, content
            if info.key.endswith(".tar"):
                with tarfile.open(fileobj=io.BytesIO(content)) as shard:
                    for member in shard:
                        file = shard.extractfile(member)
                        yield f"{info.key}/{member.name}", file.read() if file else b""

    def places(self, *records: RawUtterance) -> list[str]:
        """Where an id, a text or a hash of theirs stands."""
        words = [word for raw in records for word in (raw.utterance, raw.text, raw.audio_sha256)]
        return [
            key for key, content in self.everything() if any(w in key or w.encode() in content for w in words)
        ]

    def imported(self, speaker: str) -> list[RawUtterance]:
        found = list_all(self.store, f"raw/imported/{speaker}/")
        return [
            read_model(self.store, each.key, RawUtterance) for each in found if each.key.endswith(".json")
        ]


def _take(speaker: str, text: str) -> Iterator[recorder_pb2.UploadTakeRequest]:
    form = recorder_pb2.Take(prompt=text, speaker=speaker, format=audio_pb2.AudioFormat())
    yield recorder_pb2.UploadTakeRequest(take=form)
    samples = speech(2.0, seed=sum(map(ord, text)))
    yield recorder_pb2.UploadTakeRequest(audio=encoded(samples, "WAV", "PCM_16"))


def make_corpus(folder: Path) -> Path:
    """Twelve clips by four speakers."""
    folder.mkdir()
    rows = [f"{i}.wav,the {'abcdefghijkl'[i] * 3} sentence,s{i % 4}" for i in range(12)]
    (folder / "manifest.csv").write_text("\n".join(["path,text,speaker", *rows, ""]))
    for i in range(12):
        (folder / f"{i}.wav").write_bytes(encoded(speech(2.0, seed=i), "WAV", "PCM_16"))
    return folder


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    root = tmp_path_factory.mktemp("forget")
    with (
        ServiceProcess("recorder", root / "store") as recorder,
        ServiceProcess("ingest", root / "store", job_lease_s="1") as ingest,
    ):
        ports = {each.name: each.find(lambda line: "port" in line)["port"] for each in (recorder, ingest)}
        made = World(
            store=FolderStore(root / "store"),
            recorder=recorder_pb2_grpc.RecorderServiceStub(recorder.channel),
            addresses={
                f"VOXLOOM_{name.upper()}_ADDRESS": f"127.0.0.1:{port}" for name, port in ports.items()
            },
            corpus=make_corpus(root / "village"),
            taken={},
        )
        made.taken = {text: made.record(who, text) for who, texts in TEXTS.items() for text in texts}
        yield made


@pytest.fixture
def voxloom(world: World, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """The command line, and once for all a corpus and a dataset."""
    for name, value in world.addresses.items():
        monkeypatch.setenv(name, value)
    run = partial(voxloom_here, monkeypatch)
    if not world.dataset:
        fill(world, run)
    return run


def fill(world: World, run: Cli) -> None:
    """Also imports that corpus with another text, so that a report quotes what is stored."""
    done(run("import", str(world.corpus)))
    manifest = world.corpus / "manifest.csv"
    good = manifest.read_text()
    manifest.write_text(good.replace("bbb", "other"))
    assert "differs_from_stored" in done(run("import", str(world.corpus)))
    manifest.write_text(good)
    assert "dataset d-" in done(run("dataset", "build"))
    world.dataset = next(info.key for info in list_all(world.store, "manifests/")).split("/")[1]


def done(outcome: Outcome) -> str:
    assert outcome.code == 0, outcome.err
    return outcome.out


def test_a_speaker_is_forgotten_by_name_and_may_not_come_back(world: World, voxloom: Cli) -> None:
    takes = [world.taken[text] for text in TEXTS["Ada Lovelace"]]
    held = {key.split("/")[0] for key in world.places(*takes)}
    assert held == {"raw", "manifests"}
    assert "2" in done(voxloom("forget", "--speaker", "Ada Lovelace", "--dry-run"))
    assert len(world.places(*takes)) > 2
    told = done(voxloom("forget", "--speaker", "Ada Lovelace", "--yes"))
    assert "2 recordings are deleted" in told
    assert world.dataset in told
    assert world.places(*takes) == []
    lacks = f"{world.dataset} lacks"
    assert lacks in done(voxloom("dataset", "list"))
    assert lacks in done(voxloom("dataset", "show", world.dataset))
    speaker = takes[0].speaker.encode()
    assert [
        key for key, content in world.everything() if speaker in content or b"Ada Lovelace" in content
    ] == []
    with pytest.raises(grpc.RpcError, match="was withdrawn and is not taken in again") as refused:
        world.record("Ada Lovelace", "something new")
    assert code_of(refused.value) is grpc.StatusCode.INVALID_ARGUMENT
    done(voxloom("forget", "--undo", "--speaker", f"user_recorded/{takes[0].speaker}"))
    assert world.record("Ada Lovelace", "something new").text == "something new"


def test_one_utterance_is_forgotten_and_others_stay(world: World, voxloom: Cli) -> None:
    gone, kept = (world.taken[text] for text in TEXTS["Bob"])
    before = len(world.places(kept))
    done(voxloom("forget", "--utterance", gone.utterance, "--yes"))
    assert world.places(gone) == []
    assert len(world.places(kept)) == before
    with pytest.raises(grpc.RpcError, match=f"utterance {gone.utterance} was withdrawn"):
        world.record("Bob", gone.text)
    done(voxloom("forget", "--undo", "--utterance", gone.utterance))
    assert world.record("Bob", gone.text).utterance == gone.utterance


def test_an_import_refuses_what_was_forgotten(world: World, voxloom: Cli) -> None:
    gone = world.imported("village-s1")
    assert len(gone) == 3
    assert {key.split("/")[0] for key in world.places(*gone)} == {"raw", "manifests", "imports", "jobs"}
    done(voxloom("forget", "--speaker", "s1", "--yes"))
    assert world.places(*gone) == []
    again = done(voxloom("import", str(world.corpus)))
    assert "9 utterances imported, 3 refused" in again
    assert "forgotten" in again
    eventually(
        lambda: not list(list_all(world.store, "uploads/")) and not list(list_all(world.store, "jobs/chunk/"))
    )
    assert world.places(*gone) == []
    done(voxloom("forget", "--undo", "--speaker", "imported/village-s1"))
    assert "12 utterances imported" in done(voxloom("import", str(world.corpus)))
    assert len(world.imported("village-s1")) == 3


def test_what_the_recorder_deletes_leaves_datasets_though_no_event_comes(world: World, voxloom: Cli) -> None:
    gone = world.taken["yes"]
    assert any(key.startswith("manifests/") for key in world.places(gone))
    marked = num_withdrawn(world.store, keys.withdrawn(f"manifests/{world.dataset}"))
    request = recorder_pb2.DeleteRecordingRequest(utterance=gone.utterance, speaker="Cy")
    world.recorder.DeleteRecording(request, timeout=30)
    eventually(lambda: world.places(gone) == [])
    assert num_withdrawn(world.store, keys.withdrawn(f"manifests/{world.dataset}")) == marked + 1
    assert world.record("Cy", "yes").utterance == gone.utterance
