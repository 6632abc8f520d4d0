"""Copies of what was withdrawn, in datasets: rewritten without it."""

import io
import tarfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from services.ingest.rewrite import drop_lines, rewrite_document
from services.ingest.traces import speaks_of
from voxloom import forgotten, keys
from voxloom.errors import BadInput, NotFound
from voxloom.forgotten import Clip, ForgetSpec, digest
from voxloom.manifest import SPLITS, ShardRow, SplitName, Utterance, read_csv, write_csv
from voxloom.record import parse_model
from voxloom.storage import ObjectStore, exists, list_all

Check = Callable[[], None]


class Gone:
    """Whether an utterance is one of the withdrawn."""

    def __init__(self, spec: ForgetSpec, clips: Iterable[Clip]) -> None:
        self.utterances = {clip.utterance for clip in clips}
        self._voices = {(voice.source, voice.speaker) for voice in spec.voices}

    def holds(self, row: Utterance) -> bool:
        return row.utterance in self.utterances or (row.source, row.speaker) in self._voices


def dataset(store: ObjectStore, name: str, gone: Gone, at: str, check: Check) -> int:
    """How many of its rows are withdrawn. The mark comes first, so that whoever counts knows that some lack;
    the manifests go last, for a run that is killed before finds its work in them."""
    rows = {split: _rows(store, name, split, gone) for split in SPLITS}
    ids = {row.utterance for split in SPLITS for row in rows[split]}
    if not ids:
        return 0
    gone.utterances |= ids
    hashes: dict[str, list[str]] = {
        split: [digest(row.utterance) for row in rows[split]] for split in SPLITS if rows[split]
    }
    forgotten.add_mark(store, keys.withdrawn(f"manifests/{name}"), hashes, at)
    for info in list(list_all(store, f"manifests/{name}/shards/")):
        check()
        _rewrite_shard(store, info.key, ids)
    documents(store, name, ids)
    speakers = {(row.source, row.speaker) for split in SPLITS for row in rows[split]}
    rewrite_document(store, keys.dataset_report(name), lambda item: _is_one_of(item, speakers))
    for split in SPLITS:
        if rows[split]:
            _rewrite_manifest(store, keys.manifest(name, split), ids)
    return len(ids)


def documents(store: ObjectStore, name: str, ids: set[str]) -> None:
    """What the reports of a dataset say of them, whether they are among its rows or were left out."""
    for document in ("dataset.json", "report.json"):
        rewrite_document(store, f"manifests/{name}/{document}", lambda item: speaks_of(item, ids))
    drop_lines(store, f"manifests/{name}/lineage.jsonl", lambda line: line.get("utterance") in ids)


def unfinished(store: ObjectStore, name: str, gone: Gone, check: Check) -> None:
    """Removes what a killed build has left, if a withdrawn utterance is in it. Nobody goes on with that: a
    build that starts now does not see the utterance, and makes another dataset."""
    if exists(store, keys.dataset_record(name)):
        return
    left = [info.key for info in list_all(store, f"manifests/{name}/")]
    if any(_rows(store, name, split, gone) for split in SPLITS) or any(
        _holds(store, key, gone) for key in left if key.endswith(".tar")
    ):
        for key in left:
            check()
            store.delete(key)


def _is_one_of(item: Any, speakers: set[tuple[str, str]]) -> bool:
    """Whether an item of a report counts what a speaker said; the count would no longer be right either."""
    return isinstance(item, dict) and (item.get("source"), item.get("speaker")) in speakers


def remove(store: ObjectStore, key: str) -> bool:
    """Whether it was there."""
    there = exists(store, key)
    store.delete(key)
    return there


def _rows(store: ObjectStore, name: str, split: SplitName, gone: Gone) -> list[Utterance]:
    try:
        with store.open(keys.manifest(name, split)) as file:
            return [row for row in read_csv(file) if gone.holds(row)]
    except NotFound:
        return []  # a build was killed, see `unfinished`


def _rewrite_manifest(store: ObjectStore, key: str, ids: set[str]) -> None:
    with store.open(key) as file:
        store.put_stream(key, write_csv(row for row in read_csv(file) if row.utterance not in ids))


def _holds(store: ObjectStore, key: str, gone: Gone) -> bool:
    """Whether a shard does."""
    with _reading(store, key) as tar:
        documents = ((each.name, tar.extractfile(each)) for each in tar if each.name.endswith(".json"))
        return any(gone.holds(parse_model(name, file.read(), ShardRow)) for name, file in documents if file)


@contextmanager
def _reading(store: ObjectStore, key: str) -> Iterator[tarfile.TarFile]:
    try:
        with store.open(key) as file, tarfile.open(fileobj=file, mode="r|") as tar:
            yield tar
    except tarfile.TarError as error:
        raise BadInput(f"{key} is damaged ({error}); delete it") from error


def _rewrite_shard(store: ObjectStore, key: str, ids: set[str]) -> None:
    """Without the pairs of the withdrawn; a shard that holds none is left alone."""
    with _reading(store, key) as tar:
        if not any(_stem(member) in ids for member in tar):
            return
    store.put_stream(key, _kept_members(store, key, ids))


def _kept_members(store: ObjectStore, key: str, ids: set[str]) -> Iterator[bytes]:
    with _reading(store, key) as tar:
        for member in tar:
            content = (tar.extractfile(member) or io.BytesIO()).read()
            if _stem(member) not in ids:
                padding = bytes(-member.size % tarfile.BLOCKSIZE)
                yield member.tobuf(tarfile.PAX_FORMAT) + content + padding
    yield bytes(2 * tarfile.BLOCKSIZE)


def _stem(member: tarfile.TarInfo) -> str:
    return member.name.rpartition(".")[0]
