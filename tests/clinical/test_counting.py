"""Counting in the database gives to the last digit what counting one thing after another gives, on both databases."""

from __future__ import annotations

import random

import pytest

from db.cohort import Condition
from db.connect import connect
from db.record import KINDS
from service.clinical.cohort import cohort_table
from service.clinical.cohort_series import TIME_POINTS, cohort_course, cohort_leaks, cohort_survival
from tests.clinical import one_by_one
from tests.speed.cohorts import store

N_PATIENTS = 60
WHERE = (
    [],
    [Condition(field="patient.arm", among=("a", "b"))],
    [Condition(field="leak.site", among=("disc", "vein")), Condition(field="follow_up.vas", low=2.0)],
    [Condition(field="complication.kind", among=("fever",))],
    [Condition(field="operation.n_screws", low=1, high=3)],
)
"""Of an owner, of what is owned, of what stands beside, of a number."""
GROUPS = (None, "patient.arm", "operation.is_technical_success", "patient.sex", "operation.kind")


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def department(request, tmp_path_factory):
    """Random records; what there is of them is always the same."""
    url = f"sqlite:///{tmp_path_factory.mktemp('counting')}/r.sqlite"
    engine = connect(request.getfixturevalue("new_postgres_url")() if request.param == "postgresql" else url)
    store(engine, random_records(random.Random(11)), 1)
    yield engine
    engine.dispose()


def random_records(chance):
    """Everything that may be missing sometimes is; some things are withdrawn, some have an earlier version."""
    made = {name: [] for name in KINDS}

    def some(*values):
        return chance.choice([*values, None])

    def add(of, id, **fields):
        known = {name: fields.pop(name) for name in ("is_withdrawn", "number") if name in fields}
        every = dict.fromkeys(KINDS[of].fields) | fields | {"is_withdrawn": False, "is_current": True, "version": 2}
        made[of].append({"id": id, "number": len(made[of]), **every, **known})
        if chance.random() < 0.2:
            made[of].append(made[of][-1] | {"version": 1, "is_current": False})

    for p in range(N_PATIENTS):
        day = {"died_on": some("2026-05-01", "2026-08-09"), "last_seen_on": some("2025-12-01", "2026-03-30")}
        add("patient", f"p{p}", pseudonym=f"P{p}", arm=some("a", "b", "not given"), sex=some("male", "female"), **day)
        for n in range(chance.choice([0, 1, 1, 1, 2])):
            id = f"o{p}-{n}"
            told = {"n_screws": some(0, 1, 2, 4), "is_technical_success": some(True, False)}
            told |= {"prior_treatment": some([], ["radiotherapy"], ["radiotherapy", "chemotherapy"])}
            add(
                "operation",
                id,
                patient=f"p{p}",
                kind=chance.choice(["pvp", "pkp"]),
                performed_on=some("2026-01-02"),
                **told,
            )
            if chance.random() < 0.3:
                add("complication", f"c{id}", operation=id, kind=chance.choice(["fever", "pain"]))
            add_visits(add, some, chance, id)
            for k in range(chance.choice([0, 1, 2, 3])):
                add_vertebra(add, some, chance, id, k)
    add("patient", "gone", pseudonym="GONE", arm="a", is_withdrawn=True)
    return made


def add_visits(add, some, chance, operation):
    for time in chance.sample(TIME_POINTS, chance.choice([0, 2, 4, 9])) * chance.choice([1, 1, 2]):
        values = {"vas": some(*[k / 10 for k in range(101)]), "kps": some(40, 80), "months": some(1, 14.5)}
        id = f"f{operation}-{chance.random()}"
        number = chance.randrange(10**9)
        values |= {"seen_on": some("2026-02-01", "2026-04-01"), "is_withdrawn": chance.random() < 0.1}
        add("follow_up", id, operation=operation, time_point=time, number=number, **values)


def add_vertebra(add, some, chance, operation, k):
    id = f"v{operation}-{k}"
    told = {
        "lesion": some("lytic", "blastic"),
        "volume_ml": some(*[n / 10 for n in range(10, 60)]),
        "has_cleft": some(True, False),
    }
    told |= {"examined_with": some(["live"], ["final_ap", "ct"], [], ["ct"], ["live", "final_lateral"])}
    is_withdrawn = chance.random() < 0.1
    add("level", id, operation=operation, level=chance.choice(["L1", "L2"]), is_withdrawn=is_withdrawn, **told)
    for n in range(0 if is_withdrawn else chance.choice([0, 0, 1, 2, 3])):
        found = {
            "modality": chance.choice(["live", "final_ap", "ct"]),
            "site": chance.choice(["disc", "vein", "spinal_canal"]),
        }
        finding = chance.choice(["confirmed", "confirmed", "proposed", "rejected"])
        add("leak", f"k{id}-{n}", level=id, finding=finding, is_withdrawn=chance.random() < 0.1, **found)


def test_tables_are_the_same_to_the_last_digit(department):
    ask_table(department, "patient", {"patient.sex": "fisher", "patient.arm": "chi_square"})
    ask_table(department, "site", {"leak.site": None, "level.volume_ml": None}, group="patient.arm")
    words = {"level.lesion": "chi_square", "level.has_cleft": "fisher", "level.examined_with": None}
    numbers = {"level.volume_ml": "welch_t", "operation.prior_treatment": None, "operation.n_screws": "mann_whitney"}
    for where, group in zip(WHERE, GROUPS, strict=True):
        ask_table(department, "vertebra", words | numbers, where, group)


def ask_table(engine, unit, fields, where=(), group=None):
    told = cohort_table(engine, unit, fields, where=where, group=group)
    sizes, made = one_by_one.table(engine, unit, fields, where, group)
    assert told.groups == sizes
    for row in told.rows:
        missing, figures, shares, tested = made[row.field]
        assert row.missing == missing
        assert row.test == tested
        assert {key: each.model_dump() for key, each in row.groups.items()} == figures
        lines = {line.value: {key: each.model_dump() for key, each in line.groups.items()} for line in row.values}
        assert lines == shares


def test_courses_are_the_same_to_the_last_digit(department):
    ask_course(department, "follow_up.kps", WHERE[0], None)
    ask_course(department, "follow_up.vas", [Condition(field="follow_up.months", high=2)], None)
    for where, group in zip(WHERE, GROUPS, strict=True):
        ask_course(department, "follow_up.vas", where, group)


def ask_course(engine, field, where, group):
    asked = {"pair_test": "paired_t", "course_test": "friedman", "group": group}
    told = cohort_course(engine, field, where=where, **asked)
    points, overall, warned = one_by_one.course(engine, field, where, **asked)
    assert [point.time_point for point in told.points] == list(points)
    for point in told.points:
        figures, against = points[point.time_point]
        assert {name: each.model_dump() for name, each in point.groups.items()} == figures
        assert point.against_before == against
    assert told.overall == overall
    said = [line for line in told.warnings if "several values" in line or "operations of" in line]
    assert len(said) == len(warned)
    assert all(any(line.startswith(start) for line in said) for start in warned)


def test_leaks_are_the_same(department):
    ask_leaks(department, "ct", WHERE[0], "level.lesion")
    ask_leaks(department, "ct", WHERE[1], "level.has_cleft")
    for where, group in zip(WHERE, GROUPS, strict=True):
        ask_leaks(department, "fluoroscopy", where, group)


def ask_leaks(engine, seen_with, where, group):
    told = cohort_leaks(engine, seen_with, where=where, group=group, test="chi_square")
    made, tested, undecided = one_by_one.leaks(engine, seen_with, where, group, "chi_square")
    assert {name: each.model_dump() for name, each in told.groups.items()} == made
    assert told.test == tested
    said = [line for line in told.warnings if "count as without a leak" in line]
    meant = [f"{name}: {n} vertebrae count as" for name, n in undecided.items() if n]
    assert [line[: len(start)] for line, start in zip(said, meant, strict=True)] == meant


def test_survival_is_the_same(department):
    for where, group in zip(WHERE, [None, "patient.arm", "patient.sex", "patient.arm", None], strict=True):
        told = cohort_survival(department, where=where, group=group)
        curves, tested, left_out = one_by_one.survival(department, where, group)
        assert {name: each.model_dump() for name, each in told.groups.items()} == curves
        assert told.test == tested
        assert sum(map(bool, left_out.values())) == len(told.warnings)
