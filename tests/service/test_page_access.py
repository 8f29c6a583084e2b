"""Signing in at the page, in a real browser under the strict content policy; and what hostile names do to it: nothing."""

from __future__ import annotations

from dataclasses import replace

from playwright.sync_api import expect

from db.users import disable_user
from service.api.app import create_app
from service.settings import Settings
from tests.service.conftest import CARD, Serving
from tests.service.visitors import PASSWORD, admit, audit, by


def sign_in(page, name="anna", password=PASSWORD):
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def test_an_operator_signs_in_acknowledges_and_signs_out(room, watch, page, tmp_path):
    admit(room)
    room.open()
    room.see()
    room.beat()
    room.raise_alert()
    page.goto(room.url + "/")
    expect(page.locator("#sign-in")).to_be_visible()
    expect(page.locator("main")).to_be_hidden()
    expect(page.locator("#no-contact")).to_be_hidden()
    expect(page.locator("footer")).to_contain_text("not a medical device")
    page.screenshot(path=tmp_path / "sign-in.png")

    sign_in(page, password="wrong horse battery")
    expect(page.locator("#sign-in-words")).to_contain_text("do not belong together")
    sign_in(page)
    expect(page.locator("#who")).to_have_text("anna · operator")
    expect(page.locator("#contact")).to_have_attribute("data-state", "live")
    expect(page.locator(".picture")).to_have_attribute("data-frame", "1.2.3.1/0")
    page.screenshot(path=tmp_path / "signed-in.png")
    assert page.evaluate("document.cookie") == ""

    page.get_by_role("button", name="Acknowledge").click()
    expect(page.locator(CARD)).to_contain_text("Acknowledged by anna")
    page.get_by_role("button", name="Sign out").click()
    expect(page.locator("#sign-in")).to_be_visible()
    told = [(type, actor) for type, actor, _ in audit(room) if actor == "anna" or type == "sign_in_failed"]
    assert ("sign_in_failed", None) in told
    assert {("signed_in", "anna"), ("patient_viewed", "anna"), ("signed_out", "anna")} <= set(told)


def test_a_viewer_sees_and_has_nothing_to_press(room, page):
    admit(room, "vera", "viewer")
    room.open()
    room.raise_alert()
    page.goto(room.url + "/")
    sign_in(page, "vera")
    expect(page.locator(CARD)).to_contain_text("Cement in the spinal canal")
    expect(page.get_by_role("button", name="Acknowledge")).to_be_hidden()


def test_a_screen_that_is_signed_out_says_loudly_that_it_shows_nothing(room, page):
    admit(room)
    room.open()
    room.raise_alert()
    page.goto(room.url + "/")
    sign_in(page)
    expect(page.locator(CARD)).to_be_visible()
    disable_user(room.engine, "anna", by())
    admit(room, "ben")
    room.deps.bell.ring()
    expect(page.locator("#sign-in")).to_contain_text("You are no longer signed in. This screen shows no alerts.")
    expect(page.locator("main")).to_be_hidden()


def test_whoever_signs_in_again_is_left_alone_meanwhile(room, page):
    admit(room)
    room.open()
    page.goto(room.url + "/")
    sign_in(page)
    expect(page.locator("#contact")).to_have_attribute("data-state", "live")
    disable_user(room.engine, "anna", by())
    admit(room, "ben")
    room.deps.bell.ring()
    expect(page.get_by_label("Name")).to_be_focused()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.get_by_label("Password").focus()
    page.wait_for_timeout(3500)
    expect(page.get_by_label("Password")).to_be_focused()
    assert len([url for url in asked if "/alerts" in url or "/live" in url or "/procedures" in url]) <= 1
    sign_in(page, "ben")
    expect(page.locator("#who")).to_have_text("ben · operator")


def test_signing_in_anew_in_another_tab_costs_no_acknowledgement(room, watch, page):
    admit(room)
    room.open()
    for id in ("alert-1", "alert-2"):
        room.raise_alert(id)
    page.goto(room.url + "/")
    sign_in(page)
    for id in ("alert-1", "alert-2"):
        alert = page.locator(f".alert[data-id='{id}']")
        alert.get_by_role("button", name="Acknowledge").click()
        expect(alert).to_contain_text("Acknowledged by anna")
        again = page.context.request.post(f"{room.url}/api/v1/session", data={"name": "anna", "password": PASSWORD})
        assert again.status == 200


def test_one_click_on_loopback(room, page):
    admit(room)
    settings = Settings(**{**room.deps.settings.model_dump(), "one_click_operator": True})
    with Serving(create_app(replace(room.deps, settings=settings))) as url:
        page.goto(url + "/")
        page.get_by_role("button", name="Continue as demo operator").click()
        expect(page.locator("#who")).to_have_text("demo operator · operator")


def test_a_demonstration_without_users_lets_one_take_a_name(room, watch, page):
    room.open()
    room.raise_alert()
    settings = Settings(**{**room.deps.settings.model_dump(), "one_click_operator": True})
    with Serving(create_app(replace(room.deps, settings=settings))) as url:
        page.goto(url + "/")
        expect(page.locator("#who")).to_have_text("local")
        page.get_by_role("button", name="Act as demo operator").click()
        expect(page.locator("#who")).to_have_text("demo operator · operator")
        page.get_by_role("button", name="Acknowledge").click()
        expect(page.locator(CARD)).to_contain_text("Acknowledged by demo operator")


HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "'\"><svg onload=alert(1)>",
    "javascript:alert(1)//",
    "{{7*7}}${7*7}",
    "\N{RIGHT-TO-LEFT OVERRIDE}gnp.exe",
    "O'Brien^Mary; DROP TABLE entry;--",
)


def test_hostile_names_and_messages_are_text_on_the_page_and_in_the_report(room, page):
    name = " ".join(HOSTILE)
    id = room.open(patient={"name": name, "id": name}, levels=("L2",))
    room.see()
    room.beat()
    for i, message in enumerate(HOSTILE):
        room.raise_alert(f"alert {i}", message=message)
    page.goto(room.url + "/")
    expect(page.locator(".about")).to_contain_text(name.replace("^", ", "))
    for i, message in enumerate(HOSTILE):
        expect(page.locator(f".alert[data-id='alert {i}'] .message")).to_have_text(message)
    page.goto(f"{room.url}/api/v1/procedures/{id}/report.html")
    for message in (name, *HOSTILE):
        expect(page.locator("body")).to_contain_text(message)
    assert page.locator("script, iframe, [onerror], [onload]").count() == 0
    own = page.locator("img[src^='data:image/jpeg;base64,'], svg[role=img]")
    assert page.locator("img, svg").count() == own.count() == 2, "the last frame and the line of time"
    assert page.locator("table").first.evaluate("node => getComputedStyle(node).borderCollapse") == "collapse"


def test_the_policy_stops_a_script_that_got_in_all_the_same(room, browser):
    context = browser.new_context()
    page = context.new_page()
    page.goto(room.url + "/")
    plant = "document.title = 'planted'"
    page.evaluate(
        "code => document.body.append(Object.assign(document.createElement('script'), {textContent: code}))", plant
    )
    assert page.title() == "cementwatch"
    context.close()
