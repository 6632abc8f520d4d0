"""The part of a release that a selection wants, as a tar: all its tables, and no clip that was not chosen."""

import posixpath
from collections.abc import Iterator

from voxloom.corpora.archive import File
from voxloom.corpora.commonvoice_choice import Chosen
from voxloom.corpora.commonvoice_tables import TABLES
from voxloom.corpora.refusal import Refusal
from voxloom.errors import BadInput
from voxloom.tar_member import END, header, padding


def thin(members: Iterator[File | Refusal], chosen: Chosen) -> Iterator[bytes]:
    """A plain tar in pieces of any size, in the order of the archive; same release, same wish, same bytes.

    Whoever makes the same selection of it gets the same clips: the tables go whole.
    """
    for member in members:
        if isinstance(member, File) and (_is_table(member.path, chosen) or chosen.wants(member.path)):
            yield from _pack(member)
    yield END


def _is_table(path: str, chosen: Chosen) -> bool:
    return posixpath.dirname(path) == chosen.folder and posixpath.basename(path) in TABLES


def _pack(file: File) -> Iterator[bytes]:
    yield header(file.path, file.size)
    sent = 0
    for piece in file.chunks():
        sent += len(piece)
        yield piece
    if sent != file.size:
        raise BadInput(
            f"{file.path} changed while it was sent ({file.size} bytes became {sent}); import again"
        )
    yield padding(sent)
