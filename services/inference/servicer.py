"""gRPC to function calls: messages in, values out."""

from collections.abc import AsyncIterator
from functools import partial

import grpc.aio
from google.protobuf.message import Message

from services.inference import batch
from services.inference.asked import model_for
from services.inference.config import InferenceConfig
from services.inference.encodings import Declared, Encoding, to_pcm16
from services.inference.incoming import Incoming
from services.inference.models import Models, ServedModel
from services.inference.options import listener
from services.inference.pool import Pool
from services.inference.recognize import Pcm16, Stopwatch, read_audio, recognize
from services.inference.streaming import Pace, StreamTranscriber
from services.inference.wire import (
    alternatives_of,
    declared,
    options_of,
    piece_response,
    stream_response,
    words_of,
)
from voxloom.audio import Audio
from voxloom.errors import BadInput
from voxloom.v1 import inference_pb2 as pb
from voxloom.v1 import inference_pb2_grpc

NAME = pb.DESCRIPTOR.services_by_name["InferenceService"].full_name


class InferenceServicer(inference_pb2_grpc.InferenceServiceServicer):
    def __init__(self, models: Models, pool: Pool, config: InferenceConfig) -> None:
        self._models = models
        self._pool = pool
        self._max_audio_s = config.inference_max_audio_s
        self._max_batch_s = config.inference_max_batch_s
        self._max_batch_bytes = config.inference_max_batch_mib << 20
        self._pace = Pace.of(config.inference_interim_s, config.inference_pause_s)

    def register(self, server: grpc.aio.Server) -> list[str]:
        inference_pb2_grpc.add_InferenceServiceServicer_to_server(self, server)  # type: ignore[no-untyped-call]
        return [NAME]

    async def Recognize(self, request: pb.RecognizeRequest, context: object) -> Message:
        with self._pool.calls.enter():
            model = await self._model_for(request.options)
            read = partial(_read, request.audio, declared(request.format), self._max_audio_s)
            found = await recognize(model, self._pool, read)
        return pb.RecognizeResponse(
            text=found.text,
            words=words_of(found.words),
            confidence=found.confidence,
            audio_s=found.audio_s,
            compute_s=found.compute_s,
            model=model.id,
            alternatives=alternatives_of(found.best),
        )

    async def StreamingRecognize(
        self, requests: AsyncIterator[pb.StreamingRecognizeRequest], context: object
    ) -> AsyncIterator[Message]:
        with self._pool.streams.enter():
            messages = aiter(requests)
            first = await anext(messages, None)
            if first is None or first.WhichOneof("part") != "config":
                raise BadInput("the first message of a stream must be its configuration")
            model = await self._model_for(first.config.options)
            stream = self._begin(model, first.config)
            async for message in messages:
                async for result in stream.push(_chunk(message)):
                    yield stream_response(result, model.id)
            async for result in stream.finish():
                yield stream_response(result, model.id)

    async def BatchRecognize(
        self, requests: AsyncIterator[pb.BatchRecognizeRequest], context: object
    ) -> AsyncIterator[Message]:
        with self._pool.calls.enter():
            messages = aiter(requests)
            first = await anext(messages, None)
            if first is None or first.WhichOneof("part") != "config":
                raise BadInput("the first message of a batch must be its configuration")
            model = await self._model_for(first.config.options)
            form, clock, end_ms = declared(first.config.format), Stopwatch(), 0
            chunks = (_chunk(message) async for message in messages)
            async with batch.spooled(chunks, self._max_batch_bytes) as path:
                recording = await self._pool.run(batch.Recording.of, path, form)
                async for piece in batch.pieces(model, self._pool, recording, self._max_batch_s, clock):
                    end_ms = piece.end_ms
                    yield piece_response(piece, recording.total_s)
        summary = pb.BatchSummary(audio_s=end_ms / 1000, compute_s=clock.seconds, model=model.id)
        yield pb.BatchRecognizeResponse(summary=summary)

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

    async def _model_for(self, options: pb.RecognitionOptions) -> ServedModel:
        """The model that the call asks for, which hears as it asks."""
        model = await model_for(self._models, options.model)
        return await listener(model, self._pool, options_of(options))

    def _begin(self, model: ServedModel, config: pb.StreamingConfig) -> StreamTranscriber | Incoming:
        form, pace = declared(config.format), self._pace.with_pause(config.pause_s)

        def begin(pcm: Pcm16) -> StreamTranscriber:
            return StreamTranscriber(model, self._pool, pcm, config.interim_results, pace)

        if form.encoding is Encoding.PCM16:
            return begin(Pcm16(form.sample_rate_hz, form.channels))
        return Incoming(begin, self._pool, form, self._max_audio_s)


def _read(data: bytes, form: Declared, max_audio_s: float) -> Audio:
    """Of bare samples or of a file."""
    if form.encoding is Encoding.PACKED:
        return read_audio(data, None, max_audio_s)
    pcm = Pcm16(form.sample_rate_hz, form.channels)
    return read_audio(to_pcm16(form.encoding, data), pcm, max_audio_s)


def _chunk(message: pb.StreamingRecognizeRequest | pb.BatchRecognizeRequest) -> bytes:
    if message.WhichOneof("part") != "audio":
        raise BadInput("every message after the first one must be audio")
    return message.audio
