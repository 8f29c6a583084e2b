"""Procedures open by themselves or by hand, are matched, changed and closed; every step is a line."""

from __future__ import annotations

import json

import pytest

from db import queries
from db.procedures import Opening, change, close, find_procedure, open_procedure
from db.procedures import procedure as procedure_of
from detection.vocabulary import EntryType, Mode

PATIENT = {"id": "CANARY-7", "name": "CANARY^NAME", "birth_date": None, "sex": "F"}
IMAGE = Opening(at=1000.5, study_instance_uid="1.2.3", source="CARM1", patient=PATIENT, accession_number="A1")


def by_hand(**told):
    return Opening(at=900.0, actor="doctor", **told)


def test_the_first_image_of_a_study_opens_a_procedure(engine, journal):
    opened = open_procedure(engine, IMAGE)
    assert opened.study_instance_uids == ("1.2.3",)
    assert (opened.kind, opened.opened_at, opened.closed_at, opened.mode) == ("pvp", 1000.5, None, Mode.LIVE)
    assert opened.patient == PATIENT
    assert find_procedure(engine, "1.2.3") == procedure_of(engine, opened.id) == opened
    (line,) = queries.log_of(engine, opened.id)
    assert (line.type, line.number, line.source) == (EntryType.PROCEDURE_OPENED, opened.number, "CARM1")
    assert journal.verify() is None


def test_the_second_image_finds_it(engine, journal):
    assert open_procedure(engine, IMAGE) == open_procedure(engine, IMAGE)
    assert journal.head() == 1


def test_a_replay_is_a_procedure_of_its_own(engine):
    real = open_procedure(engine, IMAGE)
    again = open_procedure(engine, Opening(at=2000.0, study_instance_uid="1.2.3", replay="r1", mode=Mode.REPLAY))
    assert again.id != real.id
    assert (again.replay, again.mode) == ("r1", Mode.REPLAY)
    assert find_procedure(engine, "1.2.3") == real
    assert find_procedure(engine, "1.2.3", "r1") == again
    assert find_procedure(engine, "1.2.3", "r2") is None


def test_a_studys_procedure_has_the_same_id_wherever_it_is_opened(engine, tmp_path):
    from db.connect import connect

    elsewhere = connect(f"sqlite:///{tmp_path}/elsewhere.sqlite")
    assert open_procedure(elsewhere, IMAGE).id == open_procedure(engine, IMAGE).id
    elsewhere.dispose()


@pytest.mark.parametrize(
    "known",
    [{"study_instance_uid": "1.2.3"}, {"accession_number": "A1"}, {"patient": {"id": "CANARY-7"}}],
    ids=["study", "accession number", "patient id"],
)
def test_a_procedure_made_beforehand_takes_its_images(engine, known):
    waiting = open_procedure(engine, by_hand(kind="pkp", levels=("L2",), **known))
    found = open_procedure(engine, IMAGE)
    assert (found.id, found.kind, found.levels) == (waiting.id, "pkp", ("L2",))
    assert found.study_instance_uids == ("1.2.3",)
    assert len(queries.procedures(engine)) == 1


def test_what_was_not_known_beforehand_is_learned_from_the_images(engine):
    open_procedure(engine, by_hand(accession_number="A1"))
    found = open_procedure(engine, IMAGE)
    assert found.patient == PATIENT
    line = queries.log_of(engine, found.id)[-1]
    assert line.type is EntryType.PROCEDURE_CHANGED
    assert line.data["changed"] == ["mode", "patient", "study_instance_uids"]


def test_another_patient_another_accession_number_or_a_closed_procedure_is_not_matched(engine):
    other = open_procedure(engine, by_hand(patient={"id": "other"}, accession_number="B2"))
    closed = open_procedure(engine, by_hand(patient=PATIENT))
    close(engine, closed.id, at=950.0)
    unknown = open_procedure(engine, by_hand())
    assert open_procedure(engine, IMAGE).id not in {other.id, closed.id, unknown.id}


def test_a_patients_open_procedure_that_has_images_does_not_take_another_study(engine):
    first = open_procedure(engine, Opening(at=1.0, study_instance_uid="9.9", patient=PATIENT))
    assert open_procedure(engine, IMAGE).id != first.id


def test_a_replay_never_joins_the_real_procedure(engine):
    real = open_procedure(engine, by_hand(accession_number="A1", patient=PATIENT))
    replay = Opening(at=2.0, study_instance_uid="1.2.3", replay="r", accession_number="A1", patient=PATIENT)
    assert open_procedure(engine, replay).id != real.id


def test_the_patient_never_enters_the_chain(engine):
    opened = open_procedure(engine, by_hand(patient=PATIENT))
    open_procedure(engine, IMAGE)
    change(engine, opened.id, {"patient": {**PATIENT, "sex": "M"}}, at=1.0, actor="doctor")
    close(engine, opened.id, at=2.0)
    told = json.dumps([str(line) for line in queries.entries_after(engine, 0)])
    assert "CANARY" not in told
    assert procedure_of(engine, opened.id).patient["sex"] == "M"


def test_a_change_is_a_line_that_says_what_changed_and_who_did_it(engine, procedure):
    changed = change(engine, procedure, {"kind": "pkp", "levels": ["L1", "L2"]}, at=5.0, actor="doctor")
    assert (changed.kind, changed.levels) == ("pkp", ("L1", "L2"))
    line = queries.log_of(engine, procedure)[-1]
    assert (line.type, line.actor) == (EntryType.PROCEDURE_CHANGED, "doctor")
    assert line.data == {"changed": ["kind", "levels"], "kind": "pkp", "levels": ["L1", "L2"]}


def test_a_change_of_nothing_writes_nothing(engine, journal, procedure):
    change(engine, procedure, {"kind": "pvp", "levels": [], "study_instance_uids": ["1.2.3"]}, at=5.0)
    assert journal.head() == 1


@pytest.mark.parametrize(
    ("changes", "named"),
    [({"kind": "x"}, "kind"), ({"id": "x"}, "id"), ({"closed_at": 5.0}, "closed_at"), ({"patient": "x"}, "patient")],
)
def test_a_change_that_is_not_allowed_names_its_field(engine, journal, procedure, changes, named):
    with pytest.raises(ValueError, match=f"^{named}:"):
        change(engine, procedure, changes, at=5.0)
    assert journal.head() == 1


def test_a_study_belongs_to_one_procedure(engine, journal, procedure):
    other = open_procedure(engine, by_hand(study_instance_uid="7.7"))
    with pytest.raises(ValueError, match=r"^study_instance_uids:"):
        change(engine, other.id, {"study_instance_uids": ["7.7", "1.2.3"]}, at=5.0)
    added = change(engine, other.id, {"study_instance_uids": ["7.7", "8.8"]}, at=5.0)
    assert added.study_instance_uids == ("7.7", "8.8")
    assert find_procedure(engine, "8.8").id == other.id
    assert journal.verify() is None


def test_closing_is_an_act_that_is_written_once(engine, journal, procedure):
    closed = close(engine, procedure, at=50.0, actor="doctor")
    assert closed.closed_at == 50.0
    assert close(engine, procedure, at=60.0) == closed
    assert [act.type for act in journal.acts_since(procedure, 0)] == [EntryType.PROCEDURE_CLOSED]
    assert change(engine, procedure, {"closed_at": None}, at=70.0).closed_at is None


def test_an_unknown_procedure_is_told(engine):
    assert procedure_of(engine, "none") is None
    with pytest.raises(KeyError):
        change(engine, "none", {"kind": "pkp"}, at=1.0)
    with pytest.raises(KeyError):
        close(engine, "none", at=1.0)


def test_lists_go_on_from_a_number(engine):
    made = [open_procedure(engine, by_hand(study_instance_uid=f"1.{n}")) for n in range(5)]
    close(engine, made[1].id, at=1.0)
    first = queries.procedures(engine, limit=2)
    assert first[0] == made[0]
    rest = queries.procedures(engine, after=first[-1].number)
    assert [row.id for row in rest] == [row.id for row in made[2:]]
    assert [row.id for row in queries.procedures(engine, is_open=False)] == [made[1].id]
    assert len(queries.procedures(engine, is_open=True)) == 4
    assert [row.id for row in queries.procedures(engine, study="1.3")] == [made[3].id]
