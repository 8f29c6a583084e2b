"""The journal: numbered, append-only lines, each bound to the one before by its hash.

``hash`` is SHA-256 over canonical JSON (``convert.json_text``) of every field of the line but ``hash`` itself:
number, previous_hash, the names of ``Entry`` and the frame. ``verify`` therefore finds a line that was altered,
taken out or moved, and, by the ``chain`` row, lines taken off the end. Whoever rewrites all later lines as well
is found only by someone who noted an earlier hash elsewhere.

One append is one transaction and, on SQLite, one fsync. Numbers have no gaps because the last number is read and
the next one written while no other process may append.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, Engine, bindparam, func, insert, select, update

from db.arrivals import Progress, note_progress
from db.connect import JournalBroken, appending, reading, rows_of, upsert
from db.convert import act_from_row, alert_data, json_text, seen_data
from db.tables import ALERT, CHAIN, ENTRY
from detection.vocabulary import ACTS, Act, Alert, Condition, Entry, EntryType, Signal

FIRST_HASH = "0" * 64

TRANSITIONS: frozenset[EntryType] = frozenset(
    {
        EntryType.ALERT_RAISED,
        EntryType.ALERT_WORSENED,
        EntryType.ALERT_CHANGED,
        EntryType.ALERT_ENDED,
        EntryType.ALERT_ESCALATED,
        EntryType.ACKNOWLEDGED,
        EntryType.PAUSED,
        EntryType.PAUSE_ENDED,
        EntryType.RESET,
    }
)
"""Lines that change an alert and so need its snapshot, which goes into their ``data`` as ``alert``."""

_NO_END = "the row that holds the end of the chain is missing"
_HEAD = f"SELECT {CHAIN.c.number.name} FROM {CHAIN.name}"  # noqa: S608 - of our own names alone
_END = f"SELECT {CHAIN.c.number.name}, {CHAIN.c.hash.name}, {CHAIN.c.alerts_number.name} FROM {CHAIN.name}"  # noqa: S608 - as above
_INSERT = insert(ENTRY)
_LINK = update(CHAIN).values(number=bindparam("last"), hash=bindparam("its_hash"))
_LINK_ALERTS = update(CHAIN).values(alerts_number=bindparam("last"))
"""Statements of every frame: made once, they are looked up the sooner."""

_WORDS = ("type", "procedure", "source", "alert", "from_state", "to_state", "cause", "actor")
_LINES_AT_ONCE = 500

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """The first line that does not hold, and why."""

    number: int
    reason: str


class Journal:
    """The journal of one installation; holds nothing but the way to the database."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def append(
        self,
        entries: Sequence[Entry],
        *,
        alerts: Sequence[Alert] = (),
        progress: Progress | None = None,
        if_late: Callable[[], Sequence[Entry] | None] | None = None,
    ) -> tuple[Entry, ...]:
        """Write ``entries`` in order, the new state of ``alerts`` and how far an arrival got: all or nothing.

        Gives the entries back with number and hashes. An alert takes the number of the last line about it, or of
        the last line of this append. ``if_late`` is asked when the turn to write has come, which may take seconds;
        what it gives is written instead. Raises StoreFailure when nothing was written; ValueError for a transition
        without its alert, or an alert without any line.
        """
        drafts = drafts_of(entries, alerts)
        with appending(self.engine) as connection:
            instead = if_late() if if_late is not None else None
            if instead is not None:
                entries, drafts = instead, drafts_of(instead, alerts)
            rows = write_drafts(connection, drafts)
            project(connection, rows, alerts)
            if progress is not None:
                note_progress(connection, [progress])
        return _numbered(entries, rows)

    def acts_since(self, procedure: str, number: int) -> tuple[Act, ...]:
        """What operators did in ``procedure`` after line ``number``, oldest first."""
        acts = sorted(map(str, ACTS))
        query = (
            select(ENTRY)
            .where(ENTRY.c.procedure == procedure, ENTRY.c.type.in_(acts), ENTRY.c.number > number)
            .order_by(ENTRY.c.number)
        )
        with reading(self.engine) as connection:
            return tuple(act_from_row(row) for row in rows_of(connection, query))

    def acts_after(self, number: int) -> tuple[tuple[str, Act], ...]:
        """What operators did after line ``number`` in any procedure, oldest first, each with its procedure."""
        acts = sorted(map(str, ACTS))
        query = select(ENTRY).where(ENTRY.c.number > number, ENTRY.c.type.in_(acts)).order_by(ENTRY.c.number)
        with reading(self.engine) as connection:
            return tuple((row["procedure"], act_from_row(row)) for row in rows_of(connection, query))

    def head(self) -> int:
        """The number of the last line; 0 when there is none."""
        with reading(self.engine) as connection:
            # asked with every frame: as plain text it takes half the time
            number = connection.exec_driver_sql(_HEAD).scalar()
        if number is None:
            raise JournalBroken(_NO_END)
        return int(number)

    def alerts_head(self) -> int:
        """The number of the line that last changed any alert; one row is read."""
        return self.heads()[1]

    def heads(self) -> tuple[int, int]:
        """``head`` and ``alerts_head`` of one moment; one row is read."""
        with reading(self.engine) as connection:
            end = _end_of(connection)
        return end.number, end.alerts_number

    def records(self, procedure: str | None = None, after: int = 0) -> Iterator[str]:
        """Each line after ``after`` as JSON, in order, a page in memory at a time; of one procedure where given.

        A line is what its hash is of, with ``,"hash":"..."`` before the last brace: whoever takes that out again can
        compute the hash without this program.
        """
        while True:
            query = select(ENTRY).where(ENTRY.c.number > after).order_by(ENTRY.c.number).limit(_LINES_AT_ONCE)
            if procedure is not None:
                query = query.where(ENTRY.c.procedure == procedure)
            with reading(self.engine) as connection:
                rows = rows_of(connection, query)
            yield from (f'{record_of(row)[:-1]},"hash":"{row["hash"]}"}}' for row in rows)
            if len(rows) < _LINES_AT_ONCE:
                return
            after = rows[-1]["number"]

    def verify(self) -> Break | None:
        """The first line that was altered, is missing or out of order; None when all lines hold."""
        with reading(self.engine) as connection:
            newest = connection.execute(select(func.max(ENTRY.c.number))).scalar() or 0
            end = _end_of(connection)
            number, previous = 0, FIRST_HASH
            for row in _lines(connection, end.number):
                number += 1
                reason = _fault_of(row, number, previous)
                if reason:
                    return Break(number=number, reason=reason)
                previous = row["hash"]
        if number < end.number:
            return Break(number=number + 1, reason="missing")
        if newest > end.number:
            return Break(number=end.number + 1, reason="not of the chain")
        return None if previous == end.hash else Break(number=number, reason="altered")


def append_in(connection: Connection, entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """Write ``entries`` within the caller's own ``appending`` transaction, beside what they tell of."""
    return _numbered(entries, write_drafts(connection, drafts_of(entries, ())))


def hash_of(row: Mapping[str, Any]) -> str:
    """The hash of a line: SHA-256 over canonical JSON of all its other fields."""
    return hashlib.sha256(record_of(row).encode("ascii")).hexdigest()


def record_of(row: Mapping[str, Any]) -> str:
    """All fields of a line but its hash, as the canonical JSON that the hash is of."""
    has_frame = row["sop_instance_uid"] is not None
    frame = {
        "acquired_at": row["acquired_at"],
        "index": row["frame_index"],
        "judged_at": row["judged_at"],
        "received_at": row["received_at"],
        "sop_instance_uid": row["sop_instance_uid"],
    }
    parts = {name: json_text(row[name]) for name in (*_WORDS, "at", "number", "previous_hash")}
    # times and data are JSON already; put in as they stand, their very characters are covered.
    parts |= {"frame": json_text(frame if has_frame else None), "times": row["times"], "data": row["data"]}
    return "{" + ",".join(f'"{name}":{parts[name]}' for name in sorted(parts)) + "}"


def drafts_of(entries: Sequence[Entry], alerts: Sequence[Alert]) -> list[Row]:
    """The rows of ``entries`` but for number and hashes: all the slow work, done before the lock is taken."""
    if alerts and not entries:
        raise ValueError("an alert changes only with a line that says so")
    snapshots: dict[str, list[Alert]] = {}
    for alert in alerts:
        snapshots.setdefault(alert.id, []).append(alert)
    return [_draft(entry, snapshots) for entry in entries]


def _draft(entry: Entry, snapshots: Mapping[str, list[Alert]]) -> Row:
    told: dict[str, Any] = dict(entry.data)
    if entry.type in TRANSITIONS and "alert" not in told:
        told["alert"] = alert_data(_next_snapshot(entry, snapshots))
    frame = seen_data(entry.frame) or {}
    return {
        **{name: _storable(getattr(entry, name)) for name in _WORDS},
        "at": _finite(entry.at),
        "sop_instance_uid": _storable(frame.get("sop_instance_uid")),
        "frame_index": frame.get("index"),
        "acquired_at": _finite(frame.get("acquired_at")),
        "received_at": _finite(frame.get("received_at")),
        "judged_at": _finite(frame.get("judged_at")),
        "times": json_text(dict(entry.times)),
        "data": json_text(told),
    }


def _next_snapshot(entry: Entry, snapshots: Mapping[str, list[Alert]]) -> Alert:
    """The alert after ``entry``: several lines about one alert take its snapshots in turn, then the last again."""
    waiting = snapshots.get(entry.alert or "")
    if not waiting:
        raise ValueError(f"{entry.type}: the alert it is about must be handed over with it")
    return waiting.pop(0) if len(waiting) > 1 else waiting[0]


def write_drafts(connection: Connection, drafts: Iterable[Row]) -> list[Row]:
    """Bind ``drafts`` to the end of the chain and write them, within the caller's own ``appending`` transaction."""
    end = _end_of(connection)
    number, previous = end.number, end.hash
    rows: list[Row] = []
    for draft in drafts:
        number += 1
        row = {**draft, "number": number, "previous_hash": previous}
        previous = row["hash"] = hash_of(row)
        rows.append(row)
    if rows:
        connection.execute(_INSERT, rows)
        connection.execute(_LINK, {"last": number, "its_hash": previous})
    return rows


def _numbered(entries: Sequence[Entry], rows: Sequence[Row]) -> tuple[Entry, ...]:
    return tuple(
        replace(entry, number=row["number"], hash=row["hash"], previous_hash=row["previous_hash"])
        for entry, row in zip(entries, rows, strict=True)
    )


def project(connection: Connection, rows: Sequence[Row], alerts: Sequence[Alert]) -> None:
    """Bring the alert table up to the lines just written, the last ones of the chain."""
    if not alerts:
        return
    head = rows[-1]["number"]
    numbers = {row["alert"]: row["number"] for row in rows}
    acknowledged = {row["alert"]: row["at"] for row in rows if row["type"] == EntryType.ACKNOWLEDGED}
    latest = {alert.id: alert for alert in alerts}
    known = _acknowledged_before(connection, [each.id for each in latest.values() if each.acknowledged_by])
    of_alerts: list[Row] = [
        {
            "id": alert.id,
            "number": numbers.get(alert.id, head),
            "procedure": alert.procedure,
            "source": alert.source,
            "priority": str(alert.priority),
            "is_active": is_active(alert),
            "acknowledged_at": acknowledged.get(alert.id, known.get(alert.id)) if alert.acknowledged_by else None,
            "snapshot": json_text(alert_data(alert)),
        }
        for alert in latest.values()
    ]
    upsert(connection, ALERT, of_alerts)
    connection.execute(_LINK_ALERTS, {"last": max(row["number"] for row in of_alerts)})


def _acknowledged_before(connection: Connection, alerts: Sequence[str]) -> dict[str, float | None]:
    """When each of ``alerts`` was acknowledged, as far as it is known and was."""
    if not alerts:
        return {}
    earlier = select(ALERT.c.id, ALERT.c.acknowledged_at).where(ALERT.c.id.in_(alerts))
    return {row.id: row.acknowledged_at for row in connection.execute(earlier)}


def is_active(alert: Alert) -> bool:
    """Whether anything is still true or still sounded."""
    return alert.condition is Condition.PRESENT or alert.signal is not Signal.OFF


@dataclass(frozen=True, slots=True)
class _End:
    number: int
    hash: str
    alerts_number: int


def _end_of(connection: Connection) -> _End:
    row = connection.exec_driver_sql(_END).one_or_none()
    if row is None:
        raise JournalBroken(_NO_END)
    return _End(row.number, row.hash, row.alerts_number)


def _lines(connection: Connection, last: int) -> Iterator[Row]:
    """All lines up to number ``last`` in order, a few hundred in memory at a time."""
    after = -1
    while True:
        query = select(ENTRY).where(ENTRY.c.number > after, ENTRY.c.number <= last).order_by(ENTRY.c.number)
        rows = rows_of(connection, query.limit(_LINES_AT_ONCE))
        yield from rows
        if len(rows) < _LINES_AT_ONCE:
            return
        after = rows[-1]["number"]


def _fault_of(row: Mapping[str, Any], number: int, previous: str) -> str | None:
    if row["number"] != number:
        return "missing"
    if row["hash"] != hash_of(row):
        return "altered"
    return None if row["previous_hash"] == previous else "out of order"


def _storable(word: str | None) -> str | None:
    """``word`` without what a database cannot hold: NUL and halves of surrogate pairs."""
    if word is None:
        return None
    return word.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def _finite(value: float | None) -> float | None:
    if value is None:
        return None
    if not math.isfinite(value):
        raise ValueError("a time must be a finite number of seconds")
    return float(value)
