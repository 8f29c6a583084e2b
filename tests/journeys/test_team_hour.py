"""The team's hour at the screen, over real DICOM: from signing in to the export, with a picture of each step."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from dicom_gateway.peer import echo
from service.api.wire import SAFETY_WORDS
from tests.journeys.house import House
from tests.journeys.scenes import LEAK, Recording, record
from tests.screen import keep, screen

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

PASSWORD = "correct horse battery"
PATIENCE_MS = 60_000
START_S = 240.0
SPY = """
window.heard = []; window.notes = 0;
const listen = EventSource.prototype.addEventListener;
EventSource.prototype.addEventListener = function (type, told) {
  return listen.call(this, type, (event) => {
    if (event.lastEventId && type !== 'heartbeat' && type !== 'closing' && type !== 'open') window.heard.push(Number(event.lastEventId));
    return told(event);
  });
};
const start = OscillatorNode.prototype.start;
OscillatorNode.prototype.start = function (...at) { window.notes += 1; return start.apply(this, at); };
"""
"""Counts what the stream brought and which notes were played; changes neither."""


@pytest.fixture(scope="module")
def film(tmp_path_factory) -> Recording:
    """An approach and a canal leak of this module's own, so that its study has one procedure."""
    return record(LEAK, tmp_path_factory.mktemp("hour"), started_at=time.time())


@pytest.fixture
def page(system: House, browser) -> Iterator[Page]:
    """The screen in the room; the three roles run each by itself so that one can be stopped."""
    system.start("receive", "watch", "serve")
    system.until(lambda: echo(system.peer()), "objects are taken", START_S)
    system.wait_until_ready()
    (system.folder / "password").write_text(PASSWORD + "\n")
    made = system.run("user", "add", "anna", "--role", "operator", "--password-file", "password")
    assert made.returncode == 0, made.stderr
    with screen(browser, system.url) as page:
        page.set_default_timeout(PATIENCE_MS)
        expect.set_options(timeout=PATIENCE_MS)
        page.add_init_script(SPY)
        yield page


def sign_in(page: Page) -> None:
    page.get_by_label("Name").fill("anna")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("#who")).to_have_text("anna · operator")
    expect(page.locator("#contact")).to_have_attribute("data-state", "live")


def ask(page: Page, path: str, body: dict | None = None) -> tuple[int, dict]:
    """What the page's own session is answered."""
    return tuple(
        page.evaluate(
            """async ([path, body]) => {
                const session = await (await fetch('api/v1/session')).json();
                const headers = { 'Content-Type': 'application/json', 'X-CSRF-Token': session.csrf_token };
                const change = body ? { method: 'POST', headers, body: JSON.stringify(body) } : {};
                const answer = await fetch('api/v1/' + path, change);
                return [answer.status, await answer.json()];
            }""",
            [path, body],
        )
    )


def seen(page: Page, film: Recording, index: int) -> None:
    """Until the screen shows this frame of the film."""
    uid = next(uid for uid, each in film.index_of.items() if each == index)
    expect(page.locator(".picture")).to_have_attribute("data-frame", f"{uid}/0")


def test_the_teams_hour(system, page, film, tmp_path):
    due, onset, last = film.due(), film.onset, film.n_frames - 1
    page.goto(system.url + "/")
    expect(page.locator("footer")).to_contain_text(SAFETY_WORDS)
    keep(page, tmp_path, "hour-01-sign-in")
    sign_in(page)
    page.get_by_role("button", name="Sound is off").click()
    expect(page.locator("#sound")).to_have_text("Sound is on")

    system.send(due[:24], speed=4.0)
    seen(page, film, 23)
    keep(page, tmp_path, "hour-02-frames-come")
    page.get_by_role("button", name="Landmarks").click()
    expect(page.locator(".corner")).to_have_count(4)
    keep(page, tmp_path, "hour-03-landmarks")
    page.get_by_role("button", name="Accept what was found").click()
    page.get_by_role("button", name="Cement mixed").click()
    page.get_by_role("button", name="Injection started").click()

    system.send(due[24 : onset - 1], speed=2.0)
    expect(page.locator(".body-words")).to_contain_text("Landmarks set by hand")
    approach = page.locator(".alert", has_text="posterior wall").first
    expect(approach).to_be_visible()
    keep(page, tmp_path, "hour-04-approach")

    some = onset + (last - onset) // 2
    system.send(due[onset - 1 : some], speed=1.0)
    card = page.locator(".alert[data-priority=high]").filter(has_text=re.compile("canal|foramen")).first
    expect(card).to_be_visible()
    id = card.get_attribute("data-id")
    card = page.locator(f".alert[data-id='{id}']")
    expect(page.locator("body")).to_have_attribute("data-tone", "high")
    page.wait_for_function("window.notes > 1")
    keep(page, tmp_path, "hour-05-canal")
    assert card.get_by_role("button", name="Reset").is_hidden()
    status, refused = ask(page, f"alerts/{id}/reset", {})
    assert (status, refused["error"]["code"]) == (409, "conflict")

    for each in page.locator(".alert[data-signal=on]").evaluate_all("cards => cards.map((card) => card.dataset.id)"):
        page.locator(f".alert[data-id='{each}']").get_by_role("button", name="Acknowledge").click()
    expect(card).to_contain_text("Acknowledged by anna")
    expect(page.locator("#foremost")).to_be_hidden()
    keep(page, tmp_path, "hour-06-acknowledged")

    system.send(due[some : last - 6], speed=1.0)
    expect(card).to_have_attribute("data-signal", "on")
    keep(page, tmp_path, "hour-07-growth-alarms-again")
    assert ask(page, f"alerts/{id}/pause", {"seconds": 2})[0] == 200
    expect(card).to_have_attribute("data-signal", "paused")
    expect(card).to_have_attribute("data-signal", "on")
    card.get_by_role("button", name="Pause 60 s").click()
    expect(card).to_contain_text("Paused")
    keep(page, tmp_path, "hour-08-paused")

    system.kill("serve")
    expect(page.locator("#no-contact")).to_be_visible()
    expect(page.locator("#no-contact")).to_contain_text("No contact with cementwatch for")
    expect(page.locator("body")).to_have_attribute("data-tone", re.compile("lost|high"))
    system.send(due[last - 6 :], speed=2.0)
    keep(page, tmp_path, "hour-09-no-contact")
    system.start("serve")
    expect(page.locator("#no-contact")).to_be_hidden()
    seen(page, film, last)
    keep(page, tmp_path, "hour-10-resumed")
    procedure = ask(page, f"procedures?study={film.study}")[1]["items"][0]["id"]
    without_gap(page, procedure)

    page.get_by_role("button", name="Injection stopped").click()
    expect(page.locator(".log-words")).to_contain_text("injection stopped")
    page.get_by_role("link", name="Review").click()
    page.locator(".archive-line").click()
    page.locator(".event", has_text=re.compile("HIGH.*canal", re.IGNORECASE)).first.click()
    expect(page.locator(".where")).to_contain_text(f"/ {film.n_frames}")
    expect(page.locator(".event", has_text="Acknowledged").first).to_contain_text("anna")
    keep(page, tmp_path, "hour-11-review")
    with page.expect_download() as download:
        page.locator(".exports").get_by_text("Log", exact=True).click()
    lines = download.value.path().read_text().splitlines()
    assert len(lines) >= film.n_frames


def without_gap(page: Page, procedure: str) -> None:
    """Every entry since the first one heard came once, across the cut."""
    page.wait_for_timeout(1500)
    heard = page.evaluate("window.heard")
    assert len(heard) == len(set(heard))
    written, after = [], heard[0] - 1
    while True:
        items = ask(page, f"procedures/{procedure}/log?after={after}&limit=1000")[1]["items"]
        written += [item["number"] for item in items if item["number"] <= heard[-1]]
        if len(items) < 1000:
            break
        after = items[-1]["number"]
    assert sorted(heard) == heard
    assert [number for number in written if number not in set(heard)] == []
