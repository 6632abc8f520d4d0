"""The record page for everybody: by keys alone, with a screen reader, on a phone, without a microphone."""

import base64
import re
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
from chromium import AN4, PHONE, Browsers, in_a_room, needs_chromium, new_context, serious_faults
from playwright.sync_api import Page, Response, expect
from record_page import RecordPage

from services.recorder.checks import Heard, find_faults
from services.recorder.quality import measure_quality
from voxloom import audio

pytestmark = needs_chromium
MAX_LOAD_BYTES = 200_000


def test_the_keyboard_is_enough(browsers: Browsers, base: str) -> None:
    """From the first page over consent, a take, a skip and a re-take to the text: no mouse."""
    with new_context(browsers.speaking, base) as context:
        person = RecordPage(context)
        person.page.goto("/")
        expect(person["#name"]).to_be_focused()
        person.page.keyboard.type("Keys alone")
        person.press("Tab", "Tab", "ArrowUp", "Tab", "Space", "Tab", "Enter")
        person.wait_ready()
        first = person.prompt
        person.speak()
        second = person.prompt
        assert second != first
        person.press("s", "Enter")
        expect(person["#prompt"]).not_to_have_text(second)
        person.press("?")
        expect(person.page.get_by_role("dialog")).to_contain_text("start and stop")
        person.press("Escape", "ArrowLeft", "ArrowLeft")
        assert person.prompt == first
        person.press("e")
        expect(person.page.get_by_label("As it was said")).to_be_focused()
        person.press("r", "Escape")  # typed into the text; Escape leaves it as it was
        assert person.prompt == first
        person.speak("r")
        assert person.errors == []


def test_without_permission_and_without_a_microphone(browsers: Browsers, base: str) -> None:
    for browser, allow, trouble in ((browsers.speaking, False, "denied"), (browsers.silent, True, "none")):
        with new_context(browser, base, allow=allow) as context:
            page = context.new_page()
            page.goto("/")
            RecordPage.sign_up(page, "Nobody")
            notice = page.locator(f"[data-trouble={trouble}]")
            expect(notice.get_by_role("button", name="Try again")).to_be_visible()
            expect(page.locator("#prompt")).not_to_be_empty()
            expect(page.locator("#record")).to_be_disabled()
            assert serious_faults(page) == []


def test_off_localhost_https_is_asked_for(browsers: Browsers, base: str) -> None:
    """A page that is no secure context has no microphone; the studio says so before anybody tries."""
    with new_context(browsers.speaking, base) as context:
        context.add_init_script("Object.defineProperty(window, 'isSecureContext', {value: false})")
        page = context.new_page()
        page.goto("/")
        RecordPage.sign_up(page, "Far away")
        expect(page.locator("[data-trouble=insecure]")).to_contain_text("https://")


@pytest.mark.parametrize(("theme", "size"), [("light", PHONE), ("dark", (1280, 800))])
def test_no_serious_fault_of_accessibility(
    browsers: Browsers, base: str, theme: str, size: tuple[int, int]
) -> None:
    with new_context(browsers.speaking, base, theme=theme, size=size) as context:
        person = RecordPage(context).open("Everybody")
        assert person.page.evaluate("document.documentElement.scrollWidth") == size[0]
        small = "button => button.offsetHeight < 44 || button.offsetWidth < 44"
        small = f"() => [...document.querySelectorAll('main button')].filter({small}).map((each) => each.id)"
        assert person.page.evaluate(small) == []
        for key in ("s", "e", "?"):
            person.press(key)
            expect(person.page.get_by_role("dialog")).to_be_visible()
            assert serious_faults(person.page) == []
            person.press("Escape")
        person.speak()
        assert serious_faults(person.page) == []


def test_the_first_load_is_small_and_asks_nobody_else(browsers: Browsers, base: str) -> None:
    with new_context(browsers.speaking, base) as context:
        context.add_init_script("delete Navigator.prototype.serviceWorker")  # it fetches the other pages too
        page = context.new_page()
        answers: list[Response] = []
        page.on("response", lambda answer: answers.append(answer))
        page.goto("/")
        RecordPage.sign_up(page, "Small")
        expect(page.locator("#level")).not_to_be_empty()
        assert {answer.url.startswith(f"{base}/") for answer in answers} == {True}
        assert 20_000 < sum(len(answer.body()) for answer in answers) < MAX_LOAD_BYTES


def test_the_room_check_remembers(browsers: Browsers, base: str) -> None:
    with new_context(browsers.speaking, base) as context:
        person = RecordPage(context).open("Room")
        person["#room-first"].click()
        expect(person["#room-begin"]).to_be_focused()
        person.press("Enter")
        expect(person.page.get_by_role("row", name="Your voice")).to_contain_text("dB")
        person.press("Escape")
        expect(person["#room-first"]).to_be_hidden()
        advice = person.page.evaluate(
            """async () => {
              const { advise } = await import("/static/record/room.js");
              const now = { noise_db: -48, level_db: -24, snr_db: 24, peak_db: -9, clipped: 0 };
              return advise(now, { ...now, noise_db: -60 });
            }"""
        )
        assert advice == [["warn", "12 dB noisier than last time."]]


def test_what_the_model_heard_otherwise_is_marked(browsers: Browsers, base: str) -> None:
    with new_context(browsers.speaking, base) as context:
        page = context.new_page()
        page.goto("/")
        words = [("go", "go"), ("left", "lift"), ("now", ""), ("", "please")]
        marked = page.evaluate(
            """async (words) => {
              const { differing } = await import("/static/record/stage.js");
              return differing({ model: "m1", wer: 1, words }).lastChild.innerHTML;
            }""",
            [{"prompt": prompt, "heard": heard} for prompt, heard in words],
        )
    said = re.sub(r"<span[^>]*>[^<]*</span>", "", marked).strip()
    assert said == "go <del>left</del> <ins>lift</ins> <del>now</del> <ins>please</ins>"


@pytest.fixture(scope="module")
def signals() -> dict[str, tuple[npt.NDArray[np.float32], str]]:
    """(16 kHz samples, text) of a real take, and of what can be wrong with one."""
    clip, rate_hz = soundfile.read(AN4 / "test/an401-mdms2-b.opus", dtype="float32")
    good = in_a_room(clip, rate_hz, 0.4, 0.6)
    text = "enter seven one five four"
    noise = np.random.default_rng(1).standard_normal(len(good)).astype(np.float32)
    speech = good[int(0.4 * rate_hz) : -int(0.6 * rate_hz)]
    middle = speech[len(speech) // 5 : -len(speech) // 5]
    return {
        "good": (good, text),
        "clipped": (np.clip(12 * good, -1, 1), text),
        "quiet": (good / 40, text),
        "noisy": (good + noise * np.float32(np.std(good)) / 2, text),
        "cut": (middle, text),
        "short": (good, text * 6),
        "offset": (good + np.float32(0.1), text),
        "late": (np.concatenate([np.tile(good[:3000], 10), good]), text),
    }


def test_the_page_finds_the_faults_that_the_server_finds(
    browsers: Browsers, base: str, signals: dict[str, tuple[npt.NDArray[np.float32], str]]
) -> None:
    with new_context(browsers.speaking, base) as context:
        page = context.new_page()
        page.goto("/")
        for name, (samples, text) in signals.items():
            assert _here(page, samples, text) == _there(samples, text), name


def _here(page: Page, samples: npt.NDArray[np.float32], text: str) -> set[Any]:
    pcm = np.clip(np.round(samples * 32768), -32768, 32767).astype("<i2").tobytes()
    work = """async ([pcm, text]) => {
      const { findFaults, measure } = await import("/static/record/signal.js");
      const bytes = Uint8Array.from(atob(pcm), (char) => char.charCodeAt(0));
      return findFaults(measure(new Int16Array(bytes.buffer), 16000), text).map(({ check }) => check);
    }"""
    return set(page.evaluate(work, [base64.b64encode(pcm).decode(), text]))


def _there(samples: npt.NDArray[np.float32], text: str) -> set[Any]:
    clip = audio.Audio(samples, 16000, 1)
    heard = Heard(text, audio.measure(clip), measure_quality(samples, text))
    return {str(finding.check) for finding in find_faults(heard)}
