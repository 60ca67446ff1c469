"""The page in a real browser: keyboard, without scripts, small, dark, and for everybody."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.web.conftest import TOKEN, Site, chromium, fill, running

playwright = pytest.importorskip("playwright.sync_api")

PAGES = (
    *("/", "/?q=arches", "/?q=zyzzyva&f=year:1", "/files", "/files?f=year:1&more=title"),
    *("/files?f=year:2", "/files?state=skipped", "/file?path=Course/Year+1/Week+1+-+On+arches.txt"),
    *("/file?path=empty.txt", "/run", "/failures", "/verify", "/health", "/nothing"),
)


TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium, without a window."""
    path = chromium()
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


class Tab:
    """A tab that has come in, and what it asked for and complained about."""

    def __init__(self, browser: Any, site: Site, **context: Any) -> None:
        self.context = browser.new_context(base_url=site.address, **context)
        self.page = self.context.new_page()
        self.page.set_default_timeout(120_000)
        self.complaints: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda said: self.complaints.append(said.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(f"/?token={TOKEN}")

    def close(self, site: Site) -> None:
        """Leave; nothing was asked of anybody else, and nothing went wrong."""
        self.context.close()
        assert all(address.startswith(site.address) for address in self.asked)
        assert self.complaints == []


def test_search_to_the_marked_passage_by_keyboard(browser: Any, site: Site) -> None:
    """`/`, a question, Enter, `j`, Enter: the passage is marked and in view."""
    tab = Tab(browser, site)
    page = tab.page
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("/")
    page.keyboard.type("What is said about caesium?")
    page.keyboard.press("Enter")
    page.wait_for_selector(".hit")
    page.wait_for_load_state()  # the script that listens to keys has run
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_selector("#hit")
    assert "caesium" in page.inner_text("#hit")
    playwright.expect(page.locator("#hit")).to_be_in_viewport()
    tab.close(site)


def test_keys_can_be_turned_off(browser: Any, site: Site) -> None:
    """Whoever dictates or has a screen reader is not surprised by letters that act."""
    tab = Tab(browser, site)
    page = tab.page
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("?")
    page.click("#keys-off")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") != "q"
    tab.close(site)


def test_searching_and_reading_need_no_script(browser: Any, site: Site) -> None:
    """With JavaScript off a question still leads to its marked passage."""
    tab = Tab(browser, site, java_script_enabled=False)
    page = tab.page
    page.fill("#q", "dredging")
    page.click(".ask button")
    page.click(".hit h3 a")
    assert "dredging" in page.inner_text("#hit")
    tab.close(site)


@pytest.mark.parametrize("width", [320, 1100, 3840])
def test_no_page_is_wider_than_its_window(browser: Any, site: Site, width: int) -> None:
    """From a small telephone to a wall, nothing has to be scrolled sideways."""
    tab = Tab(browser, site, viewport={"width": width, "height": 800})
    for address in PAGES[:-1]:
        tab.page.goto(address)
        assert tab.page.evaluate("document.documentElement.scrollWidth") <= width, address
    tab.close(site)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(browser: Any, site: Site, scheme: str) -> None:
    """WCAG 2.2 AA as far as a program can tell, on every page, in both schemes."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    tab = Tab(browser, site, color_scheme=scheme, bypass_csp=True)
    for address in PAGES[:-1]:
        tab.page.goto(address)
        found = axe.run(tab.page, options={"runOnly": {"type": "tag", "values": TAGS}})
        assert found.response["violations"] == [], address
    tab.page.goto("/?q=arches")
    tab.page.click(".hit h3 a")
    found = axe.run(tab.page, options={"runOnly": {"type": "tag", "values": TAGS}})
    assert found.response["violations"] == []
    tab.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_before_and_in_a_round(browser: Any, tmp_path: Path, scheme: str) -> None:
    """The first run, what is wrong with a folder, the plan and the end; also on a telephone."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    fill(tmp_path)
    with running(tmp_path, "--token", TOKEN, HOME=str(tmp_path / "homes" / "ada")) as site:
        window = {"width": 320, "height": 800}
        tab = Tab(browser, site, color_scheme=scheme, viewport=window, bypass_csp=True)
        page = tab.page

        def look() -> None:
            page.wait_for_load_state()  # its style is there
            found = axe.run(page, options={"runOnly": {"type": "tag", "values": TAGS}})
            said = [
                (one["id"], node["html"], node["failureSummary"])
                for one in found.response["violations"]
                for node in one["nodes"]
            ]
            assert said == []
            assert page.evaluate("document.documentElement.scrollWidth") <= 320

        look()
        page.fill("#folder", str(tmp_path / "nowhere"))
        page.keyboard.press("Enter")
        page.wait_for_selector("#problem")
        look()
        page.fill("#folder", str(tmp_path / "library"))
        page.keyboard.press("Enter")
        page.wait_for_selector("text=The plan")
        look()
        page.click("button[value=start]")
        page.wait_for_selector("text=In step")
        look()
        page.goto("/verify")
        page.click("button[value=prove]")
        page.wait_for_selector("text=asked about")
        look()
        tab.context.close()


def test_a_run_from_plan_to_done(browser: Any, new_site: Site) -> None:
    """Plan, start, and the figures come by themselves until all is in step."""
    tab = Tab(browser, new_site)
    page = tab.page
    page.goto("/run")
    page.click("button[value=plan]")
    page.click("button[value=start]")
    page.wait_for_selector("text=In step")
    assert page.inner_text(".figures div:first-child").split() == ["searchable", "7"]
    tab.close(new_site)
