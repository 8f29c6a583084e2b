"""Two vertebrae at the table and at the desk: cement is played over C-STORE, the log is pressed on the page, and the record is made of both."""

from __future__ import annotations

import json
import re
import time
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

import httpx
import pydicom
import pytest
from playwright.sync_api import Page, expect
from pypdf import PdfReader

from service.clinical.prefill import SITE_OF_ZONE
from service.safety import SAFETY_WORDS
from tests.journeys.house import House, Json
from tests.journeys.scenes import LEAK, QUIET, Recording, record
from tests.journeys.test_team_hour import seen
from tests.screen import keep, screen
from tests.service.test_page_landmarks import click
from tests.service.test_page_record import add_a_follow_up, add_what_ct_found, card, log, press, saved

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

PATIENCE_MS = 60_000
FIRST, SECOND = "L3", "L4"
LEAK_WORDS = {zone: site.replace("_", " ") for zone, site in SITE_OF_ZONE.items()}
IN_PRINT = (
    SAFETY_WORDS,
    "Confirmed by local",
    f"{FIRST} intact 1.5 live, ct {SECOND} intact 1 live",
    f"{FIRST} confirmed epidural vein ct",
    f"{SECOND} confirmed spinal canal live",
    "Cement in the spinal canal, L4, lateral view",
    "m3 2.5 30",
)
APART_S = 30.0
"""From the first frame of one vertebra to the first of the next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Films:
    """One study: a fill that stays inside, then the next vertebra, from which cement runs into the canal."""

    first: Recording
    second: Recording

    @property
    def n_frames(self) -> int:
        return self.first.n_frames + self.second.n_frames


@pytest.fixture(scope="module")
def films(tmp_path_factory) -> Films:
    folder, now = tmp_path_factory.mktemp("levels"), time.time() - 3 * APART_S
    first = record(replace(QUIET, level=FIRST), folder / FIRST, started_at=now)
    second = record(replace(LEAK, level=SECOND), folder / SECOND, started_at=now + APART_S)
    for path in second.paths():
        dataset = pydicom.dcmread(path)
        dataset.StudyInstanceUID, dataset.SeriesNumber = first.study, 2
        dataset.save_as(path)
    return Films(first=first, second=replace(second, study=first.study))


@pytest.fixture
def page(system: House, browser) -> Iterator[Page]:
    """The screen in the room, later the one at the desk."""
    system.open("receive", "watch", "serve")
    with screen(browser, system.url) as page:
        page.set_default_timeout(PATIENCE_MS)
        expect.set_options(timeout=PATIENCE_MS)
        page.goto(system.url + "/")
        yield page


def play(system: House, film: Recording, from_: int, until: int, speed: float = 4.0) -> None:
    system.send(film.due()[from_:until], speed=speed)


def set_landmarks(page: Page, film: Recording, index: int, level: str) -> None:
    """What stood there is of another vertebra or was found; four clicks on the picture say where this one is."""
    page.get_by_role("button", name="Landmarks").click()
    editor = page.locator("#landmarks")
    editor.get_by_role("button", name="Start over").click()
    editor.get_by_role("button", name="Newest picture").click()
    true = film.corners[index]
    for name in ("near_superior", "far_superior", "far_inferior", "near_inferior"):
        click(page, *true[name])
    editor.get_by_label("Level").select_option(level)
    editor.get_by_role("button", name=re.compile("^(Save landmarks|Accept)")).click()
    expect(editor).to_be_hidden()


def fill(page: Page, level: str, volume: str) -> None:
    """Needle, injection and one aliquot by the log's buttons, at the level of the landmarks."""
    expect(page.locator(".log-levels button[aria-pressed=true]")).to_have_text(level)
    for words in ("Needle placed", "Injection started", "Aliquot"):
        log(page, words)
    log(page, volume)
    expect(page.locator(".log-words")).to_contain_text(f"aliquot, {volume}, {level}")


def stop(page: Page, level: str) -> None:
    log(page, "Injection stopped")
    expect(page.locator(".log-words")).to_contain_text(f"injection stopped, {level}")


def first_vertebra(system: House, page: Page, film: Recording) -> None:
    play(system, film, 0, 14)
    seen(page, film, 13)
    set_landmarks(page, film, 13, FIRST)
    log(page, "Cement mixed")
    fill(page, FIRST, "1.5 ml")
    play(system, film, 14, film.n_frames)
    seen(page, film, film.n_frames - 1)
    stop(page, FIRST)


def second_vertebra(system: House, page: Page, film: Recording) -> None:
    """The leak is seen by nobody but the system: the test writes no alert."""
    play(system, film, 0, 14)
    seen(page, film, 13)
    set_landmarks(page, film, 13, SECOND)
    fill(page, SECOND, "1 ml")
    play(system, film, 14, film.n_frames)
    alert = page.locator(".alert[data-priority=high]").filter(has_text=re.compile("canal", re.IGNORECASE)).first
    expect(alert).to_be_visible()
    expect(alert).to_contain_text(SECOND)
    alert.get_by_role("button", name="Acknowledge").click()
    stop(page, SECOND)


def true_zones(film: Recording) -> set[str]:
    """Where cement lies at the end that has left the bone, by the phantom's own account."""
    last = json.loads((film.folder / "truth.json").read_text())["frames"][-1]
    return {zone for zone, volume in last["zone_ml"].items() if volume > 0} & set(SITE_OF_ZONE)


def take_from_the_journal(system: House, page: Page, procedure: str, found: list[Json]) -> None:
    """The record is proposed with one leak for each live alert of one, on the frame that the alert was raised from."""
    page.goto(f"{system.url}/#review/{procedure}")
    page.locator(".case-record").get_by_role("link", name="Record").click()
    page.get_by_label("Pseudonym of the patient").fill("L-001")
    page.get_by_role("button", name="Fill in from the journal").click()
    expect(page.locator(".thing.leak")).to_have_count(len(found))
    for alert in found:
        leak = card(page, "leak", LEAK_WORDS[alert["zone"]])
        leak.scroll_into_view_if_needed()
        frame = leak.locator(".sight-of-leak img")
        expect(frame).to_be_visible()
        assert alert["first_frame"]["sop_instance_uid"] in frame.get_attribute("src")
        expect(leak.locator("figcaption")).to_contain_text("Live alert")
    page.get_by_role("button", name="Finish the procedure").click()
    expect(page.get_by_role("button", name="Finish the procedure")).to_be_hidden()


def decide_on_leaks(page: Page, found: list[Json], true: set[str]) -> None:
    """Confirmed where the phantom has cement, rejected where an alert only said so."""
    for alert in found:
        decision = "confirmed" if alert["zone"] in true else "rejected"
        press(card(page, "leak", LEAK_WORDS[alert["zone"]]), "finding", decision)
        saved(page)


def words_of(document: bytes) -> str:
    """The text of a PDF on one line, ligatures taken apart."""
    text = " ".join(sheet.extract_text() for sheet in PdfReader(BytesIO(document)).pages)
    return " ".join(unicodedata.normalize("NFKC", text).split())


def print_the_report(system: House, page: Page, procedure: str, folder: Path) -> list[str]:
    """What Chromium prints of the report's page, and what the report's own PDF says."""
    with page.expect_popup() as opened:
        page.get_by_role("link", name="Report").click()
    report = opened.value
    expect(report.locator("h1")).to_have_text("Procedure report")
    keep(report, folder, "levels-report")
    printed = [report.pdf(), httpx.get(f"{system.url}/api/v1/procedures/{procedure}/report.pdf", timeout=60).content]
    report.close()
    for name, each in zip(("chromium", "pdf"), printed, strict=True):
        (folder / f"levels-{name}.pdf").write_bytes(each)
    return [words_of(each) for each in printed]


def test_a_leak_at_the_second_of_two_levels_goes_from_the_frames_to_the_printed_report(system, page, films, tmp_path):
    first_vertebra(system, page, films.first)
    keep(page, tmp_path, "levels-first")
    second_vertebra(system, page, films.second)
    keep(page, tmp_path, "levels-leak")
    procedure = system.wait_judged(films.first.study, films.n_frames)["id"]
    found = [alert for alert in system.alerts(procedure) if alert["kind"] == "leak"]
    true = true_zones(films.second)
    assert {alert["level"] for alert in found} == {SECOND}, "nothing left the first vertebra"
    take_from_the_journal(system, page, procedure, found)
    decide_on_leaks(page, found, true)
    add_what_ct_found(page)
    add_a_follow_up(page)
    page.get_by_role("button", name="Confirm the record").click()
    expect(page.get_by_role("button", name=re.compile("^Confirmed"))).to_be_disabled()
    n_true = sum(alert["zone"] in true for alert in found)
    expect(page.locator(".record-agreement")).to_contain_text(f"Alerts borne out: {n_true} of {len(found)}")
    keep(page, tmp_path, "levels-confirmed")
    told = system.ask(f"/procedures/{procedure}/record")
    assert [(each["level"], each["volume_ml"]) for each in told["level"]] == [(FIRST, 1.5), (SECOND, 1.0)]
    live = {(SITE_OF_ZONE[a["zone"]], "confirmed" if a["zone"] in true else "rejected", "live", SECOND) for a in found}
    of_level = {each["id"]: each["level"] for each in told["level"]}
    held = {(each["site"], each["finding"], each["modality"], of_level[each["level"]]) for each in told["leak"]}
    assert held == live | {("epidural_vein", "confirmed", "ct", FIRST)}
    assert ("spinal_canal", "confirmed", "live", SECOND) in held
    (seen,) = told["follow_up"]
    assert (seen["time_point"], seen["vas"], seen["odi_percent"]) == ("m3", 2.5, 30.0)
    for text in print_the_report(system, page, procedure, tmp_path):
        assert [words for words in IN_PRINT if words not in text] == []
