"""The part of a release that a selection wants, as a tar: all its tables, and no clip that was not chosen."""

import posixpath
import tarfile
from collections.abc import Iterator

from voxloom.corpora.archive import File
from voxloom.corpora.commonvoice_choice import Chosen
from voxloom.corpora.commonvoice_tables import TABLES
from voxloom.corpora.refusal import Refusal
from voxloom.errors import BadInput

_BLOCK = tarfile.BLOCKSIZE


def thin(members: Iterator[File | Refusal], chosen: Chosen) -> Iterator[bytes]:
    """A plain tar in pieces of any size, in the order of the archive; same release, same wish, same bytes.

    Whoever makes the same selection of it gets the same clips: the tables go whole.
    """
    for member in members:
        if isinstance(member, File) and (_is_table(member.path, chosen) or chosen.wants(member.path)):
            yield from _pack(member)
    yield bytes(2 * _BLOCK)


def _is_table(path: str, chosen: Chosen) -> bool:
    return posixpath.dirname(path) == chosen.folder and posixpath.basename(path) in TABLES


def _pack(file: File) -> Iterator[bytes]:
    """Without times, owners and modes, so that content alone decides."""
    info = tarfile.TarInfo(file.path)
    info.size = file.size
    yield info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")
    sent = 0
    for piece in file.chunks():
        sent += len(piece)
        yield piece
    if sent != file.size:
        raise BadInput(
            f"{file.path} changed while it was sent ({file.size} bytes became {sent}); import again"
        )
    yield bytes(-sent % _BLOCK)
