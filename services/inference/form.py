"""The multipart form of a transcription request, read as it arrives, up to a limit."""

import asyncio
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web

from services.inference.http import TooLarge
from voxloom.errors import BadInput, Unavailable
from voxloom.rpc import MAX_MESSAGE_BYTES

MAX_FILE_BYTES = MAX_MESSAGE_BYTES
UPLOAD_S = 120.0  # a slow sender keeps others from being served
_MAX_FIELD_BYTES = 64 << 10
_MAX_FIELDS = 64


@dataclass
class Form:
    """The file, and the other fields with all values of each."""

    file: bytes | None = None
    fields: dict[str, list[str]] = field(default_factory=dict)

    def one(self, name: str, default: str = "") -> str:
        """The last value of a field that has one."""
        return self.fields.get(name, [default])[-1]


async def read_form(request: web.Request) -> Form:
    """BadInput for what is no such form, TooLarge for too much of it."""
    if not request.content_type.startswith("multipart/"):
        raise BadInput(
            f"the request is {request.content_type[:60]}; expected multipart/form-data, "
            "and in it the recording as 'file'"
        )
    try:
        async with asyncio.timeout(UPLOAD_S):
            return await _read_parts(request)
    except TimeoutError:
        raise Unavailable(
            f"the recording took longer than {UPLOAD_S:g} s to arrive; send a smaller one"
        ) from None
    except (
        ValueError,
        AssertionError,
        aiohttp.ClientError,
        aiohttp.http_exceptions.HttpProcessingError,
    ) as error:
        raise BadInput(f"the multipart form cannot be read ({str(error)[:200]}); send it anew") from error


async def _read_parts(request: web.Request) -> Form:
    form = Form()
    async for part in await request.multipart():
        if not isinstance(part, aiohttp.BodyPartReader):
            raise BadInput("the form holds another form; send the fields one beside the other")
        if part.name == "file":
            form.file = await _read(part, MAX_FILE_BYTES, "the file")
        else:
            name = (part.name or "").removesuffix("[]")
            if sum(map(len, form.fields.values())) >= _MAX_FIELDS:
                raise BadInput(f"the form has more than {_MAX_FIELDS} fields")
            value = await _read(part, _MAX_FIELD_BYTES, f"field {name[:40]!r}")
            form.fields.setdefault(name, []).append(value.decode(errors="replace").strip())
    return form


async def _read(part: aiohttp.BodyPartReader, limit: int, what: str) -> bytes:
    data = bytearray()
    while chunk := await part.read_chunk(64 << 10):
        data += chunk
        if len(data) > limit:
            raise TooLarge(f"{what} is larger than {limit} bytes; send a shorter one, or compress it (FLAC)")
    return bytes(data)
