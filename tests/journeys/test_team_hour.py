"""The team's hour at the screen, over real DICOM: from signing in to the export, with a picture of each step."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from dicom_gateway.peer import echo
from service.safety import SAFETY_WORDS
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Hour:
    """Who takes part, and where the pictures of the steps are kept."""

    house: House
    page: Page
    film: Recording
    folder: Path

    def keep(self, step: str) -> None:
        """A picture of this step."""
        keep(self.page, self.folder, f"hour-{step}")

    def send(self, from_: int, until: int, speed: float) -> None:
        """Frames from one to another of the film, over C-STORE."""
        self.house.send(self.film.due()[from_:until], speed=speed)


def test_the_teams_hour(system, page, film, tmp_path):
    hour = Hour(house=system, page=page, film=film, folder=tmp_path)
    last, some = film.n_frames - 1, film.onset + (film.n_frames - 1 - film.onset) // 2
    begin(hour)
    prepare(hour)
    hour.send(24, film.onset - 1, 2.0)
    expect(page.locator(".body-words")).to_contain_text("Landmarks set by hand")
    expect(page.locator(".alert", has_text="posterior wall").first).to_be_visible()
    hour.keep("04-approach")
    hour.send(film.onset - 1, some, 1.0)
    card = see_the_leak(hour)
    acknowledge_all(hour, card)
    hour.send(some, last - 6, 1.0)
    expect(card).to_have_attribute("data-signal", "on")
    hour.keep("07-growth-alarms-again")
    pause(hour, card)
    lose_and_regain_contact(hour, last)
    page.get_by_role("button", name="Injection stopped").click()
    expect(page.locator(".log-words")).to_contain_text("injection stopped")
    look_back(hour)


def begin(hour: Hour) -> None:
    """Sign in, turn sound on, see frames come."""
    page = hour.page
    page.goto(hour.house.url + "/")
    expect(page.locator("footer")).to_contain_text(SAFETY_WORDS)
    hour.keep("01-sign-in")
    sign_in(page)
    page.get_by_role("button", name="Sound is off").click()
    expect(page.locator("#sound")).to_have_text("Sound is on")
    hour.send(0, 24, 4.0)
    seen(page, hour.film, 23)
    hour.keep("02-frames-come")


def prepare(hour: Hour) -> None:
    """Landmarks, cement mixed, injection started."""
    page = hour.page
    page.get_by_role("button", name="Landmarks").click()
    expect(page.locator(".corner")).to_have_count(4)
    hour.keep("03-landmarks")
    page.get_by_role("button", name="Accept what was found").click()
    page.get_by_role("button", name="Cement mixed").click()
    page.get_by_role("button", name="Injection started").click()


def see_the_leak(hour: Hour) -> Locator:
    """The HIGH alert with its tone; it cannot be reset while its condition is present."""
    page = hour.page
    card = page.locator(".alert[data-priority=high]").filter(has_text=re.compile("canal|foramen")).first
    expect(card).to_be_visible()
    id = card.get_attribute("data-id")
    expect(page.locator("body")).to_have_attribute("data-tone", "high")
    page.wait_for_function("window.notes > 1")
    hour.keep("05-canal")
    card = page.locator(f".alert[data-id='{id}']")
    assert card.get_by_role("button", name="Reset").is_hidden()
    status, refused = ask(page, f"alerts/{id}/reset", {})
    assert (status, refused["error"]["code"]) == (409, "conflict")
    return card


def acknowledge_all(hour: Hour, card: Locator) -> None:
    """Every open alert, and the banner is gone."""
    page = hour.page
    for id in page.locator(".alert[data-signal=on]").evaluate_all("cards => cards.map((card) => card.dataset.id)"):
        page.locator(f".alert[data-id='{id}']").get_by_role("button", name="Acknowledge").click()
    expect(card).to_contain_text("Acknowledged by anna")
    expect(page.locator("#foremost")).to_be_hidden()
    hour.keep("06-acknowledged")


def pause(hour: Hour, card: Locator) -> None:
    """A short pause ends by itself; then the button's own."""
    assert ask(hour.page, f"alerts/{card.get_attribute('data-id')}/pause", {"seconds": 2})[0] == 200
    expect(card).to_have_attribute("data-signal", "paused")
    expect(card).to_have_attribute("data-signal", "on")
    card.get_by_role("button", name="Pause 60 s").click()
    expect(card).to_contain_text("Paused")
    hour.keep("08-paused")


def lose_and_regain_contact(hour: Hour, last: int) -> None:
    """The server dies: the page's own alarm; frames go on meanwhile, and afterwards none is missing."""
    page = hour.page
    hour.house.kill("serve")
    expect(page.locator("#no-contact")).to_be_visible()
    expect(page.locator("#no-contact")).to_contain_text("No contact with cementwatch for")
    expect(page.locator("body")).to_have_attribute("data-tone", re.compile("lost|high"))
    hour.send(last - 6, last + 1, 2.0)
    hour.keep("09-no-contact")
    hour.house.start("serve")
    expect(page.locator("#no-contact")).to_be_hidden()
    seen(page, hour.film, last)
    hour.keep("10-resumed")
    without_gap(page, ask(page, f"procedures?study={hour.film.study}")[1]["items"][0]["id"])


def look_back(hour: Hour) -> None:
    """Review and export."""
    page = hour.page
    page.get_by_role("link", name="Review").click()
    page.locator(".archive-line").click()
    page.locator(".event", has_text=re.compile("HIGH.*canal", re.IGNORECASE)).first.click()
    expect(page.locator(".where")).to_contain_text(f"/ {hour.film.n_frames}")
    expect(page.locator(".event", has_text="Acknowledged").first).to_contain_text("anna")
    hour.keep("11-review")
    with page.expect_download() as download:
        page.locator(".exports").get_by_text("Log", exact=True).click()
    assert len(download.value.path().read_text().splitlines()) >= hour.film.n_frames


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
