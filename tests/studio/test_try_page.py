"""The try page in a real browser, on a model that hears tones: by microphone, by file, and without either."""

import base64
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium import LAPTOP, PHONE, Browsers, launch, needs_chromium, new_context, serious_faults
from integration import bundle_maker
from playwright.sync_api import Browser, Page, Request, expect
from protocol_process import address_of, promote, speaking, wav
from service_process import ServiceProcess

from voxloom.audio import encode_wav

pytestmark = needs_chromium
SAID = "bed cafe had a bag"
BUDGET_BYTES = 200_000


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    root = tmp_path_factory.mktemp("served")
    promote(root, "m-tones")
    with speaking(root) as process:
        yield process


@pytest.fixture(scope="module")
def studio(model: ServiceProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    settings = {"recorder_http_port": "0", "inference_address": address_of(model, "grpc")}
    with ServiceProcess("recorder", tmp_path_factory.mktemp("recorder"), **settings) as process:
        yield f"http://{address_of(process, 'studio')}"


@pytest.fixture(scope="module")
def hearing(browsers: Browsers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Its microphone plays the sentence."""
    spoken = tmp_path_factory.mktemp("spoken") / "said.wav"
    spoken.write_bytes(wav(SAID + "|", pause_s=3.0))
    with launch(browsers.silent.browser_type, spoken) as browser:
        yield browser


@pytest.fixture
def page(hearing: Browser, studio: str) -> Iterator[Page]:
    context = new_context(hearing, studio)
    yield context.new_page()
    context.close()


def test_live_speech_becomes_text_while_it_is_spoken(page: Page) -> None:
    page.goto("/try")
    expect(page.locator("#model")).to_contain_text("m-tones")
    page.keyboard.press("Tab")
    page.locator("#speak").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#state")).to_contain_text("Listening")
    expect(page.locator(".interim .stable")).to_contain_text("bed")  # before the sentence ends
    # The microphone says it again and again; a busy machine hears the first time from the middle on.
    expect(page.locator(".finals p").filter(has_text=SAID).first).to_be_visible()
    page.keyboard.press("Enter")  # the same button stops
    expect(page.locator("#state")).to_contain_text("by m-tones")
    assert re.search(r"\d+ words by m-tones; the last words came \d+\.\d s", page.inner_text("#state"))
    assert not page.locator(".unstable").count() or page.inner_text(".interim").strip() == ""
    expect(page.locator("audio")).to_be_visible()
    assert page.evaluate("document.querySelector('audio').duration") > 2


def test_a_file_is_read_word_by_word_with_the_keyboard(page: Page, tmp_path: Path) -> None:
    page.goto("/try")
    _choose(page, tmp_path, SAID)
    expect(page.locator("#state")).to_contain_text("5 words by m-tones")
    expect(page.locator(".finals p")).to_contain_text(SAID)
    page.locator(".finals .word").first.focus()
    page.keyboard.press("End")
    expect(page.locator(".about")).to_contain_text(re.compile(r"“bag”: \d+ % sure, \d\.\d\d to \d\.\d\d s"))
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".about")).to_contain_text("“a”")
    assert page.locator('.finals .word[tabindex="0"]').count() == 1
    page.locator(".finals .word", has_text="cafe").hover()
    expect(page.locator(".about")).to_contain_text("“cafe”")


def test_a_file_that_is_dropped_is_heard(page: Page) -> None:
    page.goto("/try")
    expect(page.locator("#model")).to_contain_text("m-tones")
    _drag(page, "dragover")
    expect(page.locator(".drop")).to_have_class(re.compile(r"\bover\b"))
    _drag(page, "dragleave")
    expect(page.locator(".drop")).not_to_have_class(re.compile(r"\bover\b"))
    _drag(page, "dragover")
    _drag(page, "drop")
    expect(page.locator(".drop")).not_to_have_class(re.compile(r"\bover\b"))
    expect(page.locator("#state")).to_contain_text("dropped.wav")
    expect(page.locator("#state")).to_contain_text("5 words by m-tones")
    expect(page.locator(".finals p")).to_contain_text(SAID)
    assert page.url.endswith("/try")  # a browser opens a dropped file where a page does not take it


def test_the_text_is_copied(page: Page, tmp_path: Path) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto("/try")
    _choose(page, tmp_path, SAID)
    page.get_by_role("button", name="Copy the text").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").filter(has_text="Copied.")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()").strip() == SAID


def test_subtitles_have_the_words_at_their_times(page: Page, tmp_path: Path) -> None:
    page.goto("/try")
    _choose(page, tmp_path, SAID)
    with page.expect_download() as found:
        page.get_by_role("button", name="Save SRT").click()
    lines = Path(found.value.path()).read_text().splitlines()
    assert lines[0] == "1"
    assert re.fullmatch(r"00:00:00,\d{3} --> 00:00:0\d,\d{3}", lines[1])
    assert lines[2] == SAID


def test_alternatives_are_shown_if_asked_for(page: Page, tmp_path: Path) -> None:
    page.goto("/try")
    page.get_by_text("Hot words and alternatives").click()
    page.get_by_label("Ways to hear it").select_option("3")
    _choose(page, tmp_path, "bed")
    page.get_by_text("2 other ways to hear it").click()
    assert page.locator(".others li").count() == 2


def test_hot_words_are_heard_where_both_could_be(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "mixed.wav"
    path.write_bytes(encode_wav(0.75 * bundle_maker.say("bag") + 0.25 * bundle_maker.say("bad")))
    page.goto("/try")
    page.set_input_files("#file", path)
    expect(page.locator(".finals p")).to_contain_text("bag")
    page.get_by_text("Hot words and alternatives").click()
    page.get_by_label("Words that it may hold").fill("cafe, bad")
    page.get_by_label("How much likelier").fill("3")
    expect(page.locator("#file")).to_be_enabled()
    page.set_input_files("#file", path)
    expect(page.locator(".finals p")).to_contain_text("bad")
    page.get_by_label("Words that it may hold").fill("bad, xyz")
    expect(page.locator("#file")).to_be_enabled()
    page.set_input_files("#file", path)
    expect(page.get_by_role("alert")).to_contain_text("cannot write: x, y, z")


def test_a_long_recording_comes_piece_by_piece(page: Page, tmp_path: Path) -> None:
    page.goto("/try")
    _choose(page, tmp_path, ("bed cafe had a bag " * 40).strip())
    expect(page.locator("#state")).to_contain_text(
        re.compile(r"20\d words by m-tones")
    )  # a cut can split a word
    assert "s of computing" in page.inner_text("#state")  # of BatchRecognize
    assert page.locator(".finals p").count() > 1


def test_what_is_no_audio_is_told_and_the_page_goes_on(page: Page, tmp_path: Path) -> None:
    page.goto("/try")
    (tmp_path / "letter.wav").write_bytes(b"Dear Ada, " * 100)
    page.set_input_files("#file", tmp_path / "letter.wav")
    expect(page.get_by_role("alert")).to_contain_text("audio")
    _choose(page, tmp_path, "bed")
    expect(page.locator("#state")).to_contain_text("1 word by")


def test_without_a_microphone_it_says_what_to_do(browsers: Browsers, studio: str) -> None:
    context = new_context(browsers.silent, studio)
    page = context.new_page()
    page.goto("/try")
    page.locator("#speak").click()
    expect(page.get_by_role("alert")).to_contain_text("No microphone was found")
    expect(page.locator("#speak")).to_have_text("Speak")
    context.close()


def test_without_a_model_it_points_at_the_loop(browsers: Browsers, tmp_path: Path) -> None:
    with ServiceProcess("inference", tmp_path) as idle:
        settings = {"recorder_http_port": "0", "inference_address": address_of(idle, "grpc")}
        with ServiceProcess("recorder", tmp_path, **settings) as process:
            context = new_context(browsers.silent, f"http://{address_of(process, 'studio')}")
            page = context.new_page()
            page.goto("/try")
            expect(page.locator("#none")).to_contain_text("No model is served")
            expect(page.locator("#none a")).to_have_attribute("href", "/loop")
            promote(tmp_path, "m-first")
            expect(page.locator("#model")).to_contain_text("m-first")  # without a reload
            expect(page.locator("#none")).to_be_empty()
            context.close()


@pytest.mark.parametrize(("size", "theme"), [(LAPTOP, "light"), (PHONE, "dark")])
def test_no_serious_fault_and_a_small_first_load(
    browsers: Browsers, studio: str, tmp_path: Path, size: tuple[int, int], theme: str
) -> None:
    context = new_context(browsers.silent, studio, size=size, theme=theme)
    page, asked, loaded = context.new_page(), [], []

    def note(request: Request) -> None:
        asked.append(request.url)
        loaded.append(request.sizes()["responseBodySize"])

    page.on("requestfinished", note)
    page.goto("/try", wait_until="networkidle")
    assert all(url.startswith((studio, "blob:")) for url in asked), asked
    assert 0 < sum(loaded) < BUDGET_BYTES
    _choose(page, tmp_path, SAID)
    expect(page.locator("#state")).to_contain_text("5 words")
    assert serious_faults(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    context.close()


def _drag(page: Page, kind: str) -> None:
    """As a browser tells it: with a file that says the sentence."""
    page.evaluate(
        """([kind, data]) => {
            const bytes = Uint8Array.from(atob(data), (char) => char.charCodeAt(0));
            const dataTransfer = new DataTransfer();
            dataTransfer.items.add(new File([bytes], "dropped.wav", { type: "audio/wav" }));
            const event = new DragEvent(kind, { dataTransfer, bubbles: true, cancelable: true });
            document.querySelector(".drop").dispatchEvent(event);
        }""",
        [kind, base64.b64encode(wav(SAID)).decode()],
    )


def _choose(page: Page, folder: Path, text: str) -> None:
    path = folder / "said.wav"
    path.write_bytes(wav(text))
    page.set_input_files("#file", path)
    expect(page.locator("#result .row button").first).to_be_visible(timeout=30_000)
