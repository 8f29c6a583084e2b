"""One touch, one line in the log; the clocks run from the log, so that a second screen shows the same."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from db import plans, procedures
from detection.vocabulary import View
from tests.screen import keep, screen


def watch_page(room, page: Page, **opening) -> None:
    room.open(**opening)
    room.see()
    room.beat()
    page.goto(room.url + "/")
    expect(page.get_by_role("button", name="Cement mixed")).to_be_visible()


def logged(room) -> list[tuple[str, object, object]]:
    lines = room.api(f"procedures/{room.procedure}/log")["items"]
    kinds = {"cement_mixed", "injection_started", "injection_stopped", "aliquot", "resistance", "note"}
    return [(line["type"], line["data"]["volume_ml"], line["data"]["text"]) for line in lines if line["type"] in kinds]


def aliquots(room) -> list[tuple[object, object]]:
    lines = room.api(f"procedures/{room.procedure}/log", types="aliquot")["items"]
    return [(line["data"]["level"], line["data"]["volume_ml"]) for line in lines]


def set_landmarks(room, view: View, level: str) -> None:
    names = {View.LATERAL: ("posterior", "anterior"), View.AP: ("left", "right")}[view]
    corners = {
        f"{names[far]}_{end}": [row, 90 + 90 * far]
        for end, row in (("superior", 84), ("inferior", 172))
        for far in (0, 1)
    }
    plans.put_plan(room.engine, room.procedure, view, {**corners, "level": level}, at=room.deps.now(), actor="anna")
    room.deps.bell.ring()


def at_level(page: Page):
    return page.locator(".log-levels button[aria-pressed=true]")


def press(page: Page, name: str) -> None:
    page.locator(".logbook").get_by_role("button", name=re.compile(f"^{re.escape(name)}")).click()


def test_each_button_writes_its_line(room, page, tmp_path):
    watch_page(room, page)
    press(page, "Cement mixed")
    expect(page.locator(".log-words")).to_contain_text(re.compile(r"Logged \d\d:\d\d:\d\d: cement mixed"))
    press(page, "Injection started")
    expect(page.get_by_role("button", name="Injection started")).to_contain_text("running 0:0")
    press(page, "Aliquot")
    press(page, "1.5 ml")
    expect(page.get_by_role("button", name="Aliquot")).to_contain_text("1 so far · 1.5 ml")
    press(page, "Aliquot")
    keep(page, tmp_path, "log-aliquot")
    press(page, "not measured")
    expect(page.get_by_role("button", name="Aliquot")).to_contain_text("2 so far · at least 1.5 ml")
    press(page, "Resistance")
    press(page, "Injection stopped")
    expect(page.get_by_role("button", name="Injection started")).not_to_contain_text("running")
    press(page, "Note")
    page.get_by_role("textbox", name="Note").fill("<b>thick</b>")
    page.keyboard.press("Enter")
    expect(page.locator(".log-words")).to_contain_text("note")
    assert logged(room) == [
        ("cement_mixed", None, None),
        ("injection_started", None, None),
        ("aliquot", 1.5, None),
        ("aliquot", None, None),
        ("resistance", None, None),
        ("injection_stopped", None, None),
        ("note", None, "<b>thick</b>"),
    ]


def test_a_screen_that_is_opened_later_shows_the_same_clocks(room, page, browser):
    watch_page(room, page)
    press(page, "Cement mixed")
    press(page, "Injection started")
    expect(page.get_by_role("button", name="Injection started")).to_contain_text("running")
    with screen(browser, room.url) as second:
        second.goto(room.url + "/")
        expect(second.get_by_role("button", name="Cement mixed")).to_contain_text(re.compile(r"0:\d\d ago"))
        expect(second.get_by_role("button", name="Injection started")).to_contain_text("running")
        press(second, "Injection stopped")
        expect(second.locator(".log-words")).to_contain_text("injection stopped")
    expect(page.get_by_role("button", name="Injection started")).not_to_contain_text("running")


def test_what_could_not_be_logged_is_said(room, page):
    watch_page(room, page)
    procedures.close(room.engine, room.procedure, at=room.deps.now(), actor="anna")
    press(page, "Resistance")
    expect(page.locator(".log-words")).to_contain_text("Not logged: This procedure is closed")
    assert logged(room) == []
    room.serving.__exit__()
    press(page, "Resistance")
    expect(page.locator(".log-words")).to_contain_text("Not logged: no answer from cementwatch")


def test_lines_are_logged_at_the_level_of_the_landmarks_until_somebody_touches_another(room, page):
    watch_page(room, page, levels=("L4", "L5"))
    expect(page.locator(".log-levels")).to_have_attribute("data-wanted", "true")
    expect(at_level(page)).to_have_count(0)
    set_landmarks(room, View.LATERAL, "L2")
    expect(at_level(page)).to_have_text("L2")
    press(page, "Aliquot")
    press(page, "1 ml")
    expect(page.locator(".log-words")).to_contain_text("aliquot, 1 ml, L2")
    set_landmarks(room, View.AP, "L3")
    expect(page.locator(".log-levels button")).to_have_text(["L4", "L5", "L2", "L3"])
    expect(at_level(page)).to_have_text("L2")
    room.beat(view=View.AP)
    expect(at_level(page)).to_have_text("L3")
    page.reload()
    expect(at_level(page)).to_have_text("L3")
    press(page, "L2")
    room.beat(view=View.LATERAL)
    room.beat(view=View.AP)
    press(page, "Aliquot")
    press(page, "2 ml")
    expect(page.locator(".log-words")).to_contain_text("aliquot, 2 ml, L2")
    set_landmarks(room, View.AP, "L4")
    expect(at_level(page)).to_have_text("L4")
    assert aliquots(room) == [("L2", 1.0), ("L2", 2.0)]
