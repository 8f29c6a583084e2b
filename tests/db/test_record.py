"""The clinical record: versions, two writers, nothing deleted, every change a line of the journal."""

from __future__ import annotations

import json
import threading

import pytest

from db import queries
from db.record import UNWATCHED, Draft, NoOwner, Outdated, StillOwns, Taken, find, history, listing, write
from detection.vocabulary import EntryType


def put(engine, of, id=None, /, *, base=None, at=10.0, actor="doctor", **fields):
    told = {key: fields.pop(key) for key in ("is_withdrawn", "reason") if key in fields}
    return write(engine, [Draft(kind=of, id=id, base=base, fields=fields, **told)], at=at, actor=actor)[0]


@pytest.fixture
def patient(engine):
    return put(engine, "patient", "p1", pseudonym="A-001", sex="female", birth_year=1950)


@pytest.fixture
def operation(engine, patient, procedure):
    return put(engine, "operation", "o1", patient="p1", kind="pvp", procedure=procedure)


def test_a_thing_is_found_as_it_was_written(engine, operation):
    level = put(engine, "level", operation="o1", level="L2", sins={"pain": "yes"}, examined_with=["ct"], volume_ml=3.2)
    found = find(engine, "level", level.id)
    assert found == level
    assert (found.version, found.recorded_by, found.fields["volume_ml"]) == (1, "doctor", 3.2)
    assert found.fields["sins"] == {"pain": "yes"}
    assert found.fields["examined_with"] == ["ct"]
    assert found.fields["lesion"] is None


def test_a_change_supersedes_and_keeps_what_was(engine, patient):
    changed = put(
        engine, "patient", "p1", base=1, at=20.0, actor="nurse", pseudonym="A-001", birth_year=1951, reason="typo"
    )
    assert (changed.version, changed.fields["birth_year"], changed.fields["sex"]) == (2, 1951, None)
    assert find(engine, "patient", "p1") == changed
    assert find(engine, "patient", "p1", version=1) == patient
    assert [(v.version, v.recorded_by, v.reason) for v in history(engine, "patient", "p1")] == [
        (1, "doctor", None),
        (2, "nurse", "typo"),
    ]
    assert [v.version for v in listing(engine, "patient")] == [2]


def test_every_change_is_a_line_that_names_fields_and_no_values(engine, journal, procedure, operation):
    put(engine, "level", "l1", operation="o1", level="L2")
    put(engine, "level", "l1", base=1, operation="o1", level="L2", volume_ml=2.5, remark="CANARY")
    put(engine, "patient", "p1", base=1, pseudonym="CANARY-2")
    found = [*queries.log_of(engine, UNWATCHED), *queries.log_of(engine, procedure)]
    lines = sorted((line for line in found if line.type is EntryType.RECORD_CHANGED), key=lambda line: line.number)
    assert [(line.data["record"], line.cause, line.procedure) for line in lines] == [
        ("patient", "added", UNWATCHED),
        ("operation", "added", procedure),
        ("level", "added", procedure),
        ("level", "changed", procedure),
        ("patient", "changed", UNWATCHED),
    ]
    assert lines[3].data == {"record": "level", "id": "l1", "version": 2, "changed": ["remark", "volume_ml"]}
    assert find(engine, "level", "l1").number == lines[3].number
    assert "CANARY" not in json.dumps([str(line) for line in lines])
    assert journal.verify() is None


def test_a_change_of_nothing_writes_nothing(engine, journal, patient):
    assert put(engine, "patient", "p1", base=1, pseudonym="A-001", sex="female", birth_year=1950) == patient
    assert journal.head() == patient.number


def test_two_people_do_not_overwrite_each_other(engine, patient):
    put(engine, "patient", "p1", base=1, actor="first", pseudonym="A-001", birth_year=1950, sex="male")
    with pytest.raises(Outdated) as told:
        put(engine, "patient", "p1", base=1, actor="second", pseudonym="A-001", birth_year=1949)
    assert told.value.seen == patient
    assert told.value.current.recorded_by == "first"
    assert find(engine, "patient", "p1").fields["birth_year"] == 1950


def test_of_several_drafts_the_outdated_one_is_named(engine, patient):
    put(engine, "patient", "p2", pseudonym="A-002")
    put(engine, "patient", "p1", base=1, pseudonym="A-001", birth_year=1949)
    drafts = [Draft(kind="patient", id=id, base=1, fields={"pseudonym": f"B-{id}"}) for id in ("p1", "p2")]
    with pytest.raises(Outdated) as told:
        write(engine, drafts, at=20.0, actor="import")
    assert told.value.draft == drafts[0]
    assert find(engine, "patient", "p2").version == 1


def test_of_many_writers_at_once_exactly_one_wins(engine, journal, patient):
    outcomes = []

    def try_once(year):
        try:
            put(engine, "patient", "p1", base=1, pseudonym="A-001", birth_year=year)
            outcomes.append("written")
        except Outdated:
            outcomes.append("outdated")

    threads = [threading.Thread(target=try_once, args=(1900 + n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["outdated"] * 5 + ["written"]
    assert len(history(engine, "patient", "p1")) == 2
    assert journal.verify() is None


def test_what_is_withdrawn_stays_but_is_listed_no_more(engine, operation):
    put(engine, "level", "l1", operation="o1", level="L2")
    gone = put(engine, "level", "l1", base=1, operation="o1", level="L2", is_withdrawn=True, reason="wrong patient")
    assert (gone.version, gone.is_withdrawn) == (2, True)
    assert listing(engine, "level") == []
    assert find(engine, "level", "l1").reason == "wrong patient"
    back = put(engine, "level", "l1", base=2, operation="o1", level="L2")
    assert [v.id for v in listing(engine, "level")] == [back.id]


def test_an_owner_is_not_withdrawn_from_under_its_things(engine, operation):
    level = put(engine, "level", "l1", operation="o1", level="L2")
    with pytest.raises(StillOwns) as told:
        put(engine, "operation", "o1", base=1, is_withdrawn=True, **operation.fields)
    assert (told.value.kind, told.value.n) == ("level", 1)
    put(engine, "level", "l1", base=1, is_withdrawn=True, **level.fields)
    assert put(engine, "operation", "o1", base=1, is_withdrawn=True, **operation.fields).is_withdrawn


def test_nothing_belongs_to_what_is_not_there(engine, operation):
    with pytest.raises(NoOwner) as told:
        put(engine, "level", operation="none", level="L2")
    assert told.value.field == "operation"
    put(engine, "patient", "p2", pseudonym="B")
    put(engine, "patient", "p2", base=1, pseudonym="B", is_withdrawn=True)
    with pytest.raises(NoOwner):
        put(engine, "operation", patient="p2", kind="pvp")


def test_a_pseudonym_is_one_patients_until_that_patient_is_withdrawn(engine, patient):
    with pytest.raises(Taken) as told:
        put(engine, "patient", "p2", pseudonym="A-001")
    assert told.value.field == "pseudonym"
    put(engine, "patient", "p1", base=1, pseudonym="A-001", is_withdrawn=True)
    assert put(engine, "patient", "p2", pseudonym="A-001").version == 1


def test_many_drafts_are_written_together_or_not_at_all(engine, journal):
    drafts = [
        Draft(kind="patient", id="p1", fields={"pseudonym": "A"}),
        Draft(kind="operation", id="o1", fields={"patient": "p1", "kind": "pvp"}),
        Draft(kind="level", fields={"operation": "nowhere", "level": "L2"}),
    ]
    with pytest.raises(NoOwner):
        write(engine, drafts, at=1.0, actor="doctor")
    assert listing(engine, "patient") == []
    assert journal.head() == 0
    assert [each.version for each in write(engine, drafts[:2], at=1.0, actor="doctor")] == [1, 1]


def test_an_unknown_id_is_told(engine, patient):
    with pytest.raises(KeyError):
        put(engine, "patient", "p9", base=1, pseudonym="X")
    with pytest.raises(Taken):
        put(engine, "patient", "p1", pseudonym="X")
    assert find(engine, "patient", "p9") is None


def test_lists_go_on_from_a_number_and_tell_changes_again(engine):
    for n in range(4):
        put(engine, "patient", f"p{n}", pseudonym=f"A{n}")
    first = listing(engine, "patient", limit=2)
    put(engine, "patient", "p0", base=1, pseudonym="A0", sex="male")
    rest = listing(engine, "patient", after=first[-1].number)
    assert [each.id for each in rest] == ["p2", "p3", "p0"]
    assert [each.id for each in listing(engine, "patient", id=["p3"])] == ["p3"]
