"""Many records at once: rows of one unit with what they own or belong to, narrowed by conditions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from sqlalchemy import ColumnElement, Engine, FromClause, Select, and_, exists, select

from db.connect import reading
from db.followed import column_of
from db.record import KINDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What a ``kind.field`` must be: one of some words, or a number or date from ``low`` to ``high``, both included.

    A condition on something that the unit owns (``level.lesion`` of patients) asks for at least one such thing.
    """

    field: str
    among: tuple[Any, ...] | None = None
    low: Any = None
    high: Any = None


def line_of(kind: str) -> tuple[str, ...]:
    """The kind and its owners, upwards: level, operation, patient."""
    owner = KINDS[kind].owner
    return (kind, *(line_of(KINDS[kind].points_to[owner]) if owner else ()))


def column(name: str) -> ColumnElement[Any]:
    """The column of ``kind.field``, its ``kind.id``, or what follows from others. KeyError when there is none."""
    kind, _, field = name.partition(".")
    return column_of(kind, field)


def rows(engine: Engine, unit: str, fields: Sequence[str], where: Sequence[Condition] = ()) -> list[tuple[Any, ...]]:
    """Of each thing of kind ``unit`` that meets every condition, the ``fields``; in no order.

    ``fields`` belong to the unit or to its owners. KeyError for a field that is not there.
    """
    query = chosen(unit, fields, where, [column(name) for name in fields])
    with reading(engine) as connection:
        return [tuple(row) for row in connection.execute(query).all()]


def chosen(
    unit: str, fields: Sequence[str], where: Sequence[Condition], told: Sequence[ColumnElement[Any]]
) -> Select[Any]:
    """A query of ``told``, made of ``fields``, for each thing of kind ``unit`` that meets every condition.

    An owner that nothing asks about is left out: nothing that counts belongs to what is withdrawn, `record` sees to
    that. KeyError for a field that is not there.
    """
    line = line_of(unit)
    for name in fields:
        if name.partition(".")[0] not in line:
            raise KeyError(name)
    asked = {name.partition(".")[0] for name in fields} | {_meeting(each, line) for each in where}
    needed = line[: max((line.index(kind) for kind in asked), default=0) + 1]
    query = select(*told).select_from(_joined(needed)).where(*_counted(needed))
    return query.where(*(_met(condition, line) for condition in where))


def _meeting(condition: Condition, line: Sequence[str]) -> str:
    """Where the owners of what is conditioned meet the line of the unit."""
    kind = condition.field.partition(".")[0]
    met = next((each for each in line_of(kind) if each in line), None)
    if met is None:
        raise KeyError(condition.field)
    return met


def _joined(line: Sequence[str]) -> FromClause:
    found: FromClause = KINDS[line[0]].table
    for below, above in pairwise(line):
        found = found.join(KINDS[above].table, _belongs(below))
    return found


def _belongs(kind: str) -> ColumnElement[bool]:
    owner = KINDS[kind].owner
    assert owner is not None  # noqa: S101 - only kinds with an owner stand below another
    return KINDS[kind].table.c[owner] == KINDS[KINDS[kind].points_to[owner]].table.c.id


def _counted(line: Sequence[str]) -> Iterator[ColumnElement[bool]]:
    for kind in line:
        table = KINDS[kind].table.c
        yield table.is_current
        yield ~table.is_withdrawn


def _met(condition: Condition, line: Sequence[str]) -> ColumnElement[bool]:
    kind = condition.field.partition(".")[0]
    is_so = _is_so(condition)
    if kind in line:
        return is_so
    below = [each for each in line_of(kind) if each not in line]
    links = [_belongs(each) for each in below]
    return exists().where(and_(is_so, *links, *_counted(below)))


def _is_so(condition: Condition) -> ColumnElement[bool]:
    asked = column(condition.field)
    parts = []
    if condition.among is not None:
        parts.append(asked.in_(condition.among))
    if condition.low is not None:
        parts.append(asked >= condition.low)
    if condition.high is not None:
        parts.append(asked <= condition.high)
    return and_(True, *parts)
