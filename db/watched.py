"""What the journal holds of procedures that were watched live, as the clinical record needs it."""

from __future__ import annotations

import json
from collections.abc import Iterable

from sqlalchemy import Engine, func, select

from db.connect import reading, rows_of
from db.convert import alert_from, entry_from_row
from db.queries import Listed
from db.tables import ALERT, ENTRY
from detection.vocabulary import ACTS, Entry, EntryType, Kind

_AT_ONCE = 500


def acts_of(engine: Engine, procedure: str) -> list[Entry]:
    """Everything that operators did in a procedure, oldest first."""
    query = select(ENTRY).where(ENTRY.c.procedure == procedure, ENTRY.c.type.in_(sorted(map(str, ACTS))))
    with reading(engine) as connection:
        return [entry_from_row(row) for row in rows_of(connection, query.order_by(ENTRY.c.number))]


def frame_times_of(engine: Engine, procedure: str) -> list[float]:
    """When each judged frame of a procedure was made, or received where the device told no time; in order."""
    at = func.coalesce(ENTRY.c.acquired_at, ENTRY.c.received_at)
    query = select(at).where(ENTRY.c.procedure == procedure, ENTRY.c.type == str(EntryType.FRAME_SEEN))
    with reading(engine) as connection:
        return sorted(connection.execute(query.where(at.is_not(None))).scalars())


def leak_alerts_of(engine: Engine, procedures: Iterable[str]) -> list[Listed]:
    """The alerts of kind leak of these procedures, by procedure and number."""
    wanted = sorted(set(procedures))
    found: list[Listed] = []
    with reading(engine) as connection:
        for start in range(0, len(wanted), _AT_ONCE):
            some = ALERT.c.procedure.in_(wanted[start : start + _AT_ONCE])
            query = select(ALERT).where(some).order_by(ALERT.c.procedure, ALERT.c.number)
            for row in rows_of(connection, query):
                alert = alert_from(json.loads(row["snapshot"]))
                if alert.kind is Kind.LEAK:
                    found.append(Listed(row["number"], alert, row["acknowledged_at"]))
    return found
