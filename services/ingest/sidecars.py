"""What lies beside the record of a dataset: lineage.jsonl and report.json."""

import hashlib
from collections.abc import Iterator

from services.ingest.describe import Description
from voxloom import keys
from voxloom.dataset_report import DatasetReport
from voxloom.errors import Conflict, NotFound
from voxloom.manifest import DatasetRecord, Sidecar, in_blocks
from voxloom.storage import ObjectStore, exists, parse_model, read_model, write_model


def write(store: ObjectStore, description: Description) -> dict[str, Sidecar]:
    """Both of them; the description is filled with it."""
    dataset = description.dataset
    lineage = _put(store, keys.lineage(dataset), in_blocks(description.lines()))
    document = description.report().model_dump_json(indent=2).encode() + b"\n"
    return {"lineage": lineage, "report": _put(store, keys.dataset_report(dataset), iter([document]))}


def complete(store: ObjectStore, description: Description) -> DatasetRecord:
    """The record of the dataset there is, NotFound if there is none. One of a release that wrote no sidecars
    gets them, for the rows are the same; what its record says already stays."""
    key = keys.dataset_record(description.dataset)
    data, etag = store.get_with_etag(key)
    record = parse_model(key, data, DatasetRecord)
    if _has_all(store, record):
        return record
    added = write(store, description) | description.of_rows()
    told = {name: value for name, value in added.items() if not getattr(record, name)}
    record = record.model_copy(update=told)
    try:
        write_model(store, key, record, if_match=etag)
    except Conflict:  # another replica was faster
        return read_model(store, key, DatasetRecord)
    return record


def read_report_of(store: ObjectStore, record: DatasetRecord) -> DatasetReport:
    """NotFound for a dataset that was made before there were reports."""
    if record.report is None:
        raise NotFound(
            f"dataset {record.dataset} was made by a release that wrote no reports; `voxloom dataset build` "
            "adds one while the data is the same, and else makes a dataset that has one"
        )
    return read_model(store, record.report.key, DatasetReport)


def _has_all(store: ObjectStore, record: DatasetRecord) -> bool:
    return all(each and exists(store, each.key) for each in (record.lineage, record.report))


def _put(store: ObjectStore, key: str, blocks: Iterator[bytes]) -> Sidecar:
    digest = hashlib.sha256()

    def heard() -> Iterator[bytes]:
        for block in blocks:
            digest.update(block)
            yield block

    store.put_stream(key, heard())
    return Sidecar(key=key, sha256=digest.hexdigest())
