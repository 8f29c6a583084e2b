"""Who came, looked, took away, or changed who may: written before it is shown, and for admins only."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from db import queries
from db.arrivals import ArrivalRow, note_arrivals
from detection.vocabulary import Mode
from service.api import permit
from service.api.permissions import Role
from service.settings import Settings
from service.settings_log import tell_changed_settings
from tests.service.visitors import V1, admit, audit, browser_of, issue, sign_in


def told(room, *types):
    return [(type, actor, data) for type, actor, data in audit(room) if type in types]


def test_signing_in_failing_and_signing_out_are_written_with_the_address(room):
    admit(room)
    with browser_of(room) as client:
        client.delete(f"{V1}/session")
    sign_in(room.client, "anna", "wrong horse battery")
    sign_in(room.client, "my-secret-password", "anna")
    at = {"address": "127.0.0.1"}
    assert told(room, "signed_in", "signed_out", "sign_in_failed") == [
        ("signed_in", "anna", at),
        ("signed_out", "anna", {}),
        ("sign_in_failed", None, {"user": "anna", **at}),
        ("sign_in_failed", None, {"user": None, **at}),
    ]


def test_a_view_of_a_patient_is_written_once_for_a_screen_that_stays_open(room):
    admit(room)
    first, second = room.open("1.9.1"), room.open("1.9.2")
    with browser_of(room) as client:
        for _ in range(3):
            assert client.get(f"{V1}/procedures/{first}").status_code == 200
        client.get(f"{V1}/procedures/{second}")
        client.get(f"{V1}/alerts")
        assert client.get(f"{V1}/procedures/nothing").status_code == 404
    with browser_of(room) as other:
        other.get(f"{V1}/procedures/{first}")
    viewed = [(actor, data["procedure"]) for _, actor, data in told(room, "patient_viewed")]
    assert viewed == [("anna", first), ("anna", second), ("anna", first)]


def test_a_view_is_written_again_after_an_hour(room, monkeypatch):
    monkeypatch.setattr(permit, "VIEW_TOLD_EVERY_S", 0.0)
    admit(room)
    id = room.open()
    with browser_of(room) as client:
        for _ in range(2):
            client.get(f"{V1}/procedures/{id}")
    assert len(told(room, "patient_viewed")) == 2


@pytest.mark.parametrize("form", ["json", "jsonl", "html", "csv", "pdf"])
def test_every_export_is_written(room, form):
    admit(room)
    id = room.open()
    address = f"{V1}/procedures/{{id}}/report.{form}"
    with browser_of(room) as client:
        for _ in range(2):
            assert client.get(address.format(id=id)).status_code == 200
    assert told(room, "exported") == [("exported", "anna", {"address": address, "procedure": id})] * 2


def test_pictures_and_lists_show_patients_too(room):
    admit(room)
    id = room.open()
    room.see()
    with browser_of(room) as client:
        assert client.get(f"{V1}/procedures").status_code == 200
        assert client.get(f"{V1}/procedures/{id}/frames/latest.jpg").status_code == 200
        assert client.get(f"{V1}/frames/1.2.3.1/0.jpg").status_code == 200
    assert [data["address"] for *_, data in told(room, "patient_viewed")] == [
        f"{V1}/procedures",
        f"{V1}/procedures/{{id}}/frames/latest.jpg",
        f"{V1}/frames/{{sop_instance_uid}}/{{index}}.jpg",
    ]


def test_pictures_of_another_procedure_are_another_view(room):
    admit(room)
    seen = []
    for study in ("1.9.1", "1.9.2"):
        seen.append(room.open(study))
        room.see()
        room.see()
    with browser_of(room) as client:
        for uid in ("1.2.3.1", "1.2.3.2", "1.2.3.3", "1.2.3.4"):
            answer = client.get(f"{V1}/frames/{uid}/0.jpg", params={"procedure": seen[0]})
            assert answer.status_code == 200
    viewed = [data.get("procedure") for *_, data in told(room, "patient_viewed")]
    assert viewed == seen, "once for each, whatever the address claims"


def test_pictures_of_no_known_procedure_are_views_of_their_objects(room):
    admit(room)
    uids = ["1.2.3.71", "1.2.3.72"]
    for uid in uids:
        number = room.receive(uid)
        about = {"study_instance_uid": "1.9", "series_instance_uid": "1.9.1", "mode": Mode.LIVE, "received_at": 1.0}
        note_arrivals(room.engine, [ArrivalRow(number=number, source="CARM1", sop_instance_uid=uid, **about)])
    with browser_of(room) as client:
        for uid in (*uids, uids[0]):
            assert client.get(f"{V1}/frames/{uid}/0.jpg").status_code == 200
    assert [data["sop_instance_uid"] for *_, data in told(room, "patient_viewed")] == uids


def test_things_of_another_kind_are_another_view_even_under_the_same_name():
    sights = [
        permit._sight_of({"address": f"{V1}/{kind}/{{id}}", "id": "1"})
        for kind in ("procedures", "record/patients", "record/leaks")
    ]
    assert len(set(sights)) == 3
    assert permit._sight_of({"address": f"{V1}/record/leaks/{{id}}/history", "id": "1"}) == sights[2]


def test_a_program_is_named_too(room):
    admit(room)
    id = room.open()
    room.client.get(f"{V1}/procedures/{id}", headers=issue(room, "archive", "read"))
    assert told(room, "patient_viewed")[0][1] == "token:archive"


def test_what_cannot_be_written_is_not_shown(room, monkeypatch):
    admit(room)
    id = room.open()
    with browser_of(room) as client:
        with room.engine.begin() as connection:
            connection.execute(
                text("CREATE TRIGGER full BEFORE INSERT ON entry BEGIN SELECT RAISE(ABORT, 'disk full'); END")
            )
        answer = client.get(f"{V1}/procedures/{id}")
        assert room.error(answer, 503)["code"] == "unavailable"
        assert "CANARY" not in answer.text
        assert client.get(f"{V1}/alerts").status_code == 200, "alerts are shown all the same"


def test_as_long_as_access_is_off_nobody_is_named(room):
    id = room.open()
    room.api(f"procedures/{id}")
    room.client.get(f"{V1}/procedures/{id}/report.json")
    assert audit(room) == []


def test_the_audit_is_for_admins_and_told_in_order(room):
    admit(room, "ada", Role.ADMIN)
    admit(room)
    with browser_of(room) as operator:
        room.error(operator.get(f"{V1}/audit"), 403)
    with browser_of(room, "ada") as client:
        page = client.get(f"{V1}/audit", params={"limit": 2}).json()
        rest = client.get(f"{V1}/audit", params={"after": page["next_after"]}).json()
    types = [item["type"] for item in page["items"] + rest["items"]]
    assert types == ["access_changed", "access_changed", "signed_in", "signed_in"]
    assert [item["actor"] for item in rest["items"]] == ["anna", "ada"]
    assert rest["items"][-1]["hash"]


def test_screens_and_procedure_logs_do_not_show_it(room):
    admit(room, "ada", Role.ADMIN)
    id = room.open()
    with browser_of(room, "ada") as client:
        client.get(f"{V1}/procedures/{id}")
        items = client.get(f"{V1}/procedures/{id}/log").json()["items"]
        assert [item["type"] for item in items] == ["procedure_opened"]
        with client.stream("GET", f"{V1}/live", params={"after": 0, "lifetime": 0.3}) as stream:
            text = "".join(stream.iter_text())
    assert "event: procedure_opened" in text
    assert "signed_in" not in text
    assert "patient_viewed" not in text
    assert room.deps.journal.verify() is None


def test_a_stream_of_no_procedure_is_bad_input_and_no_way_to_the_audit(room):
    admit(room, "ada", Role.ADMIN)
    room.open()
    with browser_of(room, "ada"):
        answer = room.client.get(
            f"{V1}/live", params={"procedure": "", "after": 0, "lifetime": 0.3}, headers=issue(room, "wall", "read")
        )
    assert room.error(answer, 400)["details"]["field"] == "procedure"


def test_changed_settings_are_written_without_their_secrets(room):
    def start(**changes):
        settings = Settings(**{**room.deps.settings.model_dump(), **changes})
        tell_changed_settings(room.deps.journal, settings, 1.0)

    start(database_url="postgresql://cw:hunter2@db/cw")
    start(database_url="postgresql://cw:hunter2@db/cw")
    start(database_url="postgresql://cw:hunter2@db/cw", session_hours=1.0)
    first, second = told(room, "settings_changed")
    assert first[2]["settings"]["database_url"] == "given"
    assert second[2]["changed"] == ["session_hours"]
    assert second[2]["settings"]["session_hours"] == 1.0
    assert second[1].startswith("os:")
    lines = queries.log_of(room.engine, "")
    assert "hunter2" not in repr(lines)
