"""The clinical record and the scores over HTTP."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from db.connect import reading, rows_of
from db.record import KINDS

V1 = "/api/v1"
SINS = {"location": "junctional", "pain": "none", "lesion": "lytic", "alignment": "normal", "collapse": "none"}


def add(room, address, **content):
    answer = room.client.post(f"{V1}/record/{address}", json=content)
    assert answer.status_code == 201, answer.text
    return answer.json()


def change(room, address, id, version, **changes):
    return room.client.patch(f"{V1}/record/{address}/{id}", json={"version": version, "changes": changes})


@pytest.fixture
def operation(room):
    patient = add(room, "patients", pseudonym="A-001", sex="female", primary_tumour="breast")
    return add(room, "operations", patient=patient["id"], kind="pvp_osteoblastic", performed_on="2026-03-01")


def test_an_operation_is_written_down_from_patient_to_leak(room, operation):
    level = add(room, "levels", operation=operation["id"], level="L2", posterior_wall="broken", volume_ml=3.5)
    needle = add(room, "needles", level=level["id"], side="left", route="transpedicular", gauge_g=13)
    add(room, "aliquots", level=level["id"], needle=needle["id"], volume_ml=0.5, started_at="2026-03-01T10:00:00+01:00")
    add(room, "leaks", level=level["id"], site="epidural_vein", yeom="B", modality="ct", consequence="none")
    add(room, "steps", operation=operation["id"], place=1, kind="needle", level="L2")
    add(room, "complications", operation=operation["id"], kind="fever", outcome="resolved")
    (aliquot,) = room.api("record/aliquots", owner=level["id"])["items"]
    assert aliquot["started_at"] == "2026-03-01T09:00:00.000+00:00"
    assert room.api("record/leaks", owner="none")["items"] == []
    log = room.api("procedures", limit=1)
    assert log["items"] == []


def test_scores_are_counted_from_answers_and_stand_beside_them(room, operation):
    level = add(room, "levels", operation=operation["id"], level="L1", sins=SINS | {"posterolateral": "one_side"})
    assert (level["sins_total"], level["sins"]["pain"]) == (6, "none")
    told = change(room, "levels", level["id"], 1, sins=SINS).json()
    assert told["sins_total"] is None
    seen = add(room, "follow-ups", operation=operation["id"], time_point="m3", vas=2.5, odi={"s1": 2, "s2": 3})
    assert (seen["odi_percent"], seen["barthel_total"]) == (50.0, None)


def test_a_derived_value_cannot_be_written_without_its_answers(room, operation):
    answer = room.client.post(
        f"{V1}/record/follow-ups", json={"operation": operation["id"], "time_point": "m3", "odi_percent": 40}
    )
    assert room.error(answer, 400)["details"]["field"] == "odi_percent"


@pytest.mark.parametrize(
    ("address", "content", "field"),
    [
        ("patients", {}, "pseudonym"),
        ("patients", {"pseudonym": "CANARY PATIENT"}, "pseudonym"),
        ("patients", {"pseudonym": "A", "primary_tumour": "CANARY"}, "primary_tumour"),
        ("operations", {"patient": "none", "kind": "pvp"}, "patient"),
        ("operations", {"patient": "none", "kind": "CANARY"}, "kind"),
        ("levels", {"operation": "o", "level": "L7"}, "level"),
        ("levels", {"operation": "o", "level": "L2", "sins": {"pain": "CANARY"}}, "sins"),
        ("leaks", {"level": "l", "site": "disc", "modality": "mri"}, "modality"),
        ("follow-ups", {"operation": "o", "time_point": "m3", "kps": 55}, "kps"),
        ("steps", {"operation": "o", "place": 1, "kind": "needle", "started_at": "2026-03-01T10:00:00"}, "started_at"),
    ],
)
def test_a_bad_field_is_named_and_its_value_never_repeated(room, address, content, field):
    answer = room.client.post(f"{V1}/record/{address}", json=content)
    assert room.error(answer, 400)["details"]["field"] == field
    assert "CANARY" not in answer.text


def test_what_contradicts_itself_is_refused(room, operation):
    told = {"operation": operation["id"], "kind": "fever", "happened_on": "2026-03-02", "resolved_on": "2026-03-01"}
    answer = room.client.post(f"{V1}/record/complications", json=told)
    assert "resolved_on: expected a day not before happened_on" in room.error(answer, 400)["message"]


def test_two_people_see_the_difference_instead_of_overwriting(room, operation):
    id = operation["id"]
    assert change(room, "operations", id, 1, blood_loss_ml=50, kind="pvp").json()["version"] == 2
    error = room.error(change(room, "operations", id, 1, blood_loss_ml=80), 409)
    assert error["code"] == "outdated"
    assert error["details"]["version"] == 2
    assert {(d["field"], d["before"], d["after"], d["is_yours"]) for d in error["details"]["differences"]} == {
        ("blood_loss_ml", None, 50, True),
        ("kind", "pvp_osteoblastic", "pvp", False),
    }
    assert change(room, "operations", id, 2, blood_loss_ml=80).json()["blood_loss_ml"] == 80


def test_who_changed_what_is_shown(room, operation):
    id = operation["id"]
    change(room, "operations", id, 1, blood_loss_ml=50)
    room.client.post(f"{V1}/record/operations/{id}/withdraw", json={"version": 2, "reason": "entered twice"})
    past = room.api(f"record/operations/{id}/history")["items"]
    assert [(p["version"], p["is_withdrawn"], p["recorded_by"]) for p in past] == [
        (1, False, "local"),
        (2, False, "local"),
        (3, True, "local"),
    ]
    assert past[1]["changed"] == [{"field": "blood_loss_ml", "before": None, "after": 50.0}]
    assert past[2]["reason"] == "entered twice"
    assert room.api("record/operations")["items"] == []
    assert room.api(f"record/operations/{id}")["is_withdrawn"] is True
    assert room.api(f"record/operations/{id}", version=1)["blood_loss_ml"] is None


def test_nothing_of_the_record_is_deleted_every_version_stays_a_row(room, operation):
    id = operation["id"]
    paths = room.api("openapi.json")["paths"]
    assert [path for path, verbs in paths.items() if "/record" in path and {"delete", "put"} & verbs.keys()] == []
    assert room.client.delete(f"{V1}/record/operations/{id}").status_code == 405
    change(room, "operations", id, 1, blood_loss_ml=50)
    room.client.post(f"{V1}/record/operations/{id}/withdraw", json={"version": 2, "reason": "entered twice"})
    table = KINDS["operation"].table
    with reading(room.engine) as connection:
        rows = rows_of(connection, select(table).where(table.c.id == id).order_by(table.c.version))
    assert [(row["version"], row["is_current"], row["is_withdrawn"], row["blood_loss_ml"]) for row in rows] == [
        (1, False, False, None),
        (2, False, False, 50.0),
        (3, True, True, 50.0),
    ]


def test_a_pseudonym_in_use_and_an_owner_with_things_are_conflicts(room, operation):
    assert room.error(room.client.post(f"{V1}/record/patients", json={"pseudonym": "A-001"}), 409)["code"] == "taken"
    answer = room.client.post(
        f"{V1}/record/patients/{operation['patient']}/withdraw", json={"version": 1, "reason": "no"}
    )
    assert room.error(answer, 409)["code"] == "still_owns"


def test_what_is_not_there_is_404(room):
    for path in ("", "/history"):
        room.error(room.client.get(f"{V1}/record/levels/none{path}"), 404)
    room.error(change(room, "levels", "none", 1, volume_ml=2), 404)


def test_scores_are_listed_with_sources_and_counted(room):
    known = {each["name"]: each for each in room.api("scores")["items"]}
    assert set(known) == {"vas", "odi", "kps", "barthel", "bm22", "sins", "tomita", "tokuhashi"}
    assert all(scheme["source"] for each in known.values() for scheme in each["schemes"])
    told = room.client.post(f"{V1}/scores/tomita", json={"answers": {"primary": "slow", "bone": "multiple"}}).json()
    assert (told["value"], told["missing"]) == (None, ["visceral"])
    error = room.error(room.client.post(f"{V1}/scores/odi", json={"answers": {"s1": 9}}), 400)
    assert error["details"]["field"] == "s1"
    room.error(room.client.post(f"{V1}/scores/none", json={"answers": {}}), 404)
