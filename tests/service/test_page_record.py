"""The procedure log's screens: from the table to the record, its charts and an import, as people work them."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from detection.vocabulary import Side, Zone
from tests.screen import keep, screen
from tests.service.conftest import room_at
from tests.service.test_api_exchange import BAD, patients
from tests.service.test_page_axe import TABLET, findings

V1 = "/api/v1"


@pytest.fixture(scope="module")
def department(tmp_path_factory):
    """One room for all of these tests, as a department has one record."""
    with room_at(tmp_path_factory.mktemp("department")) as room:
        yield room


@pytest.fixture(scope="module")
def desk(department, browser):
    """The one screen of the department, which goes from place to place as people do."""
    with screen(browser, department.url) as page:
        yield page


def write(room, address, /, **told) -> str:
    """Something of the record that is there already."""
    answer = room.client.post(f"{V1}/record/{address}", json=told)
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


def one_operation(room, pseudonym: str, **told) -> str:
    patient = write(room, "patients", pseudonym=pseudonym)
    return write(room, "operations", **{"patient": patient, "kind": "pvp", **told})


def whole(room, operation: str) -> dict:
    return room.api(f"record/operations/{operation}/whole")


def card(page: Page, kind: str, words: str = "") -> Locator:
    """The last thing of this kind whose title has these words."""
    return page.locator(f".thing.{kind}").filter(has=page.locator("h3", has_text=words)).last


def press(box: Locator, field: str, words: str) -> None:
    box.locator(f"[data-field={field}] .segment", has_text=re.compile(f"^{words}$")).click()


def saved(page: Page) -> None:
    expect(page.locator(".record-state")).to_have_text("All is saved")


def log(page: Page, words: str) -> None:
    page.locator(".logbook").get_by_role("button", name=re.compile(f"^{re.escape(words)}")).click()


def work_at_the_table(room, page: Page) -> str:
    """Two vertebrae by the log buttons, with an alert at each; the procedure."""
    procedure = room.open(levels=("L2", "L3"))
    for _ in range(3):
        room.see()
    room.beat()
    page.goto(room.url + "/")
    for level, volume in (("L2", "1.5 ml"), ("L3", "1 ml")):
        page.locator(".log-levels").get_by_role("button", name=level, exact=True).click()
        for words in ("Needle placed", "Injection started", "Aliquot"):
            log(page, words)
        log(page, volume)
        log(page, "Injection stopped")
        expect(page.locator(".log-words")).to_contain_text(f"injection stopped, {level}")
    room.raise_alert("canal")
    room.raise_alert("disc", zone=Zone.DISC, side=Side.INFERIOR, level="L3", message="Cement in the disc below L3.")
    return procedure


def take_from_the_journal(room, page: Page, procedure: str) -> None:
    page.goto(f"{room.url}/#review/{procedure}")
    page.locator(".case-record").get_by_role("link", name="Record").click()
    page.get_by_label("Pseudonym of the patient").fill("A-001")
    page.get_by_role("button", name="Fill in from the journal").click()
    expect(page.locator(".thing.leak")).to_have_count(2)
    expect(page.locator(".thing.aliquot")).to_have_count(2)
    page.get_by_role("button", name="Finish the procedure").click()
    expect(page.get_by_role("button", name="Finish the procedure")).to_be_hidden()


def decide_on_leaks(page: Page) -> None:
    page.get_by_role("button", name="Confirm the record").click()
    expect(page.locator(".record-side .refused")).to_contain_text("Confirm or reject the proposed leaks first")
    press(card(page, "leak", "spinal canal"), "finding", "confirmed")
    press(card(page, "leak", "disc inferior"), "finding", "rejected")
    saved(page)


def add_what_ct_found(page: Page) -> None:
    second = card(page, "level", "L3")
    second.get_by_role("button", name="Add a leak").click()
    added = second.locator(".thing.leak").last
    added.get_by_label("Where").select_option("epidural_vein")
    expect(added.locator(".saved")).to_contain_text("first shown by needed")
    press(added, "modality", "CT")
    expect(added.locator(".saved")).to_contain_text("Saved")
    press(second, "examined_with", "CT")


def add_a_follow_up(page: Page) -> None:
    page.get_by_role("button", name="Add a follow-up").click()
    follow_up = card(page, "follow_up")
    follow_up.get_by_label("When").select_option("m3")
    follow_up.get_by_label("Pain (VAS)").fill("2,5")
    follow_up.get_by_text("Oswestry (ODI)").click()
    for item, answer in (("Pain", "1"), ("Walking", "2")):
        asked = follow_up.get_by_role("group", name=item, exact=True)
        asked.locator(".segment", has_text=answer).click()
    expect(follow_up.locator("[data-field=odi] .count")).to_have_text(
        "Oswestry disability index: 30 of 100, moderate. 2 of 10 answered."
    )
    saved(page)


def read_the_report(page: Page, folder) -> None:
    with page.expect_popup() as opened:
        page.get_by_role("link", name="Report").click()
    report = opened.value
    expect(report.locator("h1")).to_have_text("Procedure report")
    expect(report.locator("img")).to_have_count(1)
    expect(report.locator("section", has_text="Leaks").locator("td", has_text="epidural vein")).to_be_visible()
    assert findings(report) == []
    keep(report, folder, "record-report")
    report.close()


def test_a_two_level_vertebroplasty_from_the_table_to_the_printed_report(department, desk, tmp_path):
    procedure = work_at_the_table(department, desk)
    keep(desk, tmp_path, "record-table")
    take_from_the_journal(department, desk, procedure)
    keep(desk, tmp_path, "record-proposed")
    decide_on_leaks(desk)
    add_what_ct_found(desk)
    add_a_follow_up(desk)
    assert findings(desk) == []
    keep(desk, tmp_path, "record-follow-up")
    desk.get_by_role("button", name="Confirm the record").click()
    expect(desk.get_by_role("button", name=re.compile("^Confirmed"))).to_be_disabled()
    expect(desk.locator(".record-agreement")).to_contain_text("Alerts borne out: 1 of 2")
    keep(desk, tmp_path, "record-confirmed")
    told = department.api(f"procedures/{procedure}/record")
    assert told["operation"]["confirmed_by"] == "local"
    assert [(each["level"], each["volume_ml"]) for each in told["level"]] == [("L2", 1.5), ("L3", 1.0)]
    assert {(each["site"], each["finding"], each["modality"]) for each in told["leak"]} == {
        ("spinal_canal", "confirmed", "live"),
        ("disc_inferior", "rejected", "live"),
        ("epidural_vein", "confirmed", "ct"),
    }
    (seen,) = told["follow_up"]
    assert (seen["time_point"], seen["vas"], seen["odi_percent"]) == ("m3", 2.5, 30.0)
    assert set(told["level"][1]["examined_with"]) == {"live", "ct"}
    read_the_report(desk, tmp_path)


def test_what_the_server_does_not_take_is_said_beside_the_field_and_stays_there(department, desk, tmp_path):
    operation = one_operation(department, "A-002")
    desk.goto(f"{department.url}/#record/o/{operation}")
    year = desk.get_by_label("Year of birth")
    year.fill("1066")
    year.press("Tab")
    beside = desk.locator("[data-field=birth_year] .trouble")
    expect(beside).to_have_text("Not saved: expected at least 1880.")
    expect(year).to_have_value("1066")
    press(card(desk, "patient"), "sex", "female")
    expect(desk.locator(".thing.patient .saved")).to_have_text("Not saved: see below")
    keep(desk, tmp_path, "record-refused")
    desk.get_by_role("link", name="Charts").click()
    expect(desk.get_by_role("button", name="Leave without saving it")).to_be_visible()
    desk.get_by_role("link", name="Live").click()
    expect(desk.locator(".record")).to_be_hidden()
    desk.go_back()
    expect(year).to_have_value("1066")
    year.fill("1966")
    year.press("Tab")
    saved(desk)
    expect(beside).to_be_empty()
    patient = whole(department, operation)["patient"]
    assert (patient["birth_year"], patient["sex"]) == (1966, "female")


def test_two_people_at_one_record_see_the_difference_and_lose_nothing(department, desk, tmp_path):
    operation = one_operation(department, "A-003")
    desk.goto(f"{department.url}/#record/o/{operation}")
    brand, remark = desk.get_by_label("Cement", exact=True), desk.get_by_label("Remark").locator("visible=true").first
    expect(brand).to_be_visible()
    theirs = {"cement_brand": "Simplex P", "position": "prone"}
    url = f"{V1}/record/operations/{operation}"
    assert department.client.patch(url, json={"version": 1, "changes": theirs}).status_code == 200
    brand.fill("Osteo-Firm")
    remark.fill("two mixes")
    remark.press("Tab")
    clash = desk.locator("[data-field=cement_brand] .clash")
    expect(clash).to_contain_text("local wrote Simplex P; here stands Osteo-Firm.")
    expect(brand).to_have_value("Osteo-Firm")
    expect(desk.locator("[data-field=position] input:checked + span")).to_have_text("prone")
    assert findings(desk) == []
    keep(desk, tmp_path, "record-clash")
    clash.get_by_role("button", name="Keep mine").click()
    saved(desk)
    desk.set_viewport_size(TABLET)
    assert desk.evaluate("document.documentElement.scrollWidth") <= TABLET["width"]
    keep(desk, tmp_path, "record-tablet")
    desk.set_viewport_size({"width": 1920, "height": 1080})
    told = whole(department, operation)["operation"]
    assert (told["cement_brand"], told["position"], told["remark"]) == ("Osteo-Firm", "prone", "two mixes")


def test_what_is_withdrawn_goes_with_its_reason_and_the_history_tells(department, desk):
    operation = one_operation(department, "A-004")
    write(department, "complications", operation=operation, kind="fever")
    desk.goto(f"{department.url}/#record/o/{operation}")
    fever = card(desk, "complication", "fever")
    press(fever, "outcome", "resolved")
    expect(fever.locator(".saved")).to_contain_text("Saved")
    fever.get_by_text("History and withdrawal").click()
    expect(fever.locator(".history li")).to_have_count(2)
    expect(fever.locator(".history")).to_contain_text("nothing → resolved")
    fever.get_by_label("Withdraw because").fill("another patient's")
    fever.get_by_role("button", name="Withdraw").click()
    expect(desk.locator(".thing.complication")).to_have_count(0)
    assert whole(department, operation)["complication"] == []


def test_an_import_of_200_patients_names_its_bad_cells_and_is_all_or_nothing(department, desk, tmp_path):
    n_before = len(department.api("record/patients", limit=1000)["items"])
    desk.goto(f"{department.url}/#record/import")
    choose = desk.get_by_label("File")
    bad = patients({line for line in BAD if line != 150})
    bad = bad.replace("p150,P150,", "p150,,")
    choose.set_input_files({"name": "patients.csv", "mimeType": "text/csv", "buffer": bad.encode()})
    expect(desk.locator(".intake-words")).to_contain_text("7 cells of 200 rows cannot be taken. Nothing is written")
    named = desk.locator(".cells tr td:nth-child(-n+2)").all_inner_texts()
    lines = {line: column for line, (_, column) in BAD.items()}
    assert dict(zip(map(int, named[::2]), named[1::2], strict=True)) == lines
    take = desk.get_by_role("button", name="Import")
    expect(take).to_be_disabled()
    assert findings(desk) == []
    keep(desk, tmp_path, "record-import")
    choose.set_input_files({"name": "patients.csv", "mimeType": "text/csv", "buffer": patients().encode()})
    expect(desk.locator(".intake-words")).to_contain_text("200 new")
    take.click()
    expect(desk.locator(".intake-words")).to_have_text("Written: 200 new, 0 changed.")
    assert len(department.api("record/patients", limit=1000)["items"]) == n_before + 200


def test_the_charts_of_all_records_show_counts_and_n(department, desk, tmp_path):
    rows = [("before", (8, 7.5, 9)), ("m3", (2, 3, 2.5)), ("m12", (3, 2))]
    for place in range(3):
        kind = "pkp" if place == 2 else "pvp"
        operation = one_operation(department, f"B-{place}", kind=kind, performed_on="2026-01-10")
        level = write(department, "levels", operation=operation, level="L2", examined_with=["live", "ct"])
        if place:
            write(department, "leaks", level=level, site="disc_superior", modality="live")
        write(department, "leaks", level=level, site="segmental_vein", modality="ct")
        for time_point, values in rows:
            if place < len(values):
                write(department, "follow-ups", operation=operation, time_point=time_point, vas=values[place])
    desk.goto(f"{department.url}/#record/charts")
    desk.get_by_label("Group by").select_option("operation.kind")
    leaks = desk.locator(".cohort-chart", has_text="Leaks seen on the screen")
    expect(leaks.locator("svg.graph")).to_have_attribute(
        "aria-label", re.compile(r"disc superior.* Kyphoplasty 1 of 1")
    )
    vas = desk.locator(".cohort-chart", has_text="Pain (VAS)")
    expect(vas.locator("svg.graph")).to_have_attribute("aria-label", re.compile(r"12 months .*PVP 2\.5 ± 0\.7 \(n 2\)"))
    vas.get_by_text("Numbers").click()
    expect(vas.locator("table")).to_contain_text("7.8 ± 0.4 (n 2)")
    expect(desk.locator(".cohort-chart", has_text="Survival")).to_contain_text("All together: survival is of patients")
    assert findings(desk) == []
    keep(desk, tmp_path, "record-charts")
