"""`python -m services.<name>` on a free port over a store, which it looks at five times a second."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from voxloom import rpc

SERVING = health_pb2.HealthCheckResponse.SERVING


class ServiceProcess:
    """Started by `with`, killed at its end; the JSON log is read line by line."""

    def __init__(self, name: str, folder: Path | None = None, **settings: str) -> None:
        """`folder`: of the store, unless a setting says another one."""
        self.name = name
        where = {"store": folder.as_uri()} if folder else {}
        settings = {**where, f"{name}_port": "0", "reconcile_period_s": "0.2"} | settings
        kept = {name: value for name, value in os.environ.items() if not name.startswith("VOXLOOM_")}
        self._env = kept | {f"VOXLOOM_{key.upper()}": value for key, value in settings.items()}
        self.log: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        self.process = subprocess.Popen(
            [sys.executable, "-m", f"services.{self.name}"], env=self._env, stderr=subprocess.PIPE, text=True
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        port = self.find(lambda line: "port" in line)["port"]
        self.channel = rpc.channel(f"127.0.0.1:{port}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.channel.close()
        self.process.kill()
        self.process.wait()
        self._reader.join()
        assert self.process.stderr
        self.process.stderr.close()

    def terminate(self, timeout_s: float = 30) -> int:
        """SIGTERM; the exit code."""
        self.process.terminate()
        return self.process.wait(timeout_s)

    def find(self, what: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first line of the log of which `what` holds, waited for."""
        found: list[dict[str, Any]] = []

        def look() -> bool:
            found.extend(line for line in list(self.log) if what(line))
            return bool(found) or self.process.poll() is not None

        eventually(look)
        assert found, self.log
        return found[0]

    def health(self, service: str) -> bool:
        request = health_pb2.HealthCheckRequest(service=service)
        status = health_pb2_grpc.HealthStub(self.channel).Check(request, timeout=10).status
        return bool(status == SERVING)

    def _read(self) -> None:
        assert self.process.stderr
        for line in self.process.stderr:
            self.log.append(json.loads(line) if line.startswith("{") else {"message": line})


def eventually(holds: Callable[[], bool], timeout_s: float = 40) -> None:
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


def code_of(error: grpc.RpcError) -> grpc.StatusCode:
    code: grpc.StatusCode = error.code()
    return code
