"""Accessibility of every place of the page, by axe-core; nothing serious may be found."""

from __future__ import annotations

import time
from dataclasses import replace
from importlib import resources
from typing import Any

from playwright.sync_api import Page, expect

from db.heartbeat import beat
from detection.vocabulary import Priority
from tests.screen import keep, screen
from tests.service.conftest import heartbeat
from tests.service.visitors import admit

AXE = (resources.files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
TOO_MUCH = {"serious", "critical"}
TABLET = {"width": 820, "height": 1180}


def findings(page: Page) -> list[tuple[str, str, list[Any]]]:
    """What axe-core calls serious or critical: rule, sentence, where."""
    if page.evaluate("typeof axe === 'undefined'"):
        page.evaluate(AXE + "; undefined")
    told = page.evaluate("axe.run({ resultTypes: ['violations'] })")
    return [
        (each["id"], each["help"], [node["target"] for node in each["nodes"]])
        for each in told["violations"]
        if each["impact"] in TOO_MUCH
    ]


def busy(room) -> None:
    """A watched source with alerts of every priority."""
    room.open()
    room.see()
    room.beat()
    room.raise_alert("high")
    room.raise_alert("medium", priority=Priority.MEDIUM, message="Cement nears the wall.")
    room.raise_alert("low", priority=Priority.LOW, message="Small residue.")


def test_the_live_page_the_editor_and_the_review(room, page, tmp_path):
    busy(room)
    page.goto(room.url + "/")
    expect(page.locator(".wall-words")).to_be_visible()
    expect(page.get_by_role("button", name="Aliquot")).to_be_visible()
    page.get_by_role("button", name="Aliquot").click()
    assert findings(page) == []
    page.get_by_role("button", name="Landmarks").click()
    expect(page.locator(".corner")).to_have_count(4)
    assert findings(page) == []
    keep(page, tmp_path, "axe-landmarks")
    page.get_by_role("link", name="Review").click()
    page.locator(".archive-line").click()
    expect(page.locator(".event").first).to_be_visible()
    assert findings(page) == []
    keep(page, tmp_path, "axe-review")


def test_signed_out_and_without_contact(room, page):
    admit(room)
    page.goto(room.url + "/")
    expect(page.locator("#sign-in")).to_be_visible()
    assert findings(page) == []


def test_without_contact(room, page):
    busy(room)
    page.goto(room.url + "/")
    expect(page.locator(".picture")).to_be_visible()
    room.serving.__exit__()
    expect(page.locator("#no-contact")).to_be_visible()
    assert findings(page) == []


def test_a_tablet_shows_all_without_sideways_scrolling(room, browser, tmp_path):
    busy(room)
    with screen(browser, room.url, **TABLET) as page:
        page.goto(room.url + "/")
        expect(page.locator(".wall-words")).to_be_visible()
        assert findings(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= TABLET["width"]
        keep(page, tmp_path, "tablet")


def test_twenty_sources_and_the_one_that_warns_comes_first(room, page, tmp_path):
    beats = []
    for place in range(20):
        id = room.open(study=f"1.2.{place}", source=f"CARM{place:02}")
        room.see()
        beats.append(replace(heartbeat(id), source=f"CARM{place:02}", beat_at=time.time() + 60))
    beat(room.engine, beats, at=time.time() + 60)
    room.raise_alert(source="CARM19")
    page.goto(room.url + "/")
    expect(page.locator(".source")).to_have_count(20)
    warned = page.locator(".source[data-source='CARM19']")
    expect(warned).to_have_attribute("data-warned", "high")
    expect(warned.locator(".picture")).to_be_visible()
    box = page.locator("#sources").bounding_box()
    mine = warned.bounding_box()
    assert (mine["x"], mine["y"]) == (box["x"], box["y"])
    assert findings(page) == []
    keep(page, tmp_path, "twenty")
    warned.get_by_role("button", name="Enlarge").click()
    expect(page.locator(".source:visible")).to_have_count(1)
    expect(warned.locator(".charts")).to_be_visible()
    keep(page, tmp_path, "enlarged")
    warned.get_by_role("button", name="Show all").click()
    expect(page.locator(".source:visible")).to_have_count(20)
