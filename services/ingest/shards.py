"""Tar shards of FLAC and JSON pairs: the same rows give the same bytes, one clip in memory at a time."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

from voxloom import audio, keys
from voxloom.errors import BadInput
from voxloom.manifest import ShardRow, SplitName, Utterance
from voxloom.storage import ObjectStore
from voxloom.tar_member import END, header, padding
from voxloom.threads import ordered_map

MAX_UTTERANCES = 1000
MAX_PCM_BYTES = 256 * 2**20  # before FLAC halves it; known before anything is encoded
_BYTES_PER_S = 2 * audio.SAMPLE_RATE_HZ


class Damaged(Exception):
    """Stored audio is not what its record says."""


@dataclass(frozen=True)
class Shard:
    key: str
    rows: Sequence[Utterance]


def cut(dataset: str, split: SplitName, rows: Iterable[Utterance]) -> Iterator[Shard]:
    """Rows in order, a new one where it would have too many utterances or bytes; one in memory at a time."""
    group: list[Utterance] = []
    index, num_bytes = 0, 0.0
    for row in rows:
        size = row.duration_s * _BYTES_PER_S
        if group and (len(group) >= MAX_UTTERANCES or num_bytes + size > MAX_PCM_BYTES):
            yield Shard(keys.shard(dataset, split, index), group)
            group, index, num_bytes = [], index + 1, 0.0
        group.append(row)
        num_bytes += size
    if group:
        yield Shard(keys.shard(dataset, split, index), group)


def write(store: ObjectStore, shard: Shard, threads: int, progress: Callable[[], None]) -> None:
    """Damaged or NotFound leave nothing behind. `progress` is called for each utterance."""
    store.put_stream(shard.key, _tar(store, shard.rows, threads, progress))


def read_clip(store: ObjectStore, row: Utterance) -> audio.Samples:
    """The samples of a row; Damaged when they are not those that were checked."""
    wav = store.get(row.audio_key)
    if hashlib.sha256(wav).hexdigest() != row.audio_sha256:
        raise Damaged(f"{row.audio_key} has changed since it was stored")
    try:
        return audio.decode(wav).samples
    except BadInput as error:
        raise Damaged(f"{row.audio_key}: {error}") from error


def _tar(
    store: ObjectStore, rows: Sequence[Utterance], threads: int, progress: Callable[[], None]
) -> Iterator[bytes]:
    with closing(ordered_map(lambda row: _pair(store, row), rows, threads)) as pairs:
        for pair in pairs:
            yield pair
            progress()
    yield END


def _pair(store: ObjectStore, row: Utterance) -> bytes:
    flac = audio.encode_flac(read_clip(store, row))
    document = ShardRow(**row.model_dump()).model_dump_json().encode()
    return _member(f"{row.utterance}.flac", flac) + _member(f"{row.utterance}.json", document)


def _member(name: str, content: bytes) -> bytes:
    return header(name, len(content)) + content + padding(len(content))
