"""The dataset job: what is kept, what is dropped and why, and that the same content gives the same bytes."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from dataset_world import WAVS, World
from ingest_corpora import Taker, accept_import, csv_corpus, objects, run_next, tar
from voices import encoded

from services.ingest import shards
from services.ingest.dataset import KIND, list_datasets, newest_dataset
from services.ingest.records import Drop
from voxloom import audio, keys
from voxloom.best_take import prompt_of
from voxloom.bus import kind_of
from voxloom.errors import BadInput
from voxloom.jobs import JobInterrupted
from voxloom.manifest import (
    DatasetRecord,
    Shortfall,
    Utterance,
)
from voxloom.mix import Mix, Share
from voxloom.reviews import Review, Reviews
from voxloom.storage import write_model
from voxloom.tokenizer import encoder_frames


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "store")


def test_a_dataset_is_what_is_stored(world: World) -> None:
    for seed in range(6):
        world.record(seed)
    record = world.build()
    assert record.considered == 6
    assert sum(summary.utterances for summary in record.splits.values()) == 6
    rows = [row for split in record.splits for row in world.rows(record, split)]
    assert {row.utterance for row in rows} == {f"u{seed}" for seed in range(6)}
    assert record.dropped_fraction == 0
    assert record.alphabet == "".join(sorted(set("".join(row.text for row in world.rows(record, "train")))))
    assert (record.utterances_by_source, record.languages) == ({"user_recorded": 6}, ["en"])
    (event,) = world.bus.events
    assert kind_of(event) == "dataset_ready"
    assert event.dataset_ready.train_utterances == record.splits["train"].utterances


def test_what_review_leaves_out_is_counted_and_moves_nothing(world: World) -> None:
    for seed in range(6):
        world.record(seed, prompt_list="fish", prompt_id=f"p{seed % 4}", text=f"prompt {seed % 4}")
    first = world.build()
    assert first.dropped_by_reason == {Drop.BETTER_TAKE: 2}
    assert first.dropped_examples == {Drop.BETTER_TAKE: ["u0", "u1"]}  # the later one is as good
    judged = {name: Review(verdict="rejected", reason="noise", at="") for name in ("u4", "u3")}
    chosen = {prompt_of(world.record(1, prompt_list="fish", prompt_id="p1", text="prompt 1")): "u1"}
    write_model(world.store, keys.reviews("me"), Reviews(speaker="me", takes=judged, chosen=chosen))
    second = world.build()
    assert second.dropped_by_reason == {Drop.BETTER_TAKE: 1, Drop.REJECTED: 2}
    assert (second.considered, second.lost_fraction) == (6, 0)
    assert [job.result["stored"] for job in world.jobs.list(KIND)] == [6, 4]
    before, after = ({row.utterance: row for row in _rows(world, each)} for each in (first, second))
    assert (before.keys(), after.keys()) == ({"u2", "u3", "u4", "u5"}, {"u0", "u1", "u2"})
    assert {row.text: row.split for row in after.values()}.items() <= {
        row.text: row.split for row in before.values()
    }.items()
    assert world.build() == second


def _rows(world: World, record: DatasetRecord) -> list[Utterance]:
    return [row for split in record.splits for row in world.rows(record, split)]


def test_shards_hold_the_same_samples_and_rows(world: World) -> None:
    for seed in range(4):
        world.record(seed)
    record = world.build()
    (key,) = record.splits["train"].shards
    with tarfile.open(fileobj=io.BytesIO(world.store.get(key))) as archive:
        names = archive.getnames()
        assert all((m.mtime, m.uid, m.gid, m.uname, m.mode) == (0, 0, 0, "", 0o644) for m in archive)
        for row in world.rows(record, "train"):
            flac = archive.extractfile(f"{row.utterance}.flac")
            text = archive.extractfile(f"{row.utterance}.json")
            assert flac is not None
            assert text is not None
            heard = audio.decode(flac.read()).samples
            assert np.array_equal(heard, audio.decode(world.store.get(row.audio_key)).samples)
            assert json.loads(text.read()) == {**row.model_dump(), "schema_version": 1}
    assert names == sorted(names)


def test_the_same_content_gives_the_same_bytes_and_id(world: World, tmp_path: Path) -> None:
    other = World(tmp_path / "other")
    for seed in range(5):
        world.record(seed)
    for seed in reversed(range(5)):
        other.record(seed)
    assert world.build().dataset == other.build().dataset
    ours, theirs = objects(world.store, "manifests/"), objects(other.store, "manifests/")
    assert ours.keys() == theirs.keys()
    assert {key for key in ours if ours[key] != theirs[key]} <= {
        k for k in ours if k.endswith("/dataset.json")
    }


def test_building_again_changes_nothing_but_tells_again(world: World) -> None:
    world.record(0)
    first = world.build()
    before = objects(world.store, "manifests/")
    assert world.build() == first
    assert objects(world.store, "manifests/") == before
    assert [kind_of(event) for event in world.bus.events] == ["dataset_ready", "dataset_ready"]


def test_more_data_makes_another_dataset_and_leaves_the_first(world: World) -> None:
    world.record(0)
    first = world.build()
    before = objects(world.store, f"manifests/{first.dataset}/")
    world.record(1)
    second = world.build()
    assert second.dataset != first.dataset
    assert objects(world.store, f"manifests/{first.dataset}/") == before
    assert [record.dataset for record in list_datasets(world.store)] == [second.dataset, first.dataset]


def test_a_deleted_recording_is_just_not_there_any_more(world: World) -> None:
    for seed in range(3):
        world.record(seed)
    assert world.build().considered == 3
    world.store.delete(keys.raw_record("user_recorded", "me", "u1"))
    world.store.delete(keys.raw_audio("user_recorded", "me", "u1"))
    record = world.build()
    assert (record.considered, record.dropped_by_reason) == (2, {})


def test_every_drop_has_its_reason(world: World) -> None:
    for seed in range(4):
        world.record(seed)
    world.record(4, text="?!")
    world.record(5, text="far too many words for so short a clip of audio to say them all")
    world.record(6, wav=WAVS[0])
    world.record(7)
    world.store.delete(keys.raw_audio("user_recorded", "me", "u7"))
    world.store.put(keys.raw_record("user_recorded", "me", "u8"), b"{not json")
    world.store.put(keys.raw_record("user_recorded", "else", "u9"), world.store.get(_key("u0")))
    world.record(10)
    world.store.put(keys.raw_audio("user_recorded", "me", "u10"), WAVS[11])
    record = world.build(max_dropped=0.6)
    assert record.dropped_by_reason == {
        Drop.NO_TEXT: 1,
        Drop.TOO_LONG_FOR_CTC: 1,
        Drop.DUPLICATE_AUDIO: 1,
        Drop.AUDIO_MISSING: 1,
        Drop.RECORD_UNREADABLE: 2,
        Drop.AUDIO_DAMAGED: 1,
    }
    assert record.dropped_examples[Drop.DUPLICATE_AUDIO] == ["u6"]
    assert record.dropped_examples[Drop.AUDIO_DAMAGED] == ["u10"]
    assert (record.considered, record.dropped_fraction) == (11, pytest.approx(7 / 11))
    assert len(list_datasets(world.store)) == 1
    assert all(key.startswith(f"manifests/{record.dataset}/") for key in objects(world.store, "manifests/"))


def _key(utterance: str) -> str:
    return keys.raw_record("user_recorded", "me", utterance)


def test_refused_clips_of_imports_are_part_of_the_report(world: World) -> None:
    take_in = Taker(world.store, world.bus, world.jobs)
    files = csv_corpus(8, speakers=8)
    accept_import(world.store, world.jobs, tar(files | {"clips/1.wav": b""}), "one", max_refused_fraction=0.5)
    take_in.run()
    record = world.build(max_dropped=0.5)
    assert record.dropped_by_reason == {"import_unreadable_audio": 1}
    assert record.dropped_examples["import_unreadable_audio"] == ["village: clips/1.wav"]
    assert (record.considered, record.dropped_fraction) == (8, pytest.approx(1 / 8))
    accept_import(world.store, world.jobs, tar(files), "two")
    take_in.run()
    assert world.build().dropped_by_reason == {}


def test_an_empty_train_split_fails_and_says_why(world: World) -> None:
    with pytest.raises(BadInput, match="nothing to train on: of 0 utterances"):
        world.build()
    world.record(0, text="...")
    with pytest.raises(BadInput, match="1 no_text"):
        world.build()


def test_empty_val_and_test_are_told(world: World) -> None:
    world.record(0)
    world.build()
    assert (
        world.jobs.get(KIND, "build-1").result["summary"]
        == "1 train, 0 val, 0 test; val is empty; test is empty"
    )


def test_a_source_that_lost_too_much_is_no_dataset_unless_somebody_says_so(world: World) -> None:
    for seed in range(6):
        world.record(seed)
    world.store.delete(keys.raw_audio("user_recorded", "me", "u5"))
    with pytest.raises(
        BadInput, match=r"user_recorded lost 1 of 6 clips \(17%: 1 audio_missing\)"
    ) as refused:
        world.build()
    assert "--max-dropped" in str(refused.value)
    assert not list_datasets(world.store)
    record = world.build(max_dropped=0.2)
    assert record.max_dropped_fraction == 0.2
    assert record.dropped_by_source == {"user_recorded": {"audio_missing": 1}}


def test_what_imports_refused_counts_to_the_source_that_they_said(world: World) -> None:
    world.record(0)
    broken = tar(csv_corpus(4) | {"clips/1.wav": b""})
    accept_import(world.store, world.jobs, broken, max_refused_fraction=0.5, source="tts_generated")
    Taker(world.store, world.bus, world.jobs).run()
    with pytest.raises(BadInput, match="tts_generated lost 1 of 4"):
        world.build()


def test_another_coding_of_a_recording_is_a_copy_of_it(world: World) -> None:
    """Records of releases before fingerprints get theirs from the audio."""
    world.record(0)
    again = audio.decode(encoded(audio.decode(WAVS[0]).samples * 0.5, "OGG", "VORBIS")).samples
    world.record(1, wav=audio.encode_wav(again[300:]))
    record = world.build()
    assert record.dropped_examples == {Drop.NEAR_DUPLICATE_AUDIO: ["u1 sounds like u0"]}
    assert record.lost_fraction == 0


def test_a_mix_is_part_of_the_record_and_told(world: World) -> None:
    for seed in range(5):
        world.record(seed)
    record = world.build(mix=Mix(name="two", sources={"own": Share(min=9, max=9)}).model_dump(mode="json"))
    assert record.mix
    assert record.mix_shortfalls == {"own": Shortfall(wanted=9, found=5)}
    summary = world.jobs.get(KIND, "build-1").result["summary"]
    assert summary.endswith("mix two; own: 5 of the 9 wanted")
    assert world.build().dataset == record.dataset  # of the same rows


@pytest.mark.parametrize("first", [True, False])
def test_the_dataset_of_an_experiment_is_another_one_and_is_never_the_newest(
    world: World, first: bool
) -> None:
    """Whichever is built first, of the same rows; only production's is told of."""
    for seed in range(5):
        world.record(seed)
    made = [world.build(experiment=first), world.build(experiment=not first)]
    by_purpose = {record.experiment: record for record in made}
    assert by_purpose[True].dataset == "x-" + by_purpose[False].dataset.removeprefix("d-")
    assert world.rows(made[0], "train") == world.rows(made[1], "train") != []
    assert [event.dataset_ready.dataset for event in world.bus.events] == [by_purpose[False].dataset]
    newest = newest_dataset(world.store)
    assert newest
    assert newest.dataset == by_purpose[False].dataset
    assert world.build(experiment=True) == by_purpose[True]


def test_a_stopped_build_keeps_its_shards_and_ends_with_the_same_bytes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "MAX_UTTERANCES", 2)
    for seed in range(6):
        world.record(seed)
    world.jobs.submit(KIND, "stopped", {}, "trace")
    lease = world.jobs.claim(KIND)
    assert lease is not None
    with lease:
        real = lease.progress

        def progress(done: int, total: int, message: str = "") -> None:
            if done == 3:
                lease.ask_to_stop()
            real(done, total, message)

        lease.progress = progress  # type: ignore[method-assign]
        with pytest.raises(JobInterrupted):
            world.builder.run(lease.record, lease)
        lease.interrupt()
    kept = objects(world.store, "manifests/")
    assert len(kept) == 1
    result = run_next(world.jobs, KIND, world.builder.run)
    after = objects(world.store, "manifests/")
    assert kept.items() <= after.items()
    for key in after:
        world.store.delete(key)
    assert world.build().dataset == result["dataset"]
    rebuilt = objects(world.store, "manifests/")
    assert {key for key in after if rebuilt[key] != after[key]} == {keys.dataset_record(result["dataset"])}


def test_shards_are_cut_by_count_and_by_size() -> None:
    row = Utterance(
        **dict.fromkeys(("utterance", "audio_key", "text", "speaker", "language", "source", "corpus"), "x"),
        duration_s=30.0,
        audio_sha256="0",
        split="train",
    )
    short = row.model_copy(update={"duration_s": 1.0})
    assert [len(shard.rows) for shard in shards.cut("d-1", "train", [short] * 2500)] == [1000, 1000, 500]
    assert [len(shard.rows) for shard in shards.cut("d-1", "train", [row] * 600)] == [279, 279, 42]
    assert list(shards.cut("d-1", "train", [])) == []


@pytest.mark.parametrize(
    ("num_samples", "frames"), [(160, 1), (640, 1), (16000, 25), (16400, 26), (48000, 75)]
)
def test_encoder_frames_are_those_of_the_model(num_samples: int, frames: int) -> None:
    assert encoder_frames(num_samples / 16000) == frames


def test_a_dataset_gets_back_the_shards_that_were_pruned(world: World) -> None:
    for seed in range(4):
        world.record(seed)
    record = world.build()
    before = objects(world.store, "manifests/")
    for key in record.splits["train"].shards:
        world.store.delete(key)
    assert world.build() == record
    assert objects(world.store, "manifests/") == before


def test_a_dataset_that_cannot_get_back_its_shards_keeps_its_manifests(world: World) -> None:
    """The gate measures on them."""
    raws = [world.record(seed) for seed in range(4)]
    record = world.build()
    (shard,) = record.splits["train"].shards
    world.store.delete(shard)
    world.store.put(keys.raw_audio("user_recorded", "me", raws[0].utterance), WAVS[9])
    assert world.build(max_dropped=0.5).dataset != record.dataset
    kept = objects(world.store, f"manifests/{record.dataset}/")
    assert len(kept) == 6
    assert shard not in kept
