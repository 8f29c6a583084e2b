"""The page in a real browser: what a physician sees on the second monitor."""

import re
import time
from dataclasses import replace
from pathlib import Path

from playwright.sync_api import Page, expect

from detection.vocabulary import AUDIT, Condition, EntryType, Glance, Mode, Priority, Sight, Signal, View, Witness, Zone
from service.api.app import create_app
from service.safety import SAFETY_WORDS
from tests.service.conftest import CARD, Serving

DASHBOARD = Path(__file__).resolve().parents[2] / "service" / "dashboard"


def look(page: Page, room) -> None:
    page.goto(room.url + "/")
    expect(page.locator("#contact")).to_have_attribute("data-state", "live")


def shown(page: Page, text: str, inside: str = "body"):
    expect(page.locator(inside)).to_contain_text(text)


def test_an_empty_room_says_that_nothing_is_being_judged(room, page):
    look(page, room)
    shown(page, "No source yet")
    shown(page, "nothing is being judged", "#quiet-words")
    shown(page, SAFETY_WORDS, "footer")


def test_an_address_that_cannot_be_read_keeps_no_alarm_from_the_screen(room, page):
    room.open()
    room.see()
    page.goto(room.url + "/#review/%E0%")
    expect(page.locator("#contact")).to_have_attribute("data-state", "live")
    room.raise_alert()
    shown(page, "Cement in the spinal canal", CARD)


def test_a_quiet_screen_means_that_fresh_frames_are_judged(room, page):
    room.open()
    room.see()
    look(page, room)
    room.beat()
    shown(page, "No alert. Frames are being judged.", "#quiet-words")
    room.beat(beat_at=time.time() - 10)
    shown(page, "analysis stopped", ".state")
    shown(page, "nothing is being judged", "#quiet-words")


def test_the_latest_frame_is_shown_with_its_numbers_and_what_the_view_cannot_show(room, page):
    room.open()
    room.see()
    room.beat()
    look(page, room)
    picture = page.locator(".picture")
    expect(picture).to_have_attribute("data-frame", "1.2.3.1/0")
    assert picture.evaluate("image => image.naturalWidth") >= 480
    assert "overlay=true" in picture.get_attribute("src")
    shown(page, "4.1", ".figures")
    shown(page, "0.4", ".figure.speed")
    shown(page, "7 to 16 s", ".figures")
    shown(page, "lateral view", ".view-badge")
    shown(page, "Not, or only in part, shown by this view: vein", ".not-visible")
    room.see()
    expect(picture).to_have_attribute("data-frame", "1.2.3.2/0")


def test_what_another_view_shows_is_told_with_its_age_and_an_alert_names_all_that_show_it(room, page):
    room.open()
    room.see()
    ap = Glance(source="PLANE_B", view=View.AP, at=time.time() - 40, zones_shown=(Zone.VEIN, Zone.DISC))
    own = Glance(source="CARM1", view=View.LATERAL, at=time.time(), zones_shown=(Zone.CANAL, Zone.DISC))
    room.beat(sight=Sight(glances=(own, ap), zones_blind=(Zone.FORAMEN,)))
    look(page, room)
    said = page.locator(".elsewhere")
    expect(said).to_have_text(re.compile(r"^AP view of PLANE_B, 4\d s ago: vein\. Shown by no view in use: foramen$"))
    seen = {"first_frame": None, "last_frame": None, "side": None, "area_mm2": 9.0, "length_mm": None, "trust": 0.9}
    by = Witness(source="PLANE_B", view=View.AP, condition=Condition.PRESENT, priority=Priority.MEDIUM, **seen)
    room.raise_alert(witnesses=(by,))
    shown(page, "lateral and AP view · CARM1, PLANE_B", f"{CARD} .what")


def test_an_alert_comes_by_itself_with_colour_word_and_icon(room, page):
    room.open()
    room.see()
    room.beat()
    look(page, room)
    room.raise_alert()
    card = page.locator(CARD)
    expect(card).to_have_attribute("data-priority", "high")
    shown(page, "high", f"{CARD} .priority")
    shown(page, "Cement in the spinal canal", CARD)
    shown(page, "Cement in the spinal canal", "#foremost")
    expect(card.locator("svg.icon")).to_be_visible()
    assert card.locator(".priority").evaluate("node => getComputedStyle(node).color") == "rgb(255, 77, 77)"
    expect(page.locator("#quiet-words")).to_be_hidden()


def test_the_foremost_alert_is_the_most_urgent_one(room, page):
    room.open()
    room.raise_alert("low", priority=Priority.LOW, message="Small residue.")
    room.raise_alert("medium", priority=Priority.MEDIUM, message="Cement nears the wall.")
    look(page, room)
    shown(page, "Cement nears the wall.", "#foremost")
    room.raise_alert("high")
    shown(page, "Cement in the spinal canal", "#foremost")
    cards = [card.get_attribute("data-id") for card in page.locator(".alert").all()]
    assert [id for id in cards if id in room.alerts] == ["high", "medium", "low"]


def test_an_operator_acknowledges_and_resets(room, watch, page):
    room.open()
    room.see()
    room.raise_alert()
    look(page, room)
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.locator(CARD)).to_have_attribute("data-signal", "acknowledged")
    shown(page, "Acknowledged by local", CARD)
    expect(page.locator("#foremost")).to_be_hidden()
    room.tell(replace(room.alerts["alert-1"], condition=Condition.ABSENT, signal=Signal.LATCHED), EntryType.ALERT_ENDED)
    page.get_by_role("button", name="Reset").click()
    expect(page.locator(CARD)).to_have_attribute("data-signal", "off")


def test_an_operator_pauses(room, watch, page):
    room.open()
    room.raise_alert()
    look(page, room)
    page.get_by_role("button", name="Pause 60 s").click()
    expect(page.locator(CARD)).to_have_attribute("data-signal", "paused")
    (act,) = room.deps.journal.acts_since(room.procedure, 0)
    assert act.data["seconds"] == 60


def test_an_act_without_an_analysis_says_what_became_of_it(room, page):
    room.open()
    room.raise_alert()
    look(page, room)
    page.get_by_role("button", name="Acknowledge").click()
    shown(page, "in the log", f"{CARD} .refused")


def test_a_replay_carries_its_banner(room, page):
    room.open(mode=Mode.REPLAY, replay="r1")
    room.see(mode=Mode.REPLAY)
    room.beat()
    look(page, room)
    expect(page.locator("#replay")).to_be_visible()
    shown(page, "Replay or test images", "#replay")


def test_a_screen_that_would_be_heard_says_that_it_is_silent_until_somebody_turns_sound_on(room, watch, page):
    room.open()
    room.see()
    room.beat()
    look(page, room)
    expect(page.locator("#silent")).to_be_hidden()
    room.raise_alert()
    shown(page, "This screen is silent: alarms are shown and not heard.", "#silent")
    expect(page.locator("body")).to_have_attribute("data-tone", "")
    page.get_by_role("button", name="Turn sound on").click()
    expect(page.locator("#silent")).to_be_hidden()
    expect(page.locator("body")).to_have_attribute("data-tone", "high")


def test_a_page_whose_scripts_do_not_load_says_that_it_has_not_started(room, page):
    page.route("**/dashboard/main.js", lambda asked: asked.abort())
    page.goto(room.url + "/")
    shown(page, "This screen has not started and shows no alerts.", "#not-started")
    expect(page.locator("#not-started")).to_be_visible()
    page.unroute("**/dashboard/main.js")
    look(page, room)
    expect(page.locator("#not-started")).to_be_hidden()


def test_text_from_outside_is_text(room, page):
    room.open(patient={"name": "<img src=x onerror=alert(1)>"})
    room.see()
    room.beat()
    room.raise_alert(message="<b id=planted>bold</b>")
    look(page, room)
    shown(page, "<b id=planted>", CARD)
    shown(page, "<img src=x", ".about")
    assert page.locator("#planted").count() == 0


def test_a_silent_server_raises_the_pages_own_alarm(room, page):
    room.open()
    room.beat()
    look(page, room)
    room.serving.__exit__()
    expect(page.locator("#no-contact")).to_be_visible()
    shown(page, "No contact with cementwatch", "#no-contact")
    shown(page, "Unknown: no contact.", "#quiet-words")
    with Serving(create_app(room.deps), int(room.url.rpartition(":")[2])):
        expect(page.locator("#no-contact")).to_be_hidden()


def test_after_three_seconds_of_silence_and_not_before_the_page_alarms(room, page):
    """By the page's own clock, which the test holds: how fast this machine is does not matter."""
    page.clock.install()
    room.open()
    room.beat()
    look(page, room)
    page.clock.pause_at(time.time() + 3600)
    hear_a_beat(page)
    room.serving.__exit__()
    page.clock.run_for(2500)
    expect(page.locator("#no-contact")).to_be_hidden()
    page.clock.run_for(750)
    expect(page.locator("#no-contact")).to_be_visible()
    shown(page, "for 3 s", "#no-contact-words")


def hear_a_beat(page: Page) -> None:
    """Let the held clock go on by quarters of a second until a heartbeat has come since it was held."""
    for _ in range(60):
        page.clock.run_for(250)
        if page.locator("#no-contact").is_hidden():
            return
        time.sleep(0.25)
    raise AssertionError("the heart of the server was not heard")


def test_without_the_stream_the_page_polls(room, page):
    page.route("**/api/v1/live*", lambda route: route.abort())
    room.open()
    room.see()
    room.beat()
    page.goto(room.url + "/")
    expect(page.locator("#contact")).to_have_attribute("data-state", "polling")
    expect(page.locator(".picture")).to_have_attribute("data-frame", "1.2.3.1/0")
    room.raise_alert()
    shown(page, "Cement in the spinal canal", CARD)
    room.see()
    expect(page.locator(".picture")).to_have_attribute("data-frame", "1.2.3.2/0")
    expect(page.locator("#no-contact")).to_be_hidden()


def test_the_page_knows_every_type_of_entry():
    told = re.search(r"ENTRY_TYPES = \[(.*?)\]", (DASHBOARD / "link.js").read_text(), re.DOTALL).group(1)
    assert re.findall(r'"(\w+)"', told) == [str(kind) for kind in EntryType if kind not in AUDIT]


def test_the_page_never_writes_markup():
    for path in DASHBOARD.glob("*.js"):
        text = path.read_text()
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", text), path.name
        assert "http://" not in text.replace("http://www.w3.org/2000/svg", ""), path.name
        assert "https://" not in text, path.name
