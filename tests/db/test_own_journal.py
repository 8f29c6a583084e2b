"""A journal that nobody else writes to is written many lines at a time, and nobody can tell."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import select

from db.arrivals import ArrivalRow, Progress, Status, note_arrivals
from db.connect import StoreFailure, borrowed, connect, reading, writing
from db.journal import Journal
from db.own_journal import LINES_AT_ONCE, OwnJournal
from db.procedures import Opening, open_procedure
from db.tables import ALERT as ALERTS
from db.tables import ARRIVAL, CHAIN, ENTRY, PROCEDURE, STUDY
from detection.vocabulary import Condition, EntryType, Mode, Signal
from tests.db.lines import ALERT, frame_seen, note, raised

TABLES = (ENTRY, CHAIN, ALERTS, ARRIVAL, PROCEDURE, STUDY)
N_FRAMES = LINES_AT_ONCE + 7
REFUSES = "BEGIN SELECT RAISE(ABORT, 'full'); END"


@pytest.fixture(scope="module")
def empty(tmp_path_factory) -> bytes:
    """A journal without a line."""
    path = tmp_path_factory.mktemp("empty") / "empty.sqlite"
    connect(f"sqlite:///{path}", is_kept=False).dispose()
    return path.read_bytes()


@pytest.fixture
def path(tmp_path, empty):
    """Where one lies."""
    (tmp_path / "journal.sqlite").write_bytes(empty)
    return tmp_path / "journal.sqlite"


def arrival(number: int) -> ArrivalRow:
    names = ("sop_instance_uid", "study_instance_uid", "series_instance_uid")
    uids = dict.fromkeys(names, f"1.2.{number}")
    return ArrivalRow(number=number, source="CARM1", mode=Mode.REPLAY, received_at=1.0, n_frames=2, **uids)


def write_a_procedure(journal: Journal) -> None:
    """Frames of two objects, an alert that comes, grows, is heard and goes, and a second procedure amid them."""
    ended = replace(ALERT, condition=Condition.ABSENT, signal=Signal.OFF)
    note_arrivals(journal.engine, [arrival(1), arrival(2)])
    for n in range(N_FRAMES):
        progress = Progress(arrival=1, n_judged=n, procedure="p1" if n % 2 else None)
        journal.append([frame_seen(n)], progress=progress)
        if n in {3, 5, 60}:
            worse = replace(ALERT, area_mm2=float(n))
            journal.append([frame_seen(n), replace(raised(), data={"n": n})], alerts=[worse])
        if n == 40:
            heard = replace(ALERT, acknowledged_by="nurse")
            journal.append([replace(note(), type=EntryType.ACKNOWLEDGED, alert=ALERT.id)], alerts=[heard])
        if n == 50:
            open_procedure(journal.engine, Opening(at=9.0, study_instance_uid="1.2.3", source="CARM1"))
    journal.append([note()], alerts=[replace(ended, acknowledged_by="nurse")])
    journal.append([], progress=Progress(arrival=1, n_judged=N_FRAMES, status=Status.DONE))
    journal.append([note()], if_late=lambda: [note("late")])


def contents(engine) -> dict[str, list]:
    with reading(engine) as connection:
        return {table.name: list(connection.execute(select(table).order_by(*table.primary_key))) for table in TABLES}


def test_what_stands_in_it_is_what_one_line_after_another_gives(path, empty):
    with borrowed(path) as engine:
        write_a_procedure(OwnJournal(engine))
        together = contents(engine)
    path.write_bytes(empty)
    with borrowed(path) as engine:
        write_a_procedure(Journal(engine))
        assert contents(engine) == together
        assert Journal(engine).verify() is None
    assert len(together["entry"]) > N_FRAMES
    assert len(together["alert"]) == 1


def test_it_is_written_less_often_than_once_a_line(path):
    with borrowed(path) as engine:
        journal, seen = OwnJournal(engine), []
        write, journal.write = journal.write, lambda: seen.append(1) or write()
        for n in range(2 * LINES_AT_ONCE):
            journal.append([frame_seen(n)])
        assert len(seen) == 2


def test_whoever_reads_or_writes_by_the_same_engine_finds_every_line(path):
    with borrowed(path) as engine:
        journal = OwnJournal(engine)
        journal.append([note()])
        assert journal.head() == 1
        journal.append([note()])
        (other,) = Journal(engine).append([note()])
        assert other.number == 3


def test_after_a_failure_nothing_is_written_over_the_gap(path):
    with borrowed(path) as engine:
        journal = OwnJournal(engine)
        with writing(engine) as connection:
            connection.exec_driver_sql(f"CREATE TEMP TRIGGER full BEFORE INSERT ON entry {REFUSES}")
        journal.append([note()])
        with pytest.raises(StoreFailure):
            Journal(engine).head()
        journal.append([note()])
        with pytest.raises(StoreFailure):
            Journal(engine).append([note()])


def test_what_waits_when_a_journal_is_given_back_comes_into_no_other(path):
    with borrowed(path) as first:
        OwnJournal(first).append([note()])
    with borrowed(path) as second:
        assert second is first
        assert Journal(second).head() == 0
