"""How a service lives: gRPC, events, reconcile and workers started together, and drained together."""

import asyncio
import logging
import signal
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol, TypeVar

from voxloom import gauges, logs, metrics, rpc
from voxloom.bus import EventBus, Handler, Subscription, kind_of
from voxloom.bus_late import LateBus
from voxloom.config import Config, load
from voxloom.errors import BadInput, Unavailable, VoxloomError
from voxloom.events import announce, stage_failed
from voxloom.gauges import Look
from voxloom.jobs import JobWorker
from voxloom.reconcile import Reconciler
from voxloom.storage import ObjectStore, open_store
from voxloom.v1.events_pb2 import Event

__all__ = ["Service", "announce", "main", "run_service", "stage_failed"]

AnyConfig = TypeVar("AnyConfig", bound=Config)
Opened = TypeVar("Opened")
_MAX_BACKOFF_S = 30.0
_CONNECT_S = 1.5  # then the service starts without the broker
_log = logging.getLogger(__name__)


def _nothing() -> None:
    pass


def _ignore(port: int) -> None:
    pass


class Listener(Protocol):
    """A port of a service beside that of gRPC, for a protocol of others."""

    name: str  # of the protocol
    address: str  # host:port, the real one once it is started

    async def start(self) -> None:
        """Raises Unavailable when the address cannot be bound."""

    async def stop(self, grace_s: float, /) -> None:
        """Takes no new calls and gives those that run `grace_s` seconds."""


def cannot_listen(address: str, error: OSError, variable: str) -> Unavailable:
    """What a listener's `start` raises; `variable` names its port."""
    return Unavailable(
        f"cannot listen on {address} ({error.strerror or error}); stop the program that has the port, or set "
        f"{variable} to another one, or to off"
    )


_Door = rpc.GrpcServer | Listener


@dataclass(frozen=True)
class Service:
    """All that `run_service` must know of a service; made by its composition root."""

    name: str  # also the name of its queue
    address: str  # host:port of gRPC; port 0 lets the system choose
    register: rpc.Register  # adds the servicers, returns their full service names
    handlers: Mapping[str, Handler]  # event kind -> function; must return soon: long work is a job
    reconcile: Callable[[], None]  # looks at the store and does or submits what is missing
    workers: Sequence[JobWorker] = ()
    listeners: Sequence[Listener] = ()
    looks: Sequence[Look] = ()  # its gauges, asked for while metrics are served
    on_port: Callable[[int], None] = _ignore  # told the real port of gRPC, before the listeners start
    ready: rpc.Ready = field(default_factory=dict)  # full service name -> is it SERVING?
    close: Callable[[], None] = _nothing
    max_message_bytes: int = rpc.MAX_MESSAGE_BYTES
    deadlines: rpc.Deadlines = field(default_factory=rpc.Deadlines)


async def run_service(
    service: Service,
    bus: EventBus,
    stop: asyncio.Event,
    *,
    on_started: Callable[[int], None] | None = None,
    grace_s: float = 10.0,
    reconcile_period_s: float = 60.0,
    api_keys: Sequence[str] = (),
    observed: bool = False,
) -> None:
    """Runs the service until `stop` is set. Several services can run in one event loop.

    Raises Unavailable when the address cannot be bound. A bus that is down delays nothing: the store decides
    what there is to do, and the subscription is made once the bus answers.
    """
    with logs.bind(service=service.name):
        async with AsyncExitStack() as stack:
            stack.push_async_callback(asyncio.to_thread, service.close)
            server = await rpc.start_server(
                service.register,
                service.address,
                ready=service.ready,
                max_message_bytes=service.max_message_bytes,
                deadlines=service.deadlines,
                api_keys=api_keys,
            )
            stack.push_async_callback(_stop_workers, service.workers, grace_s)
            for worker in service.workers:
                worker.start()
            reconcile = metrics.reconciled(service.name, service.reconcile)
            reconciler = Reconciler(reconcile, lambda: _wake(service), period_s=reconcile_period_s)
            stack.push_async_callback(asyncio.to_thread, reconciler.stop, grace_s)
            reconciler.start()
            if observed:
                observer = _observer(service, min(gauges.PERIOD_S, reconcile_period_s))
                stack.push_async_callback(asyncio.to_thread, observer.stop, grace_s)
                observer.start()
            await _listen(service, bus, reconciler, stack)
            doors: list[_Door] = [server]
            stack.push_async_callback(_close, doors, grace_s)  # the last one pushed is the first to stop
            service.on_port(server.port)
            for listener in service.listeners:
                await listener.start()
                doors.append(listener)
            _log.info("%s listens on port %d", service.name, server.port, extra={"port": server.port})
            for listener in service.listeners:
                told = {"protocol": listener.name, "address": listener.address}
                _log.info("%s speaks %s on %s", service.name, listener.name, listener.address, extra=told)
            if on_started:
                on_started(server.port)
            await stop.wait()
            _log.info("%s stops", service.name)


async def _close(doors: Sequence[_Door], grace_s: float) -> None:
    """All at once: what runs behind one of them does not shorten the grace of another."""
    await asyncio.gather(*(door.stop(grace_s) for door in doors))


def _observer(service: Service, period_s: float) -> Reconciler:
    """Looks at the store for the gauges, in a thread of its own: no work waits for it."""
    look = partial(gauges.SHOWN.look, service.name, service.looks)
    return Reconciler(look, _nothing, period_s=period_s, name="looking for metrics")


def _wake(service: Service) -> None:
    for worker in service.workers:
        worker.wake()


async def _stop_workers(workers: Sequence[JobWorker], timeout_s: float) -> None:
    ended = await asyncio.gather(*(asyncio.to_thread(worker.stop, timeout_s) for worker in workers))
    if not all(ended):
        _log.warning("a job did not let go within %g s; another worker takes it over", timeout_s)


async def _listen(service: Service, bus: EventBus, reconciler: Reconciler, stack: AsyncExitStack) -> None:
    """Subscribes, in the background if the broker is down; the stack undoes it."""
    if not service.handlers:
        return

    def handle(event: Event) -> None:
        with logs.bind(service=service.name, event=event.header.id, trace=event.header.trace):
            kind = kind_of(event)
            try:
                with metrics.handling(service.name, kind):
                    service.handlers[kind](event)
            finally:
                reconciler.wake()  # also when the handler failed: the event has told that something changed

    async def unsubscribe() -> None:
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled() and not task.exception():
            await asyncio.to_thread(task.result().close)

    task = asyncio.create_task(_subscribe(service, bus, handle))
    task.add_done_callback(_log_failure)
    task.add_done_callback(lambda _: reconciler.wake())  # for what happened before the queue was there
    stack.push_async_callback(unsubscribe)
    await asyncio.wait([task], timeout=_CONNECT_S)


def _log_failure(task: asyncio.Task[Subscription]) -> None:
    if not task.cancelled() and (error := task.exception()):
        _log.error("no events will come, only the clock wakes this service: %s", error, exc_info=error)


async def _subscribe(service: Service, bus: EventBus, handler: Handler) -> Subscription:
    def attempt() -> Subscription:
        return bus.subscribe(service.name, sorted(service.handlers), handler)

    return await _patiently(attempt, "no events yet, the state is looked at by the clock")


async def _patiently(attempt: Callable[[], Opened], meanwhile: str) -> Opened:
    """The result of attempt, tried again with growing pauses while what it needs is Unavailable."""
    pause_s = 1.0
    while True:
        try:
            return await asyncio.to_thread(attempt)
        except Unavailable as error:
            _log.warning("%s (%s); trying again in %g s", error, meanwhile, pause_s)
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 2, _MAX_BACKOFF_S)


def main(
    name: str, build: Callable[[AnyConfig, ObjectStore, EventBus], Service], config_type: type[AnyConfig]
) -> int:
    """The process of one service. Its exit code: 0 stopped by a signal, 1 failed, 2 badly configured."""
    try:
        config = load(config_type)
    except BadInput as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 2
    logs.setup(name, config.log_format, config.log_level)
    try:
        with metrics.served(config.grpc_host, config.metrics_port):
            asyncio.run(_serve(build, config))
    except VoxloomError as error:
        _log.error("%s", error)
        return 1
    return 0


async def _serve(build: Callable[[AnyConfig, ObjectStore, EventBus], Service], config: AnyConfig) -> None:
    stop = _stop_on_signal()
    store = await _until(
        stop, _patiently(lambda: _open_store(config), "nothing can be done without the store")
    )
    if store is None:
        return
    bus = LateBus(config.bus)
    connecting = await _connect(bus, config.bus)
    try:
        service = build(config, store, bus)
        await run_service(
            service,
            bus,
            stop,
            grace_s=config.drain_s,
            reconcile_period_s=config.reconcile_period_s,
            api_keys=config.api_keys,
            observed=config.metrics_port > 0,
        )
    finally:
        connecting.cancel()
        await asyncio.to_thread(bus.close)


async def _connect(bus: LateBus, url: str) -> asyncio.Task[None]:
    """Connects at once if the broker is there, else in the background; BadInput when it refuses us."""
    if url.startswith("memory:"):
        _log.info("the bus is memory:// and ends with this process; other services see changes each minute")
    task = asyncio.create_task(_patiently(bus.open, "events are lost, the clock does the work"))
    await asyncio.wait([task], timeout=_CONNECT_S)
    if task.done():
        task.result()
    return task


def _open_store(config: Config) -> ObjectStore:
    access_key, secret_key = config.s3_access_key.get_secret_value(), config.s3_secret_key.get_secret_value()
    return open_store(config.store, access_key=access_key, secret_key=secret_key)


async def _until(stop: asyncio.Event, work: Coroutine[Any, Any, Opened]) -> Opened | None:
    """The result of work, or None when stop came first."""
    task, stopped = asyncio.create_task(work), asyncio.create_task(stop.wait())
    await asyncio.wait([task, stopped], return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if task.done():
        return task.result()
    task.cancel()
    return None


def _stop_on_signal() -> asyncio.Event:
    """SIGTERM and SIGINT ask to drain; the second one ends the process at once."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def ask() -> None:
        stop.set()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ask)
    return stop
