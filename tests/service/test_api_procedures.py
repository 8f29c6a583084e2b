"""Procedures, their logs, plans, measurements, pictures and reports."""

import csv
import io
import json
import time

import cv2
import numpy as np
import pytest

from detection.vocabulary import Entry, EntryType, Flag, Priority, View
from service.safety import SAFETY_WORDS

LATERAL = {
    "level": "L2",
    "posterior_superior": [84.0, 88.0],
    "posterior_inferior": [172.0, 84.0],
    "anterior_superior": [90.0, 190.0],
    "anterior_inferior": [178.0, 186.0],
    "posterior_wall": "intact",
}


def post(room, path, content=None):
    return room.client.post(f"/api/v1/{path}", json=content)


def test_a_procedure_opened_by_an_image_is_listed_and_found_by_its_study(room):
    id = room.open("1.9.1")
    room.open("1.9.2")
    assert [item["study_instance_uids"] for item in room.api("procedures")["items"]] == [["1.9.1"], ["1.9.2"]]
    (found,) = room.api("procedures", study="1.9.1")["items"]
    assert found["id"] == id
    assert found["kind"] == "pvp"
    assert found["levels"] == ["L2"]
    assert found["patient"]["name"] == "CANARY^PATIENT"
    assert found["closed_at"] is None


def test_lists_go_on_where_they_ended(room):
    for n in range(3):
        room.open(f"1.9.{n}")
    first = room.api("procedures", limit=2)
    second = room.api("procedures", after=first["next_after"])
    assert [len(first["items"]), len(second["items"])] == [2, 1]
    assert room.api("procedures", after=second["next_after"])["items"] == []


def test_a_procedure_can_be_made_before_its_first_image_and_is_matched(room):
    content = {"kind": "ppsf_pvp", "patient": {"id": "P7"}, "levels": ["T12", "L1"], "accession_number": "A1"}
    made = post(room, "procedures", content)
    assert made.status_code == 201
    id = made.json()["id"]
    assert made.json()["study_instance_uids"] == []
    assert room.open("1.9.9", patient={"id": "P7"}) == id
    assert room.api(f"procedures/{id}")["study_instance_uids"] == ["1.9.9"]


def test_a_procedure_can_be_made_with_its_study(room):
    made = post(room, "procedures", {"study_instance_uids": ["1.9.5"]}).json()
    assert made["study_instance_uids"] == ["1.9.5"]
    error = room.error(post(room, "procedures", {"study_instance_uids": ["1.9.5"]}), 409)
    assert error["details"]["procedure"] == made["id"]


def test_a_procedure_says_how_much_it_holds_and_how_fast_it_was(room):
    id = room.open()
    room.see()
    room.see()
    room.raise_alert()
    room.raise_alert("b", priority=Priority.LOW)
    told = room.api(f"procedures/{id}")
    assert told["counts"]["frames"] == 2
    assert told["counts"]["alerts"] == {"high": 1, "medium": 0, "low": 1}
    assert told["latency_ms"]["p50"] > 0
    assert told["latency_ms"]["max"] >= told["latency_ms"]["p50"]


def test_a_change_keeps_what_is_not_given_and_is_logged(room):
    id = room.open()
    changed = room.client.patch(f"/api/v1/procedures/{id}", json={"kind": "pkp"}).json()
    assert changed["kind"] == "pkp"
    assert changed["levels"] == ["L2"]
    log = room.api(f"procedures/{id}/log", types="procedure_changed")["items"]
    assert [line["actor"] for line in log] == ["local"]


def test_closing_twice_closes_once(room):
    id = room.open()
    first = post(room, f"procedures/{id}/close").json()["closed_at"]
    assert first
    assert post(room, f"procedures/{id}/close").json()["closed_at"] == first
    assert len(room.api(f"procedures/{id}/log", types="procedure_closed")["items"]) == 1
    assert room.api("procedures", open=True)["items"] == []


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ({"kind": "other"}, "kind"),
        ({"levels": ["X9"]}, "levels.0"),
        ({"study_instance_uids": ["not a uid"]}, "study_instance_uids.0"),
        ({"surprise": 1}, "surprise"),
        ({"patient": {"sex": "?"}}, "patient.sex"),
    ],
)
def test_bad_procedures_are_refused_by_field(room, content, field):
    assert room.error(post(room, "procedures", content), 400)["details"]["field"] == field


def test_an_error_never_repeats_what_was_sent(room):
    answer = post(room, "procedures", {"patient": {"name": "CANARY^PATIENT", "sex": "CANARY"}})
    assert answer.status_code == 400
    assert "CANARY" not in answer.text


def test_what_is_not_there_is_404_everywhere(room):
    for path in ("", "/log", "/plan/lateral", "/measurements", "/frames", "/frames/latest.jpg", "/report.json"):
        room.error(room.client.get(f"/api/v1/procedures/none{path}"), 404)
    room.error(room.client.patch("/api/v1/procedures/none", json={"kind": "pvp"}), 404)
    room.error(post(room, "procedures/none/close"), 404)
    room.error(post(room, "procedures/none/log", {"type": "note"}), 404)


# The log


def test_the_log_is_in_order_and_chained(room):
    id = room.open()
    room.see()
    room.raise_alert()
    items = room.api(f"procedures/{id}/log")["items"]
    assert [line["type"] for line in items] == ["procedure_opened", "frame_seen", "alert_raised"]
    assert [line["number"] for line in items] == [1, 2, 3]
    assert items[1]["previous_hash"] == items[0]["hash"]
    assert items[2]["from"] == "absent"
    assert items[2]["frame"]["sop_instance_uid"] == "1.2.3.1"
    assert set(items[1]["times"]) >= {"image", "received", "decoded", "judged", "written"}


def test_the_log_can_be_asked_for_by_type_and_from_a_number(room):
    id = room.open()
    room.see()
    room.raise_alert()
    assert len(room.api(f"procedures/{id}/log", types="alert_raised,frame_seen")["items"]) == 2
    assert len(room.api(f"procedures/{id}/log", after=2)["items"]) == 1
    page = room.api(f"procedures/{id}/log", limit=1)
    assert page["next_after"] == 1
    error = room.error(room.client.get(f"/api/v1/procedures/{id}/log", params={"types": "gossip"}), 400)
    assert error["details"]["field"] == "types"


def test_an_operator_writes_into_the_log_and_the_analysis_can_read_it(room):
    id = room.open()
    content = {"type": "aliquot", "level": "L2", "side": "left", "volume_ml": 0.5, "text": "slow"}
    answer = post(room, f"procedures/{id}/log", content)
    assert answer.status_code == 201
    entry = answer.json()
    assert entry["actor"] == "local"
    assert entry["data"] == {"level": "L2", "side": "left", "volume_ml": 0.5, "text": "slow"}
    (act,) = room.deps.journal.acts_since(id, 0)
    assert act.type is EntryType.ALIQUOT
    assert act.number == entry["number"]


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ({"type": "alert_raised"}, "type"),
        ({"type": "frame_seen"}, "type"),
        ({}, "type"),
        ({"type": "aliquot", "volume_ml": -1}, "volume_ml"),
        ({"type": "note", "text": 5}, "text"),
        ({"type": "note", "side": "up"}, "side"),
    ],
)
def test_an_operator_cannot_write_what_is_not_theirs(room, content, field):
    id = room.open()
    assert room.error(post(room, f"procedures/{id}/log", content), 400)["details"]["field"] == field


def test_a_closed_procedure_takes_notes_only(room):
    id = room.open()
    post(room, f"procedures/{id}/close")
    room.error(post(room, f"procedures/{id}/log", {"type": "injection_started"}), 409)
    assert post(room, f"procedures/{id}/log", {"type": "note", "text": "CT shows none"}).status_code == 201


# Plans


def test_landmarks_are_kept_and_read_by_the_analysis(room):
    id = room.open()
    answer = room.client.put(f"/api/v1/procedures/{id}/plan/lateral", json=LATERAL)
    assert answer.status_code == 200, answer.text
    told = room.api(f"procedures/{id}/plan/lateral")
    assert told["origin"] == "operator"
    assert told["posterior_superior"] == [84.0, 88.0]
    assert told["left_superior"] is None
    assert told["mm_per_px"] is None
    (act,) = room.deps.journal.acts_since(id, 0)
    assert act.type is EntryType.PLAN_SET


def test_without_landmarks_what_was_found_is_told_with_its_trust(room):
    id = room.open()
    room.see()
    told = room.api(f"procedures/{id}/plan/lateral")
    assert told["origin"] == "found"
    assert told["trust"] == 0.88
    assert told["posterior_superior"] == [84.0, 88.0]
    assert told["frame"] == {"sop_instance_uid": "1.2.3.1", "index": 0}
    room.error(room.client.get(f"/api/v1/procedures/{id}/plan/ap"), 404)


@pytest.mark.parametrize(
    ("view", "changes", "field"),
    [
        ("lateral", {"posterior_superior": None}, "posterior_superior"),
        ("lateral", {"left_superior": [1, 2]}, "left_superior"),
        ("lateral", {"posterior_superior": [1]}, "posterior_superior.1"),
        ("lateral", {"posterior_superior": [84.0, 188.0], "anterior_superior": [90.0, 90.0]}, "posterior_superior"),
        ("lateral", {"mm_per_px": 0}, "mm_per_px"),
        ("lateral", {"mm_per_px": 0.0002}, "mm_per_px"),
        ("lateral", {"mm_per_px": 5}, "mm_per_px"),
        ("ap", {}, "posterior_superior"),
        ("oblique", {}, "view"),
        ("sideways", {}, "view"),
    ],
)
def test_landmarks_that_make_no_body_are_refused(room, view, changes, field):
    id = room.open()
    answer = room.client.put(f"/api/v1/procedures/{id}/plan/{view}", json={**LATERAL, **changes})
    assert room.error(answer, 400)["details"]["field"] == field
    assert room.deps.journal.acts_since(id, 0) == ()


def test_numbers_that_are_none_are_refused(room):
    id = room.open()
    body = json.dumps({**LATERAL, "mm_per_px": 0.2}).replace("84.0", "NaN", 1)
    answer = room.client.put(
        f"/api/v1/procedures/{id}/plan/lateral", content=body, headers={"Content-Type": "application/json"}
    )
    room.error(answer, 400)


# Measurements and frames


def test_measurements_are_a_time_series(room):
    id = room.open()
    room.see()
    room.see(is_fit=False, flags=frozenset({Flag.TOO_DARK}), front=None, zones={}, cement_area_mm2=None, trust=0.0)
    good, unfit = room.api(f"procedures/{id}/measurements")["items"]
    assert good["distance_to_wall_mm"] == 4.1
    assert good["speed_mm_s"] == 0.42
    assert good["seconds_to_wall"] == {"value": 10.0, "low": 7.0, "high": 16.0}
    assert good["zones"]["canal"]["area_mm2"] == 12.5
    assert unfit["flags"] == ["too_dark"]
    assert unfit["distance_to_wall_mm"] is None
    assert unfit["cement_area_mm2"] is None
    assert [item["number"] for item in room.api(f"procedures/{id}/measurements", latest=True)["items"]] == [3]
    assert room.api(f"procedures/{id}/measurements", zone="disc")["items"][0]["zones"] == {}


def test_frames_are_listed_with_the_address_of_their_picture(room):
    id = room.open()
    room.see()
    (item,) = room.api(f"procedures/{id}/frames")["items"]
    assert item["view"] == "lateral"
    assert item["is_fit"]
    assert room.client.get(item["url"]).headers["content-type"] == "image/jpeg"


def picture(response):
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "image/jpeg"
    return cv2.imdecode(np.frombuffer(response.content, np.uint8), cv2.IMREAD_COLOR)


def colourful(image):
    return int((image.max(axis=2).astype(int) - image.min(axis=2)).max())


def test_a_frame_is_a_picture_bare_or_with_outlines_at_any_width(room):
    room.open()
    room.see()
    bare = picture(room.client.get("/api/v1/frames/1.2.3.1/0.jpg"))
    assert bare.shape == (256, 256, 3)
    assert colourful(bare) < 12
    drawn = picture(room.client.get("/api/v1/frames/1.2.3.1/0.jpg", params={"overlay": True, "width": 512}))
    assert drawn.shape == (512, 512, 3)
    assert colourful(drawn) > 100


def test_the_latest_picture_changes_with_the_frame_only(room):
    id = room.open()
    room.error(room.client.get(f"/api/v1/procedures/{id}/frames/latest.jpg"), 404)
    room.see()
    first = room.client.get(f"/api/v1/procedures/{id}/frames/latest.jpg")
    picture(first)
    tag = {"If-None-Match": first.headers["etag"]}
    assert room.client.get(f"/api/v1/procedures/{id}/frames/latest.jpg", headers=tag).status_code == 304
    room.see()
    again = room.client.get(f"/api/v1/procedures/{id}/frames/latest.jpg", headers=tag)
    assert again.headers["x-frame"] == "1.2.3.2/0"


def test_a_frame_that_is_not_there_is_404(room):
    room.open()
    room.see()
    for path in ("1.2.3.1/7.jpg", "1.2.3.99/0.jpg", "..%2F..%2Fetc/0.jpg"):
        room.error(room.client.get(f"/api/v1/frames/{path}"), 404)
    room.error(room.client.get("/api/v1/frames/1.2.3.1/x.jpg"), 400)
    room.error(room.client.get("/api/v1/frames/1.2.3.1/0.jpg", params={"width": 99999}), 400)


# Reports


def test_every_report_carries_the_safety_words(room):
    id = room.open()
    room.see(view=View.LATERAL)
    room.raise_alert()
    for kind in ("json", "html", "csv"):
        answer = room.client.get(f"/api/v1/procedures/{id}/report.{kind}")
        assert answer.status_code == 200
        assert SAFETY_WORDS in answer.text
    told = room.api(f"procedures/{id}/report.json")
    assert [alert["id"] for alert in told["alerts"]] == ["alert-1"]
    assert [line["type"] for line in told["log"]] == ["procedure_opened", "alert_raised"]
    assert told["zones_not_visible"] == {"lateral": ["vein"]}


def test_a_report_runs_no_script_and_no_formula(room):
    id = room.open(patient={"name": "<script>alert(1)</script>"})
    post(room, f"procedures/{id}/log", {"type": "note", "text": "x"})
    room.raise_alert(message="=1+1<b>")
    html = room.client.get(f"/api/v1/procedures/{id}/report.html")
    assert "<script>" not in html.text
    assert "<b>" not in html.text
    assert "script-src" not in html.headers["content-security-policy"]
    rows = list(csv.reader(io.StringIO(room.client.get(f"/api/v1/procedures/{id}/report.csv").text)))
    assert rows[0] == [SAFETY_WORDS]
    assert rows[1][0] == "number"
    assert any(row[11] == "'=1+1<b>" for row in rows[2:])


def test_a_long_report_is_whole(room):
    id = room.open()
    for n in range(3):
        room.raise_alert(f"alert-{n}")
    notes = [Entry(at=time.time(), type=EntryType.NOTE, procedure=id, actor="local") for _ in range(1100)]
    room.deps.journal.append(notes)
    assert len(room.api(f"procedures/{id}/report.json")["log"]) == 1104


def opened(room) -> dict[str, str]:
    """Three procedures by the name of their patient."""
    patients = {
        "MEYER^ANNA": {"levels": ("L2",), "accession_number": "A-100"},
        "M\N{LATIN CAPITAL LETTER U WITH DIAERESIS}LLER^BEN": {"levels": ("T12", "L2")},
        "100%^CARL": {"kind": "pkp", "levels": ("L4",)},
    }
    return {
        name: room.open(study=f"1.2.{place}", patient={"name": name, "id": f"P{place}"}, **more)
        for place, (name, more) in enumerate(patients.items())
    }


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("meyer", {"MEYER^ANNA"}),
        ("anna MEY", {"MEYER^ANNA"}),
        ("m\N{LATIN SMALL LETTER U WITH DIAERESIS}ller", {"M\N{LATIN CAPITAL LETTER U WITH DIAERESIS}LLER^BEN"}),
        ("l2", {"MEYER^ANNA", "M\N{LATIN CAPITAL LETTER U WITH DIAERESIS}LLER^BEN"}),
        ("l2 ben", {"M\N{LATIN CAPITAL LETTER U WITH DIAERESIS}LLER^BEN"}),
        ("a-100", {"MEYER^ANNA"}),
        ("pkp", {"100%^CARL"}),
        ("0%^c", {"100%^CARL"}),
        ("%", {"100%^CARL"}),
        ("'; DROP TABLE procedure;--", set()),
        ("1999-01-01", set()),
        ("1999-99-99", set()),
    ],
)
def test_procedures_are_found_by_words(room, words, found):
    name_of = {id: name for name, id in opened(room).items()}
    items = room.api("procedures", search=words)["items"]
    assert {name_of[item["id"]] for item in items} == found


def test_procedures_are_found_by_the_day_and_listed_newest_first(room):
    ids = list(opened(room).values())
    first = room.api("procedures", newest=True, limit=2)
    assert [item["id"] for item in first["items"]] == ids[:0:-1]
    rest = room.api("procedures", newest=True, limit=2, after=first["next_after"])
    assert [item["id"] for item in rest["items"]] == ids[:1]
    day = first["items"][0]["opened_at"][:10]
    assert len(room.api("procedures", search=day)["items"]) == 3
    assert room.client.get("/api/v1/procedures", params={"search": "a\0b"}).status_code == 400
