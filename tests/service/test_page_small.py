"""A small second monitor of 1024 x 768: what must be seen and pressed at the table is on it, with an alarm above it."""

from __future__ import annotations

import time
from dataclasses import replace

from playwright.sync_api import Locator, Page, expect

from db.heartbeat import beat
from detection.vocabulary import Glance, Sight, View, Zone
from tests.screen import keep, screen
from tests.service.conftest import heartbeat

SIZES = [(1024, 768), (1280, 800), (1366, 768), (1920, 1080)]
HIDDEN = (Zone.VEIN, Zone.SOFT_TISSUE, Zone.NEEDLE_TRACT, Zone.FORAMEN)
PARTS = (".not-visible", ".elsewhere", ".watched", ".flags", ".landmarks-open", ".gauge", ".trace >> nth=0")
LEAST_REM = 0.85
"""The smallest letters of the page (style.css)."""
LONG_WORDS = "Cement in the spinal canal, L2, lateral view: 12 mm² and growing. Seen in the AP view too."
SCROLLS = """parts => parts.flatMap(part => [part, ...part.querySelectorAll("*")])
  .filter(part => getComputedStyle(part).overflowY !== "visible" && part.clientHeight > 0)
  .filter(part => part.scrollHeight > part.clientHeight + 1 || part.scrollWidth > part.clientWidth + 1)
  .map(part => part.className)"""
SMALLEST = """parts => Math.min(...parts.flatMap(part => [...part.querySelectorAll("p, span, dt, button, select")])
  .filter(part => part.offsetParent && part.textContent.trim())
  .map(part => parseFloat(getComputedStyle(part).fontSize))) / parseFloat(getComputedStyle(document.documentElement).fontSize)"""


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


def beat_of(room, n_sources: int) -> None:
    """So many sources, each of which sees what another view sees otherwise."""
    ap = Glance(source="PLANE_B", view=View.AP, at=time.time() - 40, zones_shown=HIDDEN[:3])
    own = Glance(source="CARM1", view=View.LATERAL, at=time.time(), zones_shown=(Zone.CANAL, Zone.DISC))
    told = replace(
        heartbeat(room.procedure),
        sight=Sight(glances=(own, ap), zones_blind=HIDDEN[3:]),
        zones_not_visible=HIDDEN,
        flags=("lossy", "scale_unknown"),
    )
    names = ["CARM1", *(f"ARM{n}" for n in range(2, n_sources + 1))]
    beat(room.engine, [replace(told, source=name) for name in names], at=time.time())
    room.deps.bell.ring()


def look_at_one(page: Page, width: int, height: int) -> None:
    page.set_viewport_size({"width": width, "height": height})
    expect(page.locator("#silent")).to_be_visible()
    foot, source = box(page.locator("footer"))["y"], page.locator(".source")
    assert source.evaluate_all(SCROLLS) == [], (width, height)
    assert source.evaluate_all(SMALLEST) >= LEAST_REM
    for part in PARTS:
        assert box(source.locator(part))["bottom"] <= foot, (part, width, height)
    assert box(source.get_by_role("button", name="Resistance"))["bottom"] <= foot
    stage = box(source.locator(".stage"))
    assert min(stage["width"], stage["height"]) > 0.3 * height, "the picture gives way, but not all of it"


def look_at_several(page: Page, width: int, height: int) -> None:
    page.set_viewport_size({"width": width, "height": height})
    for source in page.locator(".source").all():
        end = box(source)["bottom"]
        for part in (".figure.distance", ".gauge", ".stage"):
            assert box(source.locator(part))["bottom"] <= end, (part, width, height)


def test_nothing_of_one_source_needs_scrolling_while_an_alert_stands_and_several_show_how_near_it_is(
    room, browser, tmp_path
):
    """Both lines about views, a long alert, and a screen that says that it is silent."""
    room.open()
    room.see()
    beat_of(room, 1)
    with screen(browser, room.url, width=1024, height=768) as page:
        page.goto(room.url + "/")
        expect(page.locator(".wall-words")).to_be_visible()
        room.raise_alert(message=LONG_WORDS)
        expect(page.locator("#foremost")).to_be_visible()
        for width, height in SIZES:
            look_at_one(page, width, height)
            keep(page, tmp_path, f"one-source-{width}")
        for n_sources in (2, 4):
            beat_of(room, n_sources)
            expect(page.locator(".source")).to_have_count(n_sources)
            for width, height in SIZES[:2]:
                look_at_several(page, width, height)
                keep(page, tmp_path, f"{n_sources}-sources-{width}")
