"""A tar from anywhere, read as a stream and never unpacked to disk: safe files out, everything else refused.

tarfile alone is not enough on hostile input: it ends silently where an archive is damaged, takes headers
of any size into memory, and recurses through chains of them.
"""

import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import IO, Any, BinaryIO, Self

from voxloom.corpora.refusal import Reason, Refusal, printable
from voxloom.corpora.seen import Seen
from voxloom.errors import BadInput

_BUFFER = 128 * 1024
_HEADER_ALLOWANCE = 256 * 1024 + 2 * _BUFFER  # of one member, with what tarfile reads ahead
_MAX_LINE = 64 * 1024
_TABLE_ENDINGS = (".tsv", "times.txt")
_TAR_FAULTS = (
    tarfile.TarError,
    EOFError,
    ValueError,
    OverflowError,
    IndexError,
    KeyError,
    TypeError,
    RecursionError,
)


@dataclass(frozen=True)
class ArchiveLimits:
    max_members: int = 500_000
    max_file_bytes: int = 64 * 1024 * 1024
    max_table_bytes: int = 64 * 1024 * 1024  # of a table, which is read by lines and never held in memory
    max_depth: int = 16
    max_path_length: int = 500


@dataclass(frozen=True)
class File:
    """A regular file of the archive; readable until the next one is asked for."""

    path: str  # relative, without `.` and `..`
    size: int  # bytes
    offset: int  # of its first byte in the plain tar
    _open: Callable[[], IO[bytes]]

    def read(self) -> bytes:
        with _readable(), self._open() as stream:
            return stream.read()

    def chunks(self) -> Iterator[bytes]:
        """The content in pieces, for files of any size."""
        with _readable(), self._open() as stream:
            while piece := stream.read(_BUFFER):
                yield piece

    def lines(self) -> Iterator[bytes | None]:
        """Line after line without its end; None for one that is too long to be meant."""
        with _readable(), self._open() as stream:
            while line := stream.readline(_MAX_LINE):
                if line.endswith(b"\n") or len(line) < _MAX_LINE:
                    yield line.rstrip(b"\r\n")
                    continue
                while line and not line.endswith(b"\n"):
                    line = stream.readline(_MAX_LINE)
                yield None


def walk(stream: BinaryIO, limits: ArchiveLimits) -> Iterator[File | Refusal]:
    """The files of a plain tar in its order; BadInput when the archive as a whole cannot be used."""
    source = _Metered(stream)
    with _opened(source) as tar, Seen() as seen:
        for number, member in enumerate(_members(tar, source)):
            if number >= limits.max_members:
                raise BadInput(f"the archive has more than {limits.max_members} members; import it in parts")
            path = _relative(member.name)
            if member.isdir() or is_clutter(path):
                continue
            refusal = _find_refusal(member, path, limits) or _find_duplicate(path, seen)
            yield refusal or File(path, member.size, member.offset_data, partial(_extract, tar, member))


class _Metered:
    """Counts the bytes that tarfile reads, up to a limit that is set anew for each member."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._position = 0
        self.limit = _HEADER_ALLOWANCE
        self.at_end_mark = False

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self._position += len(data)
        if self._position > self.limit:
            raise BadInput(
                f"the archive has member headers of more than {_HEADER_ALLOWANCE} bytes; make it anew"
            )
        return data


@contextmanager
def _opened(source: _Metered) -> Iterator[tarfile.TarFile]:
    class Member(tarfile.TarInfo):
        @classmethod
        def fromtarfile(cls, archive: tarfile.TarFile) -> Self:
            """Notes the mark that ends every whole archive: tarfile does not tell it from damage."""
            try:
                return super().fromtarfile(archive)
            except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
                source.at_end_mark = True
                raise

    with _readable():
        tar = tarfile.open(fileobj=source, mode="r|", tarinfo=Member, bufsize=_BUFFER)  # type: ignore[call-overload]  # noqa: SIM115
    with tar:
        yield tar


def _members(tar: Any, source: _Metered) -> Iterator[tarfile.TarInfo]:
    while member := _next(tar):
        if member.size < 0:
            raise BadInput(f"{printable(member.name)} has a negative size; make the archive anew")
        if member.issparse():
            raise BadInput(f"{printable(member.name)} is a sparse file; make the archive without --sparse")
        tar.members = []  # else every header stays in memory
        source.limit = member.offset_data + member.size + _HEADER_ALLOWANCE
        yield member
        _skip(tar.fileobj, tar.offset)
    if not source.at_end_mark:
        raise BadInput(
            "the archive is cut off or damaged: its end mark is missing; send the whole file again"
        )


def _next(tar: Any) -> tarfile.TarInfo | None:
    with _readable():
        member: tarfile.TarInfo | None = tar.next()
        return member


def _skip(stream: Any, offset: int) -> None:
    """To the next header. tarfile's own skipping goes on behind the end, for as long as a size says."""
    while (rest := offset - stream.tell()) > 0:
        if not stream.read(min(rest, _BUFFER)):
            raise BadInput("the archive is cut off: its last file is longer; send the whole archive again")


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except _TAR_FAULTS as error:
        raise BadInput(
            f"the archive cannot be read ({printable(str(error)) or type(error).__name__}); expected a whole "
            "tar, not compressed: make it with `tar cf`, or send it with `voxloom import`"
        ) from error


def _extract(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    opened = tar.extractfile(member)
    assert opened is not None, "only regular files come here"
    return opened


def _relative(name: str) -> str:
    """Without `./` in front and between; a leading `/` and `..` stay, to be refused."""
    absolute = "/" if name.startswith("/") else ""
    return absolute + "/".join(part for part in name.split("/") if part not in ("", "."))


def is_clutter(path: str) -> bool:
    """What a Mac adds to each file of a tar; it is nobody's clip."""
    return any(part.startswith("._") or part == "__MACOSX" for part in path.split("/"))


def _find_refusal(member: tarfile.TarInfo, path: str, limits: ArchiveLimits) -> Refusal | None:
    if fault := unsafe(path, limits):
        return Refusal.of(path, Reason.UNSAFE_PATH, fault)
    if not member.isreg():
        return Refusal.of(path, Reason.NOT_A_FILE, "links and devices are never followed")
    return too_large(path, member.size, limits)


def too_large(path: str, size: int, limits: ArchiveLimits) -> Refusal | None:
    most = limits.max_table_bytes if path.endswith(_TABLE_ENDINGS) else limits.max_file_bytes
    if size > most:
        return Refusal.of(path, Reason.FILE_TOO_LARGE, f"{size} bytes; at most {most} are allowed")
    return None


def _find_duplicate(path: str, seen: Seen) -> Refusal | None:
    if seen.add(path):
        return None
    return Refusal.of(path, Reason.DUPLICATE_PATH, "the first one of this name was taken")


def unsafe(path: str, limits: ArchiveLimits) -> str:
    """Why a path is not one of a file inside a corpus, or ""."""
    if not path or path.startswith("/") or ".." in path.split("/"):
        return "leads out of the archive"
    if not path.isprintable():
        return "has control characters or is not UTF-8"
    if len(path) > limits.max_path_length or path.count("/") >= limits.max_depth:
        return f"longer than {limits.max_path_length} characters or deeper than {limits.max_depth} folders"
    return ""
