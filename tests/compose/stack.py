"""`docker compose` on this checkout under a project name and ports of its own, seen from outside."""

import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import grpc
import pika
from botocore.config import Config as BotoConfig

from voxloom import rpc
from voxloom.datadir import SERVICES
from voxloom.v1 import (
    inference_pb2_grpc,
    ingest_pb2_grpc,
    optimizer_pb2_grpc,
    recorder_pb2_grpc,
    trainer_pb2_grpc,
)

ROOT = Path(__file__).parents[2]
BUCKET = "voxloom"
TRAIN, TEST = 66, 8  # utterances of the small corpus
STUBS: dict[str, Any] = {
    "recorder": recorder_pb2_grpc.RecorderServiceStub,
    "ingest": ingest_pb2_grpc.IngestServiceStub,
    "trainer": trainer_pb2_grpc.TrainerServiceStub,
    "optimizer": optimizer_pb2_grpc.OptimizerServiceStub,
    "inference": inference_pb2_grpc.InferenceServiceStub,
}


def why_not() -> str:
    """Why no containers can be run here; empty if they can."""
    if shutil.which("docker") is None:
        return "no docker program is installed"
    for command, what in ((["info"], "no Docker engine answers"), (["compose", "version"], "no Compose v2")):
        done = subprocess.run(["docker", *command], capture_output=True, text=True)
        if done.returncode:
            return f"{what}: {(done.stderr or done.stdout).strip().splitlines()[-1]}"
    for image in base_images():
        if not can_be_had(image):
            return f"the image {image} is neither here nor can it be pulled"
    return ""


def base_images() -> list[str]:
    """What the compose file builds on and runs, as the environment has it."""
    command = ["docker", "compose", "config", "--format", "json"]
    found = json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout)["services"]
    [default] = re.findall(r"^PYTHON_IMAGE=(.+)$", (ROOT / ".env.example").read_text(), re.MULTILINE)
    python = os.environ.get("PYTHON_IMAGE") or default
    return [python, found["rabbitmq"]["image"], found["minio"]["image"]]


def can_be_had(image: str) -> bool:
    here = subprocess.run(["docker", "image", "inspect", image], capture_output=True)
    return (
        here.returncode == 0
        or subprocess.run(["docker", "pull", "-q", image], capture_output=True).returncode == 0
    )


class Stack:
    """One project: its compose files, its environment, and clients to what it publishes on loopback."""

    def __init__(self, name: str, *overlays: str, **environment: str) -> None:
        self.project = f"{name}-{secrets.token_hex(3)}"
        first = _free_ports()
        self.ports = {service: first + index for index, service in enumerate(SERVICES)}
        self.http_port, self.studio_port = first + 5, first + 6
        self.s3_port, self.amqp_port, ui = first + 7, first + 8, first + 9
        self.overlays = list(overlays)
        self.environment = {
            "COMPOSE_PROJECT_NAME": self.project,
            "VOXLOOM_PORTS": f"{first}-{self.studio_port}",
            "VOXLOOM_S3_PORT": str(self.s3_port),
            "VOXLOOM_AMQP_PORT": str(self.amqp_port),
            "VOXLOOM_RABBITMQ_UI_PORT": str(ui),
            **environment,
        }

    def compose(self, *arguments: str, timeout_s: float = 300.0, check: bool = True) -> str:
        """Runs `docker compose ...`; stdout, or an AssertionError with all that it said."""
        files = ["docker-compose.yml", *self.overlays]
        command = ["docker", "compose", *(part for file in files for part in ("-f", file)), *arguments]
        env = {**os.environ, **self.environment}
        done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=timeout_s)
        assert not check or done.returncode == 0, f"{' '.join(arguments)}: {done.stdout}\n{done.stderr}"
        return done.stdout

    def up(self, *arguments: str) -> None:
        self.compose("up", "--detach", "--wait", *arguments, timeout_s=600)

    def down(self) -> None:
        self.compose("--profile", "*", "down", "--volumes", "--timeout", "5", "--remove-orphans", check=False)

    def cli(self, *arguments: str, mount: Path | None = None) -> str:
        """`docker compose run --rm cli ...`, with a folder of this machine at /corpus."""
        volume = ("--volume", f"{mount}:/corpus:ro") if mount else ()
        return self.compose("run", "--rm", "-T", *volume, "cli", *arguments)

    def secret(self, name: str) -> str:
        return self.compose("exec", "-T", "recorder", "cat", f"/run/voxloom/{name}").strip()

    def containers(self, service: str = "") -> list[dict[str, Any]]:
        """What `docker inspect` says of the containers of a service, or of all."""
        ids = self.compose("ps", "--all", "--quiet", *([service] if service else [])).split()
        inspected = subprocess.run(["docker", "inspect", *ids], check=True, capture_output=True).stdout
        found: list[dict[str, Any]] = json.loads(inspected)
        return found

    def kill(self, service: str) -> None:
        """SIGKILL from the host to the first process: a crash, after which the engine starts it anew."""
        for container in self.containers(service):
            pid = container["State"]["Pid"]
            if os.geteuid() == 0 and Path(f"/proc/{pid}").exists():
                os.kill(pid, signal.SIGKILL)
            else:  # the engine is in a virtual machine: it takes this for a wish and does not start it again
                subprocess.run(["docker", "kill", container["Id"]], check=True, capture_output=True)
                subprocess.run(["docker", "start", container["Id"]], check=True, capture_output=True)

    @contextmanager
    def client(self, service: str, key: str | None = None) -> Iterator[Any]:
        with self.channel(service, key) as channel:
            yield STUBS[service](channel)

    def channel(self, service: str, key: str | None = None) -> grpc.Channel:
        chosen = self.api_key if key is None else key
        return rpc.channel(f"127.0.0.1:{self.ports[service]}", api_key=chosen)

    def remember_secrets(self) -> None:
        """They stay the same as long as the volume does, also while containers are being killed."""
        self.api_key = self.secret("api_key")
        self.s3_key = self.secret("s3_secret_key")
        self.bus_password = self.secret("rabbitmq_password")

    def s3(self, secret: str | None = None) -> Any:
        return boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{self.s3_port}",
            aws_access_key_id="voxloom",
            aws_secret_access_key=self.s3_key if secret is None else secret,
            region_name="us-east-1",
            config=BotoConfig(
                retries={"max_attempts": 10}, connect_timeout=2, s3={"addressing_style": "path"}
            ),
        )

    def keys(self, prefix: str = "") -> list[str]:
        """Keys in the bucket, read by boto3."""
        pages = self.s3().get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        return [item["Key"] for page in pages for item in page.get("Contents", ())]

    def document(self, key: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.s3().get_object(Bucket=BUCKET, Key=key)["Body"].read())
        return found

    def broker(self, password: str | None = None) -> pika.BlockingConnection:
        chosen = pika.PlainCredentials("voxloom", self.bus_password if password is None else password)
        return pika.BlockingConnection(
            pika.ConnectionParameters("127.0.0.1", self.amqp_port, credentials=chosen)
        )

    def logs(self, *services: str) -> str:
        return self.compose("logs", "--no-color", "--tail", "80", *services, check=False)


def _free_ports(count: int = 10) -> int:
    """The first of so many free ports in a row on loopback."""
    for first in range(28000 + 10 * secrets.randbelow(300), 32000, 10):
        if all(_is_free(port) for port in range(first, first + count)):
            return first
    raise AssertionError("no free ports")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def eventually(holds: Callable[[], Any], timeout_s: float, what: str, tell: Callable[[], str] = str) -> Any:
    """What `holds` returns once that is true; errors of a service that is just away count as not yet."""
    deadline, last = time.monotonic() + timeout_s, ""
    while time.monotonic() < deadline:
        try:
            if found := holds():
                return found
        except Exception as error:  # noqa: BLE001 - services are killed under this: whatever it is, it may pass
            last = repr(error)[:500]
        time.sleep(0.3)
    raise AssertionError(f"{what}: not within {timeout_s:.0f} s; {last}\n{tell()}")
