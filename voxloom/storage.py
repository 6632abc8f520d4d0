"""The object store: its port, its adapters chosen by URL, and records read and written as JSON."""

import logging
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar
from urllib.parse import SplitResult, unquote, urlsplit

from voxloom.errors import BadInput, Conflict, NotFound
from voxloom.record import R, Record, parse_model, to_document
from voxloom.storage_folder import FolderStore
from voxloom.storage_port import ObjectInfo, ObjectStore

__all__ = [
    "FolderStore",
    "ObjectInfo",
    "ObjectStore",
    "change_model",
    "exists",
    "find_model",
    "folders",
    "list_all",
    "open_store",
    "parse_model",
    "read_model",
    "usable",
    "write_model",
]

_log = logging.getLogger(__name__)
Item = TypeVar("Item")
Found = TypeVar("Found")
_MAX_TRIES = 20  # of a change that others are faster with
_PAGE = 10_000  # records in memory; each page reads its folder anew


def list_all(store: ObjectStore, prefix: str) -> Iterator[ObjectInfo]:
    """Every object under the prefix, sorted, a page at a time."""
    after = ""
    while page := store.list_page(prefix, start_after=after, limit=_PAGE):
        yield from page
        after = page[-1].key


def folders(store: ObjectStore, prefix: str) -> Iterator[str]:
    """The names right under a prefix such as `runs/`: one short listing a name, whatever lies in it."""
    after = ""
    while page := store.list_page(prefix, start_after=after, limit=1):
        name, slash, _ = page[0].key.removeprefix(prefix).partition("/")
        if slash:
            yield name
        after = f"{prefix}{name}0" if slash else page[0].key  # "0" is the character after "/"


def exists(store: ObjectStore, key: str) -> bool:
    """Whether there is an object at `key` now."""
    try:
        store.stat(key)
    except NotFound:
        return False
    return True


def read_model(store: ObjectStore, key: str, model: type[R]) -> R:
    """The JSON document at `key`; BadInput naming the key when it is not a valid `model`."""
    return parse_model(key, store.get(key), model)


def usable(read: Callable[[Item], Found], items: Iterable[Item]) -> Iterator[Found]:
    """What `read` finds for each item; what is gone or cannot be used is left out, and the log says so: one
    bad document does not hide the others."""
    for item in items:
        try:
            yield read(item)
        except (BadInput, NotFound) as error:
            _log.error("left out: %s", error)


def write_model(
    store: ObjectStore, key: str, model: Record, *, if_absent: bool = False, if_match: str | None = None
) -> str:
    """Writes the record as JSON that a person can read; returns the etag."""
    return store.put(key, to_document(model), if_absent=if_absent, if_match=if_match)


def change_model(
    store: ObjectStore, key: str, model: type[R], change: Callable[[R | None], R | None]
) -> tuple[R | None, R | None]:
    """Changes a small document by compare-and-swap; what was there before, and what is there now.

    `change` makes the new one of the old one, None where there is none, and may be called several times; when
    it returns None, or the same again, nothing is written. Conflict when others keep being faster.
    """
    for _ in range(_MAX_TRIES):
        old, etag = find_model(store, key, model)
        new = change(old)
        if new is None or new == old:
            return old, old
        try:
            write_model(store, key, new, if_absent=not etag, if_match=etag or None)
        except Conflict:
            continue
        return old, new
    raise Conflict(f"{key} keeps changing; try again in a moment")


def find_model(store: ObjectStore, key: str, model: type[R]) -> tuple[R | None, str]:
    """The JSON document at `key` and its etag; None and "" where there is none."""
    try:
        data, etag = store.get_with_etag(key)
    except NotFound:
        return None, ""
    return parse_model(key, data, model), etag


def open_store(url: str, *, access_key: str = "", secret_key: str = "", make: bool = True) -> ObjectStore:
    """The store that the URL names: `file:///absolute/folder`, or
    `s3://bucket[/prefix]?endpoint=http://host:port[&region=...]`, whose bucket is made if it is absent
    (without `make`, NotFound)."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise BadInput(f"the store URL cannot be read: {error}; expected file:///absolute/folder") from error
    if parts.scheme == "file":
        return FolderStore(_folder(parts))
    if parts.scheme == "s3":
        from voxloom.storage_minio import MinioStore

        return MinioStore.from_url(url, access_key, secret_key, make=make)
    raise BadInput(
        f"store URL scheme {parts.scheme!r} is unknown; expected file:///absolute/folder"
        " or s3://bucket?endpoint=http://host:port"
    )


def _folder(parts: SplitResult) -> Path:
    if parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
        raise BadInput(
            f"store URL {parts.geturl()!r} names no absolute folder; expected file:///absolute/folder"
        )
    return Path(unquote(parts.path))
