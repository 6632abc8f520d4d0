"""Copies of what was withdrawn, in datasets, reports and hypotheses: rewritten without it."""

import io
import json
import tarfile
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from voxloom import forgotten, keys
from voxloom.errors import BadInput, NotFound
from voxloom.forgotten import Clip, ForgetSpec, Withdrawn, digest
from voxloom.manifest import SPLITS, SplitName, Utterance, read_csv, write_csv
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
    rows = {split: list(_rows(store, name, split, gone)) for split in SPLITS}
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
    for document in ("dataset.json", "report.json"):
        _rewrite_document(store, f"manifests/{name}/{document}", ids)
    rewrite_lines(store, f"manifests/{name}/lineage.jsonl", lambda line: line.get("utterance") in ids)
    for split in SPLITS:
        if rows[split]:
            _rewrite_manifest(store, keys.manifest(name, split), ids)
    return len(ids)


def reports(store: ObjectStore, gone: Gone, check: Check) -> None:
    """Lines of import reports that speak of a withdrawn utterance."""
    for info in list(list_all(store, keys.IMPORT_REPORTS)):
        check()
        if info.key.count("/") == 1:
            rewrite_lines(store, info.key, lambda line: line.get("utterance") in gone.utterances)


def hypotheses(store: ObjectStore, model: str, mark: Withdrawn) -> None:
    """What a model heard of withdrawn test utterances, and what was said. By the mark: an earlier run, killed
    since, may have taken the ids out of the manifests."""
    hashes = {each for split in mark.by_split.values() for each in split}
    key = keys.model_file(model, "test_hypotheses.jsonl")
    rewrite_lines(store, key, lambda line: digest(str(line.get("key"))) in hashes)


def remove(store: ObjectStore, key: str) -> bool:
    """Whether it was there."""
    there = exists(store, key)
    store.delete(key)
    return there


def read_document(store: ObjectStore, key: str) -> dict[str, Any]:
    """A JSON object of whatever schema."""
    document = json.loads(store.get(key))
    if not isinstance(document, dict):
        raise BadInput(f"{key} is no JSON object; restore it from a backup, or delete it")
    return document


def rewrite_lines(store: ObjectStore, key: str, drops: Callable[[dict[str, Any]], bool]) -> None:
    """Leaves out lines of a JSONL object; all others stay byte for byte."""
    try:
        if not any(drops(json.loads(line)) for line in _lines(store, key)):
            return
        store.put_stream(key, (line for line in _lines(store, key) if not drops(json.loads(line))))
    except NotFound:
        return


def _lines(store: ObjectStore, key: str) -> Iterator[bytes]:
    with store.open(key) as file:
        yield from file


def _rows(store: ObjectStore, name: str, split: SplitName, gone: Gone) -> Iterator[Utterance]:
    try:
        with store.open(keys.manifest(name, split)) as file:
            yield from (row for row in read_csv(file) if gone.holds(row))
    except NotFound:
        return  # a dataset that is just being written: its builder looks at the store again


def _rewrite_manifest(store: ObjectStore, key: str, ids: set[str]) -> None:
    with store.open(key) as file:
        store.put_stream(key, write_csv(row for row in read_csv(file) if row.utterance not in ids))


def _rewrite_document(store: ObjectStore, key: str, ids: set[str]) -> None:
    """Takes the ids out of examples, wherever they are. They may stand alone or with words around them."""
    try:
        document = read_document(store, key)
    except NotFound:
        return
    scrubbed = _without(document, ids)
    if scrubbed != document:
        store.put(key, json.dumps(scrubbed, indent=2, ensure_ascii=False).encode() + b"\n")


def _without(value: Any, ids: set[str]) -> Any:
    if isinstance(value, dict):
        return {name: _without(each, ids) for name, each in value.items()}
    if isinstance(value, list):
        return [_without(each, ids) for each in value if not _speaks_of(each, ids)]
    return value


def _speaks_of(value: Any, ids: set[str]) -> bool:
    text = value.get("utterance", "") if isinstance(value, dict) else value
    return isinstance(text, str) and any(word.strip(":,") in ids for word in text.split())


def _rewrite_shard(store: ObjectStore, key: str, ids: set[str]) -> None:
    """Without the pairs of the withdrawn; a shard that holds none is left alone."""
    try:
        with store.open(key) as file, tarfile.open(fileobj=file, mode="r|") as tar:
            if not any(_stem(member) in ids for member in tar):
                return
        store.put_stream(key, _kept_members(store, key, ids))
    except NotFound:
        return
    except tarfile.TarError as error:
        raise BadInput(f"{key} is damaged ({error}); delete it and build the dataset again") from error


def _kept_members(store: ObjectStore, key: str, ids: set[str]) -> Iterator[bytes]:
    with store.open(key) as file, tarfile.open(fileobj=file, mode="r|") as tar:
        for member in tar:
            content = (tar.extractfile(member) or io.BytesIO()).read()
            if _stem(member) not in ids:
                padding = bytes(-member.size % tarfile.BLOCKSIZE)
                yield member.tobuf(tarfile.PAX_FORMAT) + content + padding
    yield bytes(2 * tarfile.BLOCKSIZE)


def _stem(member: tarfile.TarInfo) -> str:
    return member.name.rpartition(".")[0]
