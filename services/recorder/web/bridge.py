"""Calls RPCs for a browser: one request and answer by POST, streams by WebSocket.

A WebSocket carries a message as JSON in a text frame, a chunk of bytes in a binary one, and the text `end`
when the browser has sent all. Answers are text frames, the last one perhaps
`{"error": {"code", "message"}}`.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
from aiohttp import WSMsgType, web
from google.protobuf.message import Message

from services.recorder.web.callers import Caller
from services.recorder.web.methods import Method, as_json
from voxloom import rpc
from voxloom.errors import BadInput, VoxloomError
from voxloom.http import MAX_BODY_BYTES, http_status
from voxloom.peers import Peers
from voxloom.rpc_guard import status_of

MAX_FRAME_BYTES = MAX_BODY_BYTES
_END = "end"
_UNARY_S = 60.0
_AHEAD = 8  # frames that are read before gRPC has taken them
_GOING_AWAY = 1001


class Refused(Exception):
    """An error on its way to the browser."""

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.body = {"error": {"code": code.name, "message": message}}
        self.http_status = http_status(code)


def refusal(error: BaseException) -> Refused:
    """Of a VoxloomError, or of a failed call: with the words of the service, or what to do when none came."""
    if isinstance(error, grpc.RpcError):
        return Refused(error.code(), str(rpc.friendly(error)))
    assert isinstance(error, VoxloomError)
    return Refused(status_of(error), str(error))


class Bridge:
    """Channels are made in the loop that uses them, and kept."""

    def __init__(self, peers: Peers) -> None:
        self._peers = peers
        self._channels: dict[str, grpc.aio.Channel] = {}

    def channel(self, service: str) -> grpc.aio.Channel:
        """NotReady while the service's address is not known."""
        if service not in self._channels:
            self._channels[service] = rpc.aio_channel(self._peers.address(service))
        return self._channels[service]

    def begin(self, method: Method, requests: Any, timeout_s: float | None = None) -> Any:
        """The running call; `requests` is a message, or an iterator of them if it takes a stream."""
        call = method.call(self.channel(method.service))
        return call(requests, metadata=self._peers.metadata, timeout=timeout_s)

    async def unary(self, method: Method, message: Message) -> Message:
        answer: Message = await self.begin(method, message, _UNARY_S)
        return answer

    async def stream(self, socket: web.WebSocketResponse, method: Method, caller: Caller) -> None:
        """Carries one call over an open WebSocket, until one of both sides ends it."""
        frames: asyncio.Queue[Message | None] = asyncio.Queue(_AHEAD)
        reading = asyncio.create_task(_read(socket, method, caller, frames))
        answering = asyncio.create_task(self._answer(socket, method, frames))
        try:
            await asyncio.wait([reading, answering], return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                reading.result()  # raises what was wrong with a frame; else the browser has gone
            else:
                answering.result()
        finally:
            for task in (reading, answering):
                task.cancel()
            await asyncio.gather(reading, answering, return_exceptions=True)

    async def _answer(
        self, socket: web.WebSocketResponse, method: Method, frames: asyncio.Queue[Message | None]
    ) -> None:
        descriptor = method.descriptor
        requests: Any = _until_end(frames) if descriptor.client_streaming else await frames.get()
        if requests is None:
            raise BadInput(f"{method.name} wants a request before the end")
        call = self.begin(method, requests)
        try:
            if descriptor.server_streaming:
                async for answer in call:
                    await socket.send_str(as_json(answer))
            else:
                await socket.send_str(as_json(await call))
        finally:
            call.cancel()

    async def close(self) -> None:
        for channel in self._channels.values():
            await channel.close()
        self._channels.clear()


async def tell(socket: web.WebSocketResponse, error: Refused) -> None:
    await socket.send_str(json.dumps(error.body))


async def _read(
    socket: web.WebSocketResponse, method: Method, caller: Caller, frames: asyncio.Queue[Message | None]
) -> None:
    """Ends when the browser goes; what it may not send, or what is no message, is an error."""
    async for frame in socket:
        if frame.type == WSMsgType.TEXT and frame.data == _END:
            await frames.put(None)
            continue
        if frame.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
            raise BadInput("the WebSocket broke off; open it anew")
        binary = frame.type == WSMsgType.BINARY
        message = method.read_bytes(frame.data) if binary else method.read(frame.data)
        caller.check(method, message)
        await frames.put(message)


async def _until_end(frames: asyncio.Queue[Message | None]) -> AsyncIterator[Message]:
    while (message := await frames.get()) is not None:
        yield message
