"""Inference with every protocol that it speaks, each on a free port, and a model of tones in its store."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from integration import bundle_maker
from service_process import ServiceProcess, eventually

from voxloom.audio import encode_wav
from voxloom.storage import FolderStore
from voxloom.v1 import inference_pb2, inference_pb2_grpc

NAME = "voxloom.v1.InferenceService"
KEY = "a-key-of-enough-length"


def promote(root: Path, model: str, deaf_to: str = "", ballast: int = 0) -> None:
    store = FolderStore(root)
    bundle_maker.write_model_bundle(store, model, bundle_maker.graph(deaf_to, ballast))
    bundle_maker.point_to(store, model)


@contextmanager
def speaking(root: Path, **settings: str) -> Iterator[ServiceProcess]:
    """The process, once it serves what is in the store."""
    ports = {"inference_http_port": "0", "inference_wyoming_port": "0"}
    with ServiceProcess("inference", root, **ports, **settings) as process:
        eventually(lambda: process.health(NAME))
        yield process


def address_of(process: ServiceProcess, protocol: str) -> str:
    """host:port of `openai` or `wyoming`, or of `grpc`."""
    if protocol == "grpc":
        return f"127.0.0.1:{process.find(lambda line: 'port' in line)['port']}"
    found = process.find(lambda line: line.get("protocol") == protocol)
    return str(found["address"])


def serving(process: ServiceProcess) -> Any:
    """What GetServingModel tells; of a process without API keys."""
    stub = inference_pb2_grpc.InferenceServiceStub(process.channel)
    return stub.GetServingModel(inference_pb2.GetServingModelRequest(), timeout=10)


def wav(text: str, pause_s: float = 0.0) -> bytes:
    return encode_wav(bundle_maker.say(text, pause_s))


def pcm(text: str, pause_s: float = 0.0) -> bytes:
    return (bundle_maker.say(text, pause_s) * 32767).astype("<i2").tobytes()


def long_wav(repeats: int) -> bytes:
    """Four seconds of speech and pauses, so many times."""
    return encode_wav(bundle_maker.say("bed cafe had a bag " * repeats))
