"""What every page of the studio keeps to."""

import pytest
from chromium import Browsers, needs_chromium, new_context, serious_faults

pytestmark = needs_chromium


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/", "/review", "/loop", "/try"])
def test_no_serious_fault_of_accessibility(browsers: Browsers, base: str, path: str, theme: str) -> None:
    with new_context(browsers.speaking, base, theme=theme) as context:
        page = context.new_page()
        page.goto(path)
        page.locator("h1").first.wait_for()
        assert serious_faults(page) == []
