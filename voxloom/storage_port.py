"""The object store port: the truth of voxloom lies behind these nine methods."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import BinaryIO, Protocol, TypeVar

from voxloom.errors import BadInput, Conflict
from voxloom.keys import check_key

T = TypeVar("T")


@dataclass(frozen=True)
class ObjectInfo:
    key: str
    size: int  # bytes
    etag: str  # changes whenever the content is written anew


class ObjectStore(Protocol):
    """Objects by key. Every adapter guarantees:

    - a put is atomic: readers see the old object or the new one whole, also after a crash in mid-write;
    - a put that returned is durable and visible to every client at once (read-after-write);
    - of many racing conditional puts exactly one wins, the others raise Conflict;
    - keys pass `keys.check_key`, else BadInput: no key reaches outside the store.

    A store that cannot be reached raises Unavailable, after the adapter's own retries. One thing is asked in
    return: no key is the folder of another (`a` and `a/b`), because a folder cannot hold both.
    """

    def put(self, key: str, data: bytes, *, if_absent: bool = False, if_match: str | None = None) -> str:
        """Writes the object and returns its etag. `if_absent` creates only; `if_match` replaces only
        the version with that etag; Conflict when the condition does not hold."""

    def put_new(self, objects: Mapping[str, bytes]) -> set[str]:
        """Creates these objects, for less than a put of each: all are durable in the end. Returns the keys
        where there was one before, which stays. After an error some of them may be there."""

    def put_stream(self, key: str, chunks: Iterable[bytes]) -> str:
        """Writes an object of unknown size in bounded memory; nothing is visible if `chunks` raises."""

    def get(self, key: str) -> bytes:
        """The whole object; NotFound if there is none."""

    def get_with_etag(self, key: str) -> tuple[bytes, str]:
        """Content and the etag of that very content, for compare-and-swap; NotFound if there is none."""

    def open(self, key: str) -> AbstractContextManager[BinaryIO]:
        """A streamed read in bounded memory, seekable at the cost of a request; NotFound if there is none."""

    def stat(self, key: str) -> ObjectInfo:
        """Size and etag; NotFound if there is none."""

    def list_page(self, prefix: str, *, start_after: str = "", limit: int = 1000) -> list[ObjectInfo]:
        """Up to `limit` objects whose keys start with `prefix`, after `start_after`, in code-point order."""

    def delete(self, key: str) -> None:
        """Removes the object; no error if there is none."""


def created(store: ObjectStore, key: str, data: bytes) -> bool:
    """Writes the object unless there is one; whether it was written."""
    try:
        store.put(key, data, if_absent=True)
    except Conflict:
        return False
    return True


def walk(
    entries: Callable[[str], Iterable[tuple[str, T]]], prefix: str, after: str, folder: str | None = None
) -> Iterator[tuple[str, T]]:
    """Keys below `prefix` and behind `after`, in code-point order, for a store that knows folders.

    `entries` gives the names in a folder (`""` or `a/b/`), those of folders with a slash at the end. A folder
    counts as `name/` in the order: `a-b` and `a.b` come before what is in `a`. Only folders that can hold a
    wanted key are entered.
    """
    if folder is None:
        folder = prefix[: prefix.rfind("/") + 1]
    for name, value in sorted(entries(folder), key=lambda entry: entry[0]):
        path = folder + name
        if not name.endswith("/"):
            if path.startswith(prefix) and path > after:
                yield path, value
        elif (path.startswith(prefix) or prefix.startswith(path)) and (
            path > after or after.startswith(path)
        ):
            yield from walk(entries, prefix, after, path)


def check_page(prefix: str, start_after: str, limit: int) -> None:
    """Raises BadInput for arguments of `list_page` that no adapter takes."""
    for part in (prefix, start_after):
        if part:
            check_key(part.removesuffix("/"))
    if limit < 1:
        raise BadInput(f"list limit is {limit}; expected 1 or more")
