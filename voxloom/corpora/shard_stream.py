"""Manifests and shards of a dataset as they come over gRPC: one clip at a time, never a shard in memory."""

import io
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from typing import Any

import soundfile
from pydantic import ValidationError

from voxloom.audio import SAMPLE_RATE_HZ
from voxloom.errors import BadInput
from voxloom.manifest import ShardRow, Utterance, read_csv

_MAX_MEMBER_BYTES = 64 * 2**20


class Container(StrEnum):
    """The file that an exported clip is."""

    flac = "flac"
    wav = "wav"


@dataclass(frozen=True)
class Clip:
    row: ShardRow
    flac: bytes


def rows(parts: Iterable[Any]) -> Iterator[Utterance]:
    """The rows of one split, from messages with `csv`."""
    return read_csv(io.BufferedReader(_Joined(part.csv for part in parts)))


def clips(parts: Iterable[Any]) -> Iterator[Clip]:
    """The pairs of all shards in order, from messages with `shard` and `tar`; BadInput for a damaged one."""
    for shard, of_shard in groupby(parts, key=lambda part: part.shard):
        try:
            yield from _pairs(shard, _Joined(part.tar for part in of_shard))
        except (tarfile.TarError, EOFError, ValidationError) as error:
            raise BadInput(f"{shard} is damaged: {str(error)[:200]}; build the dataset again") from error


def _pairs(shard: str, stream: "_Joined") -> Iterator[Clip]:
    with tarfile.open(fileobj=io.BufferedReader(stream), mode="r|") as tar:
        flac = b""
        for member in tar:
            content = _content(shard, tar, member)
            if member.name.endswith(".flac"):
                flac = content
            else:
                yield Clip(ShardRow.model_validate_json(content), flac)
            tar.members = []  # type: ignore[attr-defined]  # else every header stays in memory


def _content(shard: str, tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    opened = tar.extractfile(member) if member.isreg() and member.size <= _MAX_MEMBER_BYTES else None
    if opened is None:
        raise BadInput(f"{shard} holds {member.name[:100]!r}, which is no clip; build the dataset again")
    return opened.read()


class _Joined(io.RawIOBase):
    """Messages as one file to read from; one message is held at a time."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._rest = memoryview(chunk)
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


def encoded(clip: Clip, container: Container) -> bytes:
    """The audio as a file; WAV has the samples of the FLAC bit for bit."""
    if container is Container.flac:
        return clip.flac
    samples, rate_hz = soundfile.read(io.BytesIO(clip.flac), dtype="int16")
    if rate_hz != SAMPLE_RATE_HZ or samples.ndim != 1:
        raise BadInput(f"{clip.row.utterance} has {rate_hz} Hz; expected mono {SAMPLE_RATE_HZ} Hz")
    out = io.BytesIO()
    soundfile.write(out, samples, rate_hz, format="WAV", subtype="PCM_16")
    return out.getvalue()
