"""What lies beside the arrivals goes in its time, and never unasked."""

from __future__ import annotations

import pytest

from db import queries
from db.arrivals import ArrivalRow, Status, find_arrival, note_arrivals
from db.connect import connect
from db.journal import Journal
from db.procedures import Opening, close, open_procedure
from detection.vocabulary import NO_PROCEDURE, EntryType, Mode
from dicom_gateway import quarantine
from dicom_gateway.arrival import Origin
from dicom_gateway.growing import Growing
from dicom_gateway.spool import Spool
from service.archives import Archive
from service.leftovers import EVERY_S, Leftovers
from service.retention import DAY_S
from service.settings import Settings

NOW, KEEP_DAYS = 1e9, 30.0


class House:
    """A spool and a journal with one procedure, which closes when it is told to."""

    def __init__(self, folder, keep_days: float, archives: tuple[Archive, ...] = ()) -> None:
        self.settings = Settings(data_dir=folder, keep_days=keep_days, keep_dismissed_days=KEEP_DAYS, archives=archives)
        self.spool, self.engine = Spool(self.settings.spool_dir), connect(self.settings.journal_url)
        self.leftovers = Leftovers(self.settings, self.spool, self.engine)
        self.procedure = open_procedure(self.engine, Opening(at=1.0, study_instance_uid="1.2")).id

    def refuse(self) -> quarantine.Note:
        """An object that was never stored."""
        part = self.spool.begin()
        part.write(b"junk")
        self.spool.quarantine(part, Origin(sop_instance_uid="1.1", source="ARM1", received_ns=10**9), "no reason", 1)
        return quarantine.notes(self.spool.quarantined)[-1]

    def fail(self) -> quarantine.Note:
        """An arrival that could not be judged."""
        part = self.spool.begin()
        part.write(b"stored")
        added = self.spool.add(part, Origin(sop_instance_uid="1.3", source="ARM1", received_ns=2 * 10**9))
        self.remember(added.number, Status.FAILED)
        assert self.spool.set_aside(added, "the pixels cannot be decoded")
        assert not self.spool.set_aside(added, "again")
        return quarantine.notes(self.spool.quarantined)[-1]

    def break_off(self) -> int:
        """A run that never became whole."""
        part, growing = self.spool.begin(), Growing(self.spool.folder)
        part.write(b"half")
        growing.announce(part, Origin(sop_instance_uid="1.4", source="ARM1", received_ns=3 * 10**9))
        growing.keep(part)
        part.discard()
        (run,) = growing.all()
        self.remember(run.number, Status.INCOMPLETE)
        return run.number

    def remember(self, number: int, status: Status) -> None:
        row = ArrivalRow(
            number=number,
            source="ARM1",
            sop_instance_uid=f"1.{number}",
            study_instance_uid="1.2",
            series_instance_uid="1",
            mode=Mode.POST_RUN,
            received_at=1.0,
            status=status,
        )
        note_arrivals(self.engine, [row])

    def dismiss(self, note: quarantine.Note) -> None:
        quarantine.dismiss(self.spool.quarantined, note, by="somebody", at=NOW)

    def go(self, days: float) -> int:
        return self.leftovers.step(NOW + days * DAY_S)

    def removed(self) -> list[dict]:
        lines = [line for owner in (NO_PROCEDURE, self.procedure) for line in queries.log_of(self.engine, owner)]
        return [dict(line.data) for line in lines if line.type is EntryType.OBJECTS_REMOVED]


@pytest.fixture
def house(tmp_path):
    one = House(tmp_path, keep_days=10)
    yield one
    one.engine.dispose()


def test_nothing_goes_that_nobody_has_dismissed(house):
    house.refuse()
    assert house.go(10_000) == 0
    assert len(quarantine.notes(house.spool.quarantined)) == 1


def test_what_was_dismissed_goes_after_its_time_and_is_written_down_first(house):
    note = house.refuse()
    house.dismiss(note)
    assert house.go(KEEP_DAYS - 1) == 0
    assert quarantine.find(house.spool.quarantined, note.name).dismissed_by == "somebody"
    assert house.go(KEEP_DAYS) == 1
    assert quarantine.find(house.spool.quarantined, note.name) is None
    assert not any(quarantine.dismissed(house.spool.quarantined).iterdir())
    assert house.removed() == [{"objects": [note.name], "n_objects": 1}]


def test_an_arrival_that_failed_goes_with_its_dismissed_entry_once_its_procedure_lets_it(house):
    note = house.fail()
    house.dismiss(note)
    assert house.go(KEEP_DAYS + 1) == 0, "its procedure is open"
    close(house.engine, house.procedure, at=NOW + 40 * DAY_S, cause="over")
    assert house.go(KEEP_DAYS + 20) == 1
    assert house.spool.find(note.arrival) is None
    assert quarantine.find(house.spool.quarantined, note.name) is None


def test_an_arrival_that_an_archive_lacks_stays_though_its_entry_was_dismissed(tmp_path):
    house = House(tmp_path, keep_days=10, archives=(Archive(name="PACS", host="127.0.0.1", port=104, called="PACS"),))
    note = house.fail()
    house.dismiss(note)
    close(house.engine, house.procedure, at=NOW, cause="over")
    assert house.go(KEEP_DAYS + 20) == 0
    assert house.spool.find(note.arrival) is not None
    house.engine.dispose()


def test_where_everything_is_kept_an_arrival_stays_when_its_entry_goes(tmp_path):
    house = House(tmp_path, keep_days=0)
    note = house.fail()
    house.dismiss(note)
    assert house.go(KEEP_DAYS) == 1
    assert house.spool.find(note.arrival).path.read_bytes() == b"stored"
    house.engine.dispose()


def test_the_rest_of_a_run_goes_as_an_object_of_its_procedure_would(house):
    number = house.break_off()
    assert house.go(100) == 0, "its procedure is open"
    close(house.engine, house.procedure, at=NOW + 100 * DAY_S, cause="over")
    assert house.go(105) == 0, "not for long enough"
    assert house.go(111) == 1
    assert Growing(house.spool.folder).all() == []
    assert house.removed() == [{"objects": [number], "n_objects": 1}]
    assert find_arrival(house.engine, number) is not None


def test_it_is_looked_at_every_now_and_then(house):
    house.go(0)
    house.dismiss(house.refuse())
    assert house.leftovers.step(NOW + EVERY_S - 1) == 0
    assert Journal(house.engine).verify() is None


def test_a_dismissed_object_takes_no_place(house, monkeypatch):
    monkeypatch.setattr(quarantine, "N_QUARANTINED", 1)
    note = house.refuse()
    assert quarantine.is_full(house.spool.quarantined)
    house.dismiss(note)
    assert not quarantine.is_full(house.spool.quarantined)
