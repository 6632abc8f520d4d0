"""Reading prompts in a real browser: each take arrives as it was played, and none is lost."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
from chromium import Browsers, kill, needs_chromium, new_context, profile
from playwright.sync_api import BrowserContext, Route, expect
from protocol_process import KEY, address_of
from record_page import RecordPage
from service_process import ServiceProcess, eventually

pytestmark = needs_chromium


@pytest.fixture
def context(browsers: Browsers, base: str) -> Iterator[BrowserContext]:
    with new_context(browsers.speaking, base) as opened:
        yield opened


@pytest.fixture
def person(context: BrowserContext, request: pytest.FixtureRequest) -> Iterator[RecordPage]:
    """Somebody new at the first prompt; the name is that of the test."""
    page = RecordPage(context).open(request.node.name[:60])
    yield page
    assert page.errors == []


Stored = Callable[[str, int], list[tuple[dict[str, Any], Path]]]


@pytest.fixture
def stored(store: Path, request: pytest.FixtureRequest) -> Stored:
    """(record, WAV) of this person's takes of a text, once there are so many."""

    def takes(text: str) -> list[tuple[dict[str, Any], Path]]:
        found = [(json.loads(path.read_text()), path) for path in store.glob("raw/user_recorded/*/*.json")]
        own = [each for each in found if each[0]["speaker_name"] == request.node.name[:60]]
        return [(record, path.with_suffix(".wav")) for record, path in own if record["text"] == text]

    def wait(text: str, number: int) -> list[tuple[dict[str, Any], Path]]:
        eventually(lambda: len(takes(text)) == number, 10)
        return takes(text)

    return wait


def likeness(part: npt.NDArray[np.float32], whole: npt.NDArray[np.float32]) -> float:
    """The largest correlation coefficient of a part with any stretch of the whole."""
    size = len(part) + len(whole)
    products = np.fft.irfft(np.fft.rfft(whole, size) * np.conj(np.fft.rfft(part, size)), size)
    energies = np.cumsum(np.concatenate([[0.0], whole.astype(np.float64) ** 2]))
    stretches = energies[len(part) :] - energies[: -len(part)]
    return float(np.max(products[: len(stretches)] / np.sqrt(stretches * np.sum(part**2))))


def test_what_is_stored_is_what_was_played(person: RecordPage, stored: Stored, microphone: Path) -> None:
    read = person.prompt
    person.speak()
    expect(person["#prompt"]).not_to_have_text(read)  # it went on by itself
    person.wait_stored()
    [(record, wav)] = stored(read, 1)
    assert (record["prompt_list"], record["levels"]["source_sample_rate_hz"] >= 16000) == ("english", True)
    played, _ = soundfile.read(microphone, dtype="float32")
    assert likeness(soundfile.read(wav, dtype="float32")[0], np.tile(played, 4)) > 0.99
    expect(person["#counter"]).to_have_text("1 of 1,852 recorded")


def test_retake_play_and_delete(person: RecordPage, stored: Stored) -> None:
    read = person.prompt
    person.speak()
    person.wait_stored()
    person.speak("r")  # from the next prompt back to the one just read
    person.wait_stored()
    stored(read, 2)
    person.press("ArrowLeft")
    assert person.prompt == read
    expect(person["#tags"]).to_contain_text("2 takes")
    person.press("p", "Delete")
    person.page.get_by_role("dialog").get_by_role("button", name="Delete").press("Enter")
    expect(person["#tags"]).to_contain_text("1 take")
    stored(read, 1)


def test_skip_flag_and_back_are_kept(person: RecordPage) -> None:
    skipped = person.prompt
    person.press("f", "ArrowDown", "Enter", "s", "Enter")
    expect(person["#prompt"]).not_to_have_text(skipped)
    person.press("ArrowLeft")
    assert person.prompt == skipped
    expect(person["#tags"]).to_contain_text("skipped: not now")
    expect(person["#tags"]).to_contain_text("not this language")
    expect(person["#progress"]).to_contain_text("1 skipped, 1 flagged")
    person.page.reload()
    person.wait_ready()
    assert person.prompt != skipped
    person.press("ArrowLeft", "s")  # takes it back
    expect(person["#tags"]).not_to_contain_text("skipped")
    expect(person["#progress"]).to_contain_text("0 skipped")


def test_the_text_becomes_what_is_said(person: RecordPage, stored: Stored) -> None:
    person.press("e")
    person.page.get_by_label("As you are going to say it").fill("Enter twenty-one.")
    person.press("Enter")
    expect(person["#prompt"]).to_have_text("Enter twenty-one.")
    person.speak()
    person.wait_stored()
    stored("Enter twenty-one.", 1)


def test_the_text_becomes_what_was_said(person: RecordPage, stored: Stored) -> None:
    """Of a take that is stored; also when the answer of the first try was lost on the way."""
    first = _read(person, stored)
    _correct(person, "Enter twenty-one.")
    expect(person.page.get_by_role("status").filter(has_text="has the new text")).to_be_visible()
    [(record, wav)] = stored("Enter twenty-one.", 1)
    assert not stored(first, 0)
    assert wav.exists()

    def lose(route: Route) -> None:
        route.fetch()
        route.abort()

    person.page.route("**/rpc/recorder/CorrectTake", lose)
    _correct(person, "Enter twenty-two.")
    expect(person.page.get_by_role("alert")).to_contain_text("cannot be reached")
    [(again, _)] = stored("Enter twenty-two.", 1)
    assert again["corrected_from"] == record["utterance"]
    person.page.unroute("**/rpc/recorder/CorrectTake")
    _correct(person, "Enter twenty-two.")
    expect(person["#prompt"]).to_have_text("Enter twenty-two.")
    person.press("Delete")
    expect(person.page.get_by_role("dialog")).to_contain_text("Enter twenty-two.")
    person.press("Enter")  # its button has the focus
    stored("Enter twenty-two.", 0)  # by its new id


def test_words_that_cannot_be_those_leave_the_take_as_it_was(person: RecordPage, stored: Stored) -> None:
    first = _read(person, stored)
    _correct(person, "1 2 3")
    expect(person.page.get_by_role("alert")).to_contain_text("has no letters")
    stored(first, 1)


def test_a_take_on_its_way_is_stored_with_the_text_as_corrected(
    person: RecordPage, context: BrowserContext, stored: Stored
) -> None:
    context.set_offline(True)
    first = person.prompt
    person.speak()
    expect(person["#waiting"]).not_to_be_empty()
    if person.prompt != first:
        person.press("ArrowLeft")
    _correct(person, "Enter twenty-one.")
    context.set_offline(False)
    person.wait_stored()
    stored("Enter twenty-one.", 1)
    stored(first, 0)


def _read(person: RecordPage, stored: Stored) -> str:
    """The first prompt, which is stored and shown."""
    first = person.prompt
    person.speak()
    person.wait_stored()
    stored(first, 1)
    if person.prompt != first:
        person.press("ArrowLeft")
    expect(person["#prompt"]).to_have_text(first)
    return first


def _correct(person: RecordPage, text: str) -> None:
    person.press("e")
    person.page.get_by_label("As it was said").fill(text)
    person.press("Enter")


def test_takes_wait_for_the_network(person: RecordPage, context: BrowserContext, stored: Stored) -> None:
    person.page.evaluate("() => navigator.serviceWorker.ready.then(() => true)")
    context.set_offline(True)
    read = person.prompt
    person.speak()
    expect(person["#waiting"]).to_contain_text("1 take waits")
    person.page.reload()  # without a network, as after a crash
    person.wait_ready()
    expect(person["#waiting"]).to_contain_text("1 take waits")
    assert person.prompt != read
    stored(read, 0)
    other = RecordPage(context)  # a second tab
    other.page.goto("/")
    other.wait_ready()
    context.set_offline(False)
    person.wait_stored()
    stored(read, 1)
    assert (person.websockets + other.websockets).count("UploadTake") == 1


def test_a_killed_browser_loses_no_take(
    browsers: Browsers, base: str, microphone: Path, tmp_path: Path
) -> None:
    killed = profile(browsers.speaking, tmp_path, microphone, base)
    person = RecordPage(killed).open("Killed")
    person.page.evaluate("() => navigator.serviceWorker.ready.then(() => true)")
    killed.set_offline(True)
    person.speak()
    expect(person["#waiting"]).to_contain_text("1 take waits")
    kill(tmp_path)
    killed.wait_for_event("close")
    with profile(browsers.speaking, tmp_path, microphone, base) as again:
        person = RecordPage(again)
        person.page.goto("/")
        person.wait_ready()
        person.wait_stored()
        expect(person["#counter"]).to_have_text("1 of 1,852 recorded")


def test_a_bad_take_says_why_and_can_be_kept(person: RecordPage, stored: Stored) -> None:
    long = "much more than anybody can read in two or three seconds " * 4
    person.press("e")
    person.page.get_by_label("As you are going to say it").fill(long)
    person.press("Enter")
    person.speak()
    expect(person["#result .bad"]).to_contain_text("too short")
    expect(person["#again"]).to_be_focused()
    person.speak("Enter")  # reads it again: the first one is gone
    expect(person["#result .bad"]).to_be_visible()
    expect(person["#again"]).to_be_focused()
    stored(long.strip(), 0)
    person.press("Tab", "Enter")
    person.wait_stored()
    [(record, _)] = stored(long.strip(), 1)
    assert record["accepted_anyway"] == ["too_fast"]


def test_reasons_that_come_again_leave_the_focus_where_it_is(person: RecordPage, stored: Stored) -> None:
    """The page has its own at once; those of the server come later, here when the page gives up waiting."""
    person.page.route_web_socket("**/rpc/recorder/CheckTake", lambda socket: None)
    long = "much more than anybody can read in two or three seconds " * 4
    person.press("e")
    person.page.get_by_label("As you are going to say it").fill(long)
    person.press("Enter")
    person.speak()
    expect(person["#again"]).to_be_focused()
    first = person["#again"].element_handle()
    person.press("Tab")
    expect(person["#keep"]).to_be_focused()
    person.page.wait_for_function("(button) => !button.isConnected", arg=first, timeout=20_000)
    expect(person["#keep"]).to_be_focused()
    person.press("Enter")
    person.wait_stored()
    [(record, _)] = stored(long.strip(), 1)
    assert record["accepted_anyway"] == ["too_fast"]


def test_a_take_that_the_server_refuses_is_not_lost(person: RecordPage, context: BrowserContext) -> None:
    context.set_offline(True)
    person.press("e")
    person.page.get_by_label("As you are going to say it").fill("Enter \ufffd twenty-one")
    person.press("Enter")
    person.speak()
    context.set_offline(False)
    expect(person["#refused"]).to_contain_text("U+FFFD")
    with person.page.expect_download() as downloaded:
        person["#refused"].get_by_role("link", name="Download").click()
    assert soundfile.info(downloaded.value.path()).duration > 1
    person["#refused"].get_by_role("button", name="Discard").click()
    expect(person["#refused"]).to_be_hidden()


def test_two_people_have_their_own_progress(person: RecordPage) -> None:
    first = person["#speaker"].input_value()
    person.press("s", "Enter")
    expect(person["#progress"]).to_contain_text("1 skipped")
    person["#speaker"].select_option(label="Somebody else…")
    person.introduce("Somebody else entirely")
    expect(person["#progress"]).to_contain_text("0 skipped")
    person.page.reload()
    person.wait_ready()
    expect(person["#speaker"]).to_have_value("Somebody else entirely")
    person["#speaker"].select_option(first)
    expect(person["#progress"]).to_contain_text("1 skipped")


def test_an_invited_person_reads_for_themselves(
    browsers: Browsers, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """With the key somebody invites; the link opens one person's studio in another browser."""
    folder = tmp_path_factory.mktemp("locked")
    with ServiceProcess("recorder", folder, recorder_http_port="0", api_key=KEY) as recorder:
        base = f"http://{address_of(recorder, 'studio')}"
        with new_context(browsers.speaking, base) as context:
            page = context.new_page()
            page.goto("/")
            page.get_by_label("API key").fill(KEY)
            page.keyboard.press("Enter")
            RecordPage.sign_up(page, "Ada")
            page.locator("#invite").click()
            link = page.get_by_label("Link").input_value()
        with new_context(browsers.speaking, base) as context:
            guest = RecordPage(context)
            guest.page.goto(link)
            guest.wait_ready()
            assert "invite" not in guest.page.url
            expect(guest["#speaker"]).to_have_count(0)
            guest.speak()
            guest.wait_stored()
            expect(guest["#counter"]).to_have_text("1 of 1,852 recorded")
    [record] = folder.glob("raw/user_recorded/ada-*/*.json")
    assert json.loads(record.read_text())["speaker_name"] == "Ada"
