"""How far each second channel has been told of alerts; a channel begins at the journal's end and never skips."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from sqlalchemy import Engine, select

from db.connect import insert_new, reading, row_of, rows_of, upsert, writing
from db.convert import entry_from_row
from db.journal import TRANSITIONS
from db.tables import CHAIN, ENTRY, MIRROR
from detection.vocabulary import Entry

_LINES_AT_ONCE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One channel: everything up to entry ``number`` was taken; since when it fails, and why."""

    name: str
    number: int
    told_at: float | None = None
    failing_since: float | None = None
    reason: str | None = None


def standing_of(engine: Engine, name: str) -> Standing:
    """How far a channel is; a new one, or one of another journal, begins at the journal's end."""
    with writing(engine) as connection:
        head = connection.execute(select(CHAIN.c.number)).scalar() or 0
        insert_new(connection, MIRROR, [asdict(Standing(name=name, number=head))])
        row = row_of(connection, select(MIRROR).where(MIRROR.c.name == name))
        known = Standing(**(row or asdict(Standing(name=name, number=head))))
        if known.number > head:
            known = Standing(name=name, number=head)
            upsert(connection, MIRROR, [asdict(known)])
    return known


def keep_standing(engine: Engine, standing: Standing) -> None:
    """Remember how far a channel is."""
    with writing(engine) as connection:
        upsert(connection, MIRROR, [asdict(standing)])


def standings(engine: Engine) -> list[Standing]:
    """Every channel that was ever told, by name."""
    with reading(engine) as connection:
        return [Standing(**row) for row in rows_of(connection, select(MIRROR).order_by(MIRROR.c.name))]


def transitions_after(engine: Engine, number: int) -> tuple[list[Entry], int]:
    """Some of the lines after ``number`` that changed an alert, in order, and how far was looked."""
    query = select(ENTRY).where(ENTRY.c.number > number).order_by(ENTRY.c.number).limit(_LINES_AT_ONCE)
    wanted = {str(type) for type in TRANSITIONS}
    with reading(engine) as connection:
        rows = rows_of(connection, query)
    return [entry_from_row(row) for row in rows if row["type"] in wanted], rows[-1]["number"] if rows else number
