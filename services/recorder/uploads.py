"""What streams in: bounded in size, in time, and in how many at once."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from services.recorder.checks import Pcm16, Refused
from services.recorder.labels import Labels, check_labels
from services.recorder.prompt_files import MAX_BYTES, MAX_FILES
from voxloom.corpora.refusal import printable
from voxloom.errors import BadInput, Exhausted
from voxloom.v1 import audio_pb2
from voxloom.v1 import recorder_pb2 as pb

TakeRequests = AsyncIterator[pb.UploadTakeRequest]
PromptRequests = AsyncIterator[pb.ImportPromptsRequest]


@dataclass(frozen=True)
class Upload:
    """One take as it came."""

    labels: Labels
    pcm16: Pcm16 | None
    data: bytes
    refused: Refused
    listen: bool = False


class Uploads:
    def __init__(self, *, max_bytes: int, max_uploads: int, upload_s: float) -> None:
        self._max_bytes = max_bytes
        self._max_uploads = max_uploads
        self._upload_s = upload_s
        self._open = 0

    @contextmanager
    def slot(self, what: str) -> Iterator[None]:
        """Exhausted when too many are under way: each can hold a whole upload in memory."""
        if self._open >= self._max_uploads:
            raise Exhausted(f"{self._open} {what} are being uploaded already; try again in a moment")
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1

    async def take(self, requests: TakeRequests) -> Upload:
        """The labels, refused before the audio is read if they are wrong, then all of the audio."""
        try:
            async with asyncio.timeout(self._upload_s):
                take = await _first_take(requests)
                labels = check_labels(
                    take.prompt, take.speaker, take.language, (take.prompt_list, take.prompt_id)
                )
                data = await self._read_audio(requests)
        except TimeoutError:
            raise BadInput(
                f"the take did not arrive within {self._upload_s:g} s; send it once it is recorded"
            ) from None
        if take.audio_bytes and take.audio_bytes != len(data):
            raise BadInput(f"{len(data)} of {take.audio_bytes} bytes of audio arrived; send the take again")
        return Upload(labels, _pcm16(take.format), data, _refused(take.faults), take.listen)

    async def prompt_files(self, requests: PromptRequests) -> tuple[pb.PromptListHead, dict[str, bytes]]:
        """The head, and the files by path."""
        try:
            async with asyncio.timeout(self._upload_s):
                first = await anext(requests, None)
                if first is None or first.WhichOneof("part") != "list":
                    raise BadInput("the first message must be `list` (name, language), then `file` follows")
                return first.list, await _read_files(requests)
        except TimeoutError:
            raise BadInput(
                f"the prompts did not arrive within {self._upload_s:g} s; send them anew"
            ) from None

    async def _read_audio(self, requests: TakeRequests) -> bytes:
        data = bytearray()
        async for request in requests:
            if request.WhichOneof("part") != "audio":
                raise BadInput("only `audio` may follow the first message; upload each take in its own call")
            data += request.audio
            if len(data) > self._max_bytes:
                raise BadInput(
                    f"the take is larger than {self._max_bytes} bytes; read one sentence at a time, "
                    "16-bit at 16 to 48 kHz"
                )
        return bytes(data)


async def _first_take(requests: TakeRequests) -> pb.Take:
    request = await anext(requests, None)
    if request is None or request.WhichOneof("part") != "take":
        raise BadInput("the first message must be `take` (prompt, speaker, format), then `audio` follows")
    return request.take


async def _read_files(requests: PromptRequests) -> dict[str, bytes]:
    files: dict[str, bytearray] = {}
    total, last = 0, None
    async for request in requests:
        if request.WhichOneof("part") != "file":
            raise BadInput("only `file` may follow the first message; import each list in its own call")
        path = request.file.path
        if path != last and path in files:
            raise BadInput(f"{printable(path)} comes twice; send the parts of a file one after the other")
        last = path
        files.setdefault(path, bytearray()).extend(request.file.data)
        total += len(request.file.data) + len(path)
        if total > MAX_BYTES or len(files) > MAX_FILES:
            raise BadInput(
                f"the prompts have over {MAX_BYTES >> 20} MiB or {MAX_FILES} files; choose the sentences "
                "that you want to read, for example with shuf -n 20000"
            )
    return {path: bytes(data) for path, data in files.items()}


def _refused(wire: "pb.FaultPolicy") -> Refused:
    match wire:
        case pb.FAULT_POLICY_UNSPECIFIED:
            return Refused.SPOILING
        case pb.FAULT_POLICY_REFUSE_ALL:
            return Refused.ALL
        case pb.FAULT_POLICY_ACCEPT_ALL:
            return Refused.NONE
    raise BadInput(f"faults: policy {wire} is unknown; update voxloom, or leave it out")


def _pcm16(wire: audio_pb2.AudioFormat) -> Pcm16 | None:
    """The shape of raw samples, or None for a file, which tells it itself."""
    if wire.encoding == audio_pb2.AUDIO_ENCODING_UNSPECIFIED:
        return None
    if wire.encoding != audio_pb2.AUDIO_ENCODING_PCM16:
        raise BadInput(f"audio encoding {wire.encoding} is unknown; send PCM16, or a file and no encoding")
    return Pcm16(wire.sample_rate_hz, wire.channels or 1)
