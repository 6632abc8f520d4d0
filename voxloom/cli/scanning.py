"""A pass over a local archive or folder, with its progress."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from voxloom.cli.output import Meter, size
from voxloom.corpora.archive import ArchiveLimits
from voxloom.corpora.members import Members, from_folder, from_stream
from voxloom.errors import BadInput


@contextmanager
def opened(path: Path, label: str, limits: ArchiveLimits) -> Iterator[Members]:
    """The files of a tar, gzipped or not, or of a folder."""
    if not path.exists():
        raise BadInput(f"{path} does not exist; give the .tar.gz of a release, or its unpacked folder")
    with Meter(label) as meter:
        if path.is_dir():
            with from_folder(path, limits) as members:
                yield _counted(members, meter)
        else:
            with open(path, "rb") as file, from_stream(_Watched(file, path, meter), limits) as members:
                yield members


def _counted(members: Members, meter: Meter) -> Members:
    for number, member in enumerate(members, start=1):
        yield member
        meter.update(number, 0, f"{number} files")


class _Watched:
    """A file that shows how much of it was read."""

    def __init__(self, file: BinaryIO, path: Path, meter: Meter) -> None:
        self._file = file
        self._meter = meter
        self._total = path.stat().st_size
        self._position = 0

    def read(self, size_wanted: int = -1) -> bytes:
        data = self._file.read(size_wanted)
        self._position += len(data)
        self._meter.update(self._position, self._total, f"{size(self._position)} of {size(self._total)}")
        return data
