"""The loop page in a real browser: services over a store with a history, steered by hand."""

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from chromium import LAPTOP, PHONE, Browsers, needs_chromium, new_context, serious_faults
from loop_maker import FAILED, GOES_ON, NEW, OLD, WHY_FAILED, WORSE, write_curve, write_history
from playwright.sync_api import Page, Request, expect
from protocol_process import KEY, address_of
from service_process import ServiceProcess

from voxloom.storage import FolderStore

pytestmark = needs_chromium
BUDGET_BYTES = 200_000
SERVICES = ("ingest", "trainer", "optimizer", "inference")


@dataclass(frozen=True)
class World:
    base: str  # of the studio
    store: FolderStore
    services: dict[str, ServiceProcess]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    root = tmp_path_factory.mktemp("loop")
    store = FolderStore(root)
    write_history(store)
    with ExitStack() as stack:
        made = {
            name: stack.enter_context(ServiceProcess(name, root, train_auto="false")) for name in SERVICES
        }
        addresses = {f"{name}_address": address_of(each, "grpc") for name, each in made.items()}
        recorder = stack.enter_context(ServiceProcess("recorder", root, recorder_http_port="0", **addresses))
        yield World(f"http://{address_of(recorder, 'studio')}", store, made)


@pytest.fixture
def page(browsers: Browsers, world: World) -> Iterator[Page]:
    context = new_context(browsers.silent, world.base)
    page = context.new_page()
    page.goto("/loop")
    yield page
    context.close()


def test_the_stages_stand_in_the_order_of_the_flow(page: Page) -> None:
    stages = page.get_by_role("list", name="The loop, stage by stage").locator("> li")
    expect(stages).to_have_count(5)
    expect(stages.nth(4)).to_contain_text(NEW)
    assert stages.locator("h2").all_inner_texts() == ["Record", "Gather", "Train", "Check", "Serve"]
    assert stages.locator(".lamp").all_inner_texts() == ["up"] * 5
    expect(stages.nth(1)).to_contain_text("1,400 utterances to train on")
    expect(stages.nth(2)).to_contain_text("to go")
    expect(stages.nth(3)).to_contain_text("rejected")


def test_a_run_under_way_draws_its_curve_as_it_grows(page: Page, world: World) -> None:
    training = page.locator("#training")
    expect(training.locator("strong").first).to_have_text(GOES_ON)
    expect(training).to_contain_text("45 %, epoch 9 of 20")
    errors = training.get_by_role("img", name="Errors on unheard sentences")
    before = errors.locator("polyline").first.get_attribute("points") or ""
    assert len(before.split()) == 9
    assert "val WER: from 100.0 % to 25.8 %" in (errors.locator("desc").text_content() or "")
    write_curve(world.store, GOES_ON, epochs=12)
    expect(training).to_contain_text("60 %, epoch 12 of 20")
    after = errors.locator("polyline").first.get_attribute("points") or ""
    assert len(after.split()) == 12
    expect(training).to_contain_text("turn left at the bridge")


def test_a_failed_run_says_why(page: Page) -> None:
    page.get_by_text("All 3 trainings").click()
    page.get_by_role("button", name=FAILED).press("Enter")
    expect(page.locator("#training")).to_contain_text(WHY_FAILED)
    expect(page.get_by_role("button", name=FAILED)).to_be_focused()  # the page was drawn anew below it


def test_a_decision_in_words_and_figures(page: Page) -> None:
    decision = page.locator("#decision")
    expect(decision).to_contain_text(f"significantly worse than {NEW}")
    told = decision.get_by_role("img").locator("desc").text_content() or ""
    assert f"{WORSE}: 23.3 %, 95 % interval" in told
    assert f"{NEW}: 8.3 %, 95 % interval" in told
    page.get_by_text("Compared group by group").click()
    expect(decision).to_contain_text("+15.0")


def test_promote_pin_and_roll_back_by_keyboard(page: Page) -> None:
    served = page.locator("#models tr", has_text="served")
    page.get_by_role("button", name=f"Promote {WORSE}").press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("The gate rejected it")
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    page.keyboard.press("Escape")
    expect(served).to_contain_text(NEW)  # thought better of it
    page.get_by_role("button", name=f"Pin {NEW}").press("Enter")
    page.keyboard.type("until Sunday")
    page.keyboard.press("Enter")
    expect(page.locator("#models .box")).to_contain_text("(until Sunday)")
    expect(page.get_by_role("button", name="Roll back…")).to_be_disabled()
    page.get_by_role("button", name=f"Unpin {NEW}").press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Roll back…")).to_be_enabled()
    page.get_by_role("button", name="Roll back…").press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(served).to_contain_text(OLD)
    expect(page.locator('[data-stage="inference"]')).to_contain_text(OLD)  # it has swapped
    page.get_by_role("button", name=f"Promote {NEW}").press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(served).to_contain_text(NEW)


def test_a_training_is_started(page: Page) -> None:
    page.get_by_role("button", name="Start a training…").click()
    page.get_by_label("Recipe").select_option("tiny")
    page.get_by_label("Seed").fill("2")
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.get_by_text("This very training was done before")).to_be_visible()
    expect(page.locator("#training")).to_contain_text(WHY_FAILED)  # it is shown
    page.get_by_role("button", name="Start a training…").click()
    page.get_by_label("Seed").fill("1")
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.get_by_text(f"{GOES_ON} has been accepted")).to_be_visible()
    expect(page.locator("#training strong").first).to_have_text(GOES_ON)


def test_a_service_that_is_down_is_named_and_the_rest_goes_on(page: Page, world: World) -> None:
    expect(page.locator("#training")).to_contain_text(GOES_ON)
    trainer = world.services["trainer"].process.pid
    os.kill(trainer, signal.SIGSTOP)
    try:
        expect(page.locator("#troubles")).to_contain_text("The trainer service is down")
        expect(page.locator("#troubles")).to_contain_text("voxloom up")
        expect(page.locator("#training")).to_contain_text(GOES_ON)  # what was known stays
        expect(page.locator('[data-stage="optimizer"] .lamp')).to_have_text("up")
    finally:
        os.kill(trainer, signal.SIGCONT)
    expect(page.locator("#troubles")).to_be_empty()


def test_nobody_asks_while_nobody_looks(page: Page) -> None:
    asked: list[str] = []
    expect(page.locator("#models")).to_contain_text(NEW)
    page.evaluate(
        "Object.defineProperty(document, 'hidden', {value: true, configurable: true});"
        "document.dispatchEvent(new Event('visibilitychange'))"
    )
    page.wait_for_timeout(300)
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(3500)
    assert asked == []
    page.evaluate("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")
    with page.expect_request("**/services"):
        pass


def test_an_invited_speaker_is_told_what_the_page_is(browsers: Browsers, tmp_path: Path) -> None:
    with ServiceProcess("recorder", tmp_path, recorder_http_port="0", api_key=KEY) as process:
        context = new_context(browsers.silent, f"http://{address_of(process, 'studio')}")
        page = context.new_page()
        page.route(
            "**/me", lambda route: route.fulfill(json={"admin": False, "speaker": "ada", "open": False})
        )
        page.goto("/loop")
        expect(page.locator("#main")).to_contain_text("It opens with the studio's key")
        expect(page.get_by_role("link", name="try the model")).to_be_visible()
        context.close()


@pytest.mark.parametrize(("size", "theme"), [(LAPTOP, "light"), (PHONE, "dark")])
def test_no_serious_fault_and_a_small_first_load(
    browsers: Browsers, world: World, size: tuple[int, int], theme: str
) -> None:
    context = new_context(browsers.silent, world.base, size=size, theme=theme)
    page, asked, loaded = context.new_page(), [], []

    def note(request: Request) -> None:
        asked.append(request.url)
        loaded.append(request.sizes()["responseBodySize"])

    page.on("requestfinished", note)
    page.goto("/loop")
    expect(page.locator("#models")).to_contain_text(NEW)
    expect(page.locator("#training svg")).to_have_count(2)
    assert all(url.startswith(world.base) for url in asked), asked
    assert 0 < sum(loaded) < BUDGET_BYTES
    assert serious_faults(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    context.close()
