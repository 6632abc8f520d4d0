"""Calls with, without and with wrong keys, of all four kinds of method, on a real server."""

import asyncio
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from test_rpc import Ingest, serving

from voxloom import errors, rpc
from voxloom.rpc_access import Access
from voxloom.v1 import inference_pb2, inference_pb2_grpc, ingest_pb2, ingest_pb2_grpc

KEYS = ["first-key-0123456789", "second-key-0123456789"]

CALLS: dict[str, Callable[[grpc.Channel], Any]] = {
    "unary-unary": lambda channel: inference_pb2_grpc.InferenceServiceStub(channel).Recognize(
        inference_pb2.RecognizeRequest(audio=b"hi"), timeout=10
    ),
    "stream-stream": lambda channel: list(
        inference_pb2_grpc.InferenceServiceStub(channel).StreamingRecognize(
            iter([inference_pb2.StreamingRecognizeRequest(audio=b"hi")]), timeout=10
        )
    ),
    "stream-unary": lambda channel: ingest_pb2_grpc.IngestServiceStub(channel).ImportCorpus(
        iter([ingest_pb2.ImportCorpusRequest(tar=b"hi")]), timeout=10
    ),
    "unary-stream": lambda channel: next(
        ingest_pb2_grpc.IngestServiceStub(channel).WatchJob(ingest_pb2.WatchJobRequest(), timeout=10)
    ),
    "reflection": lambda channel: next(
        reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(
            iter([reflection_pb2.ServerReflectionRequest(list_services="")]), timeout=10
        )
    ),
}


def called(call: Callable[[grpc.Channel], Any], key: str, servicer: Ingest | None = None) -> Any:
    """What the call returns, or its RpcError, on a server that knows KEYS."""

    def client(port: int) -> Any:
        with rpc.channel(f"127.0.0.1:{port}", api_key=key) as channel:
            try:
                return call(channel)
            except grpc.RpcError as error:
                return error

    async def run() -> Any:
        async with serving(servicer, api_keys=KEYS) as server:
            return await asyncio.to_thread(client, server.port)

    return asyncio.run(run())


@pytest.mark.parametrize("name", CALLS)
def test_any_of_the_keys_opens_every_kind_of_method(name: str) -> None:
    for key in KEYS:
        assert not isinstance(called(CALLS[name], key), grpc.RpcError)


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("key", ["", "wrong-key-0123456789", "first-key-012345678"])
def test_without_a_right_key_nothing_is_served(name: str, key: str) -> None:
    servicer = Ingest()
    error = called(CALLS[name], key, servicer)
    assert error.code() is grpc.StatusCode.UNAUTHENTICATED
    assert ("brought none" if not key else "not one of this service's") in error.details()
    assert all(known not in error.details() for known in KEYS)
    assert servicer.whole_uploads == 0
    assert isinstance(rpc.friendly(error), errors.Unauthenticated)


def test_health_needs_no_key() -> None:
    def check(channel: grpc.Channel) -> Any:
        return health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=10)

    assert called(check, "").status == health_pb2.HealthCheckResponse.SERVING


@pytest.mark.parametrize("value", ["bearer " + KEYS[0], "Bearer  " + KEYS[0], b"BEARER " + KEYS[1].encode()])
def test_the_scheme_is_read_as_http_reads_it(value: str | bytes) -> None:
    Access(KEYS).check("/a.B/C", [("x", "y"), ("authorization", value)])


@pytest.mark.parametrize("value", [KEYS[0], "Basic " + KEYS[0], "Bearer", "Bearer ", "", "Bearer \udcff"])
def test_anything_else_is_refused(value: str) -> None:
    with pytest.raises(errors.Unauthenticated):
        Access(KEYS).check("/a.B/C", [("authorization", value.encode(errors="surrogateescape"))])


def test_a_method_that_only_looks_like_health_is_not_open() -> None:
    with pytest.raises(errors.Unauthenticated):
        Access(KEYS).check("/grpc.healthy.v1.Health/Check", [])
