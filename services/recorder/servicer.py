"""The gRPC edge of the recorder: messages to values, one call of the domain, values to messages."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc

from services.recorder.checks import Pcm16
from services.recorder.labels import Labels, check_labels
from services.recorder.takes import StoredTake, Takes
from voxloom import rpc
from voxloom.errors import BadInput, Exhausted
from voxloom.v1 import audio_pb2, recorder_pb2, recorder_pb2_grpc

Requests = AsyncIterator[recorder_pb2.UploadTakeRequest]
NAME = recorder_pb2.DESCRIPTOR.services_by_name["RecorderService"].full_name


class RecorderServicer(recorder_pb2_grpc.RecorderServiceServicer):
    def __init__(self, takes: Takes, *, max_upload_bytes: int, max_uploads: int, upload_s: float) -> None:
        self._takes = takes
        self._max_upload_bytes = max_upload_bytes
        self._max_uploads = max_uploads
        self._upload_s = upload_s
        self._uploads = 0

    def register(self, server: grpc.aio.Server) -> list[str]:
        recorder_pb2_grpc.add_RecorderServiceServicer_to_server(self, server)  # type: ignore[no-untyped-call]
        return [NAME]

    async def UploadTake(self, requests: Requests, context: Any) -> recorder_pb2.UploadTakeResponse:
        if self._uploads >= self._max_uploads:
            raise Exhausted(f"{self._uploads} takes are being uploaded already; try again in a moment")
        self._uploads += 1
        try:
            labels, pcm16, data = await self._receive(requests)
            return _response(await rpc.blocking(self._takes.add, labels, data, pcm16))
        finally:
            self._uploads -= 1

    async def DeleteRecording(
        self, request: recorder_pb2.DeleteRecordingRequest, context: Any
    ) -> recorder_pb2.DeleteRecordingResponse:
        await rpc.blocking(self._takes.delete, request.speaker, request.utterance)
        return recorder_pb2.DeleteRecordingResponse()

    async def _receive(self, requests: Requests) -> tuple[Labels, Pcm16 | None, bytes]:
        """The labels, refused before the audio is read if they are wrong, then all of the audio."""
        try:
            async with asyncio.timeout(self._upload_s):
                take = await _first(requests)
                labels = check_labels(take.prompt, take.speaker, take.language)
                data = await self._read_audio(requests)
        except TimeoutError:
            raise BadInput(
                f"the take did not arrive within {self._upload_s:g} s; send it once it is recorded"
            ) from None
        if take.audio_bytes and take.audio_bytes != len(data):
            raise BadInput(f"{len(data)} of {take.audio_bytes} bytes of audio arrived; send the take again")
        return labels, _pcm16(take.format), data

    async def _read_audio(self, requests: Requests) -> bytes:
        data = bytearray()
        async for request in requests:
            if request.WhichOneof("part") != "audio":
                raise BadInput("only `audio` may follow the first message; upload each take in its own call")
            data += request.audio
            if len(data) > self._max_upload_bytes:
                raise BadInput(
                    f"the take is larger than {self._max_upload_bytes} bytes; read one sentence at a time, "
                    "16-bit at 16 to 48 kHz"
                )
        return bytes(data)


async def _first(requests: Requests) -> recorder_pb2.Take:
    request = await anext(requests, None)
    if request is None or request.WhichOneof("part") != "take":
        raise BadInput("the first message must be `take` (prompt, speaker, format), then `audio` follows")
    return request.take


def _pcm16(wire: audio_pb2.AudioFormat) -> Pcm16 | None:
    """The shape of raw samples, or None for a file, which tells it itself."""
    if wire.encoding == audio_pb2.AUDIO_ENCODING_UNSPECIFIED:
        return None
    if wire.encoding != audio_pb2.AUDIO_ENCODING_PCM16:
        raise BadInput(f"audio encoding {wire.encoding} is unknown; send PCM16, or a file and no encoding")
    return Pcm16(wire.sample_rate_hz, wire.channels or 1)


def _response(take: StoredTake) -> recorder_pb2.UploadTakeResponse:
    return recorder_pb2.UploadTakeResponse(
        utterance=take.record.utterance,
        speaker=take.record.speaker,
        record_key=take.record_key,
        checks=audio_pb2.AudioChecks(**take.record.levels.model_dump()),
        already_stored=take.already_stored,
    )
