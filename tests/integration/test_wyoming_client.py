"""Home Assistant's own client library, unchanged, against a running inference service."""

import asyncio
import io
import socket
import wave
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from integration import bundle_maker
from protocol_process import KEY, address_of, pcm, promote, serving, speaking, wav
from service_process import ServiceProcess, eventually
from wyoming.asr import Transcribe, Transcript, TranscriptChunk
from wyoming.audio import AudioChunk, AudioStart, AudioStop, wav_to_chunks
from wyoming.client import AsyncTcpClient
from wyoming.error import Error
from wyoming.event import Event
from wyoming.info import Describe, Info
from wyoming.ping import Ping, Pong

pytestmark = pytest.mark.slow

TEXT = "bed cafe had a bag"
Result = TypeVar("Result")


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    root = tmp_path_factory.mktemp("wyoming") / "store"
    promote(root, "m-a")
    with speaking(root, inference_max_streams="2") as process:
        yield process


def talk(process: ServiceProcess, dialogue: Callable[[AsyncTcpClient], Awaitable[Result]]) -> Result:
    """One connection, and what is said in it."""
    host, _, port = address_of(process, "wyoming").rpartition(":")

    async def run() -> Result:
        async with asyncio.timeout(60), AsyncTcpClient(host, int(port)) as client:
            return await dialogue(client)

    return asyncio.run(run())


async def read(client: AsyncTcpClient) -> Event:
    event = await client.read_event()
    assert event is not None
    return event


async def say(client: AsyncTcpClient, audio: bytes) -> None:
    with wave.open(io.BytesIO(audio)) as file:
        for each in wav_to_chunks(file, 1024, start_event=True, stop_event=True):
            await client.write_event(each.event())


async def until_stop(client: AsyncTcpClient) -> list[Event]:
    events = [await read(client)]
    while events[-1].type not in ("transcript-stop", "error"):
        events.append(await read(client))
    return events


async def heard(client: AsyncTcpClient, audio: bytes) -> str:
    """As Home Assistant does it: all that is no transcript is passed over."""
    await client.write_event(Transcribe(language="en").event())
    await say(client, audio)
    events = await until_stop(client)
    return next(Transcript.from_event(event).text for event in events if Transcript.is_type(event.type))


def test_it_says_what_it_is(process: ServiceProcess) -> None:
    async def dialogue(client: AsyncTcpClient) -> Info:
        await client.write_event(Describe().event())
        return Info.from_event(await read(client))

    (program,) = talk(process, dialogue).asr
    assert program.supports_transcript_streaming
    assert [(model.name, model.languages) for model in program.models] == [("m-a", ["en"])]


def test_a_recording_is_heard(process: ServiceProcess) -> None:
    assert talk(process, lambda client: heard(client, wav(TEXT))) == TEXT
    assert talk(process, lambda client: heard(client, wav("a"))) == "a"


def test_one_connection_for_several_recordings(process: ServiceProcess) -> None:
    async def dialogue(client: AsyncTcpClient) -> list[str]:
        return [await heard(client, wav(text)) for text in ("bed", "had a bag", "")]

    assert talk(process, dialogue) == ["bed", "had a bag", ""]


def test_chunks_come_at_pauses_and_are_the_transcript_together(process: ServiceProcess) -> None:
    async def dialogue(client: AsyncTcpClient) -> list[Event]:
        await say(client, wav("had a bag|face|bed", pause_s=2.0))
        return await until_stop(client)

    events = talk(process, dialogue)
    kinds = [event.type for event in events]
    assert kinds == ["transcript-start", *["transcript-chunk"] * 3, "transcript", "transcript-stop"]
    chunks = [TranscriptChunk.from_event(event).text for event in events[1:4]]
    assert "".join(chunks) == Transcript.from_event(events[4]).text == "had a bag face bed"


def test_a_chunk_comes_while_the_recording_goes_on(process: ServiceProcess) -> None:
    async def dialogue(client: AsyncTcpClient) -> str:
        await client.write_event(AudioStart(16000, 2, 1).event())
        await client.write_event(AudioChunk(16000, 2, 1, pcm("had a bag|", pause_s=2.0)).event())
        assert (await read(client)).type == "transcript-start"
        chunk = TranscriptChunk.from_event(await read(client))
        await client.write_event(AudioStop().event())
        return chunk.text

    assert talk(process, dialogue) == "had a bag"


def test_ping(process: ServiceProcess) -> None:
    async def dialogue(client: AsyncTcpClient) -> str | None:
        await client.write_event(Event("something-new"))  # is passed over
        await client.write_event(Ping("here?").event())
        return Pong.from_event(await read(client)).text

    assert talk(process, dialogue) == "here?"


@pytest.mark.parametrize(
    ("events", "complaint"),
    [
        ([AudioChunk(16000, 2, 1, b"ab")], "audio-start"),
        ([AudioStop()], "audio-start"),
        ([AudioStart(16000, 2, 1), AudioStop()], "without audio"),
        ([AudioStart(16000, 2, 1), AudioStart(16000, 2, 1)], "twice"),
        ([AudioStart(16000, 4, 1)], "width"),
        ([AudioStart(5, 2, 1)], "sample rate 5"),
        ([AudioStart(16000, 2, 0)], "0 channels"),
        ([AudioStart("fast", 2, 1)], "rate"),
        ([Transcribe(language="de"), AudioStart(16000, 2, 1)], "trained on"),
        ([Transcribe(name="whisper-large"), AudioStart(16000, 2, 1)], "m-a"),
    ],
)
def test_an_error_is_told_and_ends_the_connection(
    process: ServiceProcess, events: list[AudioStart], complaint: str
) -> None:
    async def dialogue(client: AsyncTcpClient) -> str:
        for event in events:
            await client.write_event(event.event())
        error = (await until_stop(client))[-1]
        assert await client.read_event() is None
        return Error.from_event(error).text

    assert complaint in talk(process, dialogue)


@pytest.mark.parametrize(
    "raw",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"[" * 60_000 + b"\n",
        b"x" * 100_000,
        b"[]\n",
        b"{}\n",
        b'{"type": "audio-chunk", "payload_length": 99999999999}\n',
        b'{"type": "audio-chunk", "data_length": -1}\n',
        b'{"type": "audio-chunk", "data_length": 3}\n123',
        b'{"type": "describe", "data": 5}\n',
        b'{"type": ["describe"]}\n',
        b"\xff\xfe\n",
    ],
)
def test_what_is_not_wyoming_is_answered_with_an_error(process: ServiceProcess, raw: bytes) -> None:
    host, _, port = address_of(process, "wyoming").rpartition(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(raw)
        answer = connection.makefile("rb").read()
    assert b'"type": "error"' in answer
    assert b"internal" not in answer


def test_a_full_house_is_told_and_a_gone_client_leaves_its_place(process: ServiceProcess) -> None:
    async def start(client: AsyncTcpClient) -> str:
        await client.write_event(AudioStart(16000, 2, 1).event())
        return (await read(client)).type

    async def dialogue(first: AsyncTcpClient) -> Event:
        assert await start(first) == "transcript-start"
        host, _, port = address_of(process, "wyoming").rpartition(":")
        async with AsyncTcpClient(host, int(port)) as second, AsyncTcpClient(host, int(port)) as third:
            assert await start(second) == "transcript-start"
            await third.write_event(AudioStart(16000, 2, 1).event())
            return await read(third)

    error = talk(process, dialogue)
    assert Error.from_event(error).code == "RESOURCE_EXHAUSTED"
    eventually(lambda: serving(process).active_streams == 0)
    assert talk(process, lambda client: heard(client, wav("bed"))) == "bed"


def test_a_recording_keeps_its_model_when_another_is_promoted(tmp_path: Path) -> None:
    root = tmp_path / "store"
    promote(root, "m-a")
    with speaking(root) as process:

        async def dialogue(client: AsyncTcpClient) -> str:
            await client.write_event(AudioStart(16000, 2, 1).event())
            await read(client)
            promote(root, "m-deaf", deaf_to="h")
            await asyncio.to_thread(eventually, lambda: serving(process).model == "m-deaf")
            await client.write_event(AudioChunk(16000, 2, 1, pcm("had")).event())
            await client.write_event(AudioStop().event())
            events = await until_stop(client)
            return str(events[-2].data["text"])

        assert talk(process, dialogue) == "had"
        assert "h" not in talk(process, lambda client: heard(client, wav("had")))


def test_a_stop_ends_idle_connections_and_lets_recordings_end(tmp_path: Path) -> None:
    root = tmp_path / "store"
    promote(root, "m-a")
    with speaking(root, api_key=KEY) as process:

        async def dialogue(client: AsyncTcpClient) -> str:
            host, _, port = address_of(process, "wyoming").rpartition(":")
            async with AsyncTcpClient(host, int(port)) as idle:
                await idle.write_event(Describe().event())
                await read(idle)
                await client.write_event(AudioStart(16000, 2, 1).event())
                await read(client)
                process.process.terminate()
                assert await idle.read_event() is None
                await client.write_event(AudioChunk(16000, 2, 1, pcm("had")).event())
                await client.write_event(AudioStop().event())
                events = await until_stop(client)
                return str(events[-2].data["text"])

        assert talk(process, dialogue) == "had"
        assert process.process.wait(timeout=30) == 0


def test_a_large_event_is_cut_for_the_engine(process: ServiceProcess) -> None:
    async def dialogue(client: AsyncTcpClient) -> str:
        data = pcm(TEXT) + bytes(len(bundle_maker.say(TEXT)))
        await client.write_event(AudioStart(16000, 2, 1).event())
        await client.write_event(AudioChunk(16000, 2, 1, data).event())
        await client.write_event(AudioStop().event())
        return str((await until_stop(client))[-2].data["text"])

    assert talk(process, dialogue) == TEXT
