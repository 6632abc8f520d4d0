"""Shards as local files: fetched ahead of whoever reads them, several at a time, and deleted behind."""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path

from services.trainer.clips import PARALLEL

Members = dict[str, tuple[int, int]]  # where in a local shard each utterance's FLAC begins, and its bytes
Fetch = Callable[[int, Path, threading.Event], Members]  # number, file to write, whether to stop


class LocalShards:
    """The shards that are expected, as files in a folder, and no others: so many bytes of disk it takes.

    A shard that is read without being expected is fetched then, and goes with the next call of `expect`. What
    made a fetch fail is raised where the shard is read.
    """

    def __init__(self, fetch: Fetch, folder: Path, name: str) -> None:
        self._fetch, self._folder, self._name = fetch, folder, name
        self._pool = ThreadPoolExecutor(PARALLEL, thread_name_prefix=f"fetch-{name}")
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._coming: dict[int, Future[Members]] = {}

    def expect(self, shards: Iterable[int]) -> None:
        """Deletes the shards that are not among these, then begins to fetch these in order."""
        wanted = dict.fromkeys(shards)
        with self._lock:
            for shard in [each for each in self._coming if each not in wanted]:
                self._drop(shard)
            for shard in wanted:
                self._come(shard)

    def read(self, shard: int, utterance: str) -> bytes:
        """The FLAC of an utterance; waits until its shard is there."""
        with self._lock:
            coming = self._come(shard)
        begin, num_bytes = coming.result()[utterance]
        with self._path(shard).open("rb") as file:
            file.seek(begin)
            return file.read(num_bytes)

    def close(self) -> None:
        """Fetches nothing any more."""
        self._closed.set()
        self._pool.shutdown(cancel_futures=True)

    def _come(self, shard: int) -> Future[Members]:
        if shard not in self._coming:
            self._coming[shard] = self._pool.submit(self._fetch, shard, self._path(shard), self._closed)
        return self._coming[shard]

    def _drop(self, shard: int) -> None:
        future = self._coming.pop(shard)
        future.cancel() or wait([future])
        self._path(shard).unlink(missing_ok=True)

    def _path(self, shard: int) -> Path:
        return self._folder / f"{self._name}-{shard:05d}.tar"
