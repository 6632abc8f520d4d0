"""What every gRPC call passes on the server: a deadline, one table of errors to status codes, the log."""

import asyncio
import inspect
import logging
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from voxloom import errors, logs, metrics
from voxloom.rpc_access import Access

REQUEST_ID = "x-request-id"  # in the trailing metadata of every answer, and on each log line of the call
STATUS_OF: dict[type[errors.VoxloomError], grpc.StatusCode] = {
    errors.BadInput: grpc.StatusCode.INVALID_ARGUMENT,
    errors.NotFound: grpc.StatusCode.NOT_FOUND,
    errors.Conflict: grpc.StatusCode.ABORTED,
    errors.NotReady: grpc.StatusCode.FAILED_PRECONDITION,
    errors.Exhausted: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.Unauthenticated: grpc.StatusCode.UNAUTHENTICATED,
    errors.Forbidden: grpc.StatusCode.PERMISSION_DENIED,
    errors.Unavailable: grpc.StatusCode.UNAVAILABLE,
}
_QUIET = ("/grpc.health.", "/grpc.reflection.")
_MAX_DETAILS_BYTES = 2000  # three times as much once percent-encoded; clients cut headers off at 8 KiB
_SETTLE_S = 0.05
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Deadlines:
    """The life of a call whose client set no deadline, by kind of method."""

    unary_s: float = 120.0
    upload_s: float = 6 * 3600.0  # a corpus of many gigabytes over a slow line
    stream_s: float = 24 * 3600.0  # watches and live transcription: clients connect again


def status_of(error: errors.VoxloomError) -> grpc.StatusCode:
    """The code of the nearest class in the table; a bare VoxloomError is the caller's to act on."""
    for cls in type(error).__mro__:
        if cls in STATUS_OF:
            return STATUS_OF[cls]
    return grpc.StatusCode.FAILED_PRECONDITION


class Guard(grpc.aio.ServerInterceptor):  # type: ignore[misc]
    """Wraps the handlers of all four kinds of method, so that servicers raise and return and do no more."""

    def __init__(self, deadlines: Deadlines, access: Access) -> None:
        self._deadlines = deadlines
        self._access = access
        self._watches: set[asyncio.Task[Any]] = set()
        self._draining = False

    def end_watches(self) -> None:
        """Ends the calls that would not end by themselves (one request, endless answers) with UNAVAILABLE."""
        self._draining = True
        for task in self._watches:
            task.cancel()

    async def intercept_service(self, continuation: Any, details: grpc.HandlerCallDetails) -> Any:
        handler = await continuation(details)
        return None if handler is None else self._guarded(handler, details.method)

    def _guarded(self, handler: Any, method: str) -> Any:
        asked, answered = (
            "stream" if s else "unary" for s in (handler.request_streaming, handler.response_streaming)
        )
        inner = getattr(handler, f"{asked}_{answered}")
        limit_s = self._limit_s(handler)
        is_watch = (asked, answered) == ("unary", "stream")
        is_upload = (asked, answered) == ("stream", "unary")

        async def serve(raw: Any, context: Any) -> Any:
            call = _Call(method, context, limit_s, is_watch)
            settle_s = _SETTLE_S if is_upload else 0.0
            read = partial(_parse_all, settle_s=settle_s) if asked == "stream" else _parse

            def work() -> Awaitable[Any]:
                self._access.check(method, context.invocation_metadata())
                return _answer(inner, read(raw, handler.request_deserializer), context)

            return await self._run(call, work)

        make = getattr(grpc, f"{asked}_{answered}_rpc_method_handler")
        return make(serve, None, handler.response_serializer)

    def _limit_s(self, handler: Any) -> float:
        if handler.response_streaming:
            return self._deadlines.stream_s
        return self._deadlines.upload_s if handler.request_streaming else self._deadlines.unary_s

    async def _run(self, call: "_Call", work: Callable[[], Awaitable[Any]]) -> Any:
        task = asyncio.current_task()
        assert task is not None
        if call.is_watch:
            self._watches.add(task)
        with logs.bind(request=call.id):
            try:
                return await call.run(work)
            except asyncio.CancelledError:
                if not (self._draining and call.is_watch):
                    raise
                await call.abort(
                    grpc.StatusCode.UNAVAILABLE, "the service is stopping; connect again in a moment"
                )
            finally:
                self._watches.discard(task)
                call.log_end()


class _Call:
    """One call on its way through the guard."""

    def __init__(self, method: str, context: Any, limit_s: float, is_watch: bool) -> None:
        self.id = uuid.uuid4().hex[:12]
        self.is_watch = is_watch
        self._method = method
        self._context = context
        self._limit_s = limit_s
        self._started_s = time.monotonic()
        self._outcome = "CANCELLED"
        context.set_trailing_metadata(((REQUEST_ID, self.id),))

    async def run(self, work: Callable[[], Awaitable[Any]]) -> Any:
        """The handler's answer; its exceptions leave as one status each, an abort of its own as it is."""
        try:
            answer = await self._within_deadline(work)
        except grpc.aio.AbortError:
            self._outcome = _name(self._context.code())
            raise
        except errors.VoxloomError as error:
            await self.abort(status_of(error), str(error))
        except NotImplementedError:  # raised by the generated servicer for what a service leaves out
            await self.abort(grpc.StatusCode.UNIMPLEMENTED, f"{self._method} is not there in this release")
        except Exception:  # noqa: BLE001 - the edge: whatever is left becomes one INTERNAL
            _log.exception("internal error in %s", self._method)
            await self.abort(
                grpc.StatusCode.INTERNAL,
                f"internal error {self.id}; the log of the service has it under this id",
            )
        self._outcome = _name(self._context.code())
        return answer

    async def _within_deadline(self, work: Callable[[], Awaitable[Any]]) -> Any:
        """A deadline that the client set is enforced by gRPC itself."""
        if self._context.time_remaining() is not None:
            return await work()
        try:
            async with asyncio.timeout(self._limit_s) as timeout:
                return await work()
        except TimeoutError:
            if not timeout.expired():
                raise
            message = (
                f"the call took longer than {self._limit_s:g} s; set a deadline of your own to allow more"
            )
            await self.abort(grpc.StatusCode.DEADLINE_EXCEEDED, message)

    async def abort(self, code: grpc.StatusCode, message: str) -> None:
        """Raises AbortError, always."""
        self._outcome = code.name
        details = message.encode(errors="replace")[:_MAX_DETAILS_BYTES].decode(errors="ignore")
        await self._context.abort(code, details, ((REQUEST_ID, self.id),))

    def log_end(self) -> None:
        level = logging.DEBUG if self._method.startswith(_QUIET) else logging.INFO
        ms = round((time.monotonic() - self._started_s) * 1000)
        _log.log(level, "%s %s in %d ms", self._method, self._outcome, ms)
        metrics.call_ended(self._method, self._outcome, ms / 1000)


async def _parse_all(raw: Any, parse: Callable[[bytes], Any], settle_s: float) -> AsyncIterator[Any]:
    """The messages of a request stream.

    gRPC ends the stream of a client that died, cancelled or sent too large a message as if it had said all,
    and cancels the call some milliseconds later. An upload waits for that: half must not pass for whole.
    """
    async for message in raw:
        yield _parse(message, parse)
    if settle_s:
        await asyncio.sleep(settle_s)


def _parse(message: bytes, parse: Callable[[bytes], Any]) -> Any:
    """Done here and not by gRPC, so that a broken message is INVALID_ARGUMENT and no traceback in the log."""
    try:
        return parse(message)
    except DecodeError as error:
        raise errors.BadInput(f"the request is no valid protobuf message: {error}") from None


async def _answer(inner: Any, request: Any, context: Any) -> Any:
    """Calls an async handler of any kind; a generator's messages are written out one by one."""
    if not inspect.isasyncgenfunction(inner):
        return await inner(request, context)
    async for message in inner(request, context):
        await context.write(message)
    return None


def _name(code: Any) -> str:
    """aio contexts give 0 where no code was set."""
    return code.name if isinstance(code, grpc.StatusCode) else "OK"
