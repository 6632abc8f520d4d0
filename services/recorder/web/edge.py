"""The studio's HTTP server: static pages, who looks at them, and RPCs; no logic of its own."""

import asyncio
import json
import logging
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import grpc
from aiohttp import web
from aiohttp.typedefs import Handler
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.recorder.web import bridge
from services.recorder.web.bridge import MAX_FRAME_BYTES, Bridge, Refused
from services.recorder.web.callers import COOKIE, Callers
from services.recorder.web.methods import METHODS, Method, as_json
from voxloom import keys
from voxloom.errors import BadInput, NotFound, VoxloomError
from voxloom.http import HttpListener
from voxloom.peers import Peers
from voxloom.v1 import recorder_pb2 as pb

PAGES = Path(__file__).parent.parent / "studio"
_PAGES = {"/": "record.html", "/review": "review.html", "/loop": "loop.html", "/try": "try.html"}
_ROOT_FILES = ("sw.js",)  # a service worker rules what lies beside and below it
_SERVICES = ("recorder", "ingest", "trainer", "optimizer", "inference")
_HEALTH_S = 2.0
_YEAR_S = 365 * 24 * 3600
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; media-src 'self' blob:; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "Permissions-Policy": "microphone=(self)",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}
_log = logging.getLogger(__name__)


class Studio:
    """The routes. Everything but static files wants a caller."""

    def __init__(self, callers: Callers, peers: Peers) -> None:
        self._callers = callers
        self._peers = peers
        self._bridge = Bridge(peers)
        self._draining = asyncio.Event()

    def listener(self, host: str, port: int) -> HttpListener:
        made = HttpListener("studio", (host, port), "VOXLOOM_RECORDER_HTTP_PORT", [_guard])
        made.app.add_routes(
            [
                *(web.get(path, _page(file)) for path, file in _PAGES.items()),
                *(web.get(f"/{file}", _page(file)) for file in _ROOT_FILES),
                web.static("/static", PAGES / "static"),
                web.post("/session", self._enter),
                web.get("/me", self._me),
                web.get("/services", self._services),
                web.post("/rpc/{service}/{method}", self._unary),
                web.get("/rpc/{service}/{method}", self._stream),
                web.get("/takes/{speaker}/{utterance}.wav", self._take),
                web.get("/export/{name}.zip", self._export),
            ]
        )
        made.app.on_cleanup.append(self._close)
        self._draining = made.draining
        return made

    async def _enter(self, request: web.Request) -> web.Response:
        """With a key: a cookie. With an empty one: the cookie goes."""
        key = (await _json(request)).get("key", "")
        if not isinstance(key, str):
            raise BadInput("`key` must be a text")
        response = web.json_response({})
        if not key.strip():
            self._callers.check_site(request)
            response.del_cookie(COOKIE)
            return response
        secure = request.secure or request.headers.get("X-Forwarded-Proto") == "https"
        response.set_cookie(
            COOKIE,
            await self._callers.admit(request, key),
            httponly=True,
            samesite="Strict",
            secure=secure,
            max_age=_YEAR_S,
        )
        return response

    async def _me(self, request: web.Request) -> web.Response:
        caller = await self._callers.of(request)
        found = {"admin": not caller.speaker, "speaker": caller.speaker, "open": self._callers.open}
        return web.json_response(found | {"name": await self._callers.name(caller)})

    async def _services(self, request: web.Request) -> web.Response:
        """serving, waiting or down, of each service."""
        await self._callers.of(request)
        found = await asyncio.gather(*map(self._health, _SERVICES))
        return web.json_response(dict(zip(_SERVICES, found, strict=True)))

    async def _health(self, service: str) -> str:
        name = f"voxloom.v1.{service.capitalize()}Service"
        try:
            stub = health_pb2_grpc.HealthStub(self._bridge.channel(service))
            answer = await stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=_HEALTH_S)
        except (grpc.RpcError, VoxloomError):
            return "down"
        return "serving" if answer.status == health_pb2.HealthCheckResponse.SERVING else "waiting"

    async def _unary(self, request: web.Request) -> web.Response:
        caller, method = await self._callers.of(request), _method(request)
        if method.streams:
            raise BadInput(f"{method.name} is a stream; open a WebSocket")
        message = method.read(await _text(request))
        caller.check(method, message)
        answer = await self._bridge.unary(method, message)
        return web.Response(text=as_json(answer), content_type="application/json")

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        caller, method = await self._callers.of(request), _method(request)
        socket = web.WebSocketResponse(max_msg_size=MAX_FRAME_BYTES, heartbeat=30)
        await socket.prepare(request)
        try:
            await self._while_up(self._bridge.stream(socket, method, caller), method)
        except (VoxloomError, grpc.RpcError) as error:
            await bridge.tell(socket, bridge.refusal(error))
        await socket.close()
        return socket

    async def _while_up(self, work: Coroutine[Any, Any, None], method: Method) -> None:
        """Waits for the work; a watch, which never ends, is left when the service stops."""
        if method.descriptor.client_streaming:
            return await work
        tasks = [asyncio.ensure_future(work), asyncio.ensure_future(self._draining.wait())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
        if tasks[0] in done:
            tasks[0].result()
        return None

    async def _take(self, request: web.Request) -> web.StreamResponse:
        speaker, utterance = request.match_info["speaker"], request.match_info["utterance"]
        (await self._callers.of(request)).check_speaker(speaker)
        message = pb.ReadTakeRequest(speaker=speaker, utterance=utterance)
        return await self._download(request, METHODS["recorder/ReadTake"], message, "audio/wav")

    async def _export(self, request: web.Request) -> web.StreamResponse:
        """`?request=` is an ExportTakesRequest as JSON."""
        caller, method = await self._callers.of(request), METHODS["recorder/ExportTakes"]
        message = method.read(request.query.get("request", "{}"))
        caller.check(method, message)
        name = keys.check_id(request.match_info["name"], "name of the archive")
        headers = {"Content-Disposition": f'attachment; filename="{name}.zip"'}
        return await self._download(request, method, message, "application/zip", headers)

    async def _download(
        self,
        request: web.Request,
        method: Method,
        message: Any,
        content_type: str,
        headers: dict[str, str] | None = None,
    ) -> web.StreamResponse:
        """The `data` of a stream of answers. What fails on the way breaks the connection: no half file."""
        call = self._bridge.begin(method, message)
        try:
            first = await call.read()
            response = web.StreamResponse(headers=headers)
            response.content_type = content_type
            await response.prepare(request)
            while first is not grpc.aio.EOF:
                await response.write(first.data)
                first = await call.read()
        finally:
            call.cancel()
        return response

    async def _close(self, app: web.Application) -> None:
        await self._bridge.close()


def _page(file: str) -> Handler:
    async def page(request: web.Request) -> web.FileResponse:
        return web.FileResponse(PAGES / file)

    return page


def _method(request: web.Request) -> Method:
    name = f"{request.match_info['service']}/{request.match_info['method']}"
    if name not in METHODS:
        raise NotFound(f"there is no RPC {name[:100]!r}; protos/ has those there are")
    return METHODS[name]


async def _text(request: web.Request) -> str:
    try:
        return (await request.read()).decode() or "{}"  # aiohttp's limit of a body is as large as a frame's
    except web.HTTPRequestEntityTooLarge:
        raise BadInput(f"a request has at most {MAX_FRAME_BYTES >> 10} KiB") from None
    except UnicodeDecodeError as error:
        raise BadInput(f"the request is not UTF-8 ({error})") from error


async def _json(request: web.Request) -> dict[str, Any]:
    try:
        found = json.loads(await _text(request))
    except ValueError as error:
        raise BadInput(f"the request is no JSON ({error})") from error
    if not isinstance(found, dict):
        raise BadInput("the request must be a JSON object")
    return found


@web.middleware
async def _guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Errors leave as JSON with one status each; every answer tells the browser what the page may load."""
    try:
        response = await handler(request)
    except (VoxloomError, grpc.RpcError) as error:
        refused: Refused = bridge.refusal(error)
        response = web.json_response(refused.body, status=refused.http_status)
    except web.HTTPException as error:
        body = {"error": {"code": "NOT_FOUND", "message": f"{request.path[:100]}: {error.reason}"}}
        response = web.json_response(body, status=error.status)
    if not response.prepared:
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
    _log.debug("%s %s %d", request.method, request.path[:100], response.status)
    return response
