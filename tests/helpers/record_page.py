"""The studio's record page as a person uses it, mostly by its keys."""

import time
from typing import Any

from playwright.sync_api import BrowserContext, Locator, Page, expect

_QUIET_DB = -50
expect.set_options(timeout=15_000)  # a machine may be busy
_TAKE_MS = 20_000


class RecordPage:
    """`websockets`: the RPCs that were called by one."""

    def __init__(self, context: BrowserContext) -> None:
        self.page: Page = context.new_page()
        self.errors: list[str] = []
        self.websockets: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("websocket", lambda socket: self.websockets.append(socket.url.rsplit("/", 1)[-1]))

    def open(self, name: str) -> "RecordPage":
        """As somebody who is new here, up to the first prompt."""
        self.page.goto("/")
        self.introduce(name)
        return self

    def introduce(self, name: str) -> None:
        self.sign_up(self.page, name)
        self.wait_ready()

    @staticmethod
    def sign_up(page: Page, name: str) -> None:
        page.get_by_label("Name, as").fill(name)
        page.get_by_label("I have read this").check()
        page.get_by_role("button", name="Begin").click()

    def wait_ready(self) -> None:
        expect(self["#record"]).to_be_enabled()
        expect(self["#level"]).not_to_be_empty()

    def __getitem__(self, selector: str) -> Locator:
        return self.page.locator(selector)

    @property
    def prompt(self) -> str:
        return self["#prompt"].inner_text()

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def speak(self, key: str = "Space") -> None:
        """Starts while nobody speaks, and waits for what is found of the take."""
        self._wait_quiet()
        self.press(key)
        expect(self["#state"]).to_have_text("Recording")
        expect(self["#state"]).to_be_empty(timeout=_TAKE_MS)
        expect(self["#result .good, #result .bad"]).to_be_visible()

    def wait_stored(self) -> None:
        expect(self["#waiting"]).to_be_empty(timeout=_TAKE_MS)

    def _wait_quiet(self) -> None:
        deadline = time.monotonic() + 20
        while int(self["#meter"].get_attribute("aria-valuenow") or 0) > _QUIET_DB:
            assert time.monotonic() < deadline, "the microphone is never quiet"
            self.page.wait_for_timeout(40)

    def ask(self, method: str, **request: Any) -> Any:
        """An RPC, as the page itself would call it."""
        answer = self.page.request.post(f"/rpc/{method}", data=request)
        assert answer.ok, answer.text()
        return answer.json()
