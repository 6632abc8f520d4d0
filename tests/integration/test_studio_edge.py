"""The studio's HTTP edge on the real recorder process: RPCs as JSON and over WebSockets, who may call."""

import asyncio
import io
import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from protocol_process import KEY, address_of
from service_process import ServiceProcess
from voices import encoded, speech

JSON = {"Content-Type": "application/json"}
WAV = encoded(speech(3.0), "WAV", "PCM_16")

Talk = Callable[[aiohttp.ClientSession], Awaitable[Any]]


@pytest.fixture(scope="module")
def open_studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with _studio(tmp_path_factory.mktemp("open")) as process:
        yield f"http://{address_of(process, 'studio')}"


@pytest.fixture(scope="module")
def locked_studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with _studio(tmp_path_factory.mktemp("locked"), api_key=KEY) as process:
        yield f"http://{address_of(process, 'studio')}"


def _studio(folder: Path, **settings: str) -> ServiceProcess:
    return ServiceProcess("recorder", folder, recorder_http_port="0", **settings)


def talk(base: str, work: Talk, cookies: dict[str, str] | None = None) -> Any:
    async def run() -> Any:
        jar = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(base, cookie_jar=jar, cookies=cookies) as session:
            return await work(session)

    return asyncio.run(run())


async def rpc(session: aiohttp.ClientSession, method: str, request: Any, **headers: str) -> tuple[int, Any]:
    data = request if isinstance(request, bytes) else json.dumps(request).encode()
    async with session.post(f"/rpc/{method}", data=io.BytesIO(data), headers=JSON | headers) as response:
        return response.status, await response.json()


async def send_take(session: aiohttp.ClientSession, data: bytes = WAV, **labels: str) -> Any:
    async with session.ws_connect("/rpc/recorder/UploadTake") as socket:
        await socket.send_str(json.dumps({"take": {"prompt": "go left", "speaker": "Ada"} | labels}))
        await socket.send_bytes(data)
        await socket.send_str("end")
        return await socket.receive_json()


async def enter(session: aiohttp.ClientSession, key: str = KEY) -> int:
    async with session.post("/session", json={"key": key}) as response:
        return response.status


def test_pages_load_nothing_from_elsewhere(open_studio: str) -> None:
    async def work(session: aiohttp.ClientSession) -> None:
        for path in ("/", "/review", "/loop", "/try", "/static/style.css", "/sw.js"):
            async with session.get(path) as page:
                assert page.status == 200, path
                assert "default-src 'self'" in page.headers["Content-Security-Policy"]
                assert "http" not in (await page.text()).replace("http://www.w3.org/", "")
        for path in ("/static/../record.py", "/static/%2e%2e/web/edge.py", "/nothing"):
            async with session.get(path) as page:
                assert page.status in (403, 404), path

    talk(open_studio, work)


def test_rpcs_as_json(open_studio: str) -> None:
    async def work(session: aiohttp.ClientSession) -> None:
        status, lists = await rpc(session, "recorder/ListPromptLists", {})
        assert status == 200
        assert lists["lists"][0] | {"origin": ""} == {
            "name": "english",
            "language": "en",
            "prompts": 1852,
            "origin": "",
            "built_in": True,
            "created_at": "",
        }
        status, refused = await rpc(session, "recorder/ListPrompts", {"list": "nosuch"})
        assert (status, refused["error"]["code"]) == (404, "NOT_FOUND")
        assert "nosuch" in refused["error"]["message"]
        for request in (b"{", b'{"lisst": 1}', b"\xff", b"[]", b"1" * (2 << 20)):
            assert (await rpc(session, "recorder/ListPrompts", request))[0] == 400
        assert (await rpc(session, "recorder/Nothing", {}))[0] == 404
        assert (await rpc(session, "recorder/UploadTake", {}))[0] == 400
        status, refused = await rpc(session, "trainer/ListRuns", {})
        assert (status, refused["error"]["code"]) == (503, "UNAVAILABLE")

    talk(open_studio, work)


def test_a_take_by_websocket(open_studio: str) -> None:
    async def work(session: aiohttp.ClientSession) -> None:
        stored = await send_take(session)
        assert stored["utterance"].startswith("u-")
        assert (await send_take(session))["already_stored"]
        refused = await send_take(session, b"\0" * 1000)
        assert refused["error"]["code"] == "INVALID_ARGUMENT"
        async with session.ws_connect("/rpc/recorder/UploadTake") as socket:
            await socket.send_bytes(b"no take first")
            assert "first message" in (await socket.receive_json())["error"]["message"]

    talk(open_studio, work)


def test_a_browser_that_goes_leaves_nothing_under_way(open_studio: str) -> None:
    """Sixteen uploads may be under way; broken ones do not count for long."""

    async def work(session: aiohttp.ClientSession) -> None:
        for _ in range(20):
            async with session.ws_connect("/rpc/recorder/UploadTake") as socket:
                await socket.send_str(json.dumps({"take": {"prompt": "go left", "speaker": "Ada"}}))
                await socket.send_bytes(WAV[:1000])
        assert (await send_take(session, speaker="Eve"))["utterance"]

    talk(open_studio, work)


def test_other_sites_cannot_call(open_studio: str, locked_studio: str) -> None:
    async def work(session: aiohttp.ClientSession) -> None:
        evil = {"Origin": "http://evil.example"}
        assert (await rpc(session, "recorder/ListPromptLists", {}, **evil))[0] == 403
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect("/rpc/recorder/UploadTake", headers=evil)
        form = {"Content-Type": "text/plain"}  # what a page may send anywhere without being asked
        assert (await rpc(session, "recorder/ListPromptLists", {}, **form))[0] == 400

    async def rebound(session: aiohttp.ClientSession) -> None:
        """A name of somebody's own that points to this machine."""
        assert (await rpc(session, "recorder/ListPromptLists", {}, Host="evil.example"))[0] == 403

    talk(open_studio, work)
    talk(open_studio, rebound)

    async def signed_in(session: aiohttp.ClientSession) -> None:
        assert await enter(session) == 200
        await work(session)

    talk(locked_studio, signed_in)


def test_a_key_opens_the_studio(locked_studio: str) -> None:
    async def work(session: aiohttp.ClientSession) -> None:
        assert (await rpc(session, "recorder/ListPromptLists", {}))[0] == 401
        async with session.get("/") as page:
            assert page.status == 200  # it asks for the key
        assert await enter(session, "wrong key of some length") == 401
        assert await enter(session) == 200
        assert (await rpc(session, "recorder/ListPromptLists", {}))[0] == 200
        cookie = next(iter(session.cookie_jar))
        assert (cookie["httponly"], cookie["samesite"]) == (True, "Strict")
        assert KEY not in cookie.value
        assert await enter(session, "") == 200
        assert (await rpc(session, "recorder/ListPromptLists", {}))[0] == 401

    talk(locked_studio, work)
