"""How an object of any size passes through the S3 client in bounded memory, in both directions."""

import io
import logging
import time
from collections.abc import Callable, Iterable

import urllib3
from urllib3.exceptions import HTTPError

from voxloom.errors import Conflict, NotFound, Unavailable

log = logging.getLogger(__name__)
_TRIES = 6
_CHUNK_BYTES = 1 << 20

Request = Callable[[dict[str, str]], urllib3.BaseHTTPResponse]  # extra headers -> the answer, body unread


class ChunkReader:
    """An iterator of chunks as the file that the SDK reads; remembers what the iterator raised."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._rest = memoryview(b"")
        self.error: Exception | None = None

    def read(self, size: int) -> bytes:
        parts: list[memoryview] = []
        while size:
            if not self._rest:
                chunk = self._next()
                if chunk is None:
                    break
                self._rest = memoryview(chunk)
            parts.append(self._rest[:size])
            self._rest = self._rest[size:]
            size -= len(parts[-1])
        return b"".join(parts)

    def _next(self) -> bytes | None:
        try:
            return next(self._chunks, None)
        except Exception as error:
            self.error = error
            raise


class ResumingBody(io.RawIOBase):
    """A streamed read that goes on where the connection broke, as long as the object is the same.

    A seek costs nothing until the next read, which then asks for the rest from there.
    """

    _response: urllib3.BaseHTTPResponse | None = None

    def __init__(self, request: Request, key: str) -> None:
        self._request = request
        self._key = key
        self._position = 0
        self._response = request({})
        self.etag = str(self._response.headers.get("etag", "")).strip('"')
        self._size = int(self._response.headers["content-length"])

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if start + offset < 0:
            raise ValueError(f"seek to byte {start + offset} of {self._key}")
        if start + offset != self._position:
            self._drop()
        self._position = start + offset
        return self._position

    def readall(self) -> bytes:
        return b"".join(iter(lambda: self.read(_CHUNK_BYTES) or b"", b""))

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        if self._position >= self._size or not len(buffer):
            return 0
        for attempt in range(_TRIES):
            if data := self._read(len(buffer)):
                buffer[: len(data)] = data
                self._position += len(data)
                return len(data)
            time.sleep(0.1 * 2**attempt)
            self._resume()
        raise Unavailable(f"reading {self._key} keeps breaking off at byte {self._position} of {self._size}")

    def close(self) -> None:
        if not self.closed:
            self._drop()
        super().close()

    def _drop(self) -> None:
        if self._response is not None:
            self._response.close()
            self._response.release_conn()
            self._response = None

    def _read(self, size: int) -> bytes:
        try:
            if self._response is None:
                self._resume()
            assert self._response is not None
            return self._response.read(size)
        except (HTTPError, OSError) as error:
            log.info("reading %s broke at byte %d of %d: %s", self._key, self._position, self._size, error)
            return b""

    def _resume(self) -> None:
        self._drop()
        try:
            wanted = {"Range": f"bytes={self._position}-", "If-Match": f'"{self.etag}"'}
            self._response = self._request(wanted)
        except (Conflict, NotFound) as error:
            raise Unavailable(f"{self._key} was replaced while it was read; read it again") from error
