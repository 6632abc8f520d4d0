"""A release of Common Voice on its ways in: sent, mounted as an archive or a folder, and from S3."""

import gzip
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from commonvoice_maker import Made, Wish, make_release
from servers import StoreAddress
from service_process import ServiceProcess

from voxloom.keys import raw_record
from voxloom.manifest import RawUtterance
from voxloom.storage import FolderStore, ObjectStore, list_all, read_model
from voxloom.v1 import ingest_pb2, ingest_pb2_grpc

pytestmark = pytest.mark.slow
QUIET = {"retrain_first": "1000000"}


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make_release(tmp_path_factory.mktemp("release"), Wish())


@contextmanager
def ingest(folder: Path, **settings: str) -> Iterator[Any]:
    with ServiceProcess("ingest", folder, **QUIET, **settings) as process:
        yield ingest_pb2_grpc.IngestServiceStub(process.channel)


def spec(release: Made, **fields: Any) -> ingest_pb2.ImportSpec:
    wanted = {"corpus": release.name, "format": ingest_pb2.CORPUS_FORMAT_COMMONVOICE} | fields
    return ingest_pb2.ImportSpec(**wanted)


def taken_in(stub: Any, wanted: ingest_pb2.ImportSpec, tar: bytes = b"") -> ingest_pb2.Job:
    parts = [tar[start : start + 65536] for start in range(0, len(tar), 65536)]
    requests = [ingest_pb2.ImportCorpusRequest(tar=part) for part in parts]
    first = ingest_pb2.ImportCorpusRequest(spec=wanted)
    job = stub.ImportCorpus(iter([first, *requests]), timeout=60)
    for update in stub.WatchJob(ingest_pb2.WatchJobRequest(id=job.id, kind=job.kind), timeout=60):
        job = update
    return job


def raw(store: ObjectStore) -> dict[str, bytes]:
    """Audio, and records but for the time of the import."""
    found = {info.key: store.get(info.key) for info in list_all(store, "raw/")}
    for key in [key for key in found if key.endswith(".json")]:
        record = read_model(store, key, RawUtterance)
        found[key] = record.model_copy(update={"created_at": ""}).model_dump_json().encode()
    return found


def test_every_way_in_gives_the_same_and_a_second_time_nothing(release: Made, tmp_path: Path) -> None:
    imports = tmp_path / "imports"
    with tarfile.open(release.path) as archive:
        archive.extractall(imports / "unpacked", filter="data")
    (imports / "release.tar.gz").write_bytes(release.path.read_bytes())
    sent = tmp_path / "sent"
    with ingest(sent) as stub:
        job = taken_in(stub, spec(release), gzip.decompress(release.path.read_bytes()))
        assert job.state == ingest_pb2.JOB_STATE_DONE, job.error
        wanted = raw(FolderStore(sent))
        assert len(wanted) == 2 * job.accepted_utterances > 0
        again = taken_in(stub, spec(release), gzip.decompress(release.path.read_bytes()))
        assert raw(FolderStore(sent)) == wanted
        assert again.accepted_utterances == job.accepted_utterances
    for name in ("release.tar.gz", "unpacked"):
        folder = tmp_path / f"from-{name}"
        with ingest(folder, import_dir=str(imports)) as stub:
            found = taken_in(stub, spec(release, origin=f"mounted:{name}"))
        assert found.state == ingest_pb2.JOB_STATE_DONE, found.error
        assert found.not_selected_by_reason == job.not_selected_by_reason
        assert raw(FolderStore(folder)) == wanted


def test_rows_are_imported_refused_or_not_selected_and_the_test_split_keeps_its_name(
    release: Made, tmp_path: Path
) -> None:
    selection = ingest_pb2.Selection(max_clips=8, max_test_clips=3)
    with ingest(tmp_path / "store") as stub:
        job = taken_in(stub, spec(release, selection=selection), gzip.decompress(release.path.read_bytes()))
        assert job.state == ingest_pb2.JOB_STATE_DONE, job.error
    rows = {name for clips in release.clips.values() for name in clips}
    counted = job.accepted_utterances + job.refused_utterances + sum(job.not_selected_by_reason.values())
    assert counted == len(rows)
    store = FolderStore(tmp_path / "store")
    keys = [info.key for info in list_all(store, "raw/commonvoice/") if info.key.endswith(".json")]
    records = [read_model(store, key, RawUtterance) for key in keys]
    splits = [record.published_split for record in records]
    assert (splits.count("train"), splits.count("test")) == (8, 3)
    assert {record.corpus for record in records} == {release.name}
    assert {record.origin for record in records if record.published_split == "test"} <= set(
        release.clips["test"]
    )
    for record in records:
        assert record.details["release"] == release.name
        assert raw_record("commonvoice", record.speaker, record.utterance) in keys


@pytest.mark.parametrize(
    ("origin", "words"),
    [
        ("mounted:../secret.tar", "leads out of the folder"),
        ("mounted:/etc/passwd", "leads out of the folder"),
        ("mounted:absent.tar.gz", "there is no absent.tar.gz"),
        ("mounted:text.tar", "cannot be read"),
        ("s3://bucket/key.tar", "the store here is a folder"),
        ("ftp://host/file", "expected s3://bucket/key or mounted:path"),
    ],
)
def test_origins_that_are_none(origin: str, words: str, release: Made, mounted: Any) -> None:
    job = taken_in(mounted, spec(release, origin=origin))
    assert job.state == ingest_pb2.JOB_STATE_FAILED
    assert words in job.error


@pytest.fixture(scope="module")
def mounted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    root = tmp_path_factory.mktemp("mounted")
    (root / "imports").mkdir()
    (root / "imports" / "text.tar").write_text("no archive at all, but long enough to be looked at\n" * 40)
    (root / "secret.tar").write_bytes(b"")
    with ingest(root / "store", import_dir=str(root / "imports")) as stub:
        yield stub


@pytest.mark.connected
def test_from_a_bucket_of_the_user(release: Made, s3_address: StoreAddress) -> None:
    s3_address.open().put("cv/release.tar.gz", release.path.read_bytes())
    bucket = s3_address.url.partition("?")[0]
    secrets = {"s3_access_key": s3_address.access_key, "s3_secret_key": s3_address.secret_key}
    with ServiceProcess("ingest", store=s3_address.url, **QUIET, **secrets) as process:
        stub = ingest_pb2_grpc.IngestServiceStub(process.channel)
        job = taken_in(stub, spec(release, origin=f"{bucket}/cv/release.tar.gz"))
        assert job.state == ingest_pb2.JOB_STATE_DONE, job.error
        absent = taken_in(stub, spec(release, origin="s3://no-such-bucket/x.tar"))
    assert "there is no bucket 'no-such-bucket'" in absent.error
    assert len(raw(s3_address.open())) == 2 * job.accepted_utterances > 0
