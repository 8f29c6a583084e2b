"""The dose of a procedure, as the reports of its studies tell it."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from sqlalchemy import Engine, select

from db.connect import reading, rows_of, upsert, writing
from db.forward_tables import DOSE
from db.procedures import Procedure


@dataclass(frozen=True, slots=True, kw_only=True)
class Dose:
    """The totals of one report; None is not told. A later report about the same ``scope_uid`` replaces it."""

    study_instance_uid: str
    scope_uid: str
    arrival: int
    air_kerma_mgy: float | None
    dose_area_product_gy_cm2: float | None
    fluoroscopy_s: float | None
    n_events: int
    n_planes: int
    replay: str = ""


def note_dose(engine: Engine, dose: Dose) -> None:
    """Keep what a report tells, unless a later one about the same scope has come."""
    query = select(DOSE.c.arrival).where(
        DOSE.c.study_instance_uid == dose.study_instance_uid,
        DOSE.c.replay == dose.replay,
        DOSE.c.scope_uid == dose.scope_uid,
    )
    with writing(engine) as connection:
        known = connection.execute(query).scalar()
        if known is None or known <= dose.arrival:
            upsert(connection, DOSE, [asdict(dose)])


def doses_of(engine: Engine, procedure: Procedure) -> list[Dose]:
    """What the reports of a procedure's studies tell."""
    query = select(DOSE).where(
        DOSE.c.study_instance_uid.in_(procedure.study_instance_uids), DOSE.c.replay == (procedure.replay or "")
    )
    with reading(engine) as connection:
        return [Dose(**row) for row in rows_of(connection, query.order_by(DOSE.c.arrival))]
