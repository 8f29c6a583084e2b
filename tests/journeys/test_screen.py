"""The page in a real browser while a leak happens: what the physician sees, and that a click reaches the journal."""

import re

import pytest
from playwright.sync_api import expect

from service.safety import SAFETY_WORDS
from tests.screen import screen

pytestmark = pytest.mark.slow

PATIENCE_MS = 60_000


@pytest.fixture
def page(system, browser):
    """The screen of the installation, nothing opened."""
    with screen(browser, system.url) as page:
        page.set_default_timeout(PATIENCE_MS)
        yield page


def test_a_physician_sees_the_leak_and_acknowledges_it(system, page, leak, tmp_path):
    system.open("all")
    page.goto(system.url + "/")
    expect(page.locator("#contact")).to_have_attribute("data-state", "live", timeout=PATIENCE_MS)
    expect(page.locator("footer")).to_contain_text(SAFETY_WORDS)
    expect(page.locator("footer")).to_be_visible()
    expect(page.locator("body")).to_contain_text("No source yet")

    before = leak.onset - 10
    system.send(leak.due()[:before], speed=4.0)
    expect(page.locator("body")).to_contain_text("CARM1", timeout=PATIENCE_MS)
    picture = page.locator(".picture")
    uid_of = {index: uid for uid, index in leak.index_of.items()}
    expect(picture).to_have_attribute("data-frame", f"{uid_of[before - 1]}/0", timeout=PATIENCE_MS)
    assert picture.evaluate("image => image.naturalWidth") > 0
    expect(page.locator(".alert[data-priority=high]")).to_have_count(0)

    system.send(leak.due()[before:], speed=4.0)
    card = page.locator(".alert[data-priority=high]").filter(has_text=re.compile("canal|foramen")).first
    expect(card).to_be_visible(timeout=PATIENCE_MS)
    id = card.get_attribute("data-id")
    card = page.locator(f".alert[data-id='{id}']")
    expect(picture).to_have_attribute("data-frame", f"{uid_of[leak.n_frames - 1]}/0", timeout=PATIENCE_MS)
    page.screenshot(path=tmp_path / "leak.png")

    card.get_by_role("button", name="Acknowledge").click()
    expect(card).to_have_attribute("data-signal", "acknowledged", timeout=PATIENCE_MS)
    procedure = system.procedure(leak.study)["id"]
    log = system.every(f"/procedures/{procedure}/log", types="acknowledged")
    assert [(line["alert"], line["actor"]) for line in log] == [(id, "local")]
    page.screenshot(path=tmp_path / "acknowledged.png")
    assert (tmp_path / "leak.png").stat().st_size > 10_000
