"""Messages that no client means to send, for each protocol of inference; one seed, one message.

Every `send_*` returns how the server answered, and fails if that was no clear answer.
"""

import http.client
import json
import random
import socket
from collections.abc import Iterator
from functools import cache
from typing import Any

import grpc
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from integration import bundle_maker
from protocol_process import address_of, pcm, wav
from riva.client.proto import riva_asr_pb2
from service_process import ServiceProcess

from voxloom.audio import encode_flac
from voxloom.v1 import inference_pb2

TIMEOUT_S = 20.0
_FAULTS = {grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.DEADLINE_EXCEEDED}
_TEXTS = (
    "",
    "en-US",
    "de",
    "m-a",
    "whisper-1",
    "true",
    "\x00",
    "é" * 50,
    "../../etc",
    "x" * 5000,
    "[]",
    "{}",
    "-1",
)
_NUMBERS = (0, 1, -1, 2, 3, 20, 77, 500, 8000, 16000, 44100, 2**31 - 1, -(2**31))
_REALS = (0.0, 1.0, -1.0, 1e-9, 1e30, float("inf"), float("nan"))
_METHODS = [
    (module.DESCRIPTOR.services_by_name[service], method)
    for module, service in ((riva_asr_pb2, "RivaSpeechRecognition"), (inference_pb2, "InferenceService"))
    for method in module.DESCRIPTOR.services_by_name[service].methods
]


def send_grpc(process: ServiceProcess, seed: int) -> str:
    """A call of any method of Riva's service or of ours, with every field filled at random, or with bytes
    that are no message at all."""
    draw = random.Random(seed)
    service, method = draw.choice(_METHODS)
    path = f"/{service.full_name}/{method.name}"
    count = draw.choice((0, 1, 2, 5)) if method.client_streaming else 1
    requests = [_message(method.input_type._concrete_class, draw, first=not n) for n in range(count)]
    try:
        if method.client_streaming:
            list(process.channel.stream_stream(path)(iter(requests), timeout=TIMEOUT_S))
        else:
            process.channel.unary_unary(path)(requests[0], timeout=TIMEOUT_S)
    except grpc.RpcError as caught:
        error = caught
    else:
        return "OK"
    assert error.code() not in _FAULTS, (seed, error)
    assert error.details(), seed
    return str(error.code().name)


def _message(kind: Any, draw: random.Random, first: bool) -> bytes:
    if draw.random() < 0.1:
        return draw.randbytes(draw.randrange(200))
    message = kind()
    _fill(message, draw, depth=0)
    for oneof in message.DESCRIPTOR.oneofs:  # mostly the part that is expected there, else no call goes far
        wanted = oneof.fields[0 if first else 1] if len(oneof.fields) > 1 else None
        if wanted and draw.random() < 0.9:
            _set(message, wanted, draw, depth=0)
    data: bytes = message.SerializeToString()
    return _damaged(data, draw) if draw.random() < 0.1 else data


def _fill(message: Message, draw: random.Random, depth: int) -> None:
    for field in message.DESCRIPTOR.fields:
        if draw.random() < (0.5 if depth == 0 else 0.25):
            _set(message, field, draw, depth)


def _set(message: Message, field: FieldDescriptor, draw: random.Random, depth: int) -> None:
    if field.message_type and field.message_type.GetOptions().map_entry:
        value = getattr(message, field.name)
        if field.message_type.fields_by_name["value"].type == FieldDescriptor.TYPE_STRING:
            value[draw.choice(_TEXTS)] = draw.choice(_TEXTS)
    elif field.is_repeated:
        for _ in range(draw.choice((0, 1, 3))):
            target = getattr(message, field.name)
            if field.message_type:
                _fill(target.add(), draw, depth + 1)
            else:
                target.append(_scalar(field, draw))
    elif field.message_type:
        inner = getattr(message, field.name)
        inner.SetInParent()
        _fill(inner, draw, depth + 1)
    else:
        setattr(message, field.name, _scalar(field, draw))


def _scalar(field: FieldDescriptor, draw: random.Random) -> Any:
    match field.type:
        case FieldDescriptor.TYPE_STRING:
            return draw.choice(_TEXTS) if draw.random() < 0.6 else ""
        case FieldDescriptor.TYPE_BYTES:
            return audio(draw)
        case FieldDescriptor.TYPE_BOOL:
            return draw.random() < 0.5
        case FieldDescriptor.TYPE_FLOAT | FieldDescriptor.TYPE_DOUBLE:
            return draw.choice(_REALS)
        case FieldDescriptor.TYPE_ENUM:
            return draw.choice([value.number for value in field.enum_type.values] + [77])
        case _:
            return draw.choice(_NUMBERS)


def audio(draw: random.Random) -> bytes:
    """A recording, damaged or not, or none."""
    data = draw.choice(_recordings())
    if draw.random() < 0.3:
        return _damaged(data, draw)
    return data if draw.random() < 0.8 else draw.randbytes(draw.randrange(3000))


@cache
def _recordings() -> tuple[bytes, ...]:
    whole = wav("bed"), encode_flac(bundle_maker.say("bed")), pcm("bed")
    return (*whole, *whole, *whole, whole[0][:44], b"", b"OggS", b"ID3", b"RIFF")


def _damaged(data: bytes, draw: random.Random) -> bytes:
    """A few bytes changed, or some taken out."""
    damaged = bytearray(data)
    for _ in range(draw.choice((1, 3, 20))):
        if damaged:
            damaged[draw.randrange(min(len(damaged), 100))] = draw.randrange(256)
    start = draw.randrange(len(damaged) + 1)
    return bytes(damaged if draw.random() < 0.5 else damaged[:start] + damaged[start + 7 :])


def send_http(process: ServiceProcess, seed: int) -> str:
    """A form with any fields and any file, perhaps damaged, to a path that there is or not."""
    draw = random.Random(seed)
    path = draw.choice(["/v1/audio/transcriptions"] * 16 + ["/v1/models", "/v1/models/x", "/health", "/%ff"])
    body = _form(draw)
    if draw.random() < 0.2:
        body = _damaged(body, draw)
    kind = draw.choice(
        ["multipart/form-data; boundary=cut"] * 20 + ["multipart/mixed; boundary=", "text/plain", ""]
    )
    headers = {"Content-Type": kind, "X-Any": draw.choice(("", "a" * 100))}
    if draw.random() < 0.1:
        headers["Content-Encoding"] = draw.choice(("gzip", "br", "x"))
    return _ask(process, draw.choice(["POST"] * 20 + ["GET", "PUT", "OPTIONS"]), path, body, headers, seed)


_VALUES = {
    "model": ("whisper-1", "m-a", "production"),
    "language": ("en", "en-US"),
    "response_format": ("json", "text", "srt", "vtt", "verbose_json"),
    "stream": ("true", "false"),
    "timestamp_granularities[]": ("word", "segment"),
    "temperature": ("0", "0.5"),
    "prompt": ("a word",),
    "include[]": ("logprobs",),
    "": ("",),
    "file": ("text",),
}


def _form(draw: random.Random) -> bytes:
    parts = []
    for name in draw.choices(list(_VALUES), k=draw.randrange(5)):
        text = draw.choice(_VALUES[name] if draw.random() < 0.8 else _TEXTS)
        parts.append((name, text.encode()))
    if draw.random() < 0.9:
        parts.append(("file", audio(draw)))
    draw.shuffle(parts)
    lines = (
        b'--cut\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (name.encode(), value)
        for name, value in parts
    )
    return b"".join(lines) + (b"--cut--\r\n" if draw.random() < 0.9 else b"")


def _ask(
    process: ServiceProcess, method: str, path: str, body: bytes, headers: dict[str, str], seed: int
) -> str:
    connection = http.client.HTTPConnection(address_of(process, "openai"), timeout=TIMEOUT_S)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        text = answer.read()
    finally:
        connection.close()
    assert answer.status < 500, (seed, answer.status, text)
    if (
        answer.status >= 400
        and method != "HEAD"
        and answer.getheader("Content-Type", "").startswith("application/json")
    ):
        assert json.loads(text)["error"]["message"], seed
    return str(answer.status)


def send_wyoming(process: ServiceProcess, seed: int) -> str:
    """Some events in an order that makes sense, or not, with data that does, or not."""
    draw = random.Random(seed)
    raw = b"".join(_events(draw))
    if draw.random() < 0.3:
        raw = _damaged(raw, draw)
    host, _, port = address_of(process, "wyoming").rpartition(":")
    with socket.create_connection((host, int(port)), timeout=TIMEOUT_S) as connection:
        try:
            connection.sendall(raw)
            connection.shutdown(socket.SHUT_WR)
            answer = connection.makefile("rb").read()
        except ConnectionError:  # it closed, with some of ours unread
            return "closed"
    assert b"INTERNAL" not in answer, (seed, answer)
    return "error" if b'"type": "error"' in answer else "OK"


def _events(draw: random.Random) -> Iterator[bytes]:
    usual = ["transcribe", "audio-start", "audio-chunk", "audio-chunk", "audio-stop"]
    others = ["describe", "ping", "transcript", "", "x" * 100, *usual]
    kinds = usual if draw.random() < 0.6 else draw.choices(others, k=draw.randrange(8))
    for kind in kinds:
        yield _event(kind, draw)


def _event(kind: str, draw: random.Random) -> bytes:
    data: dict[str, Any] = {"rate": 16000, "width": 2, "channels": 1} if kind.startswith("audio") else {}
    if draw.random() < 0.3:
        name = draw.choice(("rate", "width", "channels", "name", "language", "text", "timestamp"))
        data[name] = draw.choice((None, True, [], {}, 2.5, 10**30, *_NUMBERS, *_TEXTS))
    payload = audio(draw) if kind == "audio-chunk" else b""
    header: dict[str, Any] = {"type": kind, "data": data, "payload_length": len(payload)}
    if draw.random() < 0.05:
        header[draw.choice(list(header))] = draw.choice((None, [], "1", -1, 10**9, 1.5))
    return json.dumps(header).encode() + b"\n" + payload


SENDERS = {"grpc": send_grpc, "http": send_http, "wyoming": send_wyoming}
