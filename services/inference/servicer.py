"""gRPC to function calls: messages in, values out."""

from collections.abc import AsyncIterator

import grpc.aio
from google.protobuf.message import Message

from services.inference.config import InferenceConfig
from services.inference.models import Models, ServedModel
from services.inference.pool import Pool
from services.inference.recognize import Pcm16, recognize
from services.inference.streaming import Pace, Result, StreamTranscriber
from voxloom.decode import Word
from voxloom.errors import BadInput
from voxloom.v1 import audio_pb2, inference_pb2_grpc
from voxloom.v1 import inference_pb2 as pb

NAME = pb.DESCRIPTOR.services_by_name["InferenceService"].full_name
_PCM16 = audio_pb2.AUDIO_ENCODING_PCM16


class InferenceServicer(inference_pb2_grpc.InferenceServiceServicer):
    def __init__(self, models: Models, pool: Pool, config: InferenceConfig) -> None:
        self._models = models
        self._pool = pool
        self._max_audio_s = config.inference_max_audio_s
        self._pace = Pace.of(config.inference_interim_s, config.inference_pause_s)

    def register(self, server: grpc.aio.Server) -> list[str]:
        inference_pb2_grpc.add_InferenceServiceServicer_to_server(self, server)  # type: ignore[no-untyped-call]
        return [NAME]

    async def Recognize(self, request: pb.RecognizeRequest, context: object) -> Message:
        model = self._models.current()
        with self._pool.calls.enter():
            found = await recognize(model, self._pool, request.audio, _pcm(request.format), self._max_audio_s)
        return pb.RecognizeResponse(
            text=found.text,
            words=_words(found.words),
            confidence=found.confidence,
            audio_s=found.audio_s,
            compute_s=found.compute_s,
            model=model.id,
        )

    async def StreamingRecognize(
        self, requests: AsyncIterator[pb.StreamingRecognizeRequest], context: object
    ) -> AsyncIterator[Message]:
        model = self._models.current()
        with self._pool.streams.enter():
            messages = aiter(requests)
            stream = self._begin(model, await anext(messages, None))
            async for message in messages:
                async for result in stream.push(_chunk(message)):
                    yield _response(result, model)
            async for result in stream.finish():
                yield _response(result, model)

    async def GetServingModel(self, request: pb.GetServingModelRequest, context: object) -> Message:
        model = self._models.serving
        if model is None:
            return pb.ServingModel()
        return pb.ServingModel(
            model=model.id,
            since=model.since,
            active_streams=self._pool.streams.active,
            language=",".join(model.record.languages),
        )

    def _begin(self, model: ServedModel, first: pb.StreamingRecognizeRequest | None) -> StreamTranscriber:
        if first is None or first.WhichOneof("part") != "config":
            raise BadInput("the first message of a stream must be its configuration")
        pcm = _pcm(first.config.format)
        if pcm is None:
            raise BadInput("a stream is raw PCM16: set format.encoding to AUDIO_ENCODING_PCM16 and the rate")
        return StreamTranscriber(model, self._pool, pcm, first.config.interim_results, self._pace)


def _pcm(audio_format: audio_pb2.AudioFormat) -> Pcm16 | None:
    """None for files with a header."""
    if audio_format.encoding != _PCM16:
        return None
    return Pcm16(audio_format.sample_rate_hz, audio_format.channels or 1)


def _chunk(message: pb.StreamingRecognizeRequest) -> bytes:
    if message.WhichOneof("part") != "audio":
        raise BadInput("every message after the first one must be audio")
    return message.audio


def _response(result: Result, model: ServedModel) -> pb.StreamingRecognizeResponse:
    return pb.StreamingRecognizeResponse(
        text=result.hypothesis.text,
        words=_words(result.hypothesis.words),
        confidence=result.hypothesis.confidence,
        is_final=result.is_final,
        start_ms=result.start_ms,
        end_ms=result.end_ms,
        model=model.id,
        stability=result.stability,
    )


def _words(words: list[Word]) -> list[audio_pb2.Word]:
    return [
        audio_pb2.Word(
            text=word.text,
            start_ms=round(1000 * word.start_s),
            end_ms=round(1000 * word.end_s),
            confidence=word.confidence,
        )
        for word in words
    ]
