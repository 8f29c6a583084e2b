"""What may leave the spool, and what never does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from db.arrivals import ArrivalRow, Progress, Status, note_arrivals
from db.connect import StoreFailure, connect
from db.facts import Fact
from db.journal import Journal
from db.procedures import Opening, change, close, open_procedure
from db.queries import entries_after
from detection.vocabulary import Condition, Entry, EntryType, Kind, Mode, Signal
from dicom_gateway.arrival import Origin
from dicom_gateway.spool import Spool
from service.retention import DAY_S, PAUSE_S, Hold, Retention, hold_of
from tests.db.lines import ALERT

NOW, KEEP_S = 1e9, 30 * DAY_S
MAY_GO = Fact(
    number=1, status=Status.DONE, n_frames=3, n_judged=3, procedure="p", closed_at=NOW - KEEP_S, n_unacknowledged=0
)


@pytest.mark.parametrize(
    ("changes", "hold"),
    [
        ({}, None),
        ({"status": Status.KEPT, "n_frames": None, "n_judged": 0}, None),
        ({"status": Status.OPEN}, Hold.UNJUDGED),
        ({"status": Status.FAILED}, Hold.UNJUDGED),
        ({"n_judged": 2}, Hold.UNJUDGED),
        ({"n_frames": None}, Hold.UNJUDGED),
        ({"procedure": None, "closed_at": None}, Hold.NO_CASE),
        ({"closed_at": None}, Hold.OPEN_CASE),
        ({"n_unacknowledged": 1}, Hold.UNACKNOWLEDGED),
        ({"closed_at": NOW - KEEP_S + 1}, Hold.YOUNG),
    ],
)
def test_an_object_stays_as_long_as_somebody_may_need_it(changes, hold):
    assert hold_of(replace(MAY_GO, **changes), now=NOW, keep_s=KEEP_S) is hold


def test_an_object_that_nobody_knows_or_the_archive_lacks_stays():
    assert hold_of(None, now=NOW, keep_s=KEEP_S) is Hold.UNKNOWN
    assert hold_of(MAY_GO, now=NOW, keep_s=KEEP_S, awaits_archive=True) is Hold.UNFORWARDED


class House:
    """A spool and a journal with one procedure for each study."""

    def __init__(self, folder) -> None:
        self.spool, self.engine = Spool(folder / "spool"), connect(f"sqlite:///{folder / 'journal.sqlite'}")
        self.journal = Journal(self.engine)

    def arrive(self, study: str, *, status: Status = Status.DONE, in_case: bool = True) -> int:
        part = self.spool.begin()
        part.write(study.encode())
        number = len(self.spool.after(0)) + 1
        added = self.spool.add(part, Origin(sop_instance_uid=f"{study}.{number}", source="ARM1", received_ns=1))
        procedure = open_procedure(self.engine, Opening(at=1.0, study_instance_uid=study)).id if in_case else None
        row = ArrivalRow(
            number=added.number,
            source="ARM1",
            sop_instance_uid=f"{study}.{number}",
            study_instance_uid=study,
            series_instance_uid="1",
            mode=Mode.LIVE,
            received_at=1.0,
            n_frames=None if status is Status.KEPT else 1,
        )
        note_arrivals(self.engine, [replace(row, status=Status.OPEN if status is Status.DONE else status)])
        if status is Status.DONE:
            seen = Entry(at=2.0, type=EntryType.NOTE, procedure=procedure or "")
            told = Progress(arrival=added.number, n_judged=1, status=Status.DONE, procedure=procedure)
            self.journal.append([seen], progress=told)
        return added.number

    def close(self, study: str, at: float = 10.0) -> str:
        procedure = open_procedure(self.engine, Opening(at=1.0, study_instance_uid=study)).id
        close(self.engine, procedure, at=at)
        return procedure

    def left(self) -> list[int]:
        return [each.number for each in self.spool.after(0)]

    def sweep(self, *, keep_days: float = 30.0, now: float = NOW) -> int:
        retention, n_removed = Retention(self.spool, self.engine, keep_days=keep_days), 0
        for _ in range(5):
            n_removed += retention.step(now)
        return n_removed


@pytest.fixture
def house(tmp_path) -> House:
    return House(tmp_path)


def test_only_what_nobody_needs_leaves_the_spool_and_its_log_says_so_first(house):
    gone = [house.arrive("1.1"), house.arrive("1.1"), house.arrive("1.1", status=Status.KEPT)]
    stays = [house.arrive("1.2"), house.arrive("1.1", status=Status.OPEN), house.arrive("1.3", status=Status.FAILED)]
    procedure = house.close("1.1")
    house.close("1.3")
    assert house.sweep() == 3
    assert house.left() == sorted(stays)
    (entry,) = [line for line in entries_after(house.engine, 0, limit=1000) if line.type is EntryType.OBJECTS_REMOVED]
    assert (entry.procedure, entry.data["arrivals"]) == (procedure, gone)
    assert house.sweep() == 0


def test_nothing_leaves_unless_it_is_asked_for(house):
    house.arrive("1.1")
    house.close("1.1")
    assert house.sweep(keep_days=0.0) == 0
    assert house.sweep(now=10.0 + 29 * DAY_S) == 0
    assert house.left() == [1]


def test_a_procedure_that_is_opened_again_keeps_its_objects(house):
    house.arrive("1.1")
    procedure = house.close("1.1")
    change(house.engine, procedure, {"closed_at": None}, at=20.0)
    assert house.sweep() == 0


@pytest.mark.parametrize(
    ("changes", "n_removed"),
    [
        ({"condition": Condition.ABSENT, "signal": Signal.OFF}, 0),
        ({"condition": Condition.ABSENT, "signal": Signal.OFF, "acknowledged_by": "local"}, 1),
        ({"condition": Condition.PRESENT, "signal": Signal.ACKNOWLEDGED, "acknowledged_by": "local"}, 0),
        ({"condition": Condition.ABSENT, "signal": Signal.OFF, "kind": Kind.TECHNICAL, "zone": None}, 1),
        ({"condition": Condition.PRESENT, "signal": Signal.ON, "kind": Kind.TECHNICAL, "zone": None}, 0),
    ],
    ids=["never acknowledged", "acknowledged", "still present", "technical and over", "technical and present"],
)
def test_an_alert_keeps_the_objects_of_its_procedure_until_it_is_over_and_acknowledged(house, changes, n_removed):
    house.arrive("1.1")
    procedure = house.close("1.1")
    alert = replace(ALERT, procedure=procedure, **changes)
    types = [EntryType.ALERT_RAISED] + [EntryType.ACKNOWLEDGED] * (alert.acknowledged_by is not None)
    for type_ in types:
        entry = Entry(at=3.0, type=type_, procedure=procedure, source="ARM1", alert=alert.id)
        house.journal.append([entry], alerts=[alert])
    assert house.sweep() == n_removed


def test_a_journal_that_does_not_answer_removes_nothing(house):
    house.arrive("1.1")
    house.close("1.1")
    house.engine.dispose()
    (house.spool.folder.parent / "journal.sqlite").write_bytes(b"no database" * 1000)
    with pytest.raises(StoreFailure):
        house.sweep()
    assert house.left() == [1]


def test_the_spool_is_gone_through_again_after_a_pause(house):
    house.arrive("1.1")
    retention = Retention(house.spool, house.engine, keep_days=30.0)
    assert [retention.step(NOW), retention.step(NOW)] == [0, 0]
    house.close("1.1")
    assert retention.step(NOW + PAUSE_S - 1) == 0
    assert retention.step(NOW + PAUSE_S) == 1
    assert house.left() == []
