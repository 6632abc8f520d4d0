"""An HTTP server beside a service's gRPC: bound, drained and closed in one place. Needs aiohttp."""

import asyncio
import contextlib
from collections.abc import Sequence

import grpc
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from voxloom.runtime import cannot_listen

_STATUS_OF = {  # what is left is the caller's to act on: 400
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ABORTED: 409,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
    grpc.StatusCode.INTERNAL: 500,
    grpc.StatusCode.UNKNOWN: 500,
}
MAX_BODY_BYTES = 1 << 20  # of a request that is read as a whole; what streams in bounds itself
_CLOSE_S = 2.0  # for what is left after draining: connections without a request


def http_status(code: grpc.StatusCode) -> int:
    return _STATUS_OF.get(code, 400)


class HttpListener:
    """A `runtime.Listener`. The routes answer, `middlewares` guard them; the first one is the outermost."""

    def __init__(
        self, name: str, address: tuple[str, int], variable: str, middlewares: Sequence[Middleware]
    ) -> None:
        """`address`: host and port, 0 for a free one; `variable` names the setting of the port."""
        self.name = name
        self._host, self._port = address
        self.address = f"{self._host}:{self._port}"
        self._variable = variable
        self._under_way = 0
        self._idle = asyncio.Event()
        self.draining = asyncio.Event()  # what would not end by itself ends when it is set
        self.app = web.Application(middlewares=[self._count, *middlewares], client_max_size=MAX_BODY_BYTES)
        self._runner = web.AppRunner(
            self.app,
            handler_cancellation=True,  # a client that goes away frees what works for it
            access_log=None,
            auto_decompress=False,  # a small body must not become a large one
            shutdown_timeout=_CLOSE_S,
        )

    async def start(self) -> None:
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host.strip("[]"), self._port).start()
        except OSError as error:
            await self._runner.cleanup()
            raise cannot_listen(self.address, error, self._variable) from error
        self.address = f"{self._host}:{self._runner.addresses[0][1]}"

    async def stop(self, grace_s: float) -> None:
        """Waits for requests under way, here and not in aiohttp: that reads no more of a body from the moment
        it begins to close, so that an upload would hang to the end of the grace and then be lost."""
        self.draining.set()
        for site in list(self._runner.sites):
            await site.stop()
        if self._under_way:
            self._idle.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace_s):
                    await self._idle.wait()
        await self._runner.cleanup()

    @property
    def _count(self) -> Middleware:
        @web.middleware
        async def count(request: web.Request, handler: Handler) -> web.StreamResponse:
            self._under_way += 1
            try:
                response = await handler(request)
            finally:
                self._under_way -= 1
                if not self._under_way:
                    self._idle.set()
            if self.draining.is_set():
                response.force_close()  # the next request on this connection finds another server
            return response

        return count
