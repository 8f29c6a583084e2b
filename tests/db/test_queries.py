"""What screens ask."""

from __future__ import annotations

from dataclasses import replace

import pytest

from db import queries
from db.connect import connect
from db.convert import findings_data
from detection.vocabulary import Condition, EntryType, Priority, Signal, Zone
from tests.db.lines import ALERT, findings, frame_seen, note, raised


def raise_one(journal, id, **told):
    alert = replace(ALERT, id=id, **told)
    (line,) = journal.append([raised(alert)], alerts=[alert])
    return line.number


def test_alerts_come_in_the_order_of_their_last_change_and_go_on_from_there(engine, journal):
    first, second, third = (raise_one(journal, id) for id in "abc")
    again = raise_one(journal, "a", area_mm2=99.0)
    assert [(row.number, row.alert.id) for row in queries.alerts_after(engine)] == [
        (second, "b"),
        (third, "c"),
        (again, "a"),
    ]
    page = queries.alerts_after(engine, first, limit=2)
    assert [row.alert.id for row in page] == ["b", "c"]
    assert [row.alert.id for row in queries.alerts_after(engine, page[-1].number)] == ["a"]
    assert queries.alerts_after(engine, again) == []


def test_alerts_can_be_narrowed_to_a_procedure_and_to_those_active(engine, journal):
    raise_one(journal, "a")
    raise_one(journal, "b", procedure="p2")
    raise_one(journal, "c", condition=Condition.ABSENT, signal=Signal.LATCHED)
    raise_one(journal, "d", condition=Condition.ABSENT, signal=Signal.OFF)
    raise_one(journal, "e", condition=Condition.PRESENT, signal=Signal.OFF)

    def ids(**narrowed):
        return "".join(row.alert.id for row in queries.alerts_after(engine, **narrowed))

    assert ids(procedure="p2") == "b"
    assert ids(active=True) == "abce"
    assert ids(active=False) == "d"
    assert ids(active=True, procedure="p1") == "ace"


def test_one_alert_and_its_history(engine, journal):
    number = raise_one(journal, "a")
    journal.append([replace(note(), type=EntryType.ACKNOWLEDGE, alert="a"), note()])
    assert queries.alert(engine, "a").number == number
    assert queries.alert(engine, "none") is None
    assert [line.type for line in queries.history_of(engine, "a")] == ["alert_raised", "acknowledge"]


def test_the_log_of_a_procedure_goes_on_from_a_number_and_can_be_narrowed(engine, journal):
    journal.append([note("1"), frame_seen(0), note("3", procedure="p2"), note("4"), frame_seen(1)])
    assert [line.number for line in queries.log_of(engine, "p1")] == [1, 2, 4, 5]
    assert [line.number for line in queries.log_of(engine, "p1", 1, limit=2)] == [2, 4]
    assert [line.number for line in queries.log_of(engine, "p1", types=[EntryType.NOTE])] == [1, 4]
    assert queries.log_of(engine, "p1", types=[]) == []
    assert [line.number for line in queries.entries_after(engine, 2)] == [3, 4, 5]
    assert [line.number for line in queries.entries_after(engine, 2, "p1")] == [4, 5]


def test_frames_of_a_procedure(engine, journal):
    journal.append([frame_seen(0), note(), frame_seen(1), frame_seen(0, procedure="replayed", shown=2)])
    assert [line.frame.index for line in queries.frames_of(engine, "p1")] == [0, 1]
    assert queries.latest_frame(engine, "p1").frame.index == 1
    assert queries.latest_frame(engine, "none") is None
    assert queries.frame_entry(engine, "1.2.3.4", 0).procedure == "replayed"
    assert queries.frame_entry(engine, "1.2.3.4", 0, "p1").procedure == "p1"
    assert queries.frame_entry(engine, "1.2.3.4", 9) is None


def test_a_measurement_for_each_judged_frame_unfit_ones_with_nulls(engine, journal):
    unfit = replace(findings(), is_fit=False, front=None, zones={}, cement_area_mm2=None, cement_volume_ml=None)
    journal.append([frame_seen(0, **findings_data(findings())), frame_seen(1, **findings_data(unfit)), note()])
    fit, blind = queries.measurements_of(engine, "p1")
    assert (fit.number, fit.view, fit.distance_to_wall_mm, fit.speed_mm_s) == (1, "lateral", 4.5, 0.3)
    assert fit.cement_volume_ml == {"low": 0.1, "high": 0.2}
    assert fit.zones["canal"]["area_mm2"] == 2.0
    assert (blind.distance_to_wall_mm, blind.cement_area_mm2, blind.zones) == (None, None, {})
    assert blind.flags == ("lossy", "scale_unknown")
    assert queries.measurements_of(engine, "p1", Zone.DISC)[0].zones == {}
    assert [item.number for item in queries.measurements_of(engine, "p1", after=1)] == [2]


def test_counts_of_a_procedure(engine, journal):
    journal.append([frame_seen(n) for n in range(3)])
    journal.append([replace(frame_seen(9), type=EntryType.FRAME_FAILED)])
    raise_one(journal, "a")
    raise_one(journal, "a")
    raise_one(journal, "b", priority=Priority.LOW)
    counts = queries.counts_of(engine, "p1")
    assert (counts.frames, counts.frames_failed) == (3, 1)
    assert counts.alerts == {"high": 1, "medium": 0, "low": 1}
    assert queries.counts_of(engine, "none").frames == 0


def test_latencies_are_from_receipt_to_journal(engine, journal):
    assert queries.latencies_of(engine, "p1").p50 is None
    journal.append([frame_seen(n, delay_s=n / 1000) for n in range(1, 101)])
    journal.append([replace(frame_seen(1), times={"received": 5.0})])
    told = queries.latencies_of(engine, "p1")
    assert (told.p50, told.p95, told.p99, told.max) == pytest.approx((50, 95, 99, 100), abs=0.01)


def test_latencies_of_a_long_procedure_are_those_of_its_latest_frames(engine, journal):
    early = [frame_seen(n, delay_s=9.0) for n in range(5)]
    journal.append(early + [frame_seen(5 + n, delay_s=0.05) for n in range(queries.LATENCY_FRAMES)])
    assert queries.latencies_of(engine, "p1").max == pytest.approx(50, abs=0.01)


def test_the_time_of_the_last_line(engine, journal):
    assert queries.last_at(engine, "p1") is None
    journal.append([note(at=5.0), note(at=7.5), note(at=9.0, procedure="p2")])
    assert queries.last_at(engine, "p1") == 7.5


def test_the_lists_that_screens_poll_are_served_by_an_index(tmp_path):
    # SQLite only: PostgreSQL reads small tables whole, whatever the index.
    engine = connect(f"sqlite:///{tmp_path}/j.sqlite")
    polls = [
        "SELECT * FROM alert WHERE number > 5 ORDER BY number, id LIMIT 100",
        "SELECT * FROM entry WHERE procedure = 'p' AND number > 5 ORDER BY number LIMIT 9",
        "SELECT * FROM entry WHERE procedure = 'p' AND type = 'frame_seen' ORDER BY number DESC LIMIT 1",
        "SELECT * FROM entry WHERE procedure = 'p' AND type IN ('note', 'pause') AND number > 5 ORDER BY number",
        "SELECT * FROM entry WHERE alert = 'a' AND number > 5 ORDER BY number",
        "SELECT * FROM entry WHERE sop_instance_uid = '1' AND frame_index = 2 ORDER BY number DESC LIMIT 1",
        "SELECT * FROM entry WHERE number > 5 ORDER BY number LIMIT 9",
        "SELECT number FROM arrival WHERE status = 'open' ORDER BY number",
        "SELECT * FROM arrival WHERE sop_instance_uid = '1' ORDER BY number DESC LIMIT 1",
    ]
    with engine.connect() as connection:
        for poll in polls:
            steps = [row[-1] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {poll}")]
            assert "INDEX" in steps[0] or "PRIMARY KEY" in steps[0], (poll, steps)
    engine.dispose()
