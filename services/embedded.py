"""Embedded mode: the five services in one process, over one store and one bus, on one event loop."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from typing import IO, Any

import voxloom
from services.inference.__main__ import build as build_inference
from services.inference.config import InferenceConfig
from services.ingest.__main__ import build as build_ingest
from services.ingest.config import IngestConfig
from services.optimizer.__main__ import build as build_optimizer
from services.optimizer.config import OptimizerConfig
from services.recorder.__main__ import build as build_recorder
from services.recorder.config import RecorderConfig
from services.trainer.__main__ import build as build_trainer
from services.trainer.config import TrainerConfig
from voxloom import metrics
from voxloom.bus import EventBus, open_bus
from voxloom.config import Config, load
from voxloom.datadir import PORTS, SERVICES, DataDir, Running
from voxloom.errors import NotReady
from voxloom.eventlog import EventLog, describe
from voxloom.logs import TextFormatter
from voxloom.peers import Peers
from voxloom.runtime import Listener, Service, run_service
from voxloom.storage import ObjectStore, open_store
from voxloom.v1.events_pb2 import Event

LOG_BYTES = 10 << 20
STOP_TIMEOUT_S = 30.0  # whoever still hangs then is left behind: the store is the truth

_log = logging.getLogger(__name__)

BUILDERS: dict[str, tuple[type[Config], Callable[[Any, ObjectStore, EventBus], Service]]] = {
    "recorder": (RecorderConfig, build_recorder),
    "ingest": (IngestConfig, build_ingest),
    "trainer": (TrainerConfig, build_trainer),
    "optimizer": (OptimizerConfig, build_optimizer),
    "inference": (InferenceConfig, build_inference),
}


def run(data: DataDir, port_base: int) -> None:
    """Runs everything on the folder until SIGINT or SIGTERM; the folder is held meanwhile."""
    with data.lock():
        data.withdraw()  # what a killed one left behind
        os.environ.setdefault("VOXLOOM_LOG_FORMAT", "text")  # for the training process as well
        configs = load_configs(data, port_base)
        shared = configs["recorder"]
        set_up_logs(data, shared.log_level)
        check_ports(configs)
        secrets = {
            name: getattr(shared, name).get_secret_value() for name in ("s3_access_key", "s3_secret_key")
        }
        peers = Peers(api_key=next(iter(shared.api_keys), ""))
        store = open_store(
            shared.store, access_key=secrets["s3_access_key"], secret_key=secrets["s3_secret_key"]
        )
        bus = open_bus(shared.bus)
        try:
            with metrics.served(shared.grpc_host, shared.metrics_port):
                asyncio.run(_serve(compose(configs, store, bus, peers), bus, data, shared, peers))
        finally:
            bus.close()


def load_configs(data: DataDir, port_base: int) -> dict[str, Config]:
    """Each service's configuration from VOXLOOM_*; without VOXLOOM_STORE the store is the folder."""
    common: dict[str, Any] = {} if os.environ.get("VOXLOOM_STORE") else {"store": data.store_url}
    return {name: load(BUILDERS[name][0], **common, **_ports_of(name, port_base)) for name in SERVICES}


def _ports_of(service: str, port_base: int) -> dict[str, int]:
    """That of gRPC, and those of other protocols unless the environment sets them or switches them off."""
    return {
        f"{name}_port": port_base + index if port_base else 0
        for index, name in enumerate(PORTS)
        if name == service
        or (name.startswith(f"{service}_") and not os.environ.get(f"VOXLOOM_{name.upper()}_PORT"))
    }


def compose(configs: dict[str, Config], store: ObjectStore, bus: EventBus, peers: Peers) -> list[Service]:
    """The five services of one process: each gets its own configuration, and the same store and bus.
    `peers` are told to the recorder, and filled when the ports are known."""
    builders = {name: build for name, (_, build) in BUILDERS.items()}
    builders["recorder"] = partial(build_recorder, peers=peers)
    return [builders[name](configs[name], store, bus) for name in SERVICES]


class _LogFile(RotatingFileHandler):
    """The folder's log; whatever child processes and libraries write to stderr goes there too."""

    def _open(self) -> TextIOWrapper:
        stream = super()._open()
        os.dup2(stream.fileno(), 2)
        return stream


def set_up_logs(data: DataDir, level: str) -> None:
    """Everything to the folder's log file, warnings also to the terminal."""
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1, errors="replace")
    file = _LogFile(data.log_file, maxBytes=LOG_BYTES, backupCount=3, encoding="utf-8")
    terminal = logging.StreamHandler()
    terminal.setLevel(logging.WARNING)
    for handler in (file, terminal):
        handler.setFormatter(TextFormatter("voxloom"))
    root = logging.getLogger()
    root.handlers[:] = [file, terminal]
    root.setLevel(level.upper())
    for name in ("pika", "urllib3", "asyncio", "grpc"):
        logging.getLogger(name).setLevel(logging.WARNING)


def check_ports(configs: dict[str, Config]) -> None:
    """Names all busy ports at once, before anything starts."""
    taken = []
    for name in PORTS:
        config = configs[name.partition("_")[0]]
        host, port = getattr(config, f"{name}_host", config.grpc_host), getattr(config, f"{name}_port")
        if port and _is_taken(host, port):
            taken.append(f"{port} ({name.replace('_', ', ')})")
    if taken:
        raise NotReady(
            f"taken by another program: port {', '.join(taken)}; choose the first of {len(PORTS)} free ports "
            "with --port-base N, or let --port-base 0 find free ones"
        )


def _is_taken(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host.strip("[]"), port))
        except OSError:
            return True
    return False


async def _serve(
    services: Sequence[Service], bus: EventBus, data: DataDir, config: Config, peers: Peers
) -> None:
    """One task a service; when one ends with an error the others are stopped too."""
    stop = asyncio.Event()
    _stop_on_signals(stop)
    watch = bus.tail(partial(_tell, EventLog(data.events_file)))
    listeners = [each for service in services for each in service.listeners]
    started = _Started(data, config, listeners, peers)
    tasks = [
        asyncio.create_task(
            run_service(
                service,
                bus,
                stop,
                on_started=partial(started.add, service.name),
                grace_s=config.drain_s,
                reconcile_period_s=config.reconcile_period_s,
                api_keys=config.api_keys,
                observed=config.metrics_port > 0,
            )
        )
        for service in services
    ]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    stop.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.to_thread(watch.close)
    data.withdraw()
    for result in results:
        if isinstance(result, BaseException):
            raise result


def _stop_on_signals(stop: asyncio.Event) -> None:
    """The first signal asks for an orderly end, the second does not wait for it."""
    loop = asyncio.get_running_loop()

    def ask() -> None:
        if stop.is_set():
            os._exit(130)
        stop.set()
        print("\nstopping; unfinished work goes on at the next start", flush=True)
        watchdog = threading.Timer(STOP_TIMEOUT_S, os._exit, (1,))
        watchdog.daemon = True
        watchdog.start()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ask)


def _tell(log: EventLog, event: Event) -> None:
    log.append(event)
    sentence = describe(event)
    _log.info("event: %s", sentence)
    _print(f"{datetime.now():%H:%M:%S}  {sentence}")


def _print(text: str) -> None:
    """A closed terminal does not end the services."""
    with contextlib.suppress(OSError):
        print(text.translate(dict.fromkeys((*range(9), *range(11, 32), 127), "�")), flush=True)


class _Started:
    """Collects the ports; announces the folder once the last service answers."""

    def __init__(self, data: DataDir, config: Config, listeners: Sequence[Listener], peers: Peers) -> None:
        self._data = data
        self._config = config
        self._listeners = listeners
        self._peers = peers
        self._addresses: dict[str, str] = {}
        self.announced: IO[str] | None = None  # open as long as we run: it proves that we do

    def add(self, name: str, port: int) -> None:
        self._addresses[name] = f"{self._config.grpc_host}:{port}"
        self._peers.add(name, self._addresses[name])
        if len(self._addresses) == len(SERVICES):
            self.announced = self._data.announce(
                Running(
                    pid=os.getpid(),
                    addresses={each: self._addresses[each] for each in SERVICES},
                    protocols=self._protocols(),
                    store=self._config.store,
                    started_at=datetime.now(UTC).isoformat(timespec="seconds"),
                    version=voxloom.__version__,
                )
            )
            self._welcome()

    def _protocols(self) -> dict[str, str]:
        return {listener.name: listener.address for listener in self._listeners}

    def _studio(self) -> list[str]:
        host, _, port = self._protocols().get("studio", "").rpartition(":")
        name = "localhost" if host in ("127.0.0.1", "0.0.0.0") else host
        return [f"In a browser, record, review and watch the loop: http://{name}:{port}"] if port else []

    def _welcome(self) -> None:
        option = "" if self._data.root.name == "voxloom-data" else f" --data {self._data.root}"
        lines = [
            f"voxloom {voxloom.__version__} is up on {self._data.root} (process {os.getpid()})",
            *(f"  {name:<10} {self._addresses[name]}" for name in SERVICES),
            *(f"  {name:<10} {address}" for name, address in self._protocols().items()),
            *self._studio(),
            "Next, in another terminal:",
            f"  voxloom import PATH{option}      bring in audio with transcripts",
            f"  voxloom record FILE{option} --text '...' --speaker NAME",
            f"  voxloom status{option}           what the loop does and waits for",
            f"Ctrl-C stops it; unfinished work goes on at the next start. Log: {self._data.log_file}",
        ]
        _print("\n".join(lines))
