"""Forgetting: nothing of what was withdrawn stays, whatever dies on the way, and it does not come back."""

import io
import json
import os
import re
import shutil
import tarfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from ingest_corpora import HeardBus, Taker, accept_import, csv_corpus, objects, run_next, tar
from store_maker import Watched

from services.ingest import dataset, importer
from services.ingest.config import IngestConfig
from services.ingest.dataset import DatasetBuilder
from services.ingest.forget import KIND, Forgetter
from services.ingest.forgetting import Forgetting
from services.ingest.lookup import look_up
from services.ingest.uploads import sweep, sweep_chunks
from voxloom import keys
from voxloom.bundle import Bundle, hash_bytes
from voxloom.errors import BadInput, NotFound, Unavailable
from voxloom.forgotten import ForgetSpec, Voice, bury, num_withdrawn, read_forgotten
from voxloom.jobs import Jobs
from voxloom.manifest import DatasetRecord, RawUtterance, ShardRow
from voxloom.storage import FolderStore, ObjectStore, read_model, write_model
from voxloom.v1 import ingest_pb2

CURVE = (
    b'{"step":1,"loss":2.5}\n{"step":2,"example_reference":"sentence number b","example_hypothesis":"b"}\n'
)
NEVER_STORED = "far too many words "
CHANGES = {"put", "put_stream", "delete"}


class DyingStore:
    """A real store that is cut off at its n-th change, before or after it was made."""

    def __init__(self, store: ObjectStore, changes: int) -> None:
        self._store = store
        self.left = changes

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            if name in CHANGES:
                self.left -= 1
                if self.left < 0:
                    raise Unavailable("cut off")
            return getattr(self._store, name)(*args, **kwargs)

        return call


class World:
    """A corpus of four speakers, a dataset of it, and a run and a model of that."""

    def __init__(self, root: Path) -> None:
        self.store = FolderStore(root)
        self.jobs = Jobs(self.store)

    def fill(self) -> None:
        self.imports()
        self.build()
        self.model()

    def imports(self) -> None:
        """A good one, and two that quote what is stored: one as an example, one as what it failed of."""
        taker, files = Taker(self.store, HeardBus(), self.jobs), csv_corpus(8, speakers=4)
        accept_import(self.store, self.jobs, tar(files))
        taker.run()
        files["manifest.csv"] = files["manifest.csv"].replace(b"number b", b"number one")
        files["manifest.csv"] += f"clips/99.wav,{NEVER_STORED * 9},s1\n".encode()
        files["clips/99.wav"] = files["clips/1.wav"]
        accept_import(self.store, self.jobs, tar(files), "other-text", max_refused_fraction=0.5)
        refused = {"differs_from_stored": 1, "too_fast_for_ctc": 1}
        assert taker.run()["refused_by_reason"] == refused
        accept_import(self.store, self.jobs, tar(files), "strict", max_refused_fraction=0.01)
        lease = self.jobs.claim(importer.KIND)
        assert lease is not None
        with pytest.raises(BadInput, match="sentence number b") as failed, lease:
            taker._run(lease.record, lease)
        lease.fail(str(failed.value), retry=False)
        sweep(self.store, self.jobs, time.time())
        sweep_chunks(self.store, self.jobs)

    @property
    def dataset(self) -> DatasetRecord:
        return dataset.list_datasets(self.store)[-1]

    def build(self) -> DatasetRecord:
        builder = DatasetBuilder(IngestConfig(), self.store, HeardBus(), self.jobs)
        self.jobs.submit(dataset.KIND, f"build-{len(self.jobs.list(dataset.KIND))}", {"max_dropped": 0.5})
        found = run_next(self.jobs, dataset.KIND, builder.run)
        return read_model(self.store, keys.dataset_record(found["dataset"]), DatasetRecord)

    def model(self) -> None:
        self.store.put("runs/r-1/run.json", json.dumps({"dataset": self.dataset.dataset}).encode())
        self.store.put("runs/r-1/metrics.jsonl", CURVE)
        bundle = Bundle(
            model="m-1",
            run="r-1",
            dataset=self.dataset.dataset,
            created_at="",
            files={"model.onnx": hash_bytes(b"")},
            served_file="model.onnx",
            languages=["en"],
            normalizer_version=1,
            feature_version=1,
            subsampling=4,
            parameters=1,
            recipe="tiny",
        )
        write_model(self.store, keys.model_file("m-1", "bundle.json"), bundle)
        heard = [{"utterance": raw.utterance, "reference": raw.text} for raw in self.records("village-s1")]
        self.store.put("models/m-1/decision.json", json.dumps({"worst": heard}).encode())
        lines = [{"key": each["utterance"], **each} for each in heard]
        self.store.put(
            "models/m-1/test_hypotheses.jsonl", b"".join(json.dumps(x).encode() + b"\n" for x in lines)
        )

    def records(self, *speakers: str, utterances: Sequence[str] = ()) -> list[RawUtterance]:
        found = look_up(self.store, utterances, speakers).clips
        return [read_model(self.store, keys.raw_record(*vars(clip).values()), RawUtterance) for clip in found]

    def words(self, *utterances: str) -> list[str]:
        """All by which they can be known: ids, texts, hashes of the audio."""
        raws = self.records(utterances=utterances)
        return [word for raw in raws for word in (raw.utterance, raw.text, raw.audio_sha256)]

    def utterances(self, speaker: str = "village-s1") -> list[str]:
        return look_up(self.store, [], [speaker]).utterances

    def ask(self, **fields: Any) -> ingest_pb2.ForgetResponse:
        return Forgetting(self.store, self.jobs).ask(ingest_pb2.ForgetRequest(**fields))[0]

    def forget(self, **fields: Any) -> dict[str, Any]:
        self.ask(**fields)
        return run_next(self.jobs, KIND, Forgetter(self.store).run)


@pytest.fixture(scope="module", autouse=True)
def quick_disk() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda file: None)
        yield


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("filled") / "store"
    World(root).fill()
    return root


def copied(filled: Path, root: Path) -> World:
    shutil.copytree(filled, root, copy_function=os.link)  # objects are replaced, never changed in place
    return World(root)


@pytest.fixture
def world(filled: Path, tmp_path: Path) -> World:
    return copied(filled, tmp_path / "store")


def everything(store: ObjectStore) -> Iterator[tuple[str, bytes]]:
    """Every object; members of shards apart."""
    for key, content in objects(store, "").items():
        if key.endswith(".tar"):
            with tarfile.open(fileobj=io.BytesIO(content)) as archive:
                for member in archive:
                    file = archive.extractfile(member)
                    yield f"{key}/{member.name}", file.read() if file else b""
        yield key, content


def places(store: ObjectStore, words: list[str]) -> list[str]:
    """Where one of them still stands."""
    return [
        key
        for key, content in everything(store)
        if any(word in key or word.encode() in content for word in words)
    ]


def of_them(store: ObjectStore, utterances: list[str]) -> dict[str, bytes]:
    """Their own objects and members of shards."""
    return {key: data for key, data in everything(store) if any(name in key for name in utterances)}


def test_nothing_of_a_speaker_stays_and_what_held_it_is_marked(world: World) -> None:
    gone, kept = world.utterances("village-s1"), world.utterances("village-s2")
    assert len(gone) == 2
    words = world.words(*gone)
    assert {each.partition("/")[0] for each in places(world.store, [NEVER_STORED])} == {"imports", "jobs"}
    assert "manifests" in {each.partition("/")[0] for each in places(world.store, ["clips/99.wav"])}
    assert {each.partition("/")[0] for each in places(world.store, words)} == {
        "raw",
        "manifests",
        "imports",
        "jobs",
        "runs",
        "models",
    }
    kept_before = of_them(world.store, kept)
    result = world.forget(speakers=["village-s1"])
    assert places(world.store, [*words, "village-s1", NEVER_STORED, "clips/99.wav"]) == []
    assert of_them(world.store, kept) == kept_before
    assert world.store.get("runs/r-1/metrics.jsonl").startswith(CURVE.splitlines(keepends=True)[0])
    assert (result["deleted"], result["datasets"]) == (2, {world.dataset.dataset: 2})
    assert (result["runs"], result["models"]) == (["r-1"], ["m-1"])
    for folder in (f"manifests/{world.dataset.dataset}", "runs/r-1", "models/m-1"):
        assert num_withdrawn(world.store, keys.withdrawn(folder)) == 2
    before, after = world.dataset, world.build()
    assert after.dataset != before.dataset
    assert num_withdrawn(world.store, keys.withdrawn(f"manifests/{after.dataset}")) == 0


def test_it_does_not_come_back_until_that_is_wanted(world: World) -> None:
    world.forget(speakers=["s1"])
    accept_import(world.store, world.jobs, tar(csv_corpus(8, speakers=4)), "again")
    result = Taker(world.store, HeardBus(), world.jobs).run()
    assert (result["accepted"], result["refused_by_reason"]) == (6, {"forgotten": 2})
    world.ask(speakers=["imported/village-s1"], undo=True)
    accept_import(world.store, world.jobs, tar(csv_corpus(8, speakers=4)), "third")
    assert Taker(world.store, HeardBus(), world.jobs).run()["added"] == 2


def test_wherever_it_is_cut_off_the_next_run_ends_the_same(filled: Path, tmp_path: Path) -> None:
    quiet = copied(filled, tmp_path / "quiet")
    words = quiet.words(*quiet.utterances())
    quiet.forget(speakers=["village-s1"])
    assert places(quiet.store, words) == []
    wanted, _ = timeless(quiet.store)
    for changes in range(100):
        world = copied(filled, tmp_path / f"cut-{changes}")
        world.ask(speakers=["village-s1"])
        lease = world.jobs.claim(KIND)
        assert lease is not None
        dying = DyingStore(world.store, changes)
        with lease:
            try:
                lease.complete(Forgetter(dying).run(lease.record, lease))  # type: ignore[arg-type]
            except Unavailable:
                lease.interrupt()
                run_next(world.jobs, KIND, Forgetter(world.store).run)
            else:
                assert changes > 8
                return
        found, timed = timeless(world.store)
        assert found == wanted, changes
        assert not any(word.encode() in timed for word in words), changes
    raise AssertionError("it never ends")


def timeless(store: ObjectStore) -> tuple[dict[str, bytes], bytes]:
    """Every object, but of what says when only that it is there; and all that says when."""
    timed = re.compile(r"forgotten/|jobs/forget/|.*withdrawn\.json")
    found = objects(store, "")
    when = b"".join(content for key, content in found.items() if timed.match(key))
    return {key: b"" if timed.match(key) else content for key, content in found.items()}, when


def test_one_utterance(world: World) -> None:
    gone, *others = world.utterances()
    words = world.words(gone)
    assert world.forget(utterances=[gone])["deleted"] == 1
    assert places(world.store, words) == []
    assert set(world.utterances()) == set(others)
    assert read_forgotten(world.store).covers("imported", "anyone", gone)


def test_what_is_not_there_or_not_clear_is_said(world: World) -> None:
    with pytest.raises(NotFound, match="no utterance u-none"):
        world.ask(utterances=["u-none"])
    with pytest.raises(NotFound, match="nothing is stored of speaker 'nobody'"):
        world.ask(speakers=["nobody"])
    with pytest.raises(NotFound, match="nothing is stored of speaker 'nobody'"):
        world.ask(speakers=["nobody", "s1"])
    for key, content in objects(world.store, "raw/imported/village-s1/").items():
        world.store.put(key.replace("imported", "user_recorded"), content)
    with pytest.raises(BadInput, match="2 speakers are called 'village-s1': imported/village-s1, user_rec"):
        world.ask(speakers=["village-s1", "s2"])
    with pytest.raises(BadInput, match="expected 1 to"):
        world.ask()
    found = world.ask(speakers=["imported/village-s1"], dry_run=True)
    assert [(each.speaker, each.utterances) for each in found.speakers] == [("village-s1", 2)]
    assert world.jobs.list(KIND) == []


def test_the_same_wish_twice_is_one_job(world: World) -> None:
    world.ask(speakers=["s1"])
    world.ask(speakers=["s1"])
    assert len(world.jobs.list(KIND)) == 1


def test_what_a_killed_build_has_left_goes(world: World) -> None:
    words = world.words(*world.utterances())
    whole = objects(world.store, f"manifests/{world.dataset.dataset}/shards/")
    for key, content in whole.items():
        world.store.put(key.replace(world.dataset.dataset, "d-killed"), content)
    world.store.put(keys.shard("d-other", "train", 0), tar({"u-9.json": whole_row("u-9")}))
    world.forget(speakers=["village-s1"])
    assert places(world.store, words) == []
    assert objects(world.store, "manifests/d-killed/") == {}
    assert len(objects(world.store, "manifests/d-other/")) == 1


def whole_row(utterance: str) -> bytes:
    row = ShardRow(
        utterance=utterance,
        audio_key="",
        text="a",
        speaker="s",
        language="en",
        source="imported",
        corpus="c",
        duration_s=1,
        audio_sha256="",
        split="train",
    )
    return row.model_dump_json().encode()


def test_a_build_that_is_under_way_is_waited_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    words = world.words(*world.utterances())
    late = objects(world.store, f"manifests/{world.dataset.dataset}/")
    world.jobs.submit(dataset.KIND, "late", {"max_dropped": 0.5})
    build = world.jobs.claim(dataset.KIND)
    assert build is not None

    def end(seconds: float) -> None:
        """The build began before: what it writes now still holds what is withdrawn."""
        assert seconds > 0
        assert objects(world.store, "raw/imported/village-s1/") == {}
        for key, content in late.items():
            world.store.put(key.replace(world.dataset.dataset, "d-late"), content)
        build.complete({})

    monkeypatch.setattr("services.ingest.forget.time.sleep", end)
    assert world.forget(speakers=["village-s1"])["datasets"]["d-late"] == 2
    assert places(world.store, words) == []


def test_damage_in_one_dataset_holds_up_no_other_and_it_can_be_asked_again(world: World) -> None:
    words, name = world.words(*world.utterances()), world.dataset.dataset
    for key, content in objects(world.store, f"manifests/{name}/").items():
        world.store.put(key.replace(name, "d-0"), content)
    damaged = [key for key in objects(world.store, "manifests/d-0/") if key.endswith(".tar")]
    for key in damaged:
        world.store.put(key, b"no tar" * 500)
    with pytest.raises(BadInput, match=r"manifests/d-0/shards/.* is damaged.*forget it again"):
        world.forget(speakers=["village-s1"])
    assert num_withdrawn(world.store, keys.withdrawn(f"manifests/{name}")) == 2
    world.jobs.remove(KIND, world.jobs.list(KIND)[0].id)
    for key in damaged:
        world.store.delete(key)
    world.forget(speakers=["village-s1"])
    assert places(world.store, words) == []


def test_what_was_deleted_without_being_forgotten_still_has_copies(world: World) -> None:
    gone, *_ = world.utterances()
    words = world.words(gone)
    for clip in look_up(world.store, [gone], []).clips:
        world.store.delete(keys.raw_record(*vars(clip).values()))
        world.store.delete(keys.raw_audio(*vars(clip).values()))
    result = world.forget(utterances=[gone])
    assert (result["deleted"], result["datasets"]) == (0, {world.dataset.dataset: 1})
    assert [
        place for place in places(world.store, words) if not place.startswith(("imports/", "jobs/"))
    ] == []


def test_an_import_deletes_what_a_backup_brought_back(world: World) -> None:
    back = objects(world.store, "raw/imported/village-s1/")
    world.forget(speakers=["village-s1"])
    for key, content in back.items():
        world.store.put(key, content)
    accept_import(world.store, world.jobs, tar(csv_corpus(8, speakers=4)), "again")
    assert Taker(world.store, HeardBus(), world.jobs).run()["refused_by_reason"] == {"forgotten": 2}
    assert objects(world.store, "raw/imported/village-s1/") == {}


def test_what_is_withdrawn_while_it_comes_in_does_not_stay(tmp_path: Path) -> None:
    store = Watched(tmp_path)
    jobs, spec = Jobs(store), ForgetSpec(voices=[Voice(source="imported", speaker="village-s1")])

    def bury_once(key: str) -> None:
        if key.startswith("raw/"):
            store.before_write = lambda key: None
            bury(store, spec, "")

    store.before_write = bury_once
    accept_import(store, jobs, tar(csv_corpus(8, speakers=4)))
    Taker(store, HeardBus(), jobs).run()
    speakers = {key.split("/")[2] for key in objects(store, "raw/")}
    assert speakers == {"village-s0", "village-s2", "village-s3"}


def test_what_a_backup_brings_back_is_deleted_again_by_the_next_dataset(world: World) -> None:
    before = objects(world.store, "raw/")
    gone = world.utterances()
    world.forget(speakers=["village-s1"])
    for key, content in before.items():
        world.store.put(key, content)
    world.build()
    assert places(world.store, gone) == []


def test_the_same_rows_again_are_a_dataset_of_their_own(world: World) -> None:
    first, content = world.dataset, objects(world.store, "raw/")
    world.forget(speakers=["s1"])
    world.ask(speakers=["imported/village-s1"], undo=True)
    for key, data in content.items():
        world.store.put(key, data)
    again = world.build()
    assert again.dataset == f"{first.dataset}-2"
    assert again.splits["train"].utterances == first.splits["train"].utterances
    assert world.build().dataset == again.dataset
