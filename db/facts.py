"""What the journal knows about an object of the spool, as far as it decides whether the object may go."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, select

from db.arrivals import Status
from db.connect import reading, rows_of
from db.convert import alert_from
from db.tables import ALERT, ARRIVAL, PROCEDURE, STUDY
from detection.vocabulary import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One arrival. ``closed_at`` is that of its procedure, None while it is open or when there is none.

    ``n_unacknowledged`` counts alerts of the procedure that sound, and those about cement that nobody has acknowledged.
    """

    number: int
    status: Status
    n_frames: int | None
    n_judged: int
    procedure: str | None
    closed_at: float | None
    n_unacknowledged: int


def facts_of(engine: Engine, numbers: Iterable[int]) -> dict[int, Fact]:
    """By number; an arrival that the journal does not know is left out."""
    with reading(engine) as connection:
        rows = rows_of(connection, select(ARRIVAL).where(ARRIVAL.c.number.in_(list(numbers))))
        owners = {row["number"]: row["procedure"] or _owner(connection, row) for row in rows}
        closed: dict[str, float | None] = {}
        loud: dict[str, int] = {}
        for each in {owner for owner in owners.values() if owner is not None}:
            closed[each] = connection.execute(select(PROCEDURE.c.closed_at).where(PROCEDURE.c.id == each)).scalar()
            loud[each] = _n_unacknowledged(connection, each)
    return {
        row["number"]: Fact(
            number=row["number"],
            status=Status(row["status"]),
            n_frames=row["n_frames"],
            n_judged=row["n_judged"],
            procedure=owners[row["number"]],
            closed_at=closed.get(owners[row["number"]] or ""),
            n_unacknowledged=loud.get(owners[row["number"]] or "", 0),
        )
        for row in rows
    }


def _owner(connection: Connection, row: dict[str, object]) -> str | None:
    """The procedure of an object without frames: that of its study."""
    query = select(STUDY.c.procedure).where(
        STUDY.c.study_instance_uid == row["study_instance_uid"], STUDY.c.replay == (row["replay"] or "")
    )
    found = connection.execute(query).scalar()
    return None if found is None else str(found)


def _n_unacknowledged(connection: Connection, procedure: str) -> int:
    query = select(ALERT.c.is_active, ALERT.c.acknowledged_at, ALERT.c.snapshot).where(ALERT.c.procedure == procedure)
    return sum(
        row["is_active"]
        or (row["acknowledged_at"] is None and alert_from(json.loads(row["snapshot"])).kind is not Kind.TECHNICAL)
        for row in rows_of(connection, query)
    )
