"""A small second monitor of 1024 x 768: what must be seen and pressed at the table is on it, with an alarm above it."""

from __future__ import annotations

import time

from playwright.sync_api import Locator, expect

from tests.screen import screen


def box(part: Locator) -> dict[str, float]:
    expect(part).to_be_visible()
    found = part.bounding_box()
    return found | {"right": found["x"] + found["width"], "bottom": found["y"] + found["height"]}


def test_nothing_that_is_needed_is_cut_off_on_a_small_monitor(room, browser):
    id = room.open()
    room.see()
    room.beat(last_frame_at=time.time() - 8)
    with screen(browser, room.url, width=1024, height=768) as page:
        page.goto(room.url + "/")
        expect(page.locator(".wall-words")).to_be_visible()
        assert box(page.locator(".clock"))["y"] < box(page.locator(".name"))["bottom"], "the head is one line"
        assert box(page.locator(".old-frame"))["right"] <= box(page.locator(".closer"))["x"]
        page.get_by_role("button", name="Landmarks").click()
        room.raise_alert()
        expect(page.locator("#foremost")).to_be_visible()
        foot = box(page.locator("footer"))["y"]
        for name in ("Accept what was found", "Start over", "Cancel"):
            assert box(page.get_by_role("button", name=name))["bottom"] <= foot
        page.goto(f"{room.url}/#review/{id}")
        picture = page.locator(".case-picture").first
        expect(picture).to_be_visible()
        expect(page.locator("#foremost")).to_be_visible()
        assert box(picture)["height"] > 200
