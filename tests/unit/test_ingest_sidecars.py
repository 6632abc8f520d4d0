"""What is told beside a dataset: lineage and report, also of a dataset that an older release made."""

import hashlib
import io
from pathlib import Path

import pytest
from dataset_world import PROMPTS, World, split_of
from ingest_corpora import objects, run_next

from services.ingest import sidecars
from services.ingest.dataset import KIND
from services.ingest.describe import Description
from voxloom import keys
from voxloom.alphabet import AlphabetCounter
from voxloom.dataset_report import DatasetReport, LineageLine
from voxloom.manifest import (
    Counts,
    DatasetRecord,
    RawUtterance,
    Sidecar,
)
from voxloom.record import parse_lines
from voxloom.storage import ObjectStore, read_model, write_model

ADDED = ("lineage", "report", "corpora", "test_sets")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "store")


def test_lineage_and_report_say_where_every_clip_is_from(world: World) -> None:
    for seed in range(3):
        world.record(seed)
    world.record(3, text=next(text for text in PROMPTS if split_of(text) == "test"))
    record = world.build()
    assert record.lineage
    assert record.report
    stored = world.store.get(record.lineage.key)
    assert hashlib.sha256(stored).hexdigest() == record.lineage.sha256
    lines = list(parse_lines(record.lineage.key, io.BytesIO(stored), LineageLine))
    rows = {row.utterance: row for split in record.splits for row in world.rows(record, split)}
    assert [line.utterance for line in lines] == sorted(rows)
    for line in lines:
        raw = read_model(world.store, line.record_key, RawUtterance)
        assert (line.audio_sha256, line.created_at) == (raw.audio_sha256, raw.created_at)
        assert (line.split, line.why) == (rows[line.utterance].split, "hash of the sentence")
    report = read_model(world.store, record.report.key, DatasetReport)
    assert report.by_split["test"]["user_recorded"].utterances == 1
    assert all(sum(map(sum, each.counts.values())) == 4 for each in report.histograms)
    counter = AlphabetCounter()  # as `voxloom text alphabet` counts
    for row in world.rows(record, "train"):
        counter.add(row.text, row.utterance)
    found = counter.report()
    assert list(report.characters.items()) == [(use.character, use.count) for use in found.characters]
    assert found.alphabet == record.alphabet
    assert record.corpora["own"].utterances == {"test": 1, "train": 3}


def strip(world: World, record: DatasetRecord) -> DatasetRecord:
    """As a release before sidecars would have left it."""
    for sidecar in (record.lineage, record.report):
        assert sidecar
        world.store.delete(sidecar.key)
    old = DatasetRecord(**record.model_dump(exclude=set(ADDED)))
    write_model(world.store, keys.dataset_record(record.dataset), old)
    return old


def test_a_dataset_of_an_older_release_gets_what_it_lacks_and_stays_what_it_is(world: World) -> None:
    world.record(0)
    world.record(1, source="imported", corpus="an4", speaker="an4-a", published_split="test")
    record, made = world.build(), objects(world.store, "manifests/")
    assert strip(world, record).test_sets == {}
    assert objects(world.store, "manifests/") != made
    for _ in range(2):
        assert world.build() == record
        assert objects(world.store, "manifests/") == made


def test_two_replicas_that_complete_one_dataset_agree(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.record(0)
    strip(world, world.build())
    real = sidecars.write

    def late(store: ObjectStore, description: Description) -> dict[str, Sidecar]:
        monkeypatch.setattr(sidecars, "write", real)
        world.build()
        return real(store, description)

    monkeypatch.setattr(sidecars, "write", late)
    world.builds += 1
    world.jobs.submit(KIND, "slow", {}, "trace")
    slow = run_next(world.jobs, KIND, world.builder.run)
    record = read_model(world.store, keys.dataset_record(str(slow["dataset"])), DatasetRecord)
    for sidecar in (record.lineage, record.report):
        assert sidecar
        assert hashlib.sha256(world.store.get(sidecar.key)).hexdigest() == sidecar.sha256


def test_a_kept_published_test_split_is_a_named_test_set(world: World) -> None:
    world.record(0)
    fields = {"source": "imported", "corpus": "an4", "published_split": "test"}
    world.record(1, speaker="an4-a", **fields)
    world.record(2, speaker="an4-b", **fields)
    assert world.build().test_sets == {"an4": Counts(utterances=2, speakers=2, hours=2 / 3600)}
