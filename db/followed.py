"""Columns that no table has: answers by item, and what follows from the things that something owns.

``level.sins_pain`` is one answer of ``level.sins``, as it would be written; ``operation.n_levels`` and
``operation.cement_ml`` tell of its vertebrae; ``follow_up.is_last`` is true of the latest visit after the operation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import JSON, Boolean, ColumnElement, Text, and_, case, cast, exists, func, select, tuple_

from db.record import KINDS

TIMES = ("before", "h24", "d3", "d7", "m1", "m3", "m6", "m12", "later")
"""The time points of visits, in their order."""


def column_of(kind: str, field: str) -> ColumnElement[Any]:
    """The column of a kind's table, or what follows from others. KeyError when there is none."""
    table = KINDS[kind].table.c
    if field in table:
        return table[field]
    made = FOLLOWED.get(f"{kind}.{field}")
    if made is not None:
        return made()
    answers, _, item = field.partition("_")
    if not item or answers not in table or not isinstance(table[answers].type, JSON):
        raise KeyError(field)
    return cast(table[answers][item].as_string(), Text)


def _n_levels() -> ColumnElement[Any]:
    return _of_levels(lambda level: func.count(level.c.id))


def _cement_ml() -> ColumnElement[Any]:
    """Cement of all vertebrae; null unless it is known of each."""
    return _of_levels(
        lambda level: case((func.count(level.c.id) == func.count(level.c.volume_ml), func.sum(level.c.volume_ml)))
    )


def _of_levels(told: Callable[[Any], ColumnElement[Any]]) -> ColumnElement[Any]:
    operation, level = KINDS["operation"].table, KINDS["level"].table.alias()
    theirs = (level.c.operation == operation.c.id) & level.c.is_current & ~level.c.is_withdrawn
    return select(told(level)).where(theirs).correlate(operation).scalar_subquery()


def _is_last() -> ColumnElement[Any]:
    visit, other = KINDS["follow_up"].table, KINDS["follow_up"].table.alias()
    theirs = (other.c.operation == visit.c.operation) & other.c.is_current & ~other.c.is_withdrawn
    is_later = exists().where(and_(theirs, _place(other) > _place(visit))).correlate(visit)
    return case((and_(visit.c.time_point != TIMES[0], ~is_later), True), else_=False).cast(Boolean)


def _place(visit: Any) -> Any:
    """Where a visit stands in its course."""
    place = case({time: n for n, time in enumerate(TIMES)}, value=visit.c.time_point, else_=-1)
    written = (func.coalesce(visit.c.months, 0), func.coalesce(visit.c.seen_on, ""), visit.c.number)
    return tuple_(place, *written)


FOLLOWED: Mapping[str, Callable[[], ColumnElement[Any]]] = {
    "operation.n_levels": _n_levels,
    "operation.cement_ml": _cement_ml,
    "follow_up.is_last": _is_last,
}
