"""What the journal knows of the spool: which arrivals there are and how far each has been judged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from functools import cache
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Engine, Update, bindparam, func, select, text, update

from db.connect import insert_new, reading, row_of, rows_of, writing
from db.tables import ARRIVAL
from detection.vocabulary import Mode


class Status(StrEnum):
    """How far an arrival is: waiting or being judged, judged, given up, or kept without being judged.

    A run that was judged while it arrived ends as incomplete, or as grown: another row has taken over its frames.
    """

    OPEN = "open"
    DONE = "done"
    FAILED = "failed"
    KEPT = "kept"
    INCOMPLETE = "incomplete"
    GROWN = "grown"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrivalRow:
    """One arrival as the journal remembers it; ``number`` is the spool's. ``n_frames`` is None until it is known.

    A negative number is that of a run which is not whole (yet).
    """

    number: int
    source: str
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    mode: Mode
    received_at: float
    procedure: str | None = None
    replay: str | None = None
    n_frames: int | None = None
    n_judged: int = 0
    n_skipped: int = 0
    attempts: int = 0
    status: Status = Status.OPEN


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far one arrival has been judged: frames so far, not frames since; None leaves a field as it is."""

    arrival: int
    n_judged: int
    status: Status = Status.OPEN
    n_skipped: int | None = None
    n_frames: int | None = None
    procedure: str | None = None


def note_arrivals(engine: Engine, rows: Sequence[ArrivalRow]) -> None:
    """Remember ``rows``; those already known stay as they are."""
    if rows:
        with writing(engine) as connection:
            insert_new(connection, ARRIVAL, [_row_of(row) for row in rows])


def note_successor(engine: Engine, row: ArrivalRow, number: int) -> None:
    """Remember ``row``, which takes over the frames that were judged of ``number``."""
    with writing(engine) as connection:
        insert_new(connection, ARRIVAL, [_row_of(row)])
        grown = update(ARRIVAL).where(ARRIVAL.c.number == number).values(status=str(Status.GROWN))
        connection.execute(grown)


def incomplete_of(engine: Engine, sop_instance_uid: str, replay: str | None) -> ArrivalRow | None:
    """The last transfer of this object that ended before it was whole, and that no other row has taken over."""
    query = select(ARRIVAL).where(
        ARRIVAL.c.sop_instance_uid == sop_instance_uid,
        ARRIVAL.c.replay.is_not_distinct_from(replay),
        ARRIVAL.c.status == str(Status.INCOMPLETE),
    )
    with reading(engine) as connection:
        row = row_of(connection, query.order_by(ARRIVAL.c.number))
    return None if row is None else _from_row(row)


def heirs_of(engine: Engine, number: int) -> tuple[int, ...]:
    """The arrivals of the object that the run ``number`` was a transfer of, newest first."""
    run = find_arrival(engine, number)
    if run is None:
        return ()
    query = select(ARRIVAL.c.number).where(
        ARRIVAL.c.sop_instance_uid == run.sop_instance_uid,
        ARRIVAL.c.replay.is_not_distinct_from(run.replay),
        ARRIVAL.c.number > 0,
    )
    with reading(engine) as connection:
        return tuple(connection.execute(query.order_by(ARRIVAL.c.number.desc())).scalars())


def note_progress(connection: Connection, progress: Iterable[Progress]) -> None:
    """Part of ``Journal.append``: progress and the lines it rests on are written together or not at all."""
    for names, some in groupby(map(_values_of, progress), key=frozenset):
        connection.execute(_changing(names), list(some))


def _values_of(progress: Progress) -> dict[str, Any]:
    """The new values of an arrival's row, as the statement names them; those that stay are left out."""
    names = ("n_judged", "n_skipped", "n_frames", "procedure")
    told = {f"new_{name}": value for name in names if (value := getattr(progress, name)) is not None}
    return {"of": progress.arrival, **told, "new_status": str(progress.status), "new_attempts": 0}


@cache
def _changing(names: frozenset[str]) -> Update:
    """The statement with these parameters: asked for with every frame, and always the same few."""
    values: dict[str, Any] = {name.removeprefix("new_"): bindparam(name) for name in sorted(names - {"of"})}
    return update(ARRIVAL).where(ARRIVAL.c.number == bindparam("of")).values(values)


def open_arrivals(engine: Engine) -> tuple[int, ...]:
    """The numbers of arrivals that are not finished, ascending: runs that are not whole, then the others."""
    # word by word as in the partial index: with a bound value SQLite would look at every arrival
    query = select(ARRIVAL.c.number).where(text("status = 'open'")).order_by(ARRIVAL.c.number)
    with reading(engine) as connection:
        return tuple(connection.execute(query).scalars())


def newest_arrival(engine: Engine) -> int:
    """The highest arrival number known; 0 when there is none. ``watch`` resumes after it."""
    with reading(engine) as connection:
        return max(connection.execute(select(func.max(ARRIVAL.c.number))).scalar() or 0, 0)


def count_attempt(engine: Engine, number: int) -> int:
    """Count one more attempt at arrival ``number`` before it is made; how many there were with this one.

    An object that kills ``watch`` is found out by its attempts after the restart. 0 when the arrival is unknown.
    """
    more = update(ARRIVAL).where(ARRIVAL.c.number == number).values(attempts=ARRIVAL.c.attempts + 1)
    with writing(engine) as connection:
        return connection.execute(more.returning(ARRIVAL.c.attempts)).scalar() or 0


def find_arrival(engine: Engine, number: int) -> ArrivalRow | None:
    """The arrival with this spool number."""
    with reading(engine) as connection:
        row = row_of(connection, select(ARRIVAL).where(ARRIVAL.c.number == number))
    return None if row is None else _from_row(row)


def arrival_of(engine: Engine, sop_instance_uid: str, replay: str | None = None) -> ArrivalRow | None:
    """The newest arrival of this object, as sent by a device (``replay`` None) or by that replay."""
    query = (
        select(ARRIVAL)
        .where(ARRIVAL.c.sop_instance_uid == sop_instance_uid, ARRIVAL.c.replay.is_not_distinct_from(replay))
        .order_by(ARRIVAL.c.number.desc())
    )
    with reading(engine) as connection:
        row = row_of(connection, query)
    return None if row is None else _from_row(row)


def arrivals_of(engine: Engine, procedure: str, after: int, limit: int) -> list[ArrivalRow]:
    """Arrivals of ``procedure`` with numbers above ``after``, ascending."""
    query = select(ARRIVAL).where(ARRIVAL.c.procedure == procedure, ARRIVAL.c.number > after)
    with reading(engine) as connection:
        return [_from_row(row) for row in rows_of(connection, query.order_by(ARRIVAL.c.number).limit(limit))]


def sources_of(engine: Engine, procedure: str) -> tuple[str, ...]:
    """Who has sent images of ``procedure``, by name."""
    query = select(ARRIVAL.c.source).where(ARRIVAL.c.procedure == procedure).distinct()
    with reading(engine) as connection:
        return tuple(sorted(source for (source,) in connection.execute(query)))


def counts_by_source(engine: Engine) -> dict[str, tuple[int, int]]:
    """Frames received and frames judged so far, for each source that ever sent an image."""
    query = (
        select(ARRIVAL.c.source, func.sum(ARRIVAL.c.n_frames), func.sum(ARRIVAL.c.n_judged))
        .where(ARRIVAL.c.status.not_in([str(Status.KEPT), str(Status.GROWN)]))
        .group_by(ARRIVAL.c.source)
    )
    with reading(engine) as connection:
        return {source: (received or 0, judged or 0) for source, received, judged in connection.execute(query)}


def _row_of(row: ArrivalRow) -> dict[str, Any]:
    told = {each.name: getattr(row, each.name) for each in fields(row)}
    return {**told, "mode": str(row.mode), "status": str(row.status)}


def _from_row(row: Mapping[str, Any]) -> ArrivalRow:
    return ArrivalRow(**{**row, "mode": Mode(row["mode"]), "status": Status(row["status"])})
