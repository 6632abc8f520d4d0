"""The files of a corpus, from a tar, a gzipped tar or a folder: the same paths, the same refusals."""

import gzip
import os
import stat
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Protocol

from voxloom.corpora.archive import ArchiveLimits, File, is_clutter, too_large, unsafe, walk
from voxloom.corpora.refusal import Reason, Refusal
from voxloom.errors import BadInput

Members = Iterator[File | Refusal]

_GZIP = b"\x1f\x8b"
_MAX_TAIL = 2**20  # bytes after a tar's end mark: padding, then the check sum of a gzip file


class Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


@contextmanager
def from_stream(stream: Readable, limits: ArchiveLimits) -> Iterator[Members]:
    """The files of a tar, unpacked on the way if it is gzipped. BadInput if it is damaged or cut off."""
    head = stream.read(len(_GZIP))
    joined = _Joined(head, stream)
    if head == _GZIP:
        with gzip.GzipFile(fileobj=joined, mode="rb") as unpacked:  # type: ignore[call-overload]
            yield from _closed_after(_to_the_end(_Gunzipped(unpacked), limits))
    else:
        yield from _closed_after(walk(joined, limits))  # type: ignore[arg-type]


def _closed_after(members: Members) -> Iterator[Members]:
    with closing(members):  # type: ignore[type-var]
        yield members


def _to_the_end(stream: "_Gunzipped", limits: ArchiveLimits) -> Members:
    """Also what follows the tar: only at its very end gzip finds out that something was missing."""
    yield from walk(stream, limits)  # type: ignore[arg-type]
    tail = 0
    while tail < _MAX_TAIL and (data := stream.read(64 * 1024)):
        tail += len(data)


class _Joined:
    """A stream whose first bytes were read already."""

    def __init__(self, head: bytes, stream: Readable) -> None:
        self._head = head
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        if not self._head:
            return self._stream.read(size)
        head, self._head = self._head, b""
        if 0 <= size < len(head):
            head, self._head = head[:size], head[size:]
        return head


class _Gunzipped:
    def __init__(self, unpacked: gzip.GzipFile) -> None:
        self._unpacked = unpacked

    def read(self, size: int) -> bytes:
        try:
            return self._unpacked.read(size)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise BadInput(
                f"the archive cannot be unpacked ({error}): it is cut off or damaged; get it anew"
            ) from error


@contextmanager
def from_folder(root: Path, limits: ArchiveLimits) -> Iterator[Members]:
    """The files below a folder, as a tar of it would have them; links are refused, never followed.

    Holds the names of one folder at a time, some 100 bytes each.
    """
    if not root.is_dir():
        raise BadInput(f"{root} is no folder; give the unpacked folder of a corpus, or its archive")
    yield from _closed_after(_walk_folder(root.resolve(), limits))


def _walk_folder(root: Path, limits: ArchiveLimits) -> Members:
    number = 0
    for folder, names, files, descriptor in os.fwalk(root, onerror=_fail):
        below = os.path.relpath(folder, root)
        prefix = "" if below == "." else f"{below}/"
        yield from _prune(names, prefix, descriptor, limits)
        for name in sorted(files):
            if is_clutter(prefix + name):
                continue
            number += 1
            if number > limits.max_members:
                raise BadInput(f"{root} has more than {limits.max_members} files; import it in parts")
            yield _member(prefix + name, name, descriptor, limits)


def _fail(error: OSError) -> None:
    """A folder that cannot be read is no empty one."""
    raise error


def _prune(names: list[str], prefix: str, descriptor: int, limits: ArchiveLimits) -> Iterator[Refusal]:
    """Keeps, sorted, the folders to go into; links and those too deep are refused as a whole."""
    kept = []
    for name in sorted(name for name in names if not is_clutter(prefix + name)):
        path = prefix + name
        if fault := unsafe(path, limits):
            yield Refusal.of(path, Reason.UNSAFE_PATH, fault)
        elif stat.S_ISLNK(os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_mode):
            yield Refusal.of(path, Reason.NOT_A_FILE, "links and devices are never followed")
        else:
            kept.append(name)
    names[:] = kept


def _member(path: str, name: str, descriptor: int, limits: ArchiveLimits) -> File | Refusal:
    if fault := unsafe(path, limits):
        return Refusal.of(path, Reason.UNSAFE_PATH, fault)
    found = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
    if not stat.S_ISREG(found.st_mode):
        return Refusal.of(path, Reason.NOT_A_FILE, "links and devices are never followed")
    refusal = too_large(path, found.st_size, limits)
    return refusal or File(path, found.st_size, -1, partial(_open, name, descriptor))


def _open(name: str, descriptor: int) -> IO[bytes]:
    """By the folder's own descriptor: what was a file may have become a link since."""
    return os.fdopen(os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=descriptor), "rb")
