"""Between the event loop of gRPC and the blocking store: uploads come in, objects go out."""

import asyncio
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from concurrent.futures import CancelledError, Future
from typing import Any, Self

from voxloom.errors import BadInput, Unavailable
from voxloom.rpc import blocking
from voxloom.storage import ObjectStore
from voxloom.v1.ingest_pb2 import ImportCorpusRequest

_PART_BYTES = 64 * 1024


class ChunkBridge:
    """The `tar` parts in order. Once closed it raises Unavailable: a call that was cut off is no end of file.

    One message is read ahead of the store and no more, so a slow disk slows the client down.
    """

    def __init__(self, requests: AsyncIterator[ImportCorpusRequest]) -> None:
        self._requests = requests
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._pending: Future[bytes | None] | None = None
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._closed = True
            if self._pending:
                self._pending.cancel()

    def __iter__(self) -> Iterator[bytes]:
        while (chunk := self._wait_for(self._next())) is not None:
            yield chunk
        self._check_open()

    async def _next(self) -> bytes | None:
        message = await anext(self._requests, None)
        if message is None:
            return None
        if message.WhichOneof("part") != "tar":
            raise BadInput("a second spec, or an empty message; expected `tar` messages after the spec")
        return message.tar

    def _wait_for(self, coroutine: Coroutine[Any, Any, bytes | None]) -> bytes | None:
        with self._lock:
            if self._closed:
                coroutine.close()
                raise _cut_off()
            self._pending = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return self._pending.result()
        except CancelledError as error:
            raise _cut_off() from error

    def _check_open(self) -> None:
        with self._lock:
            if self._closed:
                raise _cut_off()


async def in_parts(store: ObjectStore, key: str) -> AsyncIterator[bytes]:
    """An object in messages of 64 KiB; the store is never waited for in the event loop."""
    with await blocking(store.open, key) as file:
        while part := await blocking(file.read, _PART_BYTES):
            yield part


def _cut_off() -> Unavailable:
    return Unavailable("the upload was cut off; nothing of it was kept, send it again")
