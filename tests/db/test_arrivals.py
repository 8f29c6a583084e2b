"""What the journal knows of the spool."""

from __future__ import annotations

from dataclasses import replace

import pytest

from db.arrivals import (
    ArrivalRow,
    Progress,
    Status,
    arrival_of,
    arrivals_of,
    count_attempt,
    counts_by_source,
    find_arrival,
    heirs_of,
    incomplete_of,
    newest_arrival,
    note_arrivals,
    note_successor,
    open_arrivals,
)
from detection.vocabulary import Mode

FIRST = ArrivalRow(
    number=1,
    source="CARM1",
    sop_instance_uid="1.1",
    study_instance_uid="1",
    series_instance_uid="1.0",
    mode=Mode.LIVE,
    received_at=1763737200.123456789,
)


def test_nothing_is_known_at_first(engine):
    assert newest_arrival(engine) == 0
    assert open_arrivals(engine) == ()
    assert find_arrival(engine, 1) is None
    assert arrival_of(engine, "1.1") is None
    assert count_attempt(engine, 1) == 0
    note_arrivals(engine, [])


def test_an_arrival_is_remembered_once_and_as_it_was_first_noted(engine):
    note_arrivals(engine, [FIRST])
    note_arrivals(engine, [replace(FIRST, source="OTHER"), replace(FIRST, number=2, sop_instance_uid="1.2")])
    assert find_arrival(engine, 1) == FIRST
    assert newest_arrival(engine) == 2


def test_open_arrivals_are_those_not_finished(engine, journal):
    note_arrivals(engine, [replace(FIRST, number=n) for n in range(1, 6)])
    for number, status in ((1, Status.DONE), (3, Status.FAILED), (4, Status.KEPT)):
        journal.append([], progress=Progress(arrival=number, n_judged=0, status=status))
    assert open_arrivals(engine) == (2, 5)


def test_attempts_are_counted_before_they_are_made(engine):
    note_arrivals(engine, [FIRST])
    assert [count_attempt(engine, 1) for _ in range(3)] == [1, 2, 3]
    assert find_arrival(engine, 1).attempts == 3


@pytest.mark.parametrize(("replay", "number"), [(None, 3), ("r1", 2), ("r2", None)])
def test_an_object_and_its_replay_are_two_arrivals(engine, replay, number):
    note_arrivals(engine, [FIRST, replace(FIRST, number=2, replay="r1"), replace(FIRST, number=3)])
    found = arrival_of(engine, "1.1", replay)
    assert (found and found.number) == number


def test_arrivals_of_a_procedure_go_on_from_a_number(engine):
    note_arrivals(engine, [replace(FIRST, number=n, procedure="p" if n % 2 else "q") for n in range(1, 8)])
    assert [row.number for row in arrivals_of(engine, "p", 1, 2)] == [3, 5]


def test_frames_are_counted_by_source_and_what_is_no_image_is_not(engine):
    run = replace(FIRST, number=2, sop_instance_uid="1.2", n_frames=30, n_judged=12)
    dose = replace(FIRST, number=3, sop_instance_uid="1.3", n_frames=1, status=Status.KEPT)
    other = replace(FIRST, number=4, sop_instance_uid="1.4", source="CARM2", n_frames=1, n_judged=1, status=Status.DONE)
    note_arrivals(engine, [replace(FIRST, n_frames=1), run, dose, other])
    assert counts_by_source(engine) == {"CARM1": (31, 12), "CARM2": (1, 1)}


def test_a_run_that_is_not_whole_has_a_negative_number_and_its_arrival_takes_over_its_frames(engine, journal):
    grew = replace(FIRST, number=-1700, mode=Mode.POST_RUN)
    note_arrivals(engine, [grew])
    journal.append([], progress=Progress(arrival=-1700, n_judged=4))
    assert newest_arrival(engine) == 0
    assert open_arrivals(engine) == (-1700,)
    assert counts_by_source(engine) == {"CARM1": (0, 4)}
    note_successor(engine, replace(FIRST, number=7, n_frames=9, n_judged=4), -1700)
    assert find_arrival(engine, -1700).status is Status.GROWN
    assert (open_arrivals(engine), heirs_of(engine, -1700)) == ((7,), (7,))
    assert counts_by_source(engine) == {"CARM1": (9, 4)}


def test_the_last_incomplete_transfer_of_an_object_is_found_until_another_takes_over(engine, journal):
    for number in (-1700, -1800):
        note_arrivals(engine, [replace(FIRST, number=number)])
        journal.append([], progress=Progress(arrival=number, n_judged=2, status=Status.INCOMPLETE, n_frames=2))
    assert incomplete_of(engine, "1.1", None).number == -1800
    assert incomplete_of(engine, "1.1", "r1") is None
    assert counts_by_source(engine) == {"CARM1": (4, 4)}
    note_successor(engine, replace(FIRST, number=-1900, n_judged=2), -1800)
    assert incomplete_of(engine, "1.1", None).number == -1700
