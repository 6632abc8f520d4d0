import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from voxloom import errors, executor, logs, rpc
from voxloom.v1 import inference_pb2 as inference
from voxloom.v1 import inference_pb2_grpc, ingest_pb2_grpc
from voxloom.v1 import ingest_pb2 as ingest

RECOGNIZE = "voxloom.v1.InferenceService"
SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
BY_NAME = {cls.__name__: cls for cls in errors.VoxloomError.__subclasses__()} | {
    "VoxloomError": errors.VoxloomError,
    "ValueError": ValueError,
}


class Inference(inference_pb2_grpc.InferenceServiceServicer):
    """Raises what the request asks for; all four kinds of method are here or in Ingest."""

    async def Recognize(self, request: Any, context: Any) -> Any:
        name, _, rest = request.audio.decode().partition(":")
        if name == "sleep":
            await asyncio.sleep(float(rest))
        if name in BY_NAME:
            raise BY_NAME[name](rest)
        return inference.RecognizeResponse(text=logs.bound()["request"], audio_s=len(request.audio))

    async def StreamingRecognize(self, requests: Any, context: Any) -> AsyncIterator[Any]:
        async for request in requests:
            if request.audio == b"bad":
                raise errors.BadInput("bad chunk")
            yield inference.StreamingRecognizeResponse(text=request.audio.decode())


class Ingest(ingest_pb2_grpc.IngestServiceServicer):
    def __init__(self) -> None:
        self.whole_uploads = 0

    async def ImportCorpus(self, requests: Any, context: Any) -> Any:
        total = 0
        async for request in requests:
            total += len(request.tar)
        self.whole_uploads += 1
        return ingest.Job(done=total)

    async def WatchJob(self, request: Any, context: Any) -> AsyncIterator[Any]:
        for number in range(1_000_000):
            yield ingest.Job(done=number)
            await asyncio.sleep(0.02)
            if request.id == "gone":
                raise errors.NotFound("no job gone")


def register(ingest_servicer: Ingest) -> Callable[[grpc.aio.Server], list[str]]:
    def add(server: grpc.aio.Server) -> list[str]:
        inference_pb2_grpc.add_InferenceServiceServicer_to_server(Inference(), server)  # type: ignore[no-untyped-call]
        ingest_pb2_grpc.add_IngestServiceServicer_to_server(ingest_servicer, server)  # type: ignore[no-untyped-call]
        return [RECOGNIZE, "voxloom.v1.IngestService"]

    return add


@asynccontextmanager
async def serving(servicer: Ingest | None = None, **options: Any) -> AsyncIterator[rpc.GrpcServer]:
    server = await rpc.start_server(register(servicer or Ingest()), "127.0.0.1:0", **options)
    try:
        yield server
    finally:
        await server.stop(0)


def served(client: Callable[[grpc.Channel], Any], **options: Any) -> Any:
    """What the blocking client returns, or the RpcError it met, against a server of its own."""

    def call(port: int) -> Any:
        with rpc.channel(f"127.0.0.1:{port}") as channel:
            try:
                return client(channel)
            except grpc.RpcError as error:
                return error

    async def run() -> Any:
        async with serving(**options) as server:
            return await asyncio.to_thread(call, server.port)

    return asyncio.run(run())


def recognize(audio: str, timeout_s: float | None = None) -> Callable[[grpc.Channel], Any]:
    request = inference.RecognizeRequest(audio=audio.encode())

    def call(channel: grpc.Channel) -> Any:
        return inference_pb2_grpc.InferenceServiceStub(channel).Recognize(request, timeout=timeout_s)  # type: ignore[no-untyped-call]

    return call


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("BadInput", grpc.StatusCode.INVALID_ARGUMENT),
        ("NotFound", grpc.StatusCode.NOT_FOUND),
        ("Conflict", grpc.StatusCode.ABORTED),
        ("NotReady", grpc.StatusCode.FAILED_PRECONDITION),
        ("Exhausted", grpc.StatusCode.RESOURCE_EXHAUSTED),
        ("Unavailable", grpc.StatusCode.UNAVAILABLE),
        ("VoxloomError", grpc.StatusCode.FAILED_PRECONDITION),
    ],
)
def test_each_error_keeps_its_words_and_comes_back_as_itself(name: str, code: grpc.StatusCode) -> None:
    error = served(recognize(f"{name}:größer als 3\nnext"))
    assert error.code() is code
    back = rpc.friendly(error)
    assert str(back) == "größer als 3\nnext"
    assert type(back).__name__ == (name if name != "VoxloomError" else "NotReady")


def test_an_unknown_exception_tells_the_client_an_id_and_the_log_everything(
    caplog: pytest.LogCaptureFixture,
) -> None:
    error = served(recognize("ValueError:the password is x"))
    assert error.code() is grpc.StatusCode.INTERNAL
    assert "password" not in error.details()
    (request_id,) = (value for key, value in error.trailing_metadata() if key == "x-request-id")
    assert error.details().startswith(f"internal error {request_id}")
    assert "the password is x" in caplog.text
    assert isinstance(rpc.friendly(error), errors.VoxloomError)


def test_a_method_that_is_in_the_protos_alone_is_unimplemented() -> None:
    def call(channel: grpc.Channel) -> Any:
        stub = inference_pb2_grpc.InferenceServiceStub(channel)  # type: ignore[no-untyped-call]
        return stub.GetServingModel(inference.GetServingModelRequest())

    error = served(call)
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED
    assert "GetServingModel" in error.details()


def test_a_very_long_message_still_arrives() -> None:
    error = served(recognize("BadInput:" + "ж" * 100_000))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert error.details().startswith("жжж")


def test_the_request_id_is_bound_for_the_log_and_sent_back() -> None:
    def client(channel: grpc.Channel) -> tuple[str, str]:
        stub = inference_pb2_grpc.InferenceServiceStub(channel)  # type: ignore[no-untyped-call]
        response, call = stub.Recognize.with_call(inference.RecognizeRequest())
        return response.text, dict(call.trailing_metadata())["x-request-id"]

    bound, sent = served(client)
    assert bound == sent != ""


def test_a_call_without_deadline_gets_one() -> None:
    error = served(recognize("sleep:30"), deadlines=rpc.Deadlines(unary_s=0.05))
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert "0.05 s" in error.details()


def test_a_deadline_of_the_client_counts_instead() -> None:
    assert served(recognize("sleep:0.1", timeout_s=20), deadlines=rpc.Deadlines(unary_s=0.01)).text
    error = served(recognize("sleep:30", timeout_s=0.05))
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert "did not answer in time" in str(rpc.friendly(error))


def test_streams_and_watches_pass_messages_and_errors() -> None:
    def client(channel: grpc.Channel) -> tuple[Any, Any]:
        chunks = (inference.StreamingRecognizeRequest(audio=chunk) for chunk in (b"a", b"b", b"bad", b"c"))
        stream = inference_pb2_grpc.InferenceServiceStub(channel).StreamingRecognize(chunks)  # type: ignore[no-untyped-call]
        watch = ingest_pb2_grpc.IngestServiceStub(channel).WatchJob(ingest.WatchJobRequest(id="gone"))  # type: ignore[no-untyped-call]
        return _read(stream), _read(watch)

    stream, watch = served(client)
    assert [each.text for each in stream[0]] == ["a", "b"]
    assert stream[1] is grpc.StatusCode.INVALID_ARGUMENT
    assert [each.done for each in watch[0]] == [0]
    assert watch[1] is grpc.StatusCode.NOT_FOUND


def _read(stream: Any) -> tuple[list[Any], grpc.StatusCode]:
    messages = []
    try:
        for message in stream:
            messages.append(message)
    except grpc.RpcError:
        pass
    return messages, stream.code()


def _upload(channel: grpc.Channel, chunks: Iterator[bytes]) -> Any:
    stub = ingest_pb2_grpc.IngestServiceStub(channel)  # type: ignore[no-untyped-call]
    return stub.ImportCorpus(ingest.ImportCorpusRequest(tar=chunk) for chunk in chunks)


def _broken_off() -> Iterator[bytes]:
    yield from [b"x" * 1000] * 20
    raise OSError("the microphone was unplugged")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("chunks", [_broken_off, lambda: iter([b"x" * 1000] * 20 + [b"x" * 100_000])])
def test_half_an_upload_never_passes_for_a_whole_one(chunks: Callable[[], Iterator[bytes]]) -> None:
    servicer = Ingest()
    for _ in range(3):
        error = served(
            lambda channel: _upload(channel, chunks()), servicer=servicer, max_message_bytes=50_000
        )
        assert isinstance(error, grpc.RpcError)
    assert servicer.whole_uploads == 0
    assert served(lambda channel: _upload(channel, iter([b"x"] * 9)), servicer=servicer).done == 9


def test_a_broken_message_is_the_clients_fault(caplog: pytest.LogCaptureFixture) -> None:
    error = served(lambda channel: channel.unary_unary(f"/{RECOGNIZE}/Recognize")(b"\xff\xff\xff"))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    upload = served(
        lambda channel: channel.stream_unary("/voxloom.v1.IngestService/ImportCorpus")(iter([b"\xff\xff"]))
    )
    assert upload.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "Traceback" not in caplog.text


def test_an_unknown_method_and_a_message_too_large_say_what_to_do() -> None:
    unknown = served(lambda channel: channel.unary_unary(f"/{RECOGNIZE}/Sing")(b""))
    assert "right service" in str(rpc.friendly(unknown))
    large = rpc.friendly(served(recognize("x" * 2000), max_message_bytes=1000))
    assert isinstance(large, errors.Exhausted)
    assert "larger than max" in str(large)


def test_nobody_there_names_the_address() -> None:
    with rpc.channel("127.0.0.1:9") as channel:
        with pytest.raises(grpc.RpcError) as error:
            recognize("")(channel)
    friendly = rpc.friendly(error.value)
    assert isinstance(friendly, errors.Unavailable)
    assert "nothing answers at 127.0.0.1:9" in str(friendly)
    assert "nothing answers at recorder" in str(rpc.friendly(error.value, "recorder"))


@pytest.mark.parametrize("address", ["busy", "192.0.2.1:0"])
def test_an_address_that_cannot_be_bound_is_named(address: str) -> None:
    async def run() -> None:
        async with serving() as server:
            wanted = f"127.0.0.1:{server.port}" if address == "busy" else address
            with pytest.raises(errors.Unavailable, match=f"cannot listen on {wanted}"):
                await rpc.start_server(register(Ingest()), wanted)

    asyncio.run(run())


def test_health_follows_the_service() -> None:
    is_ready = threading.Event()

    def client(channel: grpc.Channel) -> list[Any]:
        stub = health_pb2_grpc.HealthStub(channel)

        def status(service: str) -> Any:
            return stub.Check(health_pb2.HealthCheckRequest(service=service)).status

        before = [status(""), status(RECOGNIZE), status("voxloom.v1.IngestService")]
        is_ready.set()
        deadline_s = time.monotonic() + 10
        while status(RECOGNIZE) != SERVING and time.monotonic() < deadline_s:
            time.sleep(0.05)
        return [*before, status(RECOGNIZE)]

    statuses = served(client, ready={RECOGNIZE: is_ready.is_set})
    assert statuses == [SERVING, NOT_SERVING, SERVING, SERVING]


def test_reflection_lists_the_services() -> None:
    def client(channel: grpc.Channel) -> set[str]:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        (response,) = stub.ServerReflectionInfo(iter([request]))
        return {each.name for each in response.list_services_response.service}

    assert {RECOGNIZE, "voxloom.v1.IngestService", "grpc.health.v1.Health"} <= served(client)


def test_a_stop_ends_watches_at_once_and_lets_calls_finish() -> None:
    outcomes: dict[str, Any] = {}

    def watch(channel: grpc.Channel) -> None:
        try:
            list(ingest_pb2_grpc.IngestServiceStub(channel).WatchJob(ingest.WatchJobRequest()))  # type: ignore[no-untyped-call]
        except grpc.RpcError as error:
            outcomes["watch"] = error

    def work(channel: grpc.Channel) -> None:
        outcomes["work"] = recognize("sleep:0.3")(channel)

    async def run() -> float:
        server = await rpc.start_server(register(Ingest()), "127.0.0.1:0")
        with rpc.channel(f"127.0.0.1:{server.port}") as channel:
            calls = [asyncio.create_task(asyncio.to_thread(call, channel)) for call in (watch, work)]
            await asyncio.sleep(0.15)
            started_s = time.monotonic()
            await server.stop(10)
            await asyncio.gather(*calls)
        return time.monotonic() - started_s

    assert asyncio.run(run()) < 5
    assert outcomes["work"].text
    assert outcomes["watch"].code() is grpc.StatusCode.UNAVAILABLE
    assert "stopping" in outcomes["watch"].details()


def test_blocking_keeps_the_log_ids_and_raises_what_was_raised() -> None:
    def work(value: int) -> tuple[int, dict[str, str], bool]:
        return value, logs.bound(), threading.current_thread() is threading.main_thread()

    async def run() -> None:
        with logs.bind(request="r"):
            assert await rpc.blocking(work, 3) == (3, {"request": "r"}, False)
        with pytest.raises(errors.BadInput):
            await rpc.blocking(_refuse)

    asyncio.run(run())


def _refuse() -> None:
    raise errors.BadInput("no")


def test_a_full_executor_refuses_at_once_and_recovers() -> None:
    async def run() -> None:
        pool = executor.BoundedExecutor(threads=1, waiting=1)
        release = threading.Event()
        first, second = (asyncio.create_task(pool.run(release.wait, 20)) for _ in range(2))
        await asyncio.sleep(0)
        with pytest.raises(errors.Exhausted, match="1 running and 1 waiting"):
            await pool.run(time.sleep, 0)
        second.cancel()
        await asyncio.wait([second])
        third = asyncio.create_task(pool.run(time.monotonic))
        await asyncio.sleep(0)
        release.set()
        assert await first
        assert await third > 0
        pool.shutdown()

    asyncio.run(run())
