"""The plan of a procedure: landmarks per view, each set by one line of the journal; the last one counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Engine, select

from db.connect import appending, reading, rows_of
from db.convert import entry_from_row
from db.journal import append_in
from db.landmarks import landmarks_from
from db.tables import ENTRY, PROCEDURE
from detection.vocabulary import Entry, EntryType, Plan, View


def put_plan(
    engine: Engine, procedure: str, view: View, landmarks: Mapping[str, Any], *, at: float, actor: str | None
) -> Entry:
    """Set the landmarks of one view, in the JSON shape of the HTTP contract.

    ValueError names a field that is wrong; KeyError for an unknown procedure.
    """
    told = {**landmarks, "view": str(view), "origin": "operator", "trust": 1.0}
    landmarks_from(told)
    line = Entry(at=at, type=EntryType.PLAN_SET, procedure=procedure, actor=actor, data=told)
    with appending(engine) as connection:
        if connection.execute(select(PROCEDURE.c.id).where(PROCEDURE.c.id == procedure)).first() is None:
            raise KeyError(procedure)
        return append_in(connection, [line])[0]


def plan_of(engine: Engine, procedure: str) -> Plan:
    """What was last agreed for each view; an empty plan when nothing was."""
    with reading(engine) as connection:
        lines = _plan_lines(connection, procedure)
    landmarks = {View(line.data["view"]): landmarks_from(line.data) for line in lines}
    levels = [line.data["level"] for line in lines if line.data.get("level")]
    return Plan(level=levels[-1] if levels else None, landmarks=landmarks)


def plan_entry(engine: Engine, procedure: str, view: View) -> Entry | None:
    """The line that last set the landmarks of ``view``; its ``data`` is what the operator gave."""
    with reading(engine) as connection:
        lines = _plan_lines(connection, procedure)
    return next((line for line in reversed(lines) if line.data["view"] == view), None)


def _plan_lines(connection: Connection, procedure: str) -> list[Entry]:
    """The PLAN_SET lines of a procedure, oldest first; people set few."""
    query = (
        select(ENTRY)
        .where(ENTRY.c.procedure == procedure, ENTRY.c.type == str(EntryType.PLAN_SET))
        .order_by(ENTRY.c.number)
    )
    return [entry_from_row(row) for row in rows_of(connection, query)]
