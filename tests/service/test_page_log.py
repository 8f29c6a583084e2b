"""One touch, one line in the log; the clocks run from the log, so that a second screen shows the same."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from db import procedures
from tests.screen import keep, screen


def watch_page(room, page: Page) -> None:
    room.open()
    room.see()
    room.beat()
    page.goto(room.url + "/")
    expect(page.get_by_role("button", name="Cement mixed")).to_be_visible()


def logged(room) -> list[tuple[str, object, object]]:
    lines = room.api(f"procedures/{room.procedure}/log")["items"]
    kinds = {"cement_mixed", "injection_started", "injection_stopped", "aliquot", "resistance", "note"}
    return [(line["type"], line["data"]["volume_ml"], line["data"]["text"]) for line in lines if line["type"] in kinds]


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
