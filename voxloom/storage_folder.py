"""The object store port on a folder: plain files, safe between all threads and processes that share it."""

import contextlib
import errno
import fcntl
import hashlib
import os
import shutil
import stat as stat_flags
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from io import FileIO
from pathlib import Path
from typing import BinaryIO

from voxloom.errors import BadInput, Conflict, NotFound, Unavailable
from voxloom.keys import check_key
from voxloom.storage_batch import create_all, open_folder, stamp
from voxloom.storage_flush import can_flush_all
from voxloom.storage_port import ObjectInfo, check_page, created, walk

_HIDDEN = ".voxloom"  # no key begins with a dot, so nothing in here is an object
_NUM_LOCKS = 64
_STALE_S = 3600.0
_CHUNK = 1 << 20
_MAX_TRIES = 100  # a folder pruned just now by a delete is made again


class FolderStore:
    """Objects as plain files under a folder, safe between threads and processes that share it.

    An object is written to a hidden file, flushed to disk and renamed. Renames and deletes of one key hold a
    file lock, which the system releases when its process dies. Paths are walked folder by folder without
    following symbolic links, so a link placed in the store leads nowhere.
    """

    def __init__(self, root: Path) -> None:
        try:
            root.mkdir(parents=True, exist_ok=True)
            self._root = root.resolve(strict=True)
            for name in ("tmp", "locks"):
                (self._root / _HIDDEN / name).mkdir(parents=True, exist_ok=True)
            self._sweep()
        except OSError as error:
            raise _unavailable(error, root) from error

    def put(self, key: str, data: bytes, *, if_absent: bool = False, if_match: str | None = None) -> str:
        check_key(key)
        with self._temporary() as (temporary, file):
            self._write(file, data)
            return self._publish(key, temporary, file, if_absent, if_match)

    def put_new(self, objects: Mapping[str, bytes]) -> set[str]:
        if not can_flush_all():
            return {key for key, data in objects.items() if not created(self, key, data)}
        hidden = f"{self._root}/{_HIDDEN}/tmp"
        with self._translated():
            return create_all(
                {check_key(key): data for key, data in objects.items()},
                *(str(self._root), hidden, self._locked, self._create),
            )

    def put_stream(self, key: str, chunks: Iterable[bytes]) -> str:
        check_key(key)
        with self._temporary() as (temporary, file):
            for chunk in chunks:
                self._write(file, chunk)
            return self._publish(key, temporary, file, False, None)

    def get(self, key: str) -> bytes:
        return self.get_with_etag(key)[0]

    def get_with_etag(self, key: str) -> tuple[bytes, str]:
        with self.open(key) as file, self._translated():
            return file.read(), _etag(os.fstat(file.fileno()))

    def open(self, key: str) -> AbstractContextManager[BinaryIO]:
        *folders, name = check_key(key).split("/")
        try:
            with self._translated(), self._walk(folders) as parent:
                # Without O_NONBLOCK a named pipe in the folder would wait for a writer.
                number = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=parent)
        except NotFound:
            raise _missing(key) from None
        if not stat_flags.S_ISREG(os.fstat(number).st_mode):
            os.close(number)
            raise _missing(key)
        return os.fdopen(number, "rb", buffering=_CHUNK)

    def stat(self, key: str) -> ObjectInfo:
        *folders, name = check_key(key).split("/")
        try:
            with self._translated(), self._walk(folders) as parent:
                found = os.stat(name, dir_fd=parent, follow_symlinks=False)
        except NotFound:
            raise _missing(key) from None
        if not stat_flags.S_ISREG(found.st_mode):
            raise _missing(key)
        return ObjectInfo(key, found.st_size, _etag(found))

    def list_page(self, prefix: str, *, start_after: str = "", limit: int = 1000) -> list[ObjectInfo]:
        check_page(prefix, start_after, limit)
        page: list[ObjectInfo] = []
        with self._translated():
            for key, _ in walk(self._entries, prefix, start_after):
                # Deleted since its folder was read, or a file that somebody else put there.
                with contextlib.suppress(NotFound, BadInput):
                    page.append(self.stat(key))
                if len(page) == limit:
                    break
        return page

    def delete(self, key: str) -> None:
        *folders, name = check_key(key).split("/")
        with (
            contextlib.suppress(NotFound),
            self._translated(),
            self._locked(key),
            self._walk(folders) as parent,
        ):
            with contextlib.suppress(IsADirectoryError):
                os.unlink(name, dir_fd=parent)
                os.fsync(parent)
        self._prune(folders)

    def _entries(self, folder: str) -> Iterator[tuple[str, None]]:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):  # gone since it was listed
            with self._walk(folder.split("/")[:-1]) as number, os.scandir(number) as entries:
                for entry in entries:
                    if not entry.name.startswith("."):
                        yield entry.name + ("/" if entry.is_dir(follow_symlinks=False) else ""), None

    @contextlib.contextmanager
    def _temporary(self) -> Iterator[tuple[str, FileIO]]:
        """A hidden file of this writer, gone afterwards. Its lock tells `_sweep` that the writer lives."""
        path = f"{self._root}/{_HIDDEN}/tmp/{uuid.uuid4().hex}"
        with self._translated():
            file = open(path, "xb", buffering=0)  # noqa: SIM115
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield path, file
        finally:
            file.close()
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)

    def _write(self, file: FileIO, data: bytes) -> None:
        with self._translated():
            rest = memoryview(data)
            while rest:
                rest = rest[file.write(rest) :]

    def _publish(self, key: str, temporary: str, file: FileIO, if_absent: bool, if_match: str | None) -> str:
        with self._translated():
            stamp(file.fileno())
            os.fsync(file.fileno())
            with self._locked(key):
                if if_absent or if_match is not None:
                    self._check_condition(key, if_absent, if_match)
                self._rename(temporary, key)
            return _etag(os.fstat(file.fileno()))

    def _create(self, key: str, temporary: str) -> bool:
        """Renames unless there is an object."""
        with self._locked(key):
            if self._find_etag(key) is not None:
                return False
            self._rename(temporary, key, flush=False)
            return True

    def _find_etag(self, key: str) -> str | None:
        try:
            return self.stat(key).etag
        except NotFound:
            return None

    def _check_condition(self, key: str, if_absent: bool, if_match: str | None) -> None:
        found = self._find_etag(key)
        if if_absent and found is not None:
            raise Conflict(f"{key} exists already")
        if if_match is not None and found != if_match:
            raise Conflict(f"{key} has changed since it was read (etag {found}, expected {if_match})")

    def _rename(self, temporary: str, key: str, *, flush: bool = True) -> None:
        *folders, name = key.split("/")
        for _ in range(_MAX_TRIES):
            try:
                with self._walk(folders, make=True, flush=flush) as parent:
                    os.rename(temporary, name, dst_dir_fd=parent)
                    if flush:
                        os.fsync(parent)
                return
            except FileNotFoundError:
                continue
            except IsADirectoryError:
                self._prune([*folders, name])
            except NotADirectoryError as error:
                raise BadInput(f"{key} cannot be written: a part of its path is a file or a link") from error
        raise BadInput(f"{key} cannot be written: it is a folder, or its folder keeps vanishing")

    @contextlib.contextmanager
    def _walk(self, folders: Sequence[str], *, make: bool = False, flush: bool = True) -> Iterator[int]:
        """A descriptor of the folder, reached step by step without following links."""
        number = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            for name in folders:
                try:
                    below = open_folder(name, number)
                except FileNotFoundError:
                    if not make:
                        raise
                    _make_folder(name, number, flush)
                    below = open_folder(name, number)
                os.close(number)
                number = below
            yield number
        finally:
            os.close(number)

    def _prune(self, folders: Sequence[str]) -> None:
        """Removes the folder and those above it, as far as they are empty; one just filled stays."""
        with contextlib.suppress(OSError):
            for end in range(len(folders) - 1, -1, -1):
                with self._walk(folders[:end]) as parent:
                    os.rmdir(folders[end], dir_fd=parent)

    @contextlib.contextmanager
    def _locked(self, key: str) -> Iterator[None]:
        index = int.from_bytes(hashlib.blake2b(key.encode(), digest_size=4).digest()) % _NUM_LOCKS
        number = os.open(f"{self._root}/{_HIDDEN}/locks/{index:02d}", os.O_WRONLY | os.O_CREAT, 0o666)
        try:
            fcntl.flock(number, fcntl.LOCK_EX)
            yield
        finally:
            os.close(number)

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NotFound(str(error)) from error
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise NotFound(str(error)) from error
            raise _unavailable(error, self._root) from error

    def _sweep(self) -> None:
        """Removes what writers that were killed left behind."""
        for path in (self._root / _HIDDEN / "tmp").iterdir():
            with contextlib.suppress(FileNotFoundError, BlockingIOError), path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if time.time() - os.fstat(file.fileno()).st_mtime > _STALE_S:
                    path.unlink()


def _make_folder(name: str, parent: int, flush: bool) -> None:
    with contextlib.suppress(FileExistsError):
        os.mkdir(name, dir_fd=parent)
        if flush:
            os.fsync(parent)


def _etag(found: os.stat_result) -> str:
    return f"{found.st_ino:x}-{found.st_mtime_ns:x}-{found.st_size:x}"


def _missing(key: str) -> NotFound:
    return NotFound(f"there is no object {key}")


def _unavailable(error: OSError, root: Path) -> Unavailable:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        free = shutil.disk_usage(root).free
        return Unavailable(
            f"the disk that holds the store {root} is full ({free / 1e6:.1f} MB free);"
            " nothing was written: free some space there, then try again"
        )
    return Unavailable(f"the store folder {root} cannot be used: {error.strerror or error}; check the disk")
