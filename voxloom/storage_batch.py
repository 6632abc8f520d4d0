"""Many new files of a folder store: written, flushed and named together, with few system calls for each."""

import fcntl
import os
import stat
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, suppress

from voxloom.storage_flush import flush_all

Create = Callable[[str, str], bool]  # key, path of the hidden file: whether it was given that name
Lock = Callable[[str], AbstractContextManager[None]]


def create_all(
    objects: Mapping[str, bytes], root: str, hidden: str, locked: Lock, create: Create
) -> set[str]:
    """Writes the objects into `hidden`, then names them in their order; the keys where there was one before.

    All is on disk before the first has its name, and the names before this returns. `create` takes over
    where a folder vanishes or something is in the way. OSError and what `create` raises may leave some named.
    """
    with ExitStack() as stack:
        above = stack.enter_context(_open(root))
        waiting = stack.enter_context(_written(objects, hidden))
        flush_all(above)
        path = stack.enter_context(closing(_Path(above)))
        there = set()
        for key, temporary in waiting.items():
            with locked(key):
                named = _name(path, key, f"{hidden}/{temporary}")
            if not (create(key, f"{hidden}/{temporary}") if named is None else named):
                there.add(key)
        flush_all(above)
    return there


@contextmanager
def _open(folder: str) -> Iterator[int]:
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield number
    finally:
        os.close(number)


@contextmanager
def _written(objects: Mapping[str, bytes], hidden: str) -> Iterator[dict[str, str]]:
    """The name of a hidden file for each key. Their locks tell that the writer lives; what has no other name
    at the end goes."""
    names = {key: uuid.uuid4().hex for key in objects}
    numbers: list[int] = []
    try:
        for key, name in names.items():
            numbers.append(os.open(f"{hidden}/{name}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
            fcntl.flock(numbers[-1], fcntl.LOCK_EX)
            _write(numbers[-1], objects[key])
            stamp(numbers[-1])
        yield names
    finally:
        for number, name in zip(numbers, names.values(), strict=False):
            os.close(number)
            with suppress(FileNotFoundError):
                os.unlink(f"{hidden}/{name}")


def _write(number: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(number, rest) :]


def stamp(number: int) -> None:
    """The clock of a file system ticks in milliseconds: with a finer time etags differ."""
    os.utime(number, ns=(time.time_ns(), time.time_ns()))


def _name(path: "_Path", key: str, temporary: str) -> bool | None:
    """False where there is an object; None where it takes more than a rename."""
    *folders, name = key.split("/")
    try:
        parent = path.to(folders)
        with suppress(FileNotFoundError):
            if stat.S_ISREG(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
                return False
        os.rename(temporary, name, dst_dir_fd=parent)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        path.close()
        return None
    return True


class _Path:
    """Descriptors of a folder and of those above it: what the next folder shares with it stays open.

    No symbolic link is followed. A folder that was removed meanwhile is found out by the rename, which fails.
    """

    def __init__(self, root: int) -> None:
        self._root = root
        self._open: list[tuple[str, int]] = []

    def to(self, folders: Sequence[str]) -> int:
        """The descriptor of the folder; it and those above are made where they are missing."""
        shared = 0
        while shared < min(len(folders), len(self._open)) and self._open[shared][0] == folders[shared]:
            shared += 1
        self._leave(shared)
        for name in folders[shared:]:
            self._open.append((name, self._enter(name, self._open[-1][1] if self._open else self._root)))
        return self._open[-1][1] if self._open else self._root

    def close(self) -> None:
        self._leave(0)

    def _enter(self, name: str, parent: int) -> int:
        try:
            return open_folder(name, parent)
        except FileNotFoundError:
            with suppress(FileExistsError):
                os.mkdir(name, dir_fd=parent)
            return open_folder(name, parent)

    def _leave(self, keep: int) -> None:
        while len(self._open) > keep:
            os.close(self._open.pop()[1])


def open_folder(name: str, parent: int) -> int:
    """A descriptor of the folder; OSError where it is a link."""
    return os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
