"""What screens ask again and again is served by an index on both databases: no question looks at every line."""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from dataclasses import replace

import pytest
from sqlalchemy import event, insert, text

from db import arrivals, facts, mirrors, plans, procedures, queries, watched
from db.arrivals import ArrivalRow, Status, note_arrivals
from db.connect import appending, connect
from db.journal import Journal
from db.tables import PROCEDURE, STUDY
from detection.vocabulary import NO_PROCEDURE, Condition, Entry, EntryType, Mode, Signal, View
from tests.db.lines import ALERT, SEEN

LONG = ("entry", "alert", "arrival", "procedure", "study")
"""Tables that grow with every case."""
N_PROCEDURES = 150
"""So many that PostgreSQL does not find it cheaper to go back through all lines until it meets one of a procedure."""
N_FRAMES = 8
PARTIAL = re.compile("ix_[a-z]+_(open|active)$")
"""Indices that hold a few rows of a long table."""


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def engine(request, tmp_path_factory):
    if request.param == "postgresql":
        url = request.getfixturevalue("new_postgres_url")()
    else:
        url = f"sqlite:///{tmp_path_factory.mktemp('plans')}/journal.sqlite"
    engine = connect(url)
    fill(engine)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))
    yield engine
    engine.dispose()


def fill(engine) -> None:
    """Procedures with their frames, arrivals and an alert each, in a few transactions."""
    places = [(k, f"p{k:03d}") for k in range(N_PROCEDURES)]
    with appending(engine) as connection:
        unknown = dict.fromkeys(("closed_at", "replay", "accession_number", "patient_id"))
        row = {"kind": "pvp", "opened_at": 1.0, "mode": "live", "patient": "{}", "levels": "[]", **unknown}
        connection.execute(insert(PROCEDURE), [row | {"id": id, "opened_number": k + 1} for k, id in places])
        connection.execute(
            insert(STUDY),
            [{"study_instance_uid": f"1.2.{k}", "replay": "", "procedure": id, "place": 0} for k, id in places],
        )
    note_arrivals(engine, [arrival(k * N_FRAMES + n, id, f"1.2.{k}.{n}") for k, id in places for n in range(N_FRAMES)])
    lines, alerts = [], []
    for k, id in places:
        line = Entry(at=1.0, type=EntryType.FRAME_SEEN, procedure=id, source="CARM1")
        lines += [replace(line, frame=replace(SEEN, sop_instance_uid=f"1.2.3.{k}", index=n)) for n in range(N_FRAMES)]
        state = {} if k == N_PROCEDURES - 1 else {"condition": Condition.ABSENT, "signal": Signal.OFF}
        alerts.append(replace(ALERT, id=f"a{k}", procedure=id, **state))
        lines.append(replace(line, type=EntryType.ALERT_RAISED, alert=f"a{k}"))
    Journal(engine).append(lines, alerts=alerts)


def arrival(number: int, procedure: str, uid: str) -> ArrivalRow:
    return ArrivalRow(
        number=number,
        source="CARM1",
        sop_instance_uid=uid,
        study_instance_uid="1.2",
        series_instance_uid="1.2.1",
        mode=Mode.LIVE,
        received_at=1.0,
        procedure=procedure,
        status=Status.DONE,
    )


ID = "SELECT id FROM procedure ORDER BY opened_number LIMIT 1 OFFSET 7"
QUESTIONS = {
    "a quiet or fresh poll": lambda engine, _: queries.alerts_after(engine, 5, limit=100),
    "standing alerts": lambda engine, _: queries.alerts_after(engine, active=True, limit=500),
    "alerts of a procedure": lambda engine, id: queries.alerts_after(engine, procedure=id),
    "one alert": lambda engine, _: queries.alert(engine, "a3"),
    "history of an alert": lambda engine, _: queries.history_of(engine, "a3"),
    "how far the journal is": lambda engine, _: (Journal(engine).head(), Journal(engine).alerts_head()),
    "acts of a procedure": lambda engine, id: Journal(engine).acts_since(id, 40),
    "entries for the live stream": lambda engine, _: queries.entries_after(engine, 1000),
    "entries of one procedure": lambda engine, id: queries.entries_after(engine, 0, procedure=id),
    "first page": lambda engine, _: queries.procedures(engine, limit=50),
    "next page": lambda engine, _: queries.procedures(engine, after=600, limit=50),
    "open procedures": lambda engine, _: queries.procedures(engine, is_open=True),
    "procedures of a study": lambda engine, _: queries.procedures(engine, study="1.2.3"),
    "one procedure": procedures.procedure,
    "timeline": lambda engine, id: queries.log_of(engine, id, types=(EntryType.ALERT_RAISED, EntryType.NOTE)),
    "log": queries.log_of,
    "audit": lambda engine, _: queries.log_of(engine, NO_PROCEDURE),
    "who looked at a procedure": lambda engine, id: queries.audit_about(engine, id, 40),
    "curve": queries.measurements_of,
    "latest frame": queries.latest_frame,
    "one frame": lambda engine, _: queries.frame_entry(engine, "1.2.3.4", 7),
    "counts": queries.counts_of,
    "latencies": queries.latencies_of,
    "last entry": queries.last_at,
    "plan": lambda engine, id: (plans.plan_of(engine, id), plans.plan_entry(engine, id, View.LATERAL)),
    "open arrivals": lambda engine, _: (arrivals.open_arrivals(engine), arrivals.newest_arrival(engine)),
    "one arrival": lambda engine, _: (arrivals.find_arrival(engine, 3), arrivals.arrival_of(engine, "1.2.3")),
    "arrivals of a procedure": lambda engine, id: arrivals.arrivals_of(engine, id, 0, 100),
    "what may leave the spool": lambda engine, _: facts.facts_of(engine, [1, 2, 3]),
    "leaks of an operation": lambda engine, id: (watched.acts_of(engine, id), watched.leak_alerts_of(engine, [id])),
    "what a second channel is to hear": lambda engine, _: mirrors.transitions_after(engine, 1000),
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_no_question_of_a_screen_looks_at_every_line(engine, question):
    with engine.connect() as connection:
        id = connection.execute(text(ID)).scalar()
    with noted(engine) as asked:
        QUESTIONS[question](engine, id)
    assert asked
    assert [(scan, statement) for statement, values in asked for scan in scans(engine, statement, values)] == []


def test_a_scan_would_be_noticed(engine):
    with noted(engine) as asked, engine.connect() as connection:
        connection.execute(text("SELECT count(*) FROM entry WHERE cause = 'x'"))
        connection.execute(text("SELECT * FROM arrival WHERE source = 'x'"))
    assert [scan for statement, values in asked for scan in scans(engine, statement, values)] == ["entry", "arrival"]


@contextmanager
def noted(engine):
    """Every SELECT that is sent meanwhile, with its values."""
    asked: list[tuple] = []

    def note(_connection, _cursor, statement, values, _context, _many):
        if statement.startswith("SELECT"):
            asked.append((statement, values))

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        event.remove(engine, "before_cursor_execute", note)


def scans(engine, statement: str, values) -> list[str]:
    """The long tables that this statement would read from end to end."""
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
            told = [row.detail for row in rows if not PARTIAL.search(row.detail)]
            found = [re.match(r"SCAN (\w+)", detail) for detail in told]
            return [hit[1] for hit in found if hit and hit[1] in LONG]
        # only where no index can serve does the planner scan at such a price
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        (plan,) = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", values).scalars()
        return list(scanned((json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]))


def scanned(node, *, is_first=False):
    """The long tables that a plan of PostgreSQL reads whole: in file order, or along an index without a condition."""
    along = node["Node Type"] in {"Index Scan", "Index Only Scan"} and "Index Cond" not in node
    is_whole = node["Node Type"] == "Seq Scan" or (along and not (is_first and "Filter" not in node))
    if is_whole and not PARTIAL.search(node.get("Index Name", "")) and node["Relation Name"] in LONG:
        yield node["Relation Name"]
    for child in node.get("Plans", ()):
        yield from scanned(child, is_first=node["Node Type"] == "Limit")
