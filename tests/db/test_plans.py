"""The plan: landmarks by view, each one line of the journal."""

from __future__ import annotations

import pytest

from db import queries
from db.plans import plan_entry, plan_of, put_plan
from detection.vocabulary import Corners, EntryType, Origin, View, Wall

LATERAL = {
    "level": "L2",
    "posterior_superior": [100.5, 200.25],
    "posterior_inferior": [180.0, 205.0],
    "anterior_superior": [98.0, 320.0],
    "anterior_inferior": [178.0, 325.0],
    "frame": {"sop_instance_uid": "1.2.3", "index": 4},
    "posterior_wall": "broken",
    "mm_per_px": 0.21,
}
AP = {
    "left_superior": [1, 2],
    "left_inferior": [9, 2],
    "right_superior": [1, 12],
    "right_inferior": [9, 12],
}


def test_a_procedure_without_landmarks_has_an_empty_plan(engine, procedure):
    plan = plan_of(engine, procedure)
    assert (plan.level, dict(plan.landmarks)) == (None, {})
    assert plan_entry(engine, procedure, View.LATERAL) is None


def test_landmarks_are_kept_whole_in_their_line(engine, journal, procedure):
    line = put_plan(engine, procedure, View.LATERAL, LATERAL, at=5.0, actor="doctor")
    assert line.type is EntryType.PLAN_SET
    assert line.data.items() >= LATERAL.items()
    assert plan_entry(engine, procedure, View.LATERAL) == line
    assert [act.data for act in journal.acts_since(procedure, 0)] == [line.data]
    given = plan_of(engine, procedure).landmarks[View.LATERAL]
    assert given.body.corners == Corners(
        near_superior=(100.5, 200.25), near_inferior=(180, 205), far_superior=(98, 320), far_inferior=(178, 325)
    )
    assert (given.body.wall, given.body.origin, given.body.mm_per_px) == (Wall.BROKEN, Origin.OPERATOR, 0.21)
    assert (given.sop_instance_uid, given.index) == ("1.2.3", 4)


def test_the_last_landmarks_of_each_view_count(engine, procedure):
    put_plan(engine, procedure, View.LATERAL, LATERAL, at=5.0, actor="doctor")
    put_plan(engine, procedure, View.AP, AP, at=6.0, actor="doctor")
    put_plan(engine, procedure, View.LATERAL, {**LATERAL, "level": "L3"}, at=7.0, actor="doctor")
    plan = plan_of(engine, procedure)
    assert plan.level == "L3"
    assert set(plan.landmarks) == {View.LATERAL, View.AP}
    assert plan.landmarks[View.LATERAL].body.level == "L3"
    assert plan.landmarks[View.AP].body.corners.far_inferior == (9, 12)
    assert len(queries.log_of(engine, procedure, types=[EntryType.PLAN_SET])) == 3


@pytest.mark.parametrize(
    ("view", "wrong", "named"),
    [
        (View.OBLIQUE, LATERAL, "view"),
        (View.LATERAL, {}, "posterior_superior"),
        (View.LATERAL, {**LATERAL, "anterior_inferior": [1]}, "anterior_inferior"),
        (View.LATERAL, {**LATERAL, "anterior_inferior": [1, float("nan")]}, "anterior_inferior"),
        (View.LATERAL, {**LATERAL, "anterior_inferior": "12"}, "anterior_inferior"),
        (View.LATERAL, {**LATERAL, "mm_per_px": 0}, "mm_per_px"),
        (View.LATERAL, {**LATERAL, "mm_per_px": "wide"}, "mm_per_px"),
        (View.LATERAL, {**LATERAL, "posterior_wall": "gone"}, "posterior_wall"),
        (View.LATERAL, {**LATERAL, "frame": "first"}, "frame"),
        (View.LATERAL, {**LATERAL, "frame": {"sop_instance_uid": "1", "index": -1}}, "frame"),
        (View.LATERAL, {**LATERAL, "level": 2}, "level"),
        (View.AP, LATERAL, "left_superior"),
    ],
)
def test_landmarks_that_are_wrong_are_refused_by_field(engine, journal, procedure, view, wrong, named):
    before = journal.head()
    with pytest.raises(ValueError, match=named):
        put_plan(engine, procedure, view, wrong, at=5.0, actor="doctor")
    assert journal.head() == before


def test_a_plan_needs_its_procedure(engine, journal):
    with pytest.raises(KeyError):
        put_plan(engine, "none", View.LATERAL, LATERAL, at=5.0, actor="doctor")
    assert journal.head() == 0
