"""Wyoming, the protocol of Home Assistant's voice assistants: events over TCP to function calls.

A connection may bring any number of recordings, one after the other, each a stream of its own. An error ends
the connection, for a client that waits for a transcript would wait for ever.
"""

import asyncio
import contextlib
import logging
import time
import uuid
from collections.abc import Awaitable, Callable
from contextlib import ExitStack

from wyoming.asr import Transcript, TranscriptChunk, TranscriptStart, TranscriptStop
from wyoming.error import Error
from wyoming.event import Event, Eventable, async_write_event
from wyoming.info import AsrModel, AsrProgram, Attribution, Info
from wyoming.ping import Pong

import voxloom
from services.inference.asked import check_language, model_for
from services.inference.config import InferenceConfig
from services.inference.models import Models, ServedModel
from services.inference.pool import Pool
from services.inference.recognize import Pcm16
from services.inference.streaming import Pace, Result, StreamTranscriber
from services.inference.wyoming_events import MAX_LINE_BYTES, number, read_event, text
from voxloom import logs
from voxloom.errors import BadInput, Exhausted, VoxloomError
from voxloom.rpc_guard import status_of
from voxloom.runtime import cannot_listen

IDLE_S = 600.0  # between two events of a connection
SILENT_S = 60.0  # between two events of a recording, and for one of ours to be taken
_log = logging.getLogger(__name__)


class WyomingListener:
    """Accepts connections; more than twice as many as streams are refused."""

    name = "wyoming"

    def __init__(self, models: Models, pool: Pool, config: InferenceConfig) -> None:
        self._models, self._pool = models, pool
        self._pace = Pace.of(config.inference_interim_s, config.inference_pause_s)
        self._host, self._port = config.inference_wyoming_host, config.inference_wyoming_port or 0
        self.address = f"{self._host}:{self._port}"
        self._sessions: dict[asyncio.Task[None], Session] = {}
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        host = self._host.strip("[]")
        try:
            self._server = await asyncio.start_server(self._serve, host, self._port, limit=MAX_LINE_BYTES)
        except OSError as error:
            raise cannot_listen(self.address, error, "VOXLOOM_INFERENCE_WYOMING_PORT") from error
        self.address = f"{self._host}:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self, grace_s: float) -> None:
        assert self._server is not None
        self._server.close()
        for session in list(self._sessions.values()):
            session.drain()
        if running := list(self._sessions):
            _, late = await asyncio.wait(running, timeout=grace_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, to its end."""
        task = asyncio.current_task()
        assert task is not None
        session = Session(reader, writer, self._models, self._pool, self._pace)
        is_full = len(self._sessions) >= 2 * self._pool.streams.limit
        self._sessions[task] = session
        try:
            with logs.bind(request=uuid.uuid4().hex[:12]):
                await session.run(is_full)
        finally:
            del self._sessions[task]
            writer.close()


class Session:
    """One connection. `_stream` is there from audio-start to audio-stop."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        models: Models,
        pool: Pool,
        pace: Pace,
    ) -> None:
        self._reader, self._writer = reader, writer
        self._models, self._pool, self._pace = models, pool, pace
        self._wanted = self._language = ""
        self._model: ServedModel | None = None
        self._stream: StreamTranscriber | None = None
        self._place = ExitStack()  # in the pool, while there is a stream
        self._texts: list[str] = []
        self._began_s = 0.0
        self._waiting: asyncio.Timeout | None = None
        self._draining = False
        self._handlers: dict[str, Callable[[Event], Awaitable[None]]] = {
            "describe": self._describe,
            "ping": self._ping,
            "transcribe": self._transcribe,
            "audio-start": self._start,
            "audio-chunk": self._chunk,
            "audio-stop": self._end,
        }

    def drain(self) -> None:
        """Ends the connection, after the recording that it is in the middle of."""
        self._draining = True
        if self._waiting and self._stream is None:
            self._waiting.reschedule(asyncio.get_running_loop().time())

    async def run(self, is_full: bool) -> None:
        """Answers events until the client has gone, is silent for too long, or made an error."""
        try:
            if is_full:
                raise Exhausted("too many connections; try again in a moment")
            while not (self._draining and self._stream is None) and (event := await self._next()):
                if handle := self._handlers.get(event.type):  # of others nothing is expected
                    await handle(event)
        except TimeoutError:
            _log.debug("a wyoming connection ends: nothing came, or nothing was taken")
        except VoxloomError as error:
            await self._refuse(str(error), status_of(error).name)
        except ConnectionError:
            pass
        except Exception:  # noqa: BLE001 - the edge: whatever is left becomes one error event
            _log.exception("internal error in wyoming")
            await self._refuse("internal error; the log of the service has it", "INTERNAL")
        finally:
            self._place.close()

    async def _next(self) -> Event | None:
        limit_s = SILENT_S if self._stream else IDLE_S
        async with asyncio.timeout(limit_s) as self._waiting:
            event = await read_event(self._reader)
        self._waiting = None
        return event

    async def _say(self, message: Eventable) -> None:
        async with asyncio.timeout(SILENT_S):
            await async_write_event(message.event(), self._writer)

    async def _refuse(self, message: str, code: str) -> None:
        _log.info("wyoming %s: %s", code, message)
        with contextlib.suppress(ConnectionError, TimeoutError):
            await self._say(Error(message, code))

    async def _describe(self, event: Event) -> None:
        await self._say(_info(self._models.serving))

    async def _ping(self, event: Event) -> None:
        await self._say(Pong(text(event.data, "text")))

    async def _transcribe(self, event: Event) -> None:
        """What the next recordings are asked for; context and names to listen for are hints, and change
        nothing."""
        self._wanted, self._language = text(event.data, "name"), text(event.data, "language")

    async def _start(self, event: Event) -> None:
        if self._stream:
            raise BadInput("audio-start came twice; end the first recording with audio-stop")
        rate_hz, width, channels = (number(event.data, name) for name in ("rate", "width", "channels"))
        if width != 2:
            raise BadInput(f"width is {width} bytes a sample; expected 2")
        model = await model_for(self._models, self._wanted)
        check_language(model, self._language)
        self._place.enter_context(self._pool.streams.enter())
        self._stream = StreamTranscriber(model, self._pool, Pcm16(rate_hz, channels), False, self._pace)
        self._model, self._texts, self._began_s = model, [], time.monotonic()
        await self._say(TranscriptStart(language=_language(model)))

    async def _chunk(self, event: Event) -> None:
        if self._stream is None:
            raise BadInput("audio-chunk came before audio-start, which tells the rate")
        async for result in self._stream.push_all(event.payload or b""):
            await self._tell(result)

    async def _end(self, event: Event) -> None:
        if self._stream is None or self._model is None:
            raise BadInput("audio-stop came without audio-start")
        async for result in self._stream.finish():
            await self._tell(result)
        self._stream = None
        self._place.close()
        await self._say(Transcript(" ".join(self._texts), language=_language(self._model)))
        await self._say(TranscriptStop())
        _log.info("wyoming transcript OK in %d ms", round((time.monotonic() - self._began_s) * 1000))

    async def _tell(self, result: Result) -> None:
        """Chunks put one after the other are the transcript."""
        if result.is_final and result.hypothesis.text:
            gap = " " if self._texts else ""
            self._texts.append(result.hypothesis.text)
            await self._say(TranscriptChunk(gap + result.hypothesis.text))


def _info(model: ServedModel | None) -> Info:
    by = Attribution("voxloom", "")
    models = [AsrModel(model.id, by, True, model.id, None, model.record.languages)] if model else []
    program = AsrProgram(
        name="voxloom",
        attribution=by,
        installed=True,
        description="The model in production",
        version=voxloom.__version__,
        models=models,
        supports_transcript_streaming=True,
    )
    return Info(asr=[program])


def _language(model: ServedModel) -> str | None:
    """Told where it is one."""
    return model.record.languages[0] if len(model.record.languages) == 1 else None
