"""Cohorts over HTTP."""

from __future__ import annotations

import pytest

V1 = "/api/v1"


@pytest.fixture
def department(room):
    def add(address, **content):
        answer = room.client.post(f"{V1}/record/{address}", json=content)
        assert answer.status_code == 201, answer.text
        return answer.json()["id"]

    for n, (arm, vas, wall) in enumerate([("itr", 2, "broken"), ("itr", 3, "intact"), ("pvp", 5, "broken")]):
        patient = add("patients", pseudonym=f"A{n}", arm=arm, sex="female")
        operation = add("operations", patient=patient, kind="pvp", performed_on=f"2026-01-0{n + 1}", n_screws=n)
        level = add("levels", operation=operation, level="L1", posterior_wall=wall, examined_with=["ct"])
        add("follow-ups", operation=operation, time_point="m1", vas=vas)
        if n:
            add("leaks", level=level, site="disc", modality="ct")


def ask(room, what, **content):
    answer = room.client.post(f"{V1}/cohorts/{what}", json=content)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_table_has_shares_with_unit_and_intervals(room, department):
    fields = [{"field": "level.posterior_wall", "test": "fisher"}, {"field": "level.has_cleft"}]
    told = ask(room, "table", unit="vertebra", group="patient.arm", fields=fields)
    assert told["groups"] == {"itr": 2, "pvp": 1}
    share = told["rows"][0]["values"][0]["groups"]["itr"]
    assert (share["numerator"], share["denominator"], share["unit"], share["percent"]) == (1, 2, "vertebra", 50.0)
    assert share["exact"]["method"] == "Clopper-Pearson"
    assert told["rows"][0]["test"]["p"] == 1.0
    assert told["rows"][1]["missing"] == {"itr": 2, "pvp": 1}


def test_conditions_narrow(room, department):
    where = [{"field": "operation.n_screws", "low": 1}, {"field": "operation.performed_on", "high": "2026-01-02"}]
    told = ask(room, "table", unit="patient", where=where, fields=[{"field": "patient.sex"}])
    assert told["groups"] == {"all": 1}
    where = [{"field": "leak.site", "among": ["disc"]}]
    assert ask(room, "table", unit="patient", where=where, fields=[{"field": "patient.sex"}])["groups"] == {"all": 2}


def test_course_leaks_and_survival(room, department):
    assert ask(room, "course", field="follow_up.vas")["points"][0]["groups"]["all"]["n"] == 3
    leaks = ask(room, "leaks", seen_with="ct", group="patient.arm")["groups"]
    assert [leaks[arm]["vertebrae"]["numerator"] for arm in ("itr", "pvp")] == [1, 1]
    assert ask(room, "survival")["groups"]["all"]["n"] == 0


@pytest.mark.parametrize(
    ("what", "content", "field"),
    [
        ("table", {"unit": "mouse", "fields": [{"field": "patient.sex"}]}, "unit"),
        ("table", {"unit": "patient", "fields": []}, "fields"),
        ("table", {"unit": "patient", "fields": [{"field": "level.lesion"}]}, "field"),
        ("table", {"unit": "patient", "fields": [{"field": "patient.sex"}], "group": "patient.remark"}, "field"),
        ("leaks", {"seen_with": "both"}, "seen_with"),
        ("survival", {"where": [{"field": "patient.secret", "among": ["x"]}]}, "where.field"),
        ("survival", {"where": [{"field": "patient.birth_year", "low": "CANARY"}]}, "where"),
        ("survival", {"where": [{"field": "level.has_cleft", "among": ["CANARY"]}]}, "where"),
    ],
)
def test_a_question_without_sense_is_400_by_field(room, what, content, field):
    answer = room.client.post(f"{V1}/cohorts/{what}", json=content)
    assert room.error(answer, 400)["details"]["field"] == field
    assert "CANARY" not in answer.text
