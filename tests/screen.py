"""A real browser for tests of the page: nothing foreign is asked, no script fails, and nothing runs that the policy forbids."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

PATIENCE_MS = 15_000


@pytest.fixture(scope="module")
def browser(chromium) -> Iterator[Browser]:
    """Debian's Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(chromium), args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def screen(browser: Browser, url: str, *, width: int = 1920, height: int = 1080) -> Iterator[Page]:
    """An empty page for the server at ``url``, whose troubles fail the test at its end."""
    context = browser.new_context(viewport={"width": width, "height": height})
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    troubles: list[str] = []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("dialog", lambda dialog: (troubles.append(f"a dialog: {dialog.message}"), dialog.dismiss()))
    page.on("console", lambda said: troubles.append(said.text) if "Content Security Policy" in said.text else None)
    page.on("request", lambda asked: None if is_ours(asked.url, url) else troubles.append(f"asked {asked.url}"))
    yield page
    context.close()
    assert troubles == []


def is_ours(asked: str, url: str) -> bool:
    """This machine under any port of ours: a test may serve the room a second time."""
    return asked.startswith((url.rpartition(":")[0] + ":", "data:"))


def keep(page: Page, folder: Path, name: str) -> None:
    """A picture of the screen, kept where CEMENTWATCH_SCREENSHOTS says or else with the test."""
    kept = Path(os.environ.get("CEMENTWATCH_SCREENSHOTS") or folder)
    kept.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=kept / f"{name}.png")
