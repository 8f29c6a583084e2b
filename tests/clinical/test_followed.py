"""What follows from other things of the record can be asked for like a field, on both databases."""

from __future__ import annotations

from typing import get_args

import pytest

from db.cohort import Condition, rows
from db.connect import connect
from db.followed import TIMES
from service.clinical import codes
from service.clinical.cohort import cohort_table
from service.clinical.cohort_list import cohort_list
from service.clinical.cohort_series import cohort_survival
from service.clinical.instruments import ImpossibleAnswer
from service.clinical.printed import page_of
from service.clinical.questions import read_page
from tests.clinical.conftest import draft, put

SINS = {"location": "mobile", "pain": "yes", "lesion": "lytic"}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def department(request, tmp_path_factory):
    """Two operations: one of two vertebrae with three visits, one of a vertebra whose volume nobody wrote down."""
    url = f"sqlite:///{tmp_path_factory.mktemp('followed')}/r.sqlite"
    engine = connect(request.getfixturevalue("new_postgres_url")() if request.param == "postgresql" else url)
    put(
        engine,
        draft("patient", "a", pseudonym="A", sex="male", died_on="2026-04-01"),
        draft("patient", "b", pseudonym="B", last_seen_on="2026-03-01"),
        draft("operation", "oa", patient="a", kind="pvp", performed_on="2026-01-01", n_screws=0),
        draft("operation", "ob", patient="b", kind="pvp", performed_on="2026-01-01", tomita={"bone": "solitary"}),
        draft("level", "v1", operation="oa", level="L2", volume_ml=3.5, sins=SINS),
        draft("level", "v2", operation="oa", level="T12", volume_ml=2.0, sins={**SINS, "pain": None}),
        draft("level", "v3", operation="ob", level="L1"),
        draft("follow_up", "f1", operation="oa", time_point="before", asia="C"),
        draft("follow_up", "f2", operation="oa", time_point="m12", asia="D"),
        draft("follow_up", "f3", operation="oa", time_point="later", months=18, asia="E"),
        draft("follow_up", "f4", operation="oa", time_point="later", months=14, asia="D", odi={"s1": 3}),
        draft("follow_up", "f5", operation="ob", time_point="before", asia="D"),
        draft("complication", "c1", operation="oa", kind="fever"),
    )
    yield engine
    engine.dispose()


def counted(engine, unit, field, *where):
    (row,) = cohort_table(engine, unit, {field: None}, where=where).rows
    return {line.value: line.groups["all"].numerator for line in row.values}, row.missing["all"]


def test_the_record_knows_the_time_points_in_their_order():
    assert get_args(codes.TimePoint) == TIMES


def test_an_operation_has_as_many_vertebrae_and_as_much_cement_as_are_written_down(department):
    told = rows(department, "operation", ["operation.id", "operation.n_levels", "operation.cement_ml"])
    assert sorted(told) == [("oa", 2, 5.5), ("ob", 1, None)]
    of_levels = rows(department, "level", ["level.id", "operation.n_levels"])
    assert sorted(of_levels) == [("v1", 2), ("v2", 2), ("v3", 1)]
    of_two = [Condition(field="operation.n_levels", low=2)]
    assert rows(department, "patient", ["patient.id"], of_two) == [("a",)]


def test_the_last_visit_is_the_latest_after_the_operation(department):
    last = Condition(field="follow_up.is_last", among=(True,))
    assert counted(department, "visit", "follow_up.asia", last) == ({"E": 1}, 0)
    assert counted(department, "visit", "follow_up.is_last")[0] == {"no": 4, "yes": 1}


def test_answers_are_counted_by_item(department):
    assert counted(department, "vertebra", "level.sins_pain") == ({"yes": 1}, 2)
    assert counted(department, "visit", "follow_up.odi_s1") == ({"3": 1}, 4)
    lytic = Condition(field="level.sins_lesion", among=("lytic",))
    assert sorted(rows(department, "level", ["level.id"], [lytic])) == [("v1",), ("v2",)]
    by_bone = cohort_table(department, "operation", {"operation.n_screws": None}, group="operation.tomita_bone")
    assert by_bone.groups == {"solitary": 1, "not known": 1}


def test_complications_are_a_unit_of_their_own(department):
    assert counted(department, "complication", "complication.kind") == ({"fever": 1}, 0)


def test_each_patient_of_a_small_series_has_a_row(department):
    fields = ["patient.pseudonym", "patient.sex", "level.level", "operation.cement_ml", "patient.months"]
    assert [list(row.values()) for row in cohort_list(department, "operation", fields)] == [
        ["A", "male", "L2, T12", "5.5", "3.0"],
        ["B", "", "L1", "", "1.9"],
    ]


@pytest.mark.parametrize(
    ("unit", "field"),
    [("operation", "patient.remark"), ("patient", "patient.months"), ("vertebra", "complication.kind")],
)
def test_a_list_takes_no_free_text_and_nothing_that_stands_elsewhere(department, unit, field):
    with pytest.raises(ImpossibleAnswer, match="fields"):
        cohort_list(department, unit, [field])


def test_survival_says_how_long_patients_were_followed(department):
    told = cohort_survival(department).groups["all"].observed_months
    assert (told.n, round(told.low, 2), round(told.high, 2)) == (2, 1.94, 2.96)


def test_who_wrote_not_known_as_a_site_is_counted_apart_from_those_who_wrote_nothing(engine):
    sites = {"a": "not known", "b": None, "c": None, "d": "North"}
    put(engine, *(draft("patient", id, pseudonym=id, site=site, sex="male") for id, site in sites.items()))
    told = cohort_table(engine, "patient", {"patient.sex": None}, group="patient.site")
    assert told.groups == {"North": 1, '"not known"': 1, "not known": 2}


def test_what_somebody_wrote_ends_no_row_of_a_printed_table(engine):
    put(engine, draft("patient", "a", pseudonym="a", site="North\n| wing |"))
    page = read_page('title = "t"\n[[rows]]\nunit = "patient"\nfields = ["patient.site"]')
    assert "| 1 | North / wing / |" in list(page_of(engine, page, "safety"))
