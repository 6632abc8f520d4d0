"""A client of the inference service: files, live speech and long recordings to text.

    from voxloom.client import Client, Options

    with Client.connect("127.0.0.1:50055") as client:
        print(client.recognize(Path("a.wav").read_bytes(), options=Options(hot_words={"voxloom": 1.0})).text)

Every call raises a VoxloomError (voxloom.errors) whose message says what to do: BadInput, NotFound, Exhausted
and Unavailable are those that a caller may want to tell apart.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import grpc

from voxloom import rpc
from voxloom.errors import BadInput, VoxloomError
from voxloom.v1 import audio_pb2
from voxloom.v1 import inference_pb2 as pb
from voxloom.v1.inference_pb2_grpc import InferenceServiceStub

CHUNK_BYTES = 32 * 1024
TIMEOUT_S = 600.0  # of one file
_ENCODINGS = {
    "": audio_pb2.AUDIO_ENCODING_UNSPECIFIED,
    "pcm16": audio_pb2.AUDIO_ENCODING_PCM16,
    "mulaw": audio_pb2.AUDIO_ENCODING_MULAW,
    "alaw": audio_pb2.AUDIO_ENCODING_ALAW,
}
Explain = Callable[[grpc.RpcError], VoxloomError]


@dataclass(frozen=True)
class Form:
    """How audio bytes are coded. A file with a header (WAV, FLAC, Ogg, MP3) needs no more said."""

    encoding: str = ""  # of raw samples: pcm16, mulaw or alaw
    rate_hz: int = 0  # of raw samples
    channels: int = 1


@dataclass(frozen=True)
class Options:
    hot_words: Mapping[str, float] = field(default_factory=dict)  # phrases, and the boost of a letter (0: 1)
    alternatives: int = 1  # texts to choose from, the best included; at most 20
    model: str = ""  # a model of the store; empty: the one in production


@dataclass(frozen=True)
class Word:
    text: str
    start_ms: int
    end_ms: int
    confidence: float  # 0 to 1


@dataclass(frozen=True)
class Alternative:
    text: str
    words: list[Word]
    confidence: float


@dataclass(frozen=True)
class Result:
    """What was heard from `start_ms` to `end_ms` of the audio."""

    text: str
    words: list[Word]
    confidence: float  # 0 to 1
    start_ms: int
    end_ms: int
    is_final: bool = True  # a final result is never taken back, another one is replaced by the next
    alternatives: list[Alternative] = field(default_factory=list)  # with the text itself first
    total_ms: int = 0  # of the recording, where that is known
    model: str = ""


@dataclass(frozen=True)
class Transcript:
    """Of a whole recording."""

    text: str
    words: list[Word]
    confidence: float
    audio_s: float
    compute_s: float
    model: str
    alternatives: list[Alternative] = field(default_factory=list)


FILE, NO_OPTIONS = Form(), Options()


class Client:
    """One connection; safe to use from many threads."""

    def __init__(self, stub: Any, explain: Explain = rpc.friendly) -> None:
        """`explain` makes the error that is raised of gRPC's."""
        self._stub = stub
        self._explain = explain

    @classmethod
    @contextmanager
    def connect(
        cls, address: str, *, api_key: str = "", tls: grpc.ChannelCredentials | None = None
    ) -> Iterator["Client"]:
        """To host:port, closed at the end; connects on the first call. `tls`: encrypted, with what
        `grpc.ssl_channel_credentials` gives."""
        with rpc.channel(address, api_key=api_key, tls=tls) as channel:
            stub = InferenceServiceStub(channel)  # type: ignore[no-untyped-call]
            yield cls(stub, lambda error: rpc.friendly(error, address))

    def recognize(
        self, audio: bytes, form: Form = FILE, options: Options = NO_OPTIONS, *, timeout_s: float = TIMEOUT_S
    ) -> Transcript:
        """A file or samples of up to some minutes, in one piece."""
        request = pb.RecognizeRequest(format=_format(form), audio=audio, options=_options(options))
        with self._explained():
            found = self._stub.Recognize(request, timeout=timeout_s)
        return Transcript(
            text=found.text,
            words=_words(found.words),
            confidence=found.confidence,
            audio_s=found.audio_s,
            compute_s=found.compute_s,
            model=found.model,
            alternatives=_alternatives(found.alternatives),
        )

    def stream(
        self,
        chunks: Iterable[bytes],
        form: Form,
        options: Options = NO_OPTIONS,
        *,
        interim: bool = True,
        pause_s: float = 0.0,
    ) -> Iterator[Result]:
        """Live audio, at most 64 kB a chunk, as it comes; results as soon as there are any, final after
        `pause_s` of silence (0: as the service is set). Whoever stops iterating ends the call."""
        config = pb.StreamingConfig(
            format=_format(form), interim_results=interim, options=_options(options), pause_s=pause_s
        )
        messages = _messages(pb.StreamingRecognizeRequest, config, chunks)
        with self._explained():
            call = self._stub.StreamingRecognize(messages)
            with _ended(call):
                for found in call:
                    yield _result(found, is_final=found.is_final, model=found.model)

    def batch(
        self, file: BinaryIO, form: Form = FILE, options: Options = NO_OPTIONS
    ) -> Iterator[Result | Transcript]:
        """A recording of up to many hours, read to its end: a result for each half minute, and at last all of
        it. Whoever stops iterating ends the work."""
        config = pb.BatchConfig(format=_format(form), options=_options(options))
        messages = _messages(pb.BatchRecognizeRequest, config, iter(lambda: file.read(CHUNK_BYTES), b""))
        heard: list[Result] = []
        with self._explained():
            call = self._stub.BatchRecognize(messages)
            with _ended(call):
                for found in call:
                    if found.HasField("piece"):
                        heard.append(_result(found.piece, is_final=True, total_ms=found.piece.total_ms))
                        yield heard[-1]
                    else:
                        yield _whole(heard, found.summary)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except grpc.RpcError as error:
            raise self._explain(error) from error


@contextmanager
def _ended(call: Any) -> Iterator[None]:
    try:
        yield
    finally:
        call.cancel()  # does nothing to a call that has ended


def _messages(kind: Any, config: Any, chunks: Iterable[bytes]) -> Iterator[Any]:
    yield kind(config=config)
    for chunk in chunks:
        yield kind(audio=chunk)


def _format(form: Form) -> audio_pb2.AudioFormat:
    if form.encoding not in _ENCODINGS:
        raise BadInput(f"encoding {form.encoding!r} is not known; expected one of {', '.join(_ENCODINGS)}")
    return audio_pb2.AudioFormat(
        encoding=_ENCODINGS[form.encoding], sample_rate_hz=form.rate_hz, channels=form.channels
    )


def _options(options: Options) -> pb.RecognitionOptions:
    return pb.RecognitionOptions(
        hot_words=[pb.HotWord(phrase=phrase, boost=boost) for phrase, boost in options.hot_words.items()],
        max_alternatives=options.alternatives,
        model=options.model,
    )


def _result(found: Any, **more: Any) -> Result:
    return Result(
        text=found.text,
        words=_words(found.words),
        confidence=found.confidence,
        start_ms=found.start_ms,
        end_ms=found.end_ms,
        alternatives=_alternatives(found.alternatives),
        **more,
    )


def _whole(heard: list[Result], summary: pb.BatchSummary) -> Transcript:
    words = [word for each in heard for word in each.words]
    return Transcript(
        text=" ".join(each.text for each in heard if each.text),
        words=words,
        confidence=sum(word.confidence for word in words) / len(words) if words else 0.0,
        audio_s=summary.audio_s,
        compute_s=summary.compute_s,
        model=summary.model,
    )


def _words(words: Iterable[audio_pb2.Word]) -> list[Word]:
    return [Word(each.text, each.start_ms, each.end_ms, each.confidence) for each in words]


def _alternatives(found: Iterable[pb.Alternative]) -> list[Alternative]:
    return [Alternative(each.text, _words(each.words), each.confidence) for each in found]
