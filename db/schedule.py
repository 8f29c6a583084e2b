"""Procedure steps that devices perform, and those that the worklist announces."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, select, update

from db.connect import insert_new, reading, rows_of, writing
from db.convert import json_text
from db.forward_tables import SCHEDULED, STEP
from db.tables import ALERT, ENTRY, PROCEDURE

IN_PROGRESS = "IN PROGRESS"


@dataclass(frozen=True, slots=True, kw_only=True)
class Performed:
    """One step as its device tells it."""

    step: str
    procedure: str
    source: str
    status: str
    began_at: float
    ended_at: float | None
    is_settled: bool


def begin_step(engine: Engine, step: str, procedure: str, source: str, *, at: float) -> bool:
    """A device has begun a step; False when that is known."""
    row = {"step": step, "procedure": procedure, "source": source, "status": IN_PROGRESS, "began_at": at}
    with writing(engine) as connection:
        known = connection.execute(select(STEP.c.step).where(STEP.c.step == step)).scalar()
        insert_new(connection, STEP, [row | {"ended_at": None, "is_settled": False}])
    return known is None


def set_step(engine: Engine, step: str, status: str, *, at: float) -> Performed | None:
    """A device has set the status of a step; the step before that, None when it is not known or has ended."""
    with writing(engine) as connection:
        rows = rows_of(connection, select(STEP).where(STEP.c.step == step, STEP.c.status == IN_PROGRESS))
        if not rows:
            return None
        ended_at = None if status == IN_PROGRESS else at
        connection.execute(update(STEP).where(STEP.c.step == step).values(status=status, ended_at=ended_at))
    return Performed(**rows[0])


def steps_of(engine: Engine, procedure: str) -> list[Performed]:
    """The steps of a procedure in the order they began."""
    query = select(STEP).where(STEP.c.procedure == procedure).order_by(STEP.c.began_at, STEP.c.step)
    with reading(engine) as connection:
        return [Performed(**row) for row in rows_of(connection, query)]


def to_be_closed(engine: Engine, *, before: float) -> list[str]:
    """Open procedures whose steps have all ended, that nothing was written of since ``before``, and no alert of which sounds."""
    steps = select(STEP.c.procedure).where(STEP.c.is_settled.is_(False), STEP.c.ended_at <= before)
    going_on = select(STEP.c.procedure).where(STEP.c.status == IN_PROGRESS)
    sounding = select(ALERT.c.procedure).where(ALERT.c.is_active)
    fresh = select(ENTRY.c.procedure).where(ENTRY.c.procedure == PROCEDURE.c.id, ENTRY.c.at > before)
    query = select(PROCEDURE.c.id).where(
        PROCEDURE.c.closed_at.is_(None),
        PROCEDURE.c.id.in_(steps),
        PROCEDURE.c.id.not_in(going_on),
        PROCEDURE.c.id.not_in(sounding),
        ~fresh.exists(),
    )
    with reading(engine) as connection:
        return list(connection.execute(query.order_by(PROCEDURE.c.id)).scalars())


def settle_steps(engine: Engine, procedure: str) -> None:
    """The ended steps of a procedure have closed it; a late image may open it again."""
    done = (STEP.c.procedure == procedure) & STEP.c.ended_at.is_not(None)
    with writing(engine) as connection:
        connection.execute(update(STEP).where(done).values(is_settled=True))


def note_scheduled(engine: Engine, procedure: str, told: Mapping[str, Any], *, starts_at: float | None) -> None:
    """What the worklist says of a procedure; the first word stays."""
    row = {"procedure": procedure, "starts_at": starts_at, "told": json_text(dict(told)), "is_settled": False}
    with writing(engine) as connection:
        insert_new(connection, SCHEDULED, [row])


def scheduled_of(engine: Engine, procedure: str) -> dict[str, Any] | None:
    """What the worklist said of a procedure; None when it was not opened from it."""
    with reading(engine) as connection:
        told = connection.execute(select(SCHEDULED.c.told).where(SCHEDULED.c.procedure == procedure)).scalar()
    return None if told is None else dict(json.loads(told))


def never_begun(engine: Engine, *, before: float) -> list[str]:
    """Open procedures of the worklist that were to start before this time, and that no frame, step or person has touched."""
    touched = select(ENTRY.c.procedure).where(ENTRY.c.procedure == PROCEDURE.c.id, ENTRY.c.type != "procedure_opened")
    due = select(SCHEDULED.c.procedure).where(SCHEDULED.c.starts_at < before)
    query = select(PROCEDURE.c.id).where(PROCEDURE.c.closed_at.is_(None), PROCEDURE.c.id.in_(due), ~touched.exists())
    with reading(engine) as connection:
        return list(connection.execute(query.order_by(PROCEDURE.c.id)).scalars())
