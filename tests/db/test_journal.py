"""The chain of lines: what goes in comes out, nothing can be altered unseen, the alert table follows."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest
from sqlalchemy import func, select, text, update

from db import queries
from db.arrivals import ArrivalRow, Progress, Status, find_arrival, note_arrivals
from db.connect import JournalBroken, reading, writing
from db.convert import alert_from
from db.journal import FIRST_HASH, TRANSITIONS, hash_of
from db.tables import ENTRY
from detection.vocabulary import ACTS, Condition, Entry, EntryType, Mode, Signal
from tests.db.lines import ALERT, SEEN, frame_seen, note, raised


def test_an_empty_journal_is_whole(journal):
    assert journal.head() == 0
    assert journal.alerts_head() == 0
    assert journal.verify() is None


def test_lines_are_numbered_and_bound_to_the_line_before(journal):
    first, second = journal.append([note(), note()])
    (third,) = journal.append([note()])
    assert [line.number for line in (first, second, third)] == [1, 2, 3]
    assert first.previous_hash == FIRST_HASH
    assert second.previous_hash == first.hash
    assert third.previous_hash == second.hash
    assert journal.head() == 3
    assert journal.verify() is None


def test_a_line_comes_back_as_it_was_written_to_the_last_bit(journal, engine):
    times = {"image": None, "received": 1e9 / 3, "decoded": 1.7e9 + 0.1, "judged": 2**0.5, "written": 1763737200.123456}
    entry = Entry(
        at=1763737200.1 + 1e-7,
        type=EntryType.FRAME_SEEN,
        procedure="p1",
        source="CARM1",
        alert="a",
        from_state="x",
        to_state="y",
        cause="Zement 骨セメント \U0001f9b4 'quoted' \\ \n",
        actor="Дr",
        frame=SEEN,
        times=times,
        data={"deep": [{"a": 0.1 + 0.2, "big": 10**15, "small": 5e-324, "yes": True, "no": None, "text": "é\u0000"}]},
    )
    (written,) = journal.append([entry])
    assert queries.log_of(engine, "p1") == [written]
    assert replace(written, number=None, hash=None, previous_hash=None) == entry


def test_no_number_that_is_not_one_enters_the_journal(journal, engine):
    journal.append(
        [replace(note(), data={"speed": float("nan"), "far": [float("inf")]}, times={"image": float("nan")})]
    )
    (line,) = queries.log_of(engine, "p1")
    assert line.data == {"speed": None, "far": [None]}
    assert line.times == {"image": None}
    with pytest.raises(ValueError, match="finite"):
        journal.append([note(at=float("nan"))])
    assert journal.verify() is None


def test_text_that_no_database_holds_is_kept_without_its_bad_characters(journal, engine):
    journal.append([replace(note("\ud800\x00"), cause="a\x00b\ud800")])
    (line,) = queries.log_of(engine, "p1")
    assert line.cause == "ab?"
    assert line.data["text"] == "\ud800\x00"
    assert journal.verify() is None


def test_nothing_of_an_append_is_written_when_a_part_of_it_cannot_be(journal, engine):
    journal.append([note()])
    with pytest.raises(ValueError):
        journal.append([note(), note(at=float("inf"))])
    with pytest.raises(JournalBroken), writing(engine) as connection:  # noqa: PT012 - the second step undoes the first
        connection.execute(text("UPDATE chain SET number = 99"))
        connection.execute(text("DELETE FROM entry"))
    assert journal.head() == 1
    assert journal.verify() is None


@pytest.mark.parametrize(
    "statement", ["UPDATE entry SET cause = 'x'", "DELETE FROM entry", "DELETE FROM entry WHERE number = 1"]
)
def test_the_database_refuses_to_change_a_line(journal, engine, statement):
    journal.append([note(), note()])
    with pytest.raises(JournalBroken), writing(engine) as connection:
        connection.execute(text(statement))
    assert journal.head() == 2
    assert journal.verify() is None


def test_a_line_cannot_be_replaced_under_its_number(journal, engine):
    (line,) = journal.append([note()])
    values = "number, at, type, procedure, times, data, hash, previous_hash"
    how = "INSERT OR REPLACE" if engine.dialect.name == "sqlite" else "INSERT"
    with pytest.raises(JournalBroken), writing(engine) as connection:
        connection.execute(text(f"{how} INTO entry ({values}) VALUES (1, 1, 'note', 'p', '{{}}', '{{}}', 'x', 'y')"))
    assert queries.entries_after(engine, 0) == [line]


def rewrite(engine, number, **told):
    """Alter a line and give it a hash that suits; the guards are off."""
    with reading(engine) as connection:
        row = connection.execute(select(ENTRY).where(ENTRY.c.number == number)).one()._asdict()
    tamper(engine)
    with writing(engine) as connection:
        connection.execute(update(ENTRY).where(ENTRY.c.number == number).values(**told, hash=hash_of({**row, **told})))


def tamper(engine, *statements):
    """Somebody with the keys to the database takes the guards off first."""
    guards = ("entry_no_update", "entry_no_delete") if engine.dialect.name == "sqlite" else ("entry_no_change",)
    on = "" if engine.dialect.name == "sqlite" else " ON entry"
    with writing(engine) as connection:
        for guard in guards:
            connection.execute(text(f"DROP TRIGGER {guard}{on}"))
        for statement in statements:
            connection.exec_driver_sql(statement)


COLUMNS = {
    "at": "2.5",
    "type": "'resistance'",
    "procedure": "'other'",
    "source": "'CARM9'",
    "alert": "'b'",
    "from_state": "'off'",
    "to_state": "'off'",
    "cause": "'because'",
    "actor": "'somebody else'",
    "sop_instance_uid": "'9.9'",
    "frame_index": "99",
    "acquired_at": "2.5",
    "received_at": "2.5",
    "judged_at": "2.5",
    "times": "'{\"received\": 1}'",
    "data": '\'{"text": "all was well"}\'',
    "hash": "'" + "a" * 64 + "'",
    "previous_hash": "'" + "a" * 64 + "'",
}


def test_every_column_of_a_line_is_covered():
    assert {*COLUMNS, "number"} == {column.name for column in ENTRY.columns}


@pytest.mark.parametrize("column", COLUMNS)
def test_an_altered_field_is_found(journal, engine, column):
    journal.append([note(), replace(frame_seen(1), alert="a"), note()])
    assert journal.verify() is None
    tamper(engine, f"UPDATE entry SET {column} = {COLUMNS[column]} WHERE number = 2")  # noqa: S608 - our own words
    found = journal.verify()
    assert (found.number, found.reason) == (2, "altered")


def test_a_missing_line_is_found(journal, engine):
    journal.append([note(str(n)) for n in range(5)])
    tamper(engine, "DELETE FROM entry WHERE number = 3")
    assert (journal.verify().number, journal.verify().reason) == (3, "missing")


def test_lines_taken_off_the_end_are_found(journal, engine):
    journal.append([note(str(n)) for n in range(5)])
    tamper(engine, "DELETE FROM entry WHERE number > 3")
    assert (journal.verify().number, journal.verify().reason) == (4, "missing")
    journal.append([note("after")])
    assert (journal.verify().number, journal.verify().reason) == (4, "missing")


def test_a_line_cut_out_with_all_later_ones_renumbered_is_found(journal, engine):
    journal.append([note(str(n)) for n in range(5)])
    tamper(
        engine,
        "DELETE FROM entry WHERE number = 2",
        *(f"UPDATE entry SET number = {n - 1} WHERE number = {n}" for n in (3, 4, 5)),  # noqa: S608 - our own numbers
        "UPDATE chain SET number = 4",
    )
    assert journal.verify().number == 2


def test_lines_in_another_order_are_found(journal, engine):
    journal.append([note(str(n)) for n in range(4)])
    tamper(
        engine,
        "UPDATE entry SET number = 99 WHERE number = 2",
        "UPDATE entry SET number = 2 WHERE number = 3",
        "UPDATE entry SET number = 3 WHERE number = 99",
    )
    assert journal.verify().number == 2


def test_a_line_with_a_sound_hash_that_follows_another_line_is_out_of_order(journal, engine):
    journal.append([note(str(n)) for n in range(3)])
    rewrite(engine, 2, previous_hash="b" * 64)
    assert (journal.verify().number, journal.verify().reason) == (2, "out of order")


def test_a_line_that_nobody_appended_is_found(journal, engine):
    journal.append([note()])
    columns = ", ".join(column.name for column in ENTRY.columns if column.name != "number")
    with writing(engine) as connection:
        connection.execute(text(f"INSERT INTO entry (number, {columns}) SELECT 7, {columns} FROM entry"))  # noqa: S608 - our own words
    assert (journal.verify().number, journal.verify().reason) == (2, "not of the chain")


def test_a_rewritten_last_line_is_found_by_the_end_of_the_chain(journal, engine):
    journal.append([note("one"), note("two")])
    rewrite(engine, 2, data="{}")
    assert (journal.verify().number, journal.verify().reason) == (2, "altered")


def test_a_long_journal_is_verified_over_many_pages(journal):
    journal.append([note(str(n)) for n in range(1203)])
    assert journal.verify() is None
    assert journal.head() == 1203


def test_a_lost_end_of_the_chain_stops_the_writing(journal, engine):
    journal.append([note()])
    with writing(engine) as connection:
        connection.execute(text("DELETE FROM chain"))
    with pytest.raises(JournalBroken):
        journal.append([note()])


def test_the_hash_can_be_reckoned_by_hand_from_the_line(journal):
    (line,) = journal.append([frame_seen(3, trust=0.5)])
    told = {
        "number": 1,
        "previous_hash": "0" * 64,
        "at": line.at,
        "type": "frame_seen",
        "procedure": "p1",
        "source": "CARM1",
        "alert": None,
        "from_state": None,
        "to_state": None,
        "cause": None,
        "actor": None,
        "frame": {
            "sop_instance_uid": "1.2.3.4",
            "index": 3,
            "acquired_at": 1.1,
            "received_at": 1003.0,
            "judged_at": SEEN.judged_at,
        },
        "times": {"image": None, "received": 1003.0, "written": line.times["written"]},
        "data": {"trust": 0.5},
    }
    text_of_it = json.dumps(told, sort_keys=True, separators=(",", ":"))
    assert line.hash == hashlib.sha256(text_of_it.encode()).hexdigest()


def test_acts_are_what_operators_did_and_nothing_else(journal):
    journal.append([replace(note(), type=kind) for kind in EntryType if kind not in TRANSITIONS])
    journal.append([note(procedure="other")])
    acts = journal.acts_since("p1", 0)
    assert {act.type for act in acts} == ACTS
    assert [act.number for act in acts] == sorted(act.number for act in acts)
    assert acts[0].actor == "doctor"
    assert acts[0].data == {"text": "patient moved"}
    assert journal.acts_since("p1", acts[-1].number) == ()
    assert journal.acts_since("p1", acts[0].number) == acts[1:]


def test_acts_of_all_procedures_come_with_their_procedure(journal):
    journal.append([note("a"), frame_seen(1), note("b", procedure="p2")])
    assert [(where, act.number) for where, act in journal.acts_after(0)] == [("p1", 1), ("p2", 3)]
    assert [where for where, _ in journal.acts_after(1)] == ["p2"]


def test_an_alert_takes_the_number_of_the_last_line_about_it(journal, engine):
    journal.append([note()])
    journal.append([frame_seen(1), raised(), note()], alerts=[ALERT])
    (listed,) = queries.alerts_after(engine)
    assert listed == (3, ALERT, None)
    assert journal.alerts_head() == 3
    assert journal.head() == 4


def test_the_alert_table_is_the_fold_of_the_lines(journal, engine):
    worse = replace(ALERT, area_mm2=20.0)
    journal.append([raised(), replace(raised(), type=EntryType.ALERT_WORSENED)], alerts=[ALERT, worse])
    ended = replace(worse, condition=Condition.ABSENT, signal=Signal.LATCHED)
    journal.append([replace(raised(), type=EntryType.ALERT_ENDED)], alerts=[ended])
    told = [alert_from(line.data["alert"]) for line in queries.history_of(engine, "a1")]
    assert told == [ALERT, worse, ended]
    assert queries.alert(engine, "a1").alert == told[-1]


def test_an_alert_knows_when_it_was_acknowledged_until_it_is_no_longer(journal, engine):
    journal.append([raised()], alerts=[ALERT])
    heard = replace(ALERT, signal=Signal.ACKNOWLEDGED, acknowledged_by="doctor")
    journal.append([replace(raised(), type=EntryType.ACKNOWLEDGED, at=77.25)], alerts=[heard])
    assert queries.alert(engine, "a1").acknowledged_at == 77.25
    journal.append([replace(raised(), type=EntryType.ALERT_CHANGED, at=80.0)], alerts=[heard])
    assert queries.alert(engine, "a1").acknowledged_at == 77.25
    journal.append([replace(raised(), type=EntryType.ALERT_WORSENED, at=90.0)], alerts=[ALERT])
    assert queries.alert(engine, "a1").acknowledged_at is None


def test_a_transition_without_its_alert_is_a_mistake_of_the_writer(journal):
    with pytest.raises(ValueError, match="handed over"):
        journal.append([raised()])
    with pytest.raises(ValueError, match="says so"):
        journal.append([], alerts=[ALERT])
    assert journal.head() == 0


def test_an_operators_act_about_an_alert_needs_no_snapshot(journal):
    (line,) = journal.append([replace(note(), type=EntryType.ACKNOWLEDGE, alert="a1")])
    assert line.number == 1
    assert journal.alerts_head() == 0


def test_progress_is_written_with_the_lines_it_rests_on_or_not_at_all(journal, engine):
    arrival = ArrivalRow(
        number=5,
        source="CARM1",
        sop_instance_uid="1",
        study_instance_uid="2",
        series_instance_uid="3",
        mode=Mode.LIVE,
        received_at=1.0,
    )
    note_arrivals(engine, [arrival])
    journal.append([frame_seen(1)], progress=Progress(arrival=5, n_judged=1))
    assert find_arrival(engine, 5) == replace(arrival, n_judged=1)
    with pytest.raises(ValueError):
        journal.append([note(at=float("nan"))], progress=Progress(arrival=5, n_judged=2))
    assert find_arrival(engine, 5).n_judged == 1
    done = Progress(arrival=5, n_judged=2, status=Status.DONE, n_skipped=1, n_frames=3, procedure="p1")
    assert journal.append([], progress=done) == ()
    after = find_arrival(engine, 5)
    assert (after.n_judged, after.status, after.n_skipped, after.n_frames, after.procedure) == (2, "done", 1, 3, "p1")


def test_an_unchanged_poll_reads_one_row(journal, engine):
    journal.append([note(str(n)) for n in range(50)])
    with reading(engine) as connection:
        assert connection.execute(select(func.count()).select_from(text("chain"))).scalar() == 1
        if engine.dialect.name == "sqlite":
            plan = connection.exec_driver_sql("EXPLAIN QUERY PLAN SELECT number, hash, alerts_number FROM chain").all()
            assert [row[-1] for row in plan] == ["SCAN chain"]
