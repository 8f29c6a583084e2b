"""The landmarks editor: corners clicked, dragged, moved by keys or accepted as found; the journal has what the screen showed."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from detection.vocabulary import View
from tests.screen import keep
from tests.service.conftest import CORNERS
from tests.service.visitors import PASSWORD, admit

pytestmark = pytest.mark.usefixtures("watch")
LATERAL = {
    "posterior_superior": CORNERS.near_superior,
    "anterior_superior": CORNERS.far_superior,
    "anterior_inferior": CORNERS.far_inferior,
    "posterior_inferior": CORNERS.near_inferior,
}
AP = {
    "left_superior": (84, 88),
    "right_superior": (84, 180),
    "right_inferior": (170, 182),
    "left_inferior": (172, 86),
}


def edit(room, page: Page, **changes) -> None:
    """A watched source with the editor opened on it."""
    room.open()
    room.see(**changes)
    room.beat(view=changes.get("view", View.LATERAL))
    page.goto(room.url + "/")
    expect(page.locator(".picture")).to_have_attribute("data-frame", "1.2.3.1/0")
    page.get_by_role("button", name="Landmarks").click()
    expect(page.locator(".plate image")).to_have_attribute("width", "256")


def spot(page: Page, row: float, col: float) -> tuple[float, float]:
    """Where a position of the frame lies on the screen."""
    return tuple(
        page.locator(".plate").evaluate(
            """(plate, [row, col]) => {
                const at = new DOMPoint(col + 0.5, row + 0.5).matrixTransform(plate.getScreenCTM());
                return [at.x, at.y];
            }""",
            [row, col],
        )
    )


def click(page: Page, row: float, col: float) -> None:
    page.mouse.click(*spot(page, row, col))


def plan(room, view: str = "lateral") -> dict:
    return room.api(f"procedures/{room.procedure}/plan/{view}")


def is_near(given, wanted) -> bool:
    return all(abs(a - b) <= 1.0 for a, b in zip(given, wanted, strict=True))


def test_what_was_found_is_shown_with_its_trust_and_can_be_accepted(room, page, tmp_path):
    edit(room, page)
    expect(page.locator(".landmarks-origin")).to_contain_text("Found automatically, trust 88 %")
    expect(page.locator("#landmarks select").first).to_have_value("L2")
    assert page.locator(".corner").count() == 4
    keep(page, tmp_path, "landmarks-found")
    page.get_by_role("button", name="Accept what was found").click()
    expect(page.locator("#landmarks")).to_be_hidden()
    expect(page.locator(".body-words")).to_contain_text("hold from the next frame on")
    agreed = plan(room)
    assert agreed["origin"] == "operator"
    assert agreed["level"] == "L2"
    assert agreed["frame"] == {"sop_instance_uid": "1.2.3.1", "index": 0}
    for name, (row, col) in LATERAL.items():
        assert agreed[name] == [row, col]


def test_four_clicks_set_the_corners_in_the_order_that_the_screen_asks_for(room, page, tmp_path):
    edit(room, page, body=None, zone_outlines=(), zones_watched=())
    expect(page.locator(".body-words")).to_contain_text("No vertebral body found")
    expect(page.locator(".landmarks-origin")).to_contain_text("Nothing to accept in this view")
    save = page.get_by_role("button", name="Save landmarks")
    for name, (row, col) in LATERAL.items():
        expect(page.locator(".landmarks-step")).to_contain_text(f"Click the {name.replace('_', ' ')} corner")
        expect(save).to_be_disabled()
        click(page, row, col)
    keep(page, tmp_path, "landmarks-clicked")
    page.locator("#landmarks").get_by_label("Posterior wall").select_option("broken")
    page.locator("#landmarks").get_by_label("Level").select_option("T11")
    save.click()
    expect(page.locator("#landmarks")).to_be_hidden()
    agreed = plan(room)
    assert all(is_near(agreed[name], corner) for name, corner in LATERAL.items())
    assert (agreed["level"], agreed["posterior_wall"]) == ("T11", "broken")


def test_a_corner_is_dragged_and_moved_by_arrow_keys(room, page):
    edit(room, page)
    page.mouse.move(*spot(page, *CORNERS.near_superior))
    page.mouse.down()
    page.mouse.move(*spot(page, 90, 100), steps=4)
    expect(page.locator(".loupe")).to_have_attribute("data-side", "right")
    page.mouse.up()
    corner = page.locator(".corner[data-corner='posterior_superior']")
    expect(corner).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Shift+ArrowRight")
    expect(corner).to_be_focused()
    page.get_by_role("button", name="Save landmarks").click()
    expect(page.locator("#landmarks")).to_be_hidden()
    assert is_near(plan(room)["posterior_superior"], (91, 110))


def test_the_keyboard_alone_places_all_four_corners(room, page):
    edit(room, page, view=View.AP, body=None, zone_outlines=(), zones_watched=())
    for name in AP:
        page.get_by_role("button", name=f"image {name.replace('_', ' ')}").press("Enter")
        corner = page.locator(f".corner[data-corner='{name}']")
        expect(corner).to_be_focused()
        page.keyboard.press("ArrowUp")
    page.get_by_role("button", name="Save landmarks").press("Enter")
    expect(page.locator("#landmarks")).to_be_hidden()
    agreed = plan(room, "ap")
    assert agreed["left_superior"][0] < agreed["left_inferior"][0]
    assert agreed["left_superior"][1] < agreed["right_superior"][1]


def test_swapped_corners_are_named_and_cannot_be_saved(room, page):
    edit(room, page, body=None, zone_outlines=(), zones_watched=())
    for name in ("posterior_superior", "anterior_inferior", "anterior_superior", "posterior_inferior"):
        click(page, *LATERAL[name])
    expect(page.locator(".landmarks-step")).to_contain_text("cross")
    expect(page.get_by_role("button", name="Save landmarks")).to_be_disabled()
    page.get_by_role("button", name="Start over").click()
    expect(page.locator(".landmarks-step")).to_contain_text("Click the posterior superior corner")


def test_a_refusal_says_why_and_keeps_the_corners(room, page):
    edit(room, page)
    assert room.client.post(f"/api/v1/procedures/{room.procedure}/close").status_code == 200
    page.get_by_role("button", name="Accept what was found").click()
    expect(page.locator("#landmarks .refused")).to_contain_text("Not saved. This procedure is closed.")
    assert page.locator(".corner").count() == 4
    page.locator("#landmarks").get_by_label("Scale").fill("9")
    page.keyboard.press("Escape")
    expect(page.locator("#landmarks")).to_be_hidden()
    expect(page.get_by_role("button", name="Landmarks")).to_be_focused()


def test_an_alert_stays_in_sight_while_corners_are_placed(room, page):
    edit(room, page)
    room.raise_alert()
    expect(page.locator("#foremost")).to_contain_text("Cement in the spinal canal")
    expect(page.locator("#foremost")).to_be_visible()
    expect(page.locator("footer")).to_be_visible()


def test_the_newest_picture_is_taken_on_request_and_followed_on_request(room, page):
    edit(room, page)
    room.see()
    page.get_by_role("button", name="Newest picture").click()
    expect(page.locator(".plate image")).to_have_attribute(
        "href", "api/v1/frames/1.2.3.2/0.jpg?procedure=" + room.procedure + "&overlay=false"
    )
    page.get_by_role("button", name="Follow live").click()
    room.see()
    expect(page.locator(".plate image")).to_have_attribute(
        "href", "api/v1/frames/1.2.3.3/0.jpg?procedure=" + room.procedure + "&overlay=false"
    )
    page.get_by_role("button", name="Save landmarks").or_(
        page.get_by_role("button", name="Accept what was found")
    ).click()
    expect(page.locator("#landmarks")).to_be_hidden()
    assert plan(room)["frame"]["sop_instance_uid"] == "1.2.3.3"


def test_a_viewer_sets_no_landmarks(room, page):
    admit(room, "vera", "viewer")
    room.open()
    room.see()
    room.beat()
    page.goto(room.url + "/")
    page.get_by_label("Name").fill("vera")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator(".picture")).to_be_visible()
    expect(page.locator(".landmarks-open")).to_be_hidden()
    expect(page.locator(".logbook")).to_be_hidden()
