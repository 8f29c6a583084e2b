"""The clinical record: written in versions, each with its line in the journal; superseded, never deleted.

::

    RecordRefused        nothing was written
    |- Outdated          somebody else changed it meanwhile: look at the difference, then try again
    |- Taken             an id or pseudonym that is in use
    |- NoOwner           what it belongs to is not there, or is withdrawn
    `- StillOwns         it cannot be withdrawn while other things belong to it

The journal's line names the thing, its version and the fields that changed, never their values: the chain can not be
shortened, and what is told of a patient must be erasable.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import sqlalchemy
from sqlalchemy import Connection, Engine, func, insert, select, update

from db import record_tables as tables
from db.connect import Source, appending, reading, row_of, rows_of
from db.convert import json_text
from db.journal import append_in
from db.tables import Table
from detection.vocabulary import NO_PROCEDURE, Entry, EntryType

UNWATCHED = NO_PROCEDURE
"""Stands in the journal for the procedure where nothing was watched live."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of thing in the record, and the kinds that its fields point to; the first is its owner."""

    name: str
    table: sqlalchemy.Table
    points_to: Mapping[str, str]

    @property
    def owner(self) -> str | None:
        """The field that names the owner."""
        return next(iter(self.points_to), None)

    @property
    def fields(self) -> tuple[str, ...]:
        """The columns that hold content."""
        return tuple(column.name for column in self.table.columns if column.name not in VERSION_FIELDS)


VERSION_FIELDS = ("id", "version", "number", "is_current", "is_withdrawn", "recorded_at", "recorded_by", "reason")


def _kind(name: str, rows: type[Table], **points_to: str) -> Kind:
    return Kind(name=name, table=cast("sqlalchemy.Table", rows.__table__), points_to=points_to)


KINDS: Mapping[str, Kind] = {
    each.name: each
    for each in (
        _kind("patient", tables.PatientTable),
        _kind("operation", tables.OperationTable, patient="patient"),
        _kind("step", tables.StepTable, operation="operation"),
        _kind("level", tables.LevelTable, operation="operation"),
        _kind("needle", tables.NeedleTable, level="level"),
        _kind("aliquot", tables.AliquotTable, level="level", needle="needle"),
        _kind("leak", tables.LeakTable, level="level"),
        _kind("complication", tables.ComplicationTable, operation="operation"),
        _kind("follow_up", tables.FollowUpTable, operation="operation"),
    )
}
"""In such an order that owners come before what they own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version of one thing. ``number`` is the journal's line that tells of it."""

    kind: str
    id: str
    version: int
    number: int
    is_withdrawn: bool
    recorded_at: float
    recorded_by: str | None
    reason: str | None
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What is to be written. ``base`` is the version that the writer has seen; None for a new thing.

    ``fields`` are all fields of the thing, not only those that change; ``id`` is made where none is given.
    """

    kind: str
    fields: Mapping[str, Any]
    id: str | None = None
    base: int | None = None
    is_withdrawn: bool = False
    reason: str | None = None


class RecordRefused(Exception):
    """Nothing was written."""


@dataclass
class Outdated(RecordRefused):
    """The thing of ``draft`` has a newer version than the writer has seen."""

    draft: Draft
    seen: Version | None
    current: Version


@dataclass
class Taken(RecordRefused):
    """This value of ``field`` is in use."""

    field: str


@dataclass
class NoOwner(RecordRefused):
    """``field`` points to nothing that is there."""

    field: str


@dataclass
class StillOwns(RecordRefused):
    """``kind`` still belongs to it, ``n`` of them."""

    kind: str
    n: int


def write(engine: Engine, drafts: Sequence[Draft], *, at: float, actor: str | None) -> tuple[Version, ...]:
    """Write ``drafts`` in order: all or nothing. A draft that changes nothing gives back the version that is there.

    Raises RecordRefused, KeyError for an id that is not there.
    """
    with appending(engine) as connection:
        desk = _Desk(connection=connection, at=at, actor=actor)
        return tuple([desk.write(draft) for draft in drafts])


def find(engine: Engine, kind: str, id: str, version: int | None = None) -> Version | None:
    """The current version, withdrawn or not; or the one asked for."""
    with reading(engine) as connection:
        return _find(connection, KINDS[kind], id, version)


def history(engine: Engine, kind: str, id: str) -> list[Version]:
    """Every version, oldest first."""
    table = KINDS[kind].table
    with reading(engine) as connection:
        rows = rows_of(connection, select(table).where(table.c.id == id).order_by(table.c.version))
    return [_version(kind, row) for row in rows]


def listing(
    source: Source,
    kind: str,
    *,
    after: int = 0,
    limit: int | None = None,
    is_newest_first: bool = False,
    **among: Collection[str] | None,
) -> list[Version]:
    """Current versions that are not withdrawn, by the line that last changed them; ``among`` narrows single fields.

    With ``is_newest_first`` those changed before line ``after`` (0: all), backwards.
    """
    table = KINDS[kind].table
    query = select(table).where(table.c.is_current, ~table.c.is_withdrawn)
    if not is_newest_first:
        query = query.where(table.c.number > after)
    elif after:
        query = query.where(table.c.number < after)
    for name, values in among.items():
        if values is not None:
            query = query.where(table.c[name].in_(list(values)))
    query = query.order_by(table.c.number.desc() if is_newest_first else table.c.number)
    with reading(source) as connection:
        rows = rows_of(connection, query if limit is None else query.limit(limit))
    return [_version(kind, row) for row in rows]


def changed_fields(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of fields that differ, in order of name."""
    names = sorted({*before, *after})
    return tuple(name for name in names if json_text(before.get(name)) != json_text(after.get(name)))


@dataclass(slots=True, kw_only=True)
class _Desk:
    """One transaction of writing."""

    connection: Connection
    at: float
    actor: str | None
    procedures: dict[tuple[str, str], str] = field(default_factory=dict)

    def write(self, draft: Draft) -> Version:
        kind = KINDS[draft.kind]
        id = draft.id or str(uuid.uuid4())
        fields = {name: draft.fields.get(name) for name in kind.fields}
        before = self._before(kind, id, draft)
        if before is not None and not draft.is_withdrawn and not before.is_withdrawn:
            if not changed_fields(before.fields, fields):
                return before
        elif draft.is_withdrawn:
            self._refuse_to_orphan(kind, id)
        if not draft.is_withdrawn:
            self._check_pointers(kind, fields)
            self._check_pseudonym(kind, id, fields)
        changed = changed_fields(before.fields if before else {}, fields)
        line = self._line(kind, id, fields, draft, (before.version if before else 0) + 1, changed)
        (entry,) = append_in(self.connection, [line])
        row: dict[str, Any] = {
            "id": id,
            "version": line.data["version"],
            "number": entry.number,
            "is_current": True,
            "is_withdrawn": draft.is_withdrawn,
            "recorded_at": float(self.at),
            "recorded_by": self.actor,
            "reason": draft.reason,
        }
        table = kind.table
        superseded = update(table).where(table.c.id == id, table.c.is_current).values(is_current=False)
        self.connection.execute(superseded)
        self.connection.execute(insert(table), [row | fields])
        return _version(kind.name, row | fields)

    def _before(self, kind: Kind, id: str, draft: Draft) -> Version | None:
        before = _find(self.connection, kind, id)
        if draft.base is None:
            if before is not None:
                raise Taken("id")
            return None
        if before is None:
            raise KeyError(id)
        if before.version != draft.base:
            raise Outdated(draft=draft, seen=_find(self.connection, kind, id, draft.base), current=before)
        return before

    def _refuse_to_orphan(self, kind: Kind, id: str) -> None:
        for other in KINDS.values():
            for name, target in other.points_to.items():
                if target == kind.name:
                    table = other.table
                    theirs = (table.c[name] == id) & table.c.is_current & ~table.c.is_withdrawn
                    n = self.connection.execute(select(func.count()).where(theirs)).scalar() or 0
                    if n:
                        raise StillOwns(other.name, n)

    def _check_pointers(self, kind: Kind, fields: Mapping[str, Any]) -> None:
        for name, target in kind.points_to.items():
            if fields[name] is None and name != kind.owner:
                continue
            owner = _find(self.connection, KINDS[target], str(fields[name]))
            if owner is None or owner.is_withdrawn:
                raise NoOwner(name)

    def _check_pseudonym(self, kind: Kind, id: str, fields: Mapping[str, Any]) -> None:
        if kind.name != "patient":
            return
        table = kind.table
        same = (table.c.pseudonym == fields["pseudonym"]) & table.c.is_current & ~table.c.is_withdrawn
        if row_of(self.connection, select(table.c.id).where(same, table.c.id != id)):
            raise Taken("pseudonym")

    def _line(
        self, kind: Kind, id: str, fields: Mapping[str, Any], draft: Draft, version: int, changed: tuple[str, ...]
    ) -> Entry:
        step = "withdrawn" if draft.is_withdrawn else "added" if draft.base is None else "changed"
        return Entry(
            at=self.at,
            type=EntryType.RECORD_CHANGED,
            procedure=self._procedure_of(kind, id, fields),
            actor=self.actor,
            cause=step,
            data={"record": kind.name, "id": id, "version": version, "changed": list(changed)},
        )

    def _procedure_of(self, kind: Kind, id: str, fields: Mapping[str, Any]) -> str:
        """The live procedure that this belongs to, found through its owners."""
        if kind.name == "operation":
            self.procedures[kind.name, id] = fields["procedure"] or UNWATCHED
            return self.procedures[kind.name, id]
        if kind.owner is None:
            return UNWATCHED
        owner = (kind.points_to[kind.owner], str(fields[kind.owner]))
        if owner not in self.procedures:
            above = _find(self.connection, KINDS[owner[0]], owner[1])
            told = self._procedure_of(KINDS[owner[0]], owner[1], above.fields) if above else UNWATCHED
            self.procedures[owner] = told
        return self.procedures[owner]


def _find(connection: Connection, kind: Kind, id: str, version: int | None = None) -> Version | None:
    table = kind.table
    wanted = table.c.is_current if version is None else table.c.version == version
    row = row_of(connection, select(table).where(table.c.id == id, wanted))
    return None if row is None else _version(kind.name, row)


def _version(kind: str, row: Mapping[str, Any]) -> Version:
    told = {name: row[name] for name in VERSION_FIELDS if name != "is_current"}
    return Version(kind=kind, fields={name: row[name] for name in KINDS[kind].fields}, **told)
