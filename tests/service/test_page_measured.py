"""Gauge and charts: how near, how fast, how much, in numbers, words and shapes that do not depend on colour."""

from __future__ import annotations

from dataclasses import replace

from playwright.sync_api import Page, expect

from detection.rules import Rules
from detection.vocabulary import Band, Flag, Front, Mode, Wall
from tests.service.conftest import findings, stamp_of

DEPTH_MM = 32.0
BODY = findings(stamp_of(1, "1.2.3", Mode.LIVE)).body


def front(share: float) -> Front:
    return Front(
        distance_px=share * 100,
        share=share,
        distance_mm=share * DEPTH_MM,
        depth_mm=DEPTH_MM,
        speed_mm_s=0.4,
        seconds_to_wall=None,
    )


def look(room, page: Page) -> None:
    room.beat()
    page.goto(room.url + "/")
    expect(page.locator("#contact")).to_have_attribute("data-state", "live")


def test_the_distance_is_said_in_words_as_the_rules_draw_the_steps(room, page):
    room.open()
    look(room, page)
    steps = {
        0.5: "inside",
        0.3: "nearing the wall",
        0.2: "close to the wall",
        0.09: "at the wall",
        -0.1: "beyond the wall",
    }
    for share, words in steps.items():
        room.see(front=front(share))
        expect(page.locator(".figure.distance .more")).to_have_text(words)
        expect(page.locator(".figure.distance .value")).to_have_text(f"{abs(share) * DEPTH_MM:.1f}")
        said = f"{share * 100:.0f} % of the body's depth, {words}".replace("-", "\N{MINUS SIGN}")
        expect(page.locator(".gauge")).to_have_attribute("aria-label", f"Distance to the posterior wall: {said}")


def test_a_broken_wall_moves_the_steps_forward(room, page):
    share = (Rules().far_share + Rules().far_share * Rules().broken_wall_factor) / 2
    room.open()
    room.see(front=front(share), body=replace(BODY, wall=Wall.BROKEN))
    look(room, page)
    expect(page.locator(".figure.distance .more")).to_have_text("nearing the wall")
    room.see(front=front(share))
    expect(page.locator(".figure.distance .more")).to_have_text("inside")


def test_what_is_not_known_is_a_dash_and_never_zero(room, page):
    room.open()
    room.see(front=None, body=None, cement_volume_ml=None, flags=frozenset({Flag.SCALE_UNKNOWN}))
    look(room, page)
    for name in ("distance", "speed", "time", "volume"):
        expect(page.locator(f".figure.{name} .value")).to_have_text("\N{EN DASH}")
    expect(page.locator(".gauge")).to_have_attribute("aria-label", "Distance to the posterior wall: not known")
    expect(page.locator(".body-words")).to_contain_text("No vertebral body found")


def test_charts_show_the_minutes_before_the_screen_was_opened_and_go_on(room, page):
    room.open()
    for share in (0.5, 0.4, 0.3):
        room.see(front=front(share), cement_volume_ml=Band(low=1.0, high=2.0))
    look(room, page)
    chart = page.locator(".chart", has_text="To wall")
    expect(chart.locator("svg")).to_have_attribute("aria-label", "To wall: between 9.6 and 16.0 mm, now 9.6")
    room.see(front=front(0.2))
    expect(chart.locator("svg")).to_have_attribute("aria-label", "To wall: between 6.4 and 16.0 mm, now 6.4")
    expect(page.locator(".chart", has_text="Volume").locator(".trace-band").first).to_be_attached()


def test_the_distance_is_written_beside_the_wall_on_the_picture_it_belongs_to(room, page):
    room.open()
    room.see(front=front(0.125))
    look(room, page)
    expect(page.locator(".wall-words")).to_have_text("4.0 mm")
    expect(page.locator(".wall-line")).to_have_count(1)
    room.see(front=None, body=None)
    expect(page.locator(".picture")).to_have_attribute("data-frame", "1.2.3.2/0")
    expect(page.locator(".wall-words")).to_have_count(0)


def test_the_large_distance_and_the_one_on_the_picture_speak_of_one_frame(room, page):
    room.open()
    room.see(front=front(0.5))
    look(room, page)
    expect(page.locator(".wall-words")).to_have_text("16.0 mm")
    held = []
    page.route("**/1.2.3.2/0.jpg*", lambda route: held.append(route))  # noqa: PLW0108 - playwright marks its handler
    seen = page.evaluate_handle("[]")
    page.locator(".source").evaluate(
        """(source, seen) => new MutationObserver(() => {
            const words = source.querySelector(".wall-words");
            if (words) seen.push([source.querySelector(".figure.distance .value").textContent, words.textContent]);
        }).observe(source, { childList: true, characterData: true, subtree: true })""",
        seen,
    )
    room.see(front=front(0.25))
    expect(page.locator(".figure.distance .value")).to_have_text("8.0")  # a picture that hangs holds no distance back
    expect(page.locator(".wall-words")).to_have_count(0)
    held[0].continue_()
    expect(page.locator(".wall-words")).to_have_text("8.0 mm")
    room.see(front=front(0.125))
    expect(page.locator(".wall-words")).to_have_text("4.0 mm")
    assert {f"{large} mm" for large, _ in seen.json_value()} == {"16.0 mm", "8.0 mm", "4.0 mm"}
    assert [pair for pair in seen.json_value() if f"{pair[0]} mm" != pair[1]] == []


def test_the_close_up_brings_the_body_forward(room, page):
    room.open()
    room.see()
    look(room, page)
    expect(page.locator(".wall-line")).to_have_count(1)
    page.get_by_role("button", name="Close-up").click()
    assert "scale(" in page.locator(".sight").get_attribute("style")
    page.get_by_role("button", name="Close-up").click()
    assert "scale(" not in (page.locator(".sight").get_attribute("style") or "")
