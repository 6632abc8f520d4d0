"""gRPC in one place: the server every service runs, blocking work beside its loop, and the client's side."""

import asyncio
import contextlib
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from typing import ParamSpec, TypeVar

import grpc
import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from voxloom import errors, executor
from voxloom.rpc_access import Access, Bearer
from voxloom.rpc_guard import REQUEST_ID, STATUS_OF, Deadlines, Guard

__all__ = ["MAX_MESSAGE_BYTES", "Deadlines", "GrpcServer", "blocking", "channel", "friendly", "start_server"]

MAX_MESSAGE_BYTES = 64 * 1024 * 1024  # a whole recording in one Recognize call
MAX_CALLS = 1000  # at once, a server; more are refused with RESOURCE_EXHAUSTED
_READY_PERIOD_S = 0.5
_KEEPALIVE = [
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
]
_SERVER_OPTIONS = [
    *_KEEPALIVE,
    (
        "grpc.http2.min_ping_interval_without_data_ms",
        15_000,
    ),  # else our own clients' pings count as an attack
    ("grpc.so_reuseport", 0),  # else two servers on one port share its calls, and nobody is told
]
_CLIENT_OPTIONS = [
    *_KEEPALIVE,
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
]
_ERROR_OF = {code: error for error, code in STATUS_OF.items()}
_log = logging.getLogger(__name__)

Register = Callable[[grpc.aio.Server], list[str]]
Ready = Mapping[str, Callable[[], bool]]
Args = ParamSpec("Args")
Result = TypeVar("Result")


async def blocking(fn: Callable[Args, Result], *args: Args.args, **kwargs: Args.kwargs) -> Result:
    """Runs fn (store, decoding: anything that waits or computes) in the process' bounded executor."""
    return await executor.shared().run(fn, *args, **kwargs)


class GrpcServer:
    """A started server. `port` is the real one, also when the address asked for port 0."""

    def __init__(self, server: grpc.aio.Server, port: int, guard: Guard, readiness: "_Readiness") -> None:
        self.port = port
        self._server = server
        self._guard = guard
        self._readiness = readiness

    async def stop(self, grace: float) -> None:
        """Drains: reports NOT_SERVING, takes no new calls, ends watches, gives the others `grace` seconds."""
        await self._readiness.drain()
        self._guard.end_watches()
        await self._server.stop(grace)


async def start_server(
    register: Register,
    address: str,
    *,
    ready: Ready | None = None,
    max_message_bytes: int = MAX_MESSAGE_BYTES,
    deadlines: Deadlines | None = None,
    api_keys: Sequence[str] = (),
) -> GrpcServer:
    """Serves what `register` adds, with health, reflection and the guard. Servicer methods are `async def`.

    `ready` says whether a service, by its full name, is SERVING; those not in it always are. With `api_keys`
    only calls that bring one of them are served. Unavailable when the address cannot be bound.
    """
    guard = Guard(deadlines or Deadlines(), Access(api_keys))
    options = [*_SERVER_OPTIONS, ("grpc.max_receive_message_length", max_message_bytes)]
    options.append(("grpc.max_send_message_length", MAX_MESSAGE_BYTES))
    server = grpc.aio.server(interceptors=[guard], options=options, maximum_concurrent_rpcs=MAX_CALLS)
    readiness = _Readiness(register(server), ready or {})
    health_pb2_grpc.add_HealthServicer_to_server(readiness.servicer, server)
    names = [*readiness.names, health.SERVICE_NAME, reflection.SERVICE_NAME]
    reflection.enable_server_reflection(names, server)
    port = _bind(server, address)
    await readiness.start()
    await server.start()
    return GrpcServer(server, port, guard, readiness)


def _bind(server: grpc.aio.Server, address: str) -> int:
    try:
        port: int = server.add_insecure_port(address)
    except RuntimeError:
        port = 0
    if port == 0:
        raise errors.Unavailable(
            f"cannot listen on {address}: another program has the port, or the host is not of this machine; "
            "stop that program or set another port"
        )
    return port


class _Readiness:
    """Keeps the standard health service in step with what the service says of itself."""

    def __init__(self, names: list[str], ready: Ready) -> None:
        self.names = names
        self.servicer = health.aio.HealthServicer()
        self._ready = ready
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self._set_all()
        if self._ready:
            self._task = asyncio.create_task(self._follow())

    async def drain(self) -> None:
        if self._task:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self.servicer.enter_graceful_shutdown()

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(_READY_PERIOD_S)
            await self._set_all()

    async def _set_all(self) -> None:
        for name in self.names:
            serving = self._ready[name]() if name in self._ready else True
            status = health_pb2.HealthCheckResponse
            await self.servicer.set(name, status.SERVING if serving else status.NOT_SERVING)


def channel(address: str, *, api_key: str = "", tls: grpc.ChannelCredentials | None = None) -> grpc.Channel:
    """A client's channel for plain, blocking use; connects on the first call. `tls`: encrypted, with the
    certificates of `grpc.ssl_channel_credentials`."""
    made = (
        grpc.secure_channel(address, tls, options=_CLIENT_OPTIONS)
        if tls
        else grpc.insecure_channel(address, options=_CLIENT_OPTIONS)
    )
    return grpc.intercept_channel(made, Bearer(api_key)) if api_key else made


def aio_channel(address: str) -> grpc.aio.Channel:
    """A client's channel of one event loop; the key goes with each call, see `Peers.metadata`."""
    return grpc.aio.insecure_channel(address, options=_CLIENT_OPTIONS)


def friendly(error: grpc.RpcError, address: str = "") -> errors.VoxloomError:
    """The error a person should see: the service's own words, or what to do when gRPC itself failed."""
    code, details = error.code(), error.details() or ""
    if any(key == REQUEST_ID for key, _ in error.trailing_metadata() or ()):
        return _ERROR_OF.get(code, errors.VoxloomError)(details)
    peer = address or _peer_of(details)
    match code:
        case grpc.StatusCode.UNAVAILABLE if "connect" in details:
            return errors.Unavailable(f"nothing answers at {peer}; is `voxloom up` running?")
        case grpc.StatusCode.UNAVAILABLE if "status: 503" in details:  # said by a proxy in front of it
            return errors.Unavailable(f"{peer} is not up, its gateway says; try again in a moment")
        case grpc.StatusCode.UNAVAILABLE:
            return errors.Unavailable(f"the connection to {peer} was lost ({details}); try again in a moment")
        case grpc.StatusCode.DEADLINE_EXCEEDED:
            return errors.Unavailable(f"{peer} did not answer in time; look at its log or allow more time")
        case grpc.StatusCode.UNIMPLEMENTED:
            return errors.NotReady(
                f"{peer} does not know this call; is it the right service, of this release?"
            )
        case grpc.StatusCode.RESOURCE_EXHAUSTED:
            return errors.Exhausted(f"{details}; send less at once or try again in a moment")
        case grpc.StatusCode.CANCELLED:
            return errors.VoxloomError("the call was cancelled")
        case _:
            return errors.VoxloomError(f"{code.name} from {peer}: {details}; look at its log")


def _peer_of(details: str) -> str:
    found = re.search(r"ipv[46]:(\S+?):? ", details)
    return found.group(1) if found else "the service"
