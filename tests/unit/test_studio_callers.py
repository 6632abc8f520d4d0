"""Who may call what through the studio's edge."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from services.recorder.labels import speaker_id
from services.recorder.web.callers import COOKIE, Caller, Callers
from services.recorder.web.methods import METHODS
from voxloom.errors import BadInput, Forbidden, Unauthenticated
from voxloom.v1 import recorder_pb2 as pb

KEY, SECRET = "k" * 32, "ada.secret"
ADA = speaker_id("Ada")


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


def callers(*keys: str) -> Callers:
    return Callers(keys, {SECRET: ADA}.get, {ADA: "Ada"}.__getitem__)


def request(method: str = "GET", **headers: str) -> web.Request:
    sent: dict[str, Any] = {"Host": "localhost:50057", "Content-Type": "application/json"}
    return make_mocked_request(
        method, "/me", headers=sent | {k.replace("_", "-"): v for k, v in headers.items()}
    )


def test_each_method_of_the_five_services_has_a_name() -> None:
    assert METHODS["inference/StreamingRecognize"].path == "/voxloom.v1.InferenceService/StreamingRecognize"
    assert {method.service for method in METHODS.values()} == {
        "recorder",
        "ingest",
        "trainer",
        "optimizer",
        "inference",
    }


def test_a_key_is_changed_for_a_cookie_and_opens_all() -> None:
    cookie = run(callers(KEY).admit(request("POST"), f" {KEY}\n"))
    assert run(callers(KEY).of(request(Cookie=f"{COOKIE}={cookie}"))) == Caller()
    assert run(callers("another key", KEY).of(request(Cookie=f"{COOKIE}={cookie}"))) == Caller()
    for jar in ({}, {"Cookie": f"{COOKIE}={KEY}"}, {"Cookie": f"{COOKIE}="}):
        with pytest.raises(Unauthenticated):
            run(callers(KEY).of(request(**jar)))
    with pytest.raises(Unauthenticated):
        run(callers("another key").of(request(Cookie=f"{COOKIE}={cookie}")))


def test_an_invitation_opens_what_is_ones_own() -> None:
    cookie = run(callers(KEY).admit(request("POST"), SECRET))
    ada = run(callers(KEY).of(request(Cookie=f"{COOKIE}={cookie}")))
    assert ada == Caller(ADA)
    assert run(callers(KEY).name(ada)) == "Ada"
    assert run(callers(KEY).name(Caller())) == ""
    for name in ("Ada", ADA):
        ada.check(METHODS["recorder/DeleteRecording"], pb.DeleteRecordingRequest(speaker=name))
        ada.check_speaker(name)
    mine = pb.ListTakesRequest()
    ada.check(METHODS["recorder/ListTakes"], mine)
    assert mine.speaker == ADA  # not everybody's
    take = pb.UploadTakeRequest(take=pb.Take(prompt="go"))
    ada.check(METHODS["recorder/UploadTake"], take)
    assert take.take.speaker == ADA
    ada.check(METHODS["recorder/UploadTake"], pb.UploadTakeRequest(audio=b"1"))


def test_an_invitation_opens_nothing_of_others() -> None:
    ada = Caller(ADA)
    for name in ("Eve", speaker_id("Eve"), "ada", "Ada\0"):
        with pytest.raises((Forbidden, BadInput)):
            ada.check(METHODS["recorder/ListTakes"], pb.ListTakesRequest(speaker=name))
        with pytest.raises((Forbidden, BadInput)):
            ada.check(METHODS["recorder/UploadTake"], pb.UploadTakeRequest(take=pb.Take(speaker=name)))
    with pytest.raises(Forbidden):
        ada.check_speaker("")
    closed = (
        "ReviewTakes",
        "ExportTakes",
        "ListSpeakers",
        "InviteSpeaker",
        "RemovePromptList",
        "ImportPrompts",
    )
    for method in (*(f"recorder/{name}" for name in closed), "optimizer/RollbackModel", "ingest/Forget"):
        with pytest.raises(Forbidden, match="key"):
            ada.check(METHODS[method], METHODS[method].read("{}"))


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:50058"},
        {"Host": "evil.example"},
        {"Host": "localhost.evil.example:50057"},
        {"Host": ""},
    ],
)
def test_an_open_studio_answers_its_own_pages_on_this_machine_only(headers: dict[str, str]) -> None:
    with pytest.raises(Forbidden):
        run(callers().of(request(**headers)))


@pytest.mark.parametrize("host", ["localhost:1", "127.0.0.1", "127.0.0.1:50057", "[::1]:50057", "LOCALHOST"])
def test_names_of_this_machine(host: str) -> None:
    assert run(callers().of(request(Host=host, Origin=f"http://{host}"))) == Caller()


def test_a_form_of_another_site_is_no_request() -> None:
    with pytest.raises(BadInput, match="application/json"):
        run(callers().of(request("POST", Content_Type="text/plain")))
