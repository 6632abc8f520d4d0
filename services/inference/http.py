"""The HTTP server of OpenAI's protocol: keys, errors and log in one place, as in `rpc_guard` for gRPC."""

import asyncio
import logging
import time
import uuid
from collections.abc import Sequence

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from voxloom import logs
from voxloom.errors import BadInput, VoxloomError
from voxloom.http import HttpListener, http_status
from voxloom.rpc_access import Access
from voxloom.rpc_guard import status_of

HEALTH = "/health"
_ROUTE = "/openai"  # what a request is called before the keys are looked at
_CLIENT_CLOSED = 499  # nginx's number for a client that went away; only in the log
_RETRY_AFTER_S = 1
_log = logging.getLogger(__name__)


class TooLarge(BadInput):
    """More bytes than one request may have."""


def listener(host: str, port: int, routes: Sequence[web.RouteDef], api_keys: Sequence[str]) -> HttpListener:
    """Serves the routes; they raise VoxloomError and return responses, and do no more."""
    made = HttpListener("openai", (host, port), "VOXLOOM_INFERENCE_HTTP_PORT", [_guard(Access(api_keys))])
    made.app.add_routes(routes)
    return made


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
    status = 413 if isinstance(error, TooLarge) else http_status(status_of(error))
    kind = "server_error" if status >= 500 else "invalid_request_error"
    code = {401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded"}.get(status)
    headers = {"Retry-After": str(_RETRY_AFTER_S)} if status in (429, 503) else {}
    return web.json_response(error_body(str(error), kind, code), status=status, headers=headers)
