"""The HTTP server of OpenAI's protocol: keys, errors and log in one place, as in `rpc_guard` for gRPC."""

import asyncio
import logging
import time
import uuid
from collections.abc import Sequence

import grpc
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from voxloom import logs
from voxloom.errors import BadInput, VoxloomError
from voxloom.rpc_access import Access
from voxloom.rpc_guard import status_of
from voxloom.runtime import cannot_listen

HEALTH = "/health"
_ROUTE = "/openai"  # what a request is called before the keys are looked at
_CLIENT_CLOSED = 499  # nginx's number for a client that went away; only in the log
_RETRY_AFTER_S = 1
_log = logging.getLogger(__name__)


class TooLarge(BadInput):
    """More bytes than one request may have."""


STATUS_OF = {  # what is left is the caller's to act on: 400
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ABORTED: 409,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.UNAVAILABLE: 503,
}


class HttpListener:
    """Serves the routes; they raise VoxloomError and return responses, and do no more."""

    name = "openai"

    def __init__(
        self, host: str, port: int, routes: Sequence[web.RouteDef], api_keys: Sequence[str], drain_s: float
    ) -> None:
        self.address = f"{host}:{port}"
        self._host, self._port = host, port
        app = web.Application(middlewares=[_guard(Access(api_keys))])
        app.add_routes(routes)
        self._runner = web.AppRunner(
            app,
            handler_cancellation=True,  # a client that goes away frees what works for it
            access_log=None,
            auto_decompress=False,  # a small body must not become a large one
            shutdown_timeout=drain_s,
        )

    async def start(self) -> None:
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host.strip("[]"), self._port).start()
        except OSError as error:
            await self._runner.cleanup()
            raise cannot_listen(self.address, error, "VOXLOOM_INFERENCE_HTTP_PORT") from error
        self.address = f"{self._host}:{self._runner.addresses[0][1]}"

    async def stop(self, grace_s: float) -> None:
        await self._runner.cleanup()


def error_body(message: str, kind: str, code: str | None = None) -> dict[str, object]:
    """What OpenAI's clients read of an error."""
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def _guard(access: Access) -> Middleware:
    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        call_id, began_s, status = uuid.uuid4().hex[:12], time.monotonic(), _CLIENT_CLOSED
        with logs.bind(request=call_id):
            try:
                response = await _answer(request, handler, access, call_id)
                status = response.status
                return response
            finally:
                level = logging.DEBUG if request.path == HEALTH else logging.INFO
                ms = round((time.monotonic() - began_s) * 1000)
                _log.log(level, "%s %s %d in %d ms", request.method, request.path[:100], status, ms)

    return guard


async def _answer(request: web.Request, handler: Handler, access: Access, call_id: str) -> web.StreamResponse:
    """The handler's response; its exceptions leave as one status each."""
    try:
        if request.path != HEALTH:
            access.check(_ROUTE, [(name.lower(), value) for name, value in request.headers.items()])
        response = await handler(request)
    except VoxloomError as error:
        response = _refusal(error)
    except web.HTTPException as error:
        message = (
            f"{request.method} {request.path[:100]}: {error.reason}; docs/clients.md lists what there is"
        )
        response = web.json_response(error_body(message, "invalid_request_error"), status=error.status)
    except (asyncio.CancelledError, ConnectionError):
        raise
    except Exception:  # noqa: BLE001 - the edge: whatever is left becomes one 500
        _log.exception("internal error in %s %s", request.method, request.path)
        message = f"internal error {call_id}; the log of the service has it under this id"
        response = web.json_response(error_body(message, "server_error"), status=500)
    if not response.prepared:
        response.headers["x-request-id"] = call_id
    return response


def _refusal(error: VoxloomError) -> web.Response:
    status = 413 if isinstance(error, TooLarge) else STATUS_OF.get(status_of(error), 400)
    kind = "server_error" if status >= 500 else "invalid_request_error"
    code = {401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded"}.get(status)
    headers = {"Retry-After": str(_RETRY_AFTER_S)} if status in (429, 503) else {}
    return web.json_response(error_body(str(error), kind, code), status=status, headers=headers)
