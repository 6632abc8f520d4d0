"""The tar stream of a corpus, made on the fly: no copy on disk, same corpus, same bytes."""

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from voxloom.cli.corpus import Corpus, Source, inside
from voxloom.corpora.parts import Recordings
from voxloom.errors import BadInput
from voxloom.tar_member import END, header, padding

CHUNK_BYTES = 64 * 1024


def pack(corpus: Corpus) -> Iterator[bytes]:
    """The tar, in pieces of any size; without times, owners and modes, so that content alone decides."""
    if corpus.manifest_name:
        yield header(corpus.manifest_name, len(corpus.manifest))
        yield corpus.manifest + padding(len(corpus.manifest))
    with Recordings() as recordings:
        for name in corpus.names:
            source = corpus.sources.get(name)
            if source is not None and source.part is not None:
                yield from _part(name, source, recordings)
            else:
                yield from _member(name, _whole(corpus, name, source))
    yield END


def _whole(corpus: Corpus, name: str, source: Source | None) -> Path:
    """Looked at once more: the disk may have changed since the first look."""
    path = inside(corpus.root, name, name) if source is None else source.file
    if path is None or not path.is_file() or path.resolve() != path:
        raise BadInput(f"{path or corpus.root / name} has gone while it was being sent; import again")
    return path


def _part(name: str, source: Source, recordings: Recordings) -> Iterator[bytes]:
    """Nothing where the recording is damaged: its row then counts as audio_missing."""
    assert source.part is not None
    try:
        content = recordings.flac(source.file, source.part)
    except BadInput:
        return
    yield header(name, len(content))
    yield content + padding(len(content))


def _member(name: str, path: Path) -> Iterator[bytes]:
    with open(path, "rb") as file:
        expected = path.stat().st_size
        yield header(name, expected)
        sent = 0
        while chunk := file.read(CHUNK_BYTES):
            sent += len(chunk)
            yield chunk
        if sent != expected:
            raise BadInput(
                f"{path} changed while it was being sent ({expected} bytes became {sent}); import again"
            )
        yield padding(sent)


def read_tar(path: Path) -> Iterator[bytes]:
    """A ready-made tar as it is, unpacked on the way if it is gzipped."""
    with open(path, "rb") as probe:
        zipped = probe.read(2) == b"\x1f\x8b"
    opened: BinaryIO = gzip.open(path, "rb") if zipped else open(path, "rb")  # type: ignore[assignment]  # noqa: SIM115
    with opened as file:
        try:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk
        except (OSError, EOFError) as error:
            raise BadInput(f"{path} cannot be read: {error}") from error


def rechunk(pieces: Iterator[bytes], chunk_bytes: int = CHUNK_BYTES) -> Iterator[bytes]:
    """The same bytes in messages of one size: small files do not cost a message each."""
    buffer = bytearray()
    for piece in pieces:
        buffer += piece
        start = 0
        while len(buffer) - start >= chunk_bytes:
            yield bytes(buffer[start : start + chunk_bytes])
            start += chunk_bytes
        del buffer[:start]
    if buffer:
        yield bytes(buffer)
