"""Versions of stored documents: old ones are read, newer ones refused by name, none is changed by it."""

import json
from pathlib import Path
from typing import Any, ClassVar

import pytest
from integration import bundle_maker

from services.inference.models import Models
from services.ingest.corpus import ImportSpec
from services.ingest.refusals import ReportLine
from services.optimizer import catalogue
from services.optimizer.reconcile import Reconcile
from services.optimizer.records import Decision, HypothesisLine
from services.trainer.metrics import Metrics
from services.trainer.runs import RunRecord, newest_dataset
from voxloom.bundle import Bundle, Export, ProductionPointer
from voxloom.bus import MemoryBus
from voxloom.datadir import Running
from voxloom.errors import BadInput, NewerSchema
from voxloom.jobs import JobRecord, Jobs
from voxloom.manifest import DatasetRecord, RawUtterance, ShardRow
from voxloom.record import Document, Record, parse_lines, parse_model, to_line
from voxloom.storage import FolderStore, ObjectStore, read_model, write_model

CLASSES = (
    *(RawUtterance, ReportLine, ImportSpec, DatasetRecord, ShardRow, RunRecord, Metrics, Export, Bundle),
    *(Decision, HypothesisLine, ProductionPointer, JobRecord, Running),
)


class Toy(Record):
    """Version 1 had `metres`, version 2 `millimetres`, version 3 says that as `length_mm`."""

    upgrades: ClassVar = {
        1: lambda old: {**old, "millimetres": 1000 * old["metres"]},
        2: lambda old: {**old, "length_mm": old["millimetres"]},
    }
    schema_version: int = 3
    length_mm: int


@pytest.mark.parametrize(
    "document",
    [
        {"metres": 2},
        {"schema_version": 1, "metres": 2},
        {"schema_version": 2, "millimetres": 2000},
        {"schema_version": 3, "length_mm": 2000},
    ],
)
def test_every_older_version_is_read_as_the_one_of_today(document: Document) -> None:
    toy = parse_model("toys/a.json", json.dumps(document), Toy)
    assert toy == Toy(length_mm=2000)
    assert toy.schema_version == 3


def test_a_newer_version_is_refused_with_what_to_do(folder_store: FolderStore) -> None:
    written = b'{"schema_version": 4, "length": "2 m"}'
    folder_store.put("toys/a.json", written)
    with pytest.raises(
        NewerSchema, match=r"toys/a\.json has schema version 4, .* up to version 3 .* upgrade"
    ):
        read_model(folder_store, "toys/a.json", Toy)
    assert folder_store.get("toys/a.json") == written


@pytest.mark.parametrize("version", ["2", 0, -1, True, 1.5, None, [], {}])
def test_what_is_no_version_is_refused(version: Any) -> None:
    with pytest.raises(BadInput, match=r"schema version .* expected a whole number"):
        parse_model("toys/a.json", json.dumps({"schema_version": version, "length_mm": 1}), Toy)


@pytest.mark.parametrize("data", [b"", b"[1]", b"null", b"{", b"\xff", b"[" * 100_000, b'{"length_mm": "a"}'])
def test_what_is_no_such_document_is_refused_by_name(data: bytes) -> None:
    with pytest.raises(BadInput, match=r"toys/a\.json"):
        parse_model("toys/a.json", data, Toy)


def test_a_line_is_a_document_and_a_bad_one_is_named() -> None:
    lines = [to_line(Toy(length_mm=number)) for number in range(3)]
    assert [toy.length_mm for toy in parse_lines("a.jsonl", lines, Toy)] == [0, 1, 2]
    assert all(json.loads(line)["schema_version"] == 3 for line in lines)
    with pytest.raises(NewerSchema, match=r"a\.jsonl line 4 has schema version 9"):
        list(parse_lines("a.jsonl", [*lines, b'{"schema_version": 9}'], Toy))


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_there_is_a_way_from_every_version_to_the_one_of_today(cls: type[Record]) -> None:
    assert sorted(cls.upgrades) == list(range(1, cls.model_fields["schema_version"].default))


def test_a_document_says_its_version(folder_store: FolderStore) -> None:
    write_model(folder_store, "toys/a.json", Toy(length_mm=1))
    assert json.loads(folder_store.get("toys/a.json"))["schema_version"] == 3


# -- what the services do about one


def raise_version(store: ObjectStore, key: str) -> bytes:
    """The document as a much newer release would have written it; returns its bytes."""
    document = json.loads(store.get(key)) | {"schema_version": 99}
    store.put(key, json.dumps(document).encode())
    return store.get(key)


def test_a_run_that_cannot_be_read_holds_up_no_other(folder_store: FolderStore) -> None:
    for model in ("m-a", "m-b"):
        bundle_maker.write_export(folder_store, model.replace("m-", "r-"), "d", bundle_maker.graph())
    folder_store.put("models/m-a/decision.json", b'{"schema_version": 99}')
    jobs = Jobs(folder_store)
    reconcile = Reconcile(folder_store, MemoryBus(), jobs)
    reconcile()
    reconcile()
    assert [job.id for job in jobs.list("optimize")] == ["m-b"]
    assert folder_store.get("models/m-a/decision.json") == b'{"schema_version": 99}'


def test_lists_leave_out_what_cannot_be_read(folder_store: FolderStore) -> None:
    for model in ("m-a", "m-b"):
        bundle_maker.write_model_bundle(folder_store, model, bundle_maker.graph())
    raise_version(folder_store, "models/m-a/bundle.json")
    assert [entry.bundle.model for entry in catalogue.list_models(folder_store)] == ["m-b"]
    folder_store.put("manifests/d-new/dataset.json", b'{"schema_version": 2}')
    assert newest_dataset(folder_store) is None


def test_inference_keeps_what_it_serves(tmp_path: Path) -> None:
    store, bus = FolderStore(tmp_path), MemoryBus()
    models = Models(store, bus)
    for model in ("m-a", "m-b"):
        bundle_maker.write_model_bundle(store, model, bundle_maker.graph())
    bundle_maker.point_to(store, "m-a")
    models.reconcile()
    bundle_maker.point_to(store, "m-b")
    written = raise_version(store, "models/m-b/bundle.json")
    models.reconcile()
    assert models.current().id == "m-a"
    assert store.get("models/m-b/bundle.json") == written
    bus.close()
