"""Looking back: procedures are found, a moment is chosen on the timeline or from the log, and exports leave from there."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from detection.vocabulary import View
from tests.service.visitors import PASSWORD, admit, audit

AP_BODY = {"body": None, "front": None, "zone_outlines": ()}


def fill(room) -> str:
    """A procedure with five lateral frames, two AP ones, an alert and a line by hand."""
    id = room.open(patient={"name": "MEYER^ANNA", "id": "P1"})
    for _ in range(3):
        room.see()
    room.raise_alert()
    for _ in range(2):
        room.see(view=View.AP, **AP_BODY)
    for _ in range(2):
        room.see()
    told = room.client.post(f"/api/v1/procedures/{id}/log", json={"type": "aliquot", "volume_ml": 1.5})
    assert told.status_code == 201
    return id


def review(room, page: Page, id: str) -> None:
    page.goto(f"{room.url}/#review/{id}")
    expect(page.locator(".where")).to_contain_text("1 / 7")


def url_of(room, uid: str, *, overlay: bool) -> str:
    told = str(overlay).lower()
    return f"api/v1/frames/{uid}/0.jpg?procedure={room.procedure}&overlay={told}&width=800"


def test_a_procedure_is_found_by_words_and_opened(room, page):
    id = fill(room)
    room.open(study="1.9", patient={"name": "<i>OTHER</i>"})
    page.goto(room.url + "/#review")
    expect(page.locator(".archive-line")).to_have_count(2)
    expect(page.locator(".archive-name").first).to_have_text("<i>OTHER</i>")
    page.get_by_label("Find a procedure").fill("anna l2")
    expect(page.locator(".archive-line")).to_have_count(1)
    page.locator(".archive-line").click()
    assert page.url.endswith(f"#review/{id}")
    expect(page.locator(".case-head h2")).to_have_text("MEYER, ANNA")
    expect(page.locator(".case-head")).to_contain_text("7 frames judged")
    expect(page.locator(".case-head")).to_contain_text(re.compile(r"PVP.*, \d\d:\d\d:\d\d · still open"))
    page.get_by_label("Find a procedure").fill("nobody")
    expect(page.locator(".archive-words")).to_have_text("No procedure has these words.")


def test_frames_are_scrubbed_with_and_without_overlays_beside_the_other_view(room, page):
    review(room, page, fill(room))
    expect(page.locator(".case-picture")).to_have_count(2)
    slider = page.get_by_label("Frame", exact=True)
    slider.focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".where")).to_contain_text("2 / 7")
    expect(page.locator(".case-picture img").first).to_have_attribute("src", url_of(room, "1.2.3.2", overlay=True))
    expect(page.locator("figcaption").first).to_contain_text("Lateral view")
    expect(page.locator(".case-picture figcaption").nth(1)).to_contain_text("AP view")
    page.get_by_label("Overlays").uncheck()
    expect(page.locator(".case-picture img").first).to_have_attribute("src", url_of(room, "1.2.3.2", overlay=False))
    slider.focus()
    page.keyboard.press("End")
    expect(page.locator(".where")).to_contain_text("7 / 7")


def test_a_press_on_the_log_or_the_timeline_goes_to_that_moment(room, page):
    review(room, page, fill(room))
    page.locator(".event", has_text="Cement in the spinal canal").click()
    expect(page.locator(".where")).to_contain_text("3 / 7")
    expect(page.locator(".event", has_text="Aliquot: 1.5 ml")).to_contain_text("local")
    box = page.locator(".timeline").bounding_box()
    page.mouse.click(box["x"] + box["width"] - 2, box["y"] + 30)
    expect(page.locator(".where")).to_contain_text("7 / 7")
    expect(page.locator(".timeline")).to_have_attribute(
        "aria-label", "Timeline: 7 frames, 1 alert about cement, 1 entry by hand"
    )
    expect(page.locator(".time-mark.high")).to_have_count(1)


def test_alarms_go_on_during_a_review(room, page):
    review(room, page, fill(room))
    expect(page.locator("#foremost")).to_contain_text("Cement in the spinal canal")
    expect(page.get_by_role("button", name="Acknowledge")).to_be_visible()
    expect(page.locator("footer")).to_be_visible()
    page.get_by_role("link", name="Live").click()
    expect(page.locator(".source")).to_have_count(0)
    expect(page.locator("#review")).to_be_hidden()


def test_exports_leave_from_the_review_and_are_told_in_the_audit(room, page):
    id = fill(room)
    admit(room)
    page.goto(room.url + "/")
    page.get_by_label("Name").fill("anna")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("#who")).to_contain_text("anna")
    page.goto(f"{room.url}/#review/{id}")
    for name, kind in (("JSON", "json"), ("CSV", "csv"), ("Log", "jsonl")):
        with page.expect_download() as download:
            page.locator(".exports").get_by_text(name, exact=True).click()
        name_of_file = download.value.suggested_filename
        assert name_of_file.endswith(f".{kind}")
        assert "MEYER" not in name_of_file
    with page.expect_popup() as opened:
        page.locator(".exports").get_by_text("Report").click()
    expect(opened.value.locator("body")).to_contain_text("not a medical device")
    told = [(type, actor) for type, actor, _ in audit(room)]
    assert told.count(("exported", "anna")) == len(("json", "csv", "jsonl", "html"))
