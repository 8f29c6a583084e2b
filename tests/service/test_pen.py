"""Lines wait in their order while the journal fails, and judging does not wait with them."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from dataclasses import replace

import pytest

from db.connect import StoreUnreachable, appending, connect
from db.journal import Journal
from detection.vocabulary import Entry, EntryType
from service import pen as pens
from service.pen import OwnPen, Pen
from tests.db.lines import ALERT
from tests.service.conftest import until

PATIENCE_S = 0.3


@pytest.fixture(params=["sqlite", "postgresql"])
def journal(request, tmp_path):
    url = f"sqlite:///{tmp_path}/journal.sqlite"
    engine = connect(url if request.param == "sqlite" else request.getfixturevalue("postgres_url"))
    yield Journal(engine)
    engine.dispose()


@pytest.fixture
def pen(journal):
    pen = Pen(journal, time.time, patience_s=PATIENCE_S)
    yield pen
    pen.close()


@contextmanager
def locked(journal):
    """Somebody else writes and does not come to an end."""
    with appending(journal.engine):
        yield


def line(n: int, type: EntryType = EntryType.FRAME_SEEN) -> Entry:
    return Entry(at=float(n), type=type, procedure="p1", source="CARM1", times={"written": float(n)}, data={"n": n})


def raised(n: int) -> tuple[Entry, ...]:
    return line(n), replace(line(n, EntryType.ALERT_RAISED), alert=ALERT.id)


def told(journal) -> list[dict]:
    with journal.engine.connect() as connection:
        return [
            row._asdict() for row in connection.exec_driver_sql("SELECT number, type, data FROM entry ORDER BY number")
        ]


def recovered(pen):
    until(lambda: pen.trouble is None, "the journal takes entries again")


def test_what_the_journal_takes_is_numbered_and_not_marked(pen, journal):
    (written,) = pen.append([line(1)])
    assert written.number == 1
    assert pen.trouble is None
    assert "unlogged" not in told(journal)[0]["data"]


def test_judging_goes_on_and_what_waited_is_written_in_order_and_marked(pen, journal):
    pen.append([line(1)])
    with locked(journal):
        answers = [pen.append(raised(2), alerts=[ALERT]), *(pen.append([line(n)]) for n in range(3, 30))]
        assert all(entry.number is None for answer in answers for entry in answer)
        assert pen.trouble is not None
        assert pen.unlogged() == {ALERT.id: ALERT}
    recovered(pen)
    assert pen.unlogged() == {}
    pen.append([line(30)])
    lines = told(journal)
    said = [json.loads(row["data"]) for row in lines]
    assert [each["n"] for each, row in zip(said, lines, strict=True) if row["type"] == "frame_seen"] == [*range(1, 31)]
    assert ["unlogged" in each for each in said] == [False, *[True] * 29, False]
    assert journal.verify() is None


def test_a_line_that_contradicts_itself_is_told_to_whoever_writes_it(pen):
    with pytest.raises(ValueError, match="must be handed over"):
        pen.append([replace(line(1, EntryType.ALERT_RAISED), alert="a1")])
    assert pen.append([line(2)])[0].number == 1


def test_what_is_more_than_can_wait_is_judged_again(pen, journal, monkeypatch):
    monkeypatch.setattr(pens, "MOST_WAITING", 3)
    with locked(journal):
        for n in range(1, 6):
            pen.append([line(n)])
        pen.append(raised(6), alerts=[ALERT])
        assert pen.unlogged() == {ALERT.id: ALERT}, "it is shown all the same"
        assert not pen.must_start_over
    recovered(pen)
    assert pen.must_start_over
    assert len(told(journal)) == 3


def test_an_act_is_heard_once_whoever_wrote_in_between(pen, journal):
    act = replace(line(1, EntryType.NOTE), actor="nurse")
    pen.append([line(1)])
    assert pen.acts_since("p1", 0) == ()
    (first,) = journal.append([act])
    assert [each.number for each in pen.acts_since("p1", 0)] == [first.number]
    pen.append([line(2)])
    (second,) = journal.append([act])
    pen.append([line(3)])
    assert [each.number for each in pen.acts_since("p1", 0)] == [first.number, second.number]
    assert [each.number for each in pen.acts_since("p1", first.number or 0)] == [second.number]
    assert pen.acts_since("p2", 0) == ()


def test_a_case_that_is_new_hears_what_another_of_its_procedure_heard_long_ago(pen, journal):
    (plan,) = journal.append([replace(line(1, EntryType.PLAN_SET), actor="nurse")])
    assert pen.acts_since("p1", plan.number) == ()
    assert [each.number for each in pen.acts_since("p1", 0)] == [plan.number]


def test_an_act_that_comes_while_acts_are_read_is_told_once(pen, journal, monkeypatch):
    assert pen.fresh_acts() == []
    act = replace(line(1, EntryType.NOTE), actor="nurse")
    journal.append([line(1)])
    head, late = journal.head, []

    def overtaken() -> int:
        number = head()
        late.extend(journal.append([act]) if not late else ())
        return number

    monkeypatch.setattr(journal, "head", overtaken)
    assert [each.number for _, each in pen.fresh_acts()] == [late[0].number]
    assert pen.fresh_acts() == []


def test_the_journal_is_not_asked_for_acts_unless_others_wrote(pen, journal, monkeypatch):
    pen.append([line(1)])
    pen.acts_since("p1", 0)
    asked = []
    monkeypatch.setattr(journal, "acts_after", lambda number: asked.append(number) or ())
    for n in range(2, 6):
        pen.append([line(n)])
        pen.acts_since("p1", 0)
    assert asked == []


def test_a_plan_that_we_set_ourselves_is_heard_too(pen):
    pen.acts_since("p1", 0)
    pen.append([replace(line(1, EntryType.PLAN_SET), actor="nurse")])
    assert [each.type for each in pen.acts_since("p1", 0)] == [EntryType.PLAN_SET]


def test_acts_of_all_procedures_are_told_once_and_none_from_before(pen, journal):
    act = replace(line(1, EntryType.NOTE), actor="nurse")
    journal.append([act])
    assert pen.fresh_acts() == []
    pen.append([line(2)])
    (first,) = journal.append([replace(act, procedure="p2")])
    pen.acts_since("p1", 0)
    (second,) = pen.append([replace(line(3, EntryType.PLAN_SET), actor="nurse")])
    assert [(procedure, each.number) for procedure, each in pen.fresh_acts()] == [
        ("p2", first.number),
        ("p1", second.number),
    ]
    assert pen.fresh_acts() == []


def test_a_sign_of_life_that_was_overtaken_is_not_given(pen, journal):
    given = []
    with locked(journal):
        pen.append([line(1)])
        for n in range(5):
            pen.beat(lambda n=n: given.append(n))
    recovered(pen)
    until(lambda: given, "a sign of life is given")
    assert given == [4]


def test_a_journal_that_is_ours_alone_is_written_by_whoever_judges(journal):
    pen = OwnPen(journal, time.time)
    (first,) = pen.append([line(1)])
    (act,) = pen.append([replace(line(2, EntryType.NOTE), cause="said")])
    assert [each["number"] for each in told(journal)] == [first.number, act.number] == [1, 2]
    assert [each.number for each in pen.acts_since("p1", 0)] == [2]
    (later,) = pen.append([replace(line(3, EntryType.NOTE), cause="said again")])
    assert [each.number for each in pen.acts_since("p1", 2)] == [later.number] == [3]
    assert [number for _, number in [(name, act.number) for name, act in pen.fresh_acts()]] == [3]


def test_a_journal_that_is_ours_alone_says_at_once_that_it_takes_nothing(tmp_path, monkeypatch):
    engine = connect(f"sqlite:///{tmp_path}/journal.sqlite")
    pen = OwnPen(Journal(engine), time.time)
    with engine.connect() as connection:
        connection.exec_driver_sql("DROP TABLE chain")
        connection.exec_driver_sql("COMMIT")
    with pytest.raises(StoreUnreachable):
        pen.append([line(1)])
    engine.dispose()
