"""The review page in a real browser, on takes of a real recorder: by mouse, by keyboard, one and many."""

import csv
import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium import LAPTOP, PHONE, Browsers, needs_chromium, new_context, serious_faults
from playwright.sync_api import Locator, Page, Request, expect
from protocol_process import KEY, address_of
from service_process import ServiceProcess
from take_maker import Recorder

from voxloom.v1 import recorder_pb2 as pb

pytestmark = needs_chromium
BUDGET_BYTES = 200_000
PROMPT = {"prompt_list": "harvard", "prompt_id": "h001"}
MANY = 54
_HAS_INK = """() => {
  const pen = document.querySelector("canvas").getContext("2d");
  return pen.getImageData(0, 0, 300, 40).data.some((value) => value > 0);
}"""


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    """Grace has more than a page of takes, Ada five, of which two are of one prompt and one is clipped."""
    folder = tmp_path_factory.mktemp("review")
    with ServiceProcess("recorder", folder, recorder_http_port="0") as process:
        recorder = Recorder(process)
        recorder.register("Grace")
        for number in range(MANY):
            recorder.record("Grace", f"count to {_spelled(number)}")
        recorder.register("Ada")
        recorder.record("Ada", "open the window", seed=1, **PROMPT)
        recorder.record("Ada", "open the window", seed=2, **PROMPT)
        recorder.record("Ada", "far too loud", seed=3, clipped=True)
        recorder.record("Ada", "turn left at the bridge", seed=4)
        recorder.record("Ada", "the kettle sings", seed=5)
        yield process


@pytest.fixture(scope="module")
def recorder(process: ServiceProcess) -> Recorder:
    return Recorder(process)


@pytest.fixture(scope="module")
def base(process: ServiceProcess) -> str:
    return f"http://{address_of(process, 'studio')}"


@pytest.fixture
def page(browsers: Browsers, base: str) -> Iterator[Page]:
    context = new_context(browsers.silent, base)
    yield context.new_page()
    context.close()


def open_review(page: Page, query: str = "") -> Locator:
    page.goto(f"/review{query}")
    rows = page.locator(".takes tbody tr")
    expect(rows.first).to_be_visible()
    return rows


def test_takes_stand_newest_first_a_page_at_a_time(page: Page) -> None:
    rows = open_review(page)
    expect(rows).to_have_count(50)
    expect(page.locator("#count")).to_contain_text(f"{MANY + 5} takes")
    expect(rows.first).to_contain_text("the kettle sings")
    page.get_by_role("button", name="Older takes").click()
    expect(rows).to_have_count(MANY + 5 - 50)
    page.go_back()
    expect(rows.first).to_contain_text("the kettle sings")


def test_a_filter_lies_in_the_address(page: Page, browsers: Browsers, base: str) -> None:
    rows = open_review(page)
    page.get_by_label("Speaker", exact=True).select_option(label="Ada")
    expect(rows).to_have_count(5)
    page.get_by_label("Words").fill("WINDOW open")
    expect(rows).to_have_count(2)
    assert "speaker=" in page.url
    page.reload()
    expect(rows).to_have_count(2)
    page.get_by_label("Words").fill("")
    expect(rows).to_have_count(5)
    page.get_by_label("Accepted despite").select_option("clipped")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("far too loud")
    expect(page.locator(".detail")).to_contain_text("Accepted although: clipped")
    page.go_back()
    expect(rows).to_have_count(5)
    expect(page.get_by_label("Accepted despite")).to_have_value("")


def test_a_take_is_heard_and_searched(page: Page) -> None:
    open_review(page, "?search=kettle")
    wave = page.get_by_role("slider")
    expect(wave).to_have_attribute("aria-valuemax", "2.00")
    assert page.evaluate(_HAS_INK)
    wave.focus()
    page.keyboard.press("ArrowRight")
    expect(wave).to_have_attribute("aria-valuenow", "1.00")
    box = wave.bounding_box()
    assert box
    wave.click(position={"x": box["width"] * 0.25, "y": 10})
    expect(wave).to_have_attribute("aria-valuenow", re.compile(r"0\.(49|5)"))
    page.keyboard.press("Escape")
    page.locator("h1").click()
    page.keyboard.press(" ")
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    page.keyboard.press(" ")
    expect(page.get_by_role("button", name="Play")).to_be_visible()


def test_takes_are_judged_by_keyboard_alone(page: Page, recorder: Recorder) -> None:
    rows = open_review(page, "?speaker=Grace&search=count")
    first, second = (row.inner_text() for row in rows.locator(".link").all()[:2])
    page.keyboard.press("ArrowDown")
    expect(page.locator(".said")).to_have_text(second)
    page.keyboard.press("ArrowUp")
    expect(page.locator(".said")).to_have_text(first)
    page.keyboard.press("a")
    expect(rows.first).to_contain_text("accepted")
    expect(page.locator(".said")).to_have_text(second)  # on to the next
    page.keyboard.press("x")
    page.keyboard.type("noise")
    page.keyboard.press("Enter")
    expect(rows.nth(1)).to_contain_text("rejected")
    expect(rows.nth(1)).to_contain_text("noise")
    kept = {take.text: (take.verdict, take.reason) for take in recorder.takes()}
    assert kept[first] == (pb.VERDICT_ACCEPTED, "")
    assert kept[second] == (pb.VERDICT_REJECTED, "noise")


def test_of_several_takes_of_a_prompt_one_is_chosen(page: Page, recorder: Recorder) -> None:
    open_review(page, "?search=window")
    expect(page.get_by_role("heading", name="2 takes of this prompt")).to_be_visible()
    other = next(take for take in recorder.takes(search="window") if not take.best)
    page.get_by_role("button", name="Use this one").click()
    expect(page.locator(".siblings")).to_contain_text("used, chosen")
    chosen = next(take for take in recorder.takes(search="window") if take.best)
    assert (chosen.utterance, chosen.chosen) == (other.utterance, True)
    page.get_by_role("button", name="Back to the best by its checks").click()
    expect(page.locator(".siblings")).not_to_contain_text("chosen")


def test_a_text_is_corrected_and_the_take_stays_in_sight(page: Page, recorder: Recorder) -> None:
    open_review(page, "?search=bridge")
    page.keyboard.press("e")
    page.get_by_label("What was said").fill("turn right at the bridge")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".said")).to_have_text("turn right at the bridge")
    assert [take.text for take in recorder.takes(search="bridge")] == ["turn right at the bridge"]


def test_deleting_asks_first(page: Page, recorder: Recorder) -> None:
    recorder.record("Ada", "to be deleted", seed=9)
    rows = open_review(page, "?search=deleted")
    page.keyboard.press("Delete")
    expect(page.get_by_role("dialog")).to_contain_text("There is no way back")
    page.keyboard.press("Enter")  # on the button that has the focus: it does nothing
    expect(rows).to_have_count(1)
    page.keyboard.press("Delete")
    page.get_by_role("button", name="Delete for good").click()
    expect(page.locator("#main")).to_contain_text("No take is found")
    assert recorder.takes(search="deleted") == []


def test_many_at_once_beyond_the_page(page: Page, recorder: Recorder) -> None:
    open_review(page, "?speaker=Grace")
    page.get_by_label("Select all on this page").check()
    bulk = page.get_by_role("region", name="Selected takes")
    expect(bulk).to_contain_text("50 takes selected")
    page.get_by_role("button", name=f"Select all {MANY} found").click()
    expect(bulk).to_contain_text(f"{MANY} takes selected")
    bulk.get_by_role("button", name="Reject…").click()
    page.get_by_label("Why").fill("another voice")
    page.get_by_role("button", name="Reject", exact=True).click()
    expect(bulk).to_be_hidden()
    assert {take.verdict for take in recorder.takes(speaker="Grace")} == {pb.VERDICT_REJECTED}
    assert len(recorder.takes(verdict=pb.VERDICT_REJECTED)) == MANY


@pytest.mark.parametrize(("kind", "table"), [("CSV", "takes.csv"), ("LJSpeech", "metadata.csv")])
def test_what_is_found_is_exported(page: Page, kind: str, table: str) -> None:
    open_review(page, "?search=window")
    page.get_by_label("Format of the export").select_option(label=kind)
    with page.expect_download() as found:
        page.get_by_role("link", name="Export these").click()
    with zipfile.ZipFile(found.value.path()) as archive:
        wavs = [name for name in archive.namelist() if name.endswith(".wav")]
        text = next(archive.read(name) for name in archive.namelist() if name.endswith(table)).decode()
    assert len(wavs) == 2
    assert text.count("open the window") >= 2
    if kind == "CSV":
        assert len(list(csv.DictReader(io.StringIO(text)))) == 2


def test_a_speaker_is_invited_with_a_link_that_works(page: Page, browsers: Browsers, tmp_path: Path) -> None:
    with ServiceProcess("recorder", tmp_path, recorder_http_port="0", api_key=KEY) as locked:
        base = f"http://{address_of(locked, 'studio')}"
        admin = new_context(browsers.silent, base)
        admin.request.post("/session", data={"key": KEY}, headers={"Content-Type": "application/json"})
        admin.request.post(
            "/rpc/recorder/RegisterSpeaker",
            data={"name": "Ada", "consent": "yes", "licence": "CC0-1.0"},
            headers={"Content-Type": "application/json"},
        )
        page = admin.new_page()
        page.goto("/review")
        page.get_by_role("button", name="Invite… Ada").click()
        page.get_by_role("button", name="Make the link").click()
        link = page.get_by_role("textbox", name="Link").input_value()
        assert link.startswith(f"{base}/#invite=")
        page.get_by_role("button", name="Done").click()
        assert page.get_by_role("textbox", name="Link").count() == 0  # shown once
        guest = new_context(browsers.silent, base)
        theirs = guest.new_page()
        theirs.goto(link)
        expect(theirs.get_by_role("button", name="Sign out")).to_be_visible()
        theirs.goto("/review")
        expect(theirs.locator("#main")).to_contain_text("It opens with the studio's key")
        guest.close()
        admin.close()


@pytest.mark.parametrize(("size", "theme"), [(LAPTOP, "light"), (PHONE, "dark")])
def test_no_serious_fault_and_a_small_first_load(
    browsers: Browsers, base: str, size: tuple[int, int], theme: str
) -> None:
    context = new_context(browsers.silent, base, size=size, theme=theme)
    page, asked, loaded = context.new_page(), [], []

    def note(request: Request) -> None:
        asked.append(request.url)
        if "/takes/" not in request.url:  # what somebody listens to is no part of the page
            loaded.append(request.sizes()["responseBodySize"])

    page.on("requestfinished", note)
    open_review(page)
    expect(page.get_by_role("slider")).to_have_attribute("aria-valuemax", "2.00")
    assert all(url.startswith((base, "blob:")) for url in asked), asked
    assert 0 < sum(loaded) < BUDGET_BYTES
    page.get_by_label("Select “the kettle sings”").check()
    assert serious_faults(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    context.close()


def _spelled(number: int) -> str:
    """Letters only: a text is normalised, and digits would be read out."""
    return "".join("abcdefghij"[int(digit)] for digit in str(number))
