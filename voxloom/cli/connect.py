"""Finding the services and talking to them; a failed call becomes one sentence with the next step.

Three variables belong to whoever calls: VOXLOOM_API_KEY (or VOXLOOM_API_KEY_FILE, a file with it),
VOXLOOM_<SERVICE>_ADDRESS, and VOXLOOM_TLS_CA, which makes the connection encrypted.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import grpc
import typer

from voxloom import rpc
from voxloom.config import Config, load
from voxloom.datadir import DEFAULT_DATA, DEFAULT_PORT_BASE, SERVICES, DataDir
from voxloom.errors import BadInput, NotReady, Unauthenticated, Unavailable, VoxloomError
from voxloom.v1 import (
    inference_pb2_grpc,
    ingest_pb2_grpc,
    optimizer_pb2_grpc,
    recorder_pb2_grpc,
    trainer_pb2_grpc,
)

CALL_TIMEOUT_S = 30.0
TLS_CA = "VOXLOOM_TLS_CA"
PUBLIC_CAS = "public"  # the certificate authorities that gRPC brings along

_STUBS: dict[str, Any] = {
    "recorder": recorder_pb2_grpc.RecorderServiceStub,
    "ingest": ingest_pb2_grpc.IngestServiceStub,
    "trainer": trainer_pb2_grpc.TrainerServiceStub,
    "optimizer": optimizer_pb2_grpc.OptimizerServiceStub,
    "inference": inference_pb2_grpc.InferenceServiceStub,
}

DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        envvar="VOXLOOM_DATA",
        metavar="DIR",
        help="Data folder of a running `voxloom up`; without it VOXLOOM_<SERVICE>_ADDRESS, "
        f"./{DEFAULT_DATA}, or ports {DEFAULT_PORT_BASE} and up are tried.",
    ),
]


def find_addresses(data: Path | None) -> dict[str, str]:
    """host:port of each service, from what was named most explicitly."""
    if data is not None:
        return _addresses_of(data)
    running = DataDir(DEFAULT_DATA).running()
    found = running.addresses if running else {}
    defaults = {name: f"127.0.0.1:{DEFAULT_PORT_BASE + index}" for index, name in enumerate(SERVICES)}
    return {
        name: os.environ.get(f"VOXLOOM_{name.upper()}_ADDRESS") or found.get(name) or defaults[name]
        for name in SERVICES
    }


def _addresses_of(data: Path) -> dict[str, str]:
    folder = DataDir(data)
    running = folder.running()
    if running is not None:
        return running.addresses
    if folder.is_locked():
        raise NotReady(f"voxloom on {data} is still starting; try again in a few seconds")
    raise NotReady(f"no voxloom runs on {data}; start it with: voxloom up --data {data}")


@contextmanager
def client(service: str, data: Path | None) -> Iterator[Any]:
    """The stub of one service at its place; what the call raises inside leaves as a VoxloomError."""
    with client_at(service, find_addresses(data)[service]) as stub:
        yield stub


@contextmanager
def client_at(service: str, address: str) -> Iterator[Any]:
    with open_channel(address) as channel:
        try:
            yield _STUBS[service](channel)
        except grpc.RpcError as error:
            raise explain(error, service, address) from error


def load_as_caller(**given: str) -> Config:
    """What the environment says to a process that serves nobody and has no store: keys, and the bus."""
    return load(Config, store="file:///", grpc_host="127.0.0.1", **given)


def open_channel(address: str) -> grpc.Channel:
    """A channel with the key and the encryption that the environment asks for."""
    keys = load_as_caller(bus="memory://").api_keys
    return rpc.channel(address, api_key=keys[0] if keys else "", tls=_tls())


def _tls() -> grpc.ChannelCredentials | None:
    wanted = os.environ.get(TLS_CA, "")
    if wanted in ("", PUBLIC_CAS):
        return grpc.ssl_channel_credentials() if wanted else None
    try:
        return grpc.ssl_channel_credentials(Path(wanted).read_bytes())
    except OSError as error:
        raise BadInput(
            f"{TLS_CA} = {wanted!r} cannot be read: {error.strerror}; give the path of a PEM file with the "
            f"certificate authority, or the word {PUBLIC_CAS!r}"
        ) from error


def explain(error: grpc.RpcError, service: str, address: str) -> VoxloomError:
    """The error for people; for a service that does not answer, where it was looked for and what to start."""
    details = (error.details() or "").lower()
    if error.code() is grpc.StatusCode.UNAUTHENTICATED:
        return Unauthenticated(
            f"the {service} service at {address}: {error.details()}. The key of the containers: "
            "export VOXLOOM_API_KEY=$(docker compose exec -T recorder cat /run/voxloom/api_key)"
        )
    if error.code() is grpc.StatusCode.UNAVAILABLE and ("ssl" in details or "certificate" in details):
        return Unavailable(
            f"no encrypted connection to the {service} service at {address} ({error.details()}); "
            f"{TLS_CA} must name the authority that signed its certificate, and the certificate this host"
        )
    if error.code() is grpc.StatusCode.UNAVAILABLE and ("connect" in details or "dns" in details):
        return Unavailable(
            f"the {service} service does not answer at {address}; start everything with `voxloom up` or "
            f"`docker compose up`, or say where it is: VOXLOOM_{service.upper()}_ADDRESS or --data DIR"
        )
    return rpc.friendly(error, f"the {service} service at {address}")
