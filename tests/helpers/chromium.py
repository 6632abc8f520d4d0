"""Debian's Chromium under Playwright. Its microphone is a WAV file: nobody has to speak."""

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, BrowserType, Page, expect, sync_playwright

PHONE, LAPTOP = (390, 844), (1280, 800)
AN4 = Path(__file__).parents[2] / "examples/an4"
_PATIENCE_MS = 15_000
_CHROMIUM = shutil.which("chromium")
_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
)

needs_chromium = pytest.mark.skipif(
    _CHROMIUM is None, reason="no `chromium` on PATH; on Debian: apt-get install chromium"
)


@dataclass(frozen=True)
class Browsers:
    speaking: Browser  # its microphone plays `spoken` over and over
    silent: Browser  # has no microphone


@contextmanager
def chromium(*microphones: Path | None) -> Iterator[list[Browser]]:
    """A browser for each WAV, which it hears over and over from when a page opens the microphone; None: a
    machine without one. Only one such block can be open in a thread."""
    with sync_playwright() as playwright:
        yield [launch(playwright.chromium, wav) for wav in microphones]


def launch(kind: BrowserType, microphone: Path | None) -> Browser:
    """One more, of the `browser_type` of another one."""
    return kind.launch(executable_path=_CHROMIUM, args=_flags(microphone))


def _flags(microphone: Path | None) -> list[str]:
    if microphone is None:
        return [*_FLAGS]
    capture = f"--use-file-for-fake-audio-capture={microphone.absolute()}"
    return [*_FLAGS, "--use-fake-device-for-media-stream", capture]


def profile(browser: Browser, folder: Path, microphone: Path, base: str) -> BrowserContext:
    """Another browser, which keeps in a folder what pages store."""
    return browser.browser_type.launch_persistent_context(
        folder,
        executable_path=_CHROMIUM,
        args=_flags(microphone),
        base_url=base,
        permissions=["microphone"],
    )


def kill(folder: Path) -> None:
    """Ends the browser of a profile as a crash would."""
    os.kill(int(os.readlink(folder / "SingletonLock").rsplit("-", 1)[1]), signal.SIGKILL)


def new_context(
    browser: Browser, base: str, *, size: tuple[int, int] = LAPTOP, theme: str = "light", allow: bool = True
) -> BrowserContext:
    """A person's browser at the studio `base`; `allow`: its pages may use the microphone."""
    context = browser.new_context(
        base_url=base,
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if theme == "dark" else "light",
        permissions=["microphone"] if allow else [],
    )
    context.set_default_timeout(_PATIENCE_MS)
    expect.set_options(timeout=_PATIENCE_MS)
    return context


def serious_faults(page: Page) -> list[str]:
    """What axe-core calls serious or critical, each with the elements that have it."""
    found = Axe().run(page).response["violations"]
    return [
        f"{fault['id']}: {fault['help']}: {[node['target'] for node in fault['nodes']]}"
        for fault in found
        if fault["impact"] in ("serious", "critical")
    ]


def spoken(
    path: Path, clip: str = "test/an421-menk-b.opus", *, before_s: float = 0.5, after_s: float = 1.3
) -> Path:
    """A WAV of one clip of AN4 in a quiet room: what a fake microphone plays."""
    samples, rate_hz = soundfile.read(AN4 / clip, dtype="float32")
    soundfile.write(path, in_a_room(samples, rate_hz, before_s, after_s), rate_hz, subtype="PCM_16")
    return path


def in_a_room(
    samples: npt.NDArray[np.float32], rate_hz: int, before_s: float, after_s: float
) -> npt.NDArray[np.float32]:
    """With faint noise throughout: a room is never quite silent."""
    padded = np.pad(samples, (round(before_s * rate_hz), round(after_s * rate_hz)))
    noise = np.random.default_rng(0).standard_normal(len(padded)) * 3e-4
    return (padded + noise).astype(np.float32)
