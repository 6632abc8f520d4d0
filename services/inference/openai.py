"""OpenAI's `POST /v1/audio/transcriptions` and `GET /v1/models`: HTTP to function calls.

The fields and shapes are those of OpenAI's API reference. `prompt` and `temperature` are accepted and change
nothing: what is heard does not depend on chance, nor on what was said before.
"""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from aiohttp import web

from services.inference.asked import check_language, model_for, model_named
from services.inference.config import InferenceConfig
from services.inference.form import Form, read_form
from services.inference.http import HEALTH, error_body
from services.inference.models import Models, ServedModel
from services.inference.options import Options, listener
from services.inference.pool import Pool
from services.inference.recognize import Stopwatch, cut_up, join, pieces, read_audio, recognize, take_in
from services.inference.transcript import FORMATS, render
from voxloom.audio import Audio
from voxloom.decode import Hypothesis
from voxloom.errors import BadInput, VoxloomError

_STREAMED_FORMATS = ("json", "text")
_YES, _NO = ("true", "1", "yes"), ("", "false", "0", "no")


@dataclass(frozen=True)
class Wanted:
    """How the transcript is to be."""

    fmt: str
    granularities: list[str]
    stream: bool


class OpenAIProtocol:
    """One request is one call in the pool's count, from before its body is read to its last byte."""

    def __init__(self, models: Models, pool: Pool, config: InferenceConfig) -> None:
        self._models = models
        self._pool = pool
        self._max_audio_s = config.inference_max_audio_s

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v1/audio/transcriptions", self.transcribe),
            web.get("/v1/models", self.list_models),
            web.get("/v1/models/{model}", self.show_model),
            web.get(HEALTH, self.health),
        ]

    async def transcribe(self, request: web.Request) -> web.StreamResponse:
        with self._pool.calls.enter():
            form = await read_form(request)
            model = await model_for(self._models, form.one("model"))
            check_language(model, form.one("language"))
            model = await listener(model, self._pool, Options(_hot_words(form)))
            wanted = _wanted(form)
            if form.file is None:
                raise BadInput("the form has no file; send the recording as the part 'file'")
            if wanted.stream:
                return await self._stream(request, model, form.file)
            found = await recognize(
                model, self._pool, partial(read_audio, form.file, None, self._max_audio_s)
            )
        language = ",".join(model.record.languages)
        body, content_type = render(found, wanted.fmt, wanted.granularities, language)
        return web.Response(text=body, content_type=content_type, headers={"x-voxloom-model": model.id})

    async def _stream(self, request: web.Request, model: ServedModel, file: bytes) -> web.StreamResponse:
        """Server-sent events: a delta for each piece of audio, then all of it. Audio that cannot be read is
        told of by the status; what fails later by an event."""
        clock = Stopwatch()
        decoded = await take_in(self._pool, partial(read_audio, file, None, self._max_audio_s), clock)
        headers = {"Cache-Control": "no-cache", "x-voxloom-model": model.id}
        response = web.StreamResponse(headers=headers)
        response.content_type = "text/event-stream"
        await response.prepare(request)
        try:
            async for event in self._events(model, decoded, clock):
                await response.write(f"data: {json.dumps(event, ensure_ascii=False)}\n\n".encode())
        except VoxloomError as error:
            told = json.dumps(error_body(str(error), "server_error"))
            await response.write(f"data: {told}\n\n".encode())
        await response.write_eof()
        return response

    async def _events(
        self, model: ServedModel, decoded: Audio, clock: Stopwatch
    ) -> AsyncIterator[dict[str, object]]:
        heard: list[Hypothesis] = []
        async for _, piece in pieces(model, self._pool, cut_up(decoded.samples), clock):
            if piece.text:
                gap = " " if any(each.text for each in heard) else ""
                yield {"type": "transcript.text.delta", "delta": gap + piece.text}
            heard.append(piece)
        whole = join(heard, decoded.duration_s, clock.seconds)
        yield {"type": "transcript.text.done", "text": whole.text}

    async def list_models(self, request: web.Request) -> web.Response:
        serving = self._models.serving
        return web.json_response({"object": "list", "data": [_listed(serving)] if serving else []})

    async def show_model(self, request: web.Request) -> web.Response:
        return web.json_response(_listed(model_named(self._models, request.match_info["model"])))

    async def health(self, request: web.Request) -> web.Response:
        """200 with a model to serve, else 503; needs no key."""
        return web.json_response({"status": "SERVING", "model": self._models.current().id})


def _wanted(form: Form) -> Wanted:
    fmt = form.one("response_format") or "json"
    if fmt not in FORMATS:
        raise BadInput(f"response_format {fmt[:40]!r} is not known; expected one of {', '.join(FORMATS)}")
    granularities = form.fields.get("timestamp_granularities", [])
    if unknown := set(granularities) - {"word", "segment"}:
        raise BadInput(f"timestamp_granularities {sorted(unknown)[0][:40]!r}: expected word or segment")
    if granularities and fmt != "verbose_json":
        raise BadInput(f"timestamp_granularities go with response_format verbose_json, not with {fmt}")
    if "include" in form.fields:
        raise BadInput("include: log probabilities of tokens are not given; leave it out")
    stream = _flag(form, "stream")
    if stream and fmt not in _STREAMED_FORMATS:
        raise BadInput(f"stream=true goes with response_format json or text, not with {fmt}")
    return Wanted(fmt, granularities, stream)


def _hot_words(form: Form) -> list[tuple[str, float]]:
    """`hotwords`, a field that OpenAI does not have: phrases with commas between."""
    return [(phrase.strip(), 0.0) for phrase in form.one("hotwords").split(",") if phrase.strip()]


def _flag(form: Form, name: str) -> bool:
    value = form.one(name).lower()
    if value not in _YES + _NO:
        raise BadInput(f"{name} is {value[:40]!r}; expected true or false")
    return value in _YES


def _listed(model: ServedModel) -> dict[str, object]:
    created = round(datetime.fromisoformat(model.since).timestamp())
    return {"id": model.id, "object": "model", "created": created, "owned_by": "voxloom"}
