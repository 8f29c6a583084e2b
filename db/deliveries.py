"""Objects on their way to archives: a queue that survives restarts, with one row for each object and destination.

::

    waiting -> stored                where nothing more is asked of the archive
    waiting -> sent -> committed     where it is asked for storage commitment
               sent -> waiting       it does not hold it: once more, a few times
    waiting -> refused               for good; a person says: -> waiting, or -> dismissed

Only ``stored``, ``committed`` and ``dismissed`` let retention remove the object.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Engine, func, select, update

from db.connect import insert_new, reading, row_of, rows_of, writing
from db.forward_tables import DELIVERY, DESTINATION


class Stage(StrEnum):
    """How far an object is on its way to one destination."""

    WAITING = "waiting"
    SENT = "sent"
    STORED = "stored"
    COMMITTED = "committed"
    REFUSED = "refused"
    DISMISSED = "dismissed"


SETTLED = (str(Stage.STORED), str(Stage.COMMITTED), str(Stage.DISMISSED))
RIVAL = "another object with the same SOP Instance UID goes there already"
_AT_ONCE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """An object to be delivered: ``path`` relative to the data folder; ``arrival`` where it is one of the spool.

    ``trouble`` names why it cannot be sent at all; it is then refused before anybody is asked.
    """

    path: str
    sop_class_uid: str
    sop_instance_uid: str
    digest: str
    arrival: int | None = None
    trouble: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One row of the queue. ``status`` is the archive's last answer, DICOM or HTTP; ``reason`` says it in words."""

    destination: str
    path: str
    arrival: int | None
    sop_class_uid: str
    sop_instance_uid: str
    digest: str
    state: Stage
    queued_at: float
    due_at: float
    attempts: int
    sent_at: float | None
    status: int | None
    reason: str | None
    transaction_uid: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What became of one delivery at ``at``; ``due_at`` is when it is looked at again, if it is."""

    path: str
    state: Stage
    at: float
    due_at: float
    status: int | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One destination: whether it answers, and how much is on its way to it.

    ``waiting_since`` and ``sent_since``: when the oldest object came that waits, or that awaits commitment.
    """

    name: str
    reach: int = 0
    n_delivered: int = 0
    success_at: float | None = None
    failing_since: float | None = None
    reason: str | None = None
    n_waiting: int = 0
    n_sent: int = 0
    n_refused: int = 0
    waiting_since: float | None = None
    sent_since: float | None = None


def enqueue(
    engine: Engine, items: Sequence[Outgoing], destinations: Iterable[str], *, at: float, reach: int | None = None
) -> int:
    """Put objects into the queue of each destination; how many rows are new.

    An object that is there already stays as it is. One whose SOP Instance UID another object with other bytes has taken
    is refused as a rival: an archive might replace the first one with it. ``reach``: arrivals up to it are in.
    """
    n_new = 0
    with writing(engine) as connection:
        for name in destinations:
            rows = _new_rows(connection, name, items, at)
            insert_new(connection, DELIVERY, rows)
            n_new += len(rows)
            if reach is not None:
                _meet(connection, name)
                connection.execute(update(DESTINATION).where(DESTINATION.c.name == name).values(reach=reach))
    return n_new


def _new_rows(connection: Connection, name: str, items: Sequence[Outgoing], at: float) -> list[dict[str, Any]]:
    uids = sorted({item.sop_instance_uid for item in items if item.sop_instance_uid})
    query = select(DELIVERY).where(DELIVERY.c.destination == name, DELIVERY.c.sop_instance_uid.in_(uids))
    others = [(row["sop_instance_uid"], row["digest"], row["path"]) for row in rows_of(connection, query)]
    known = {path for _, _, path in others}
    first: dict[str, str] = {}
    for uid, digest, _ in others:
        first.setdefault(uid, digest)
    rows = []
    for item in items:
        if item.path in known:
            continue
        known.add(item.path)
        is_rival = bool(item.sop_instance_uid) and first.setdefault(item.sop_instance_uid, item.digest) != item.digest
        trouble = item.trouble or (RIVAL if is_rival else None)
        told = asdict(item)
        del told["trouble"]
        state = Stage.REFUSED if trouble else Stage.WAITING
        rows.append(
            told
            | {"destination": name, "state": str(state), "queued_at": at, "due_at": at, "attempts": 0}
            | dict.fromkeys(("sent_at", "status", "transaction_uid"))
            | {"reason": trouble}
        )
    return rows


def _meet(connection: Connection, name: str) -> None:
    row = {"name": name, "reach": 0, "n_delivered": 0, "success_at": None, "failing_since": None, "reason": None}
    insert_new(connection, DESTINATION, [row])


def due(engine: Engine, destination: str, at: float, limit: int) -> list[Delivery]:
    """What is to be sent to ``destination`` now, the longest due first."""
    query = (
        select(DELIVERY)
        .where(DELIVERY.c.destination == destination, DELIVERY.c.state == "waiting", DELIVERY.c.due_at <= at)
        .order_by(DELIVERY.c.due_at, DELIVERY.c.path)
        .limit(limit)
    )
    with reading(engine) as connection:
        return [delivery_from(row) for row in rows_of(connection, query)]


def next_due_at(engine: Engine, destination: str) -> float | None:
    """When the next object is to be sent; None while none waits."""
    query = select(func.min(DELIVERY.c.due_at)).where(
        DELIVERY.c.destination == destination, DELIVERY.c.state == "waiting"
    )
    with reading(engine) as connection:
        at = connection.execute(query).scalar()
    return None if at is None else float(at)


def note_steps(engine: Engine, destination: str, steps: Sequence[Step]) -> None:
    """Write what became of deliveries that were tried, and that the destination answered if it took any of them."""
    if not steps:
        return
    taken = [step for step in steps if step.state in {Stage.STORED, Stage.SENT}]
    with writing(engine) as connection:
        for step in steps:
            told = {"state": str(step.state), "due_at": step.due_at, "status": step.status, "reason": step.reason}
            if step in taken:
                told["sent_at"] = step.at
            connection.execute(
                update(DELIVERY)
                .where(DELIVERY.c.destination == destination, DELIVERY.c.path == step.path)
                .values(**told, attempts=DELIVERY.c.attempts + 1)
            )
        if taken:
            _meet(connection, destination)
            well = {"success_at": taken[-1].at, "failing_since": None, "reason": None}
            more = DESTINATION.c.n_delivered + len(taken)
            connection.execute(
                update(DESTINATION).where(DESTINATION.c.name == destination).values(**well, n_delivered=more)
            )


def note_trouble(engine: Engine, destination: str, reason: str, *, at: float) -> None:
    """The destination as a whole does not work; since when is kept from the first time."""
    since = func.coalesce(DESTINATION.c.failing_since, at)
    with writing(engine) as connection:
        _meet(connection, destination)
        connection.execute(
            update(DESTINATION).where(DESTINATION.c.name == destination).values(failing_since=since, reason=reason)
        )


def standing(engine: Engine, name: str) -> Standing:
    """How one destination stands; one never met stands at nothing."""
    count = (
        select(DELIVERY.c.state, func.count().label("n"), func.min(DELIVERY.c.queued_at).label("since"))
        .where(DELIVERY.c.destination == name, DELIVERY.c.state.in_(["waiting", "sent", "refused"]))
        .group_by(DELIVERY.c.state)
    )
    with reading(engine) as connection:
        row = row_of(connection, select(DESTINATION).where(DESTINATION.c.name == name)) or {"name": name}
        counts = {each["state"]: each for each in rows_of(connection, count)}
    told = {f"n_{state}": each["n"] for state, each in counts.items()}
    waiting_since, sent_since = (counts.get(state, {}).get("since") for state in ("waiting", "sent"))
    return Standing(**row, **told, waiting_since=waiting_since, sent_since=sent_since)


def refused(engine: Engine, destination: str, limit: int = 100) -> list[Delivery]:
    """What ``destination`` has refused for good and nobody has looked after yet, oldest first."""
    query = (
        select(DELIVERY)
        .where(DELIVERY.c.destination == destination, DELIVERY.c.state == "refused")
        .order_by(DELIVERY.c.queued_at, DELIVERY.c.path)
        .limit(limit)
    )
    with reading(engine) as connection:
        return [delivery_from(row) for row in rows_of(connection, query)]


def settle_refused(engine: Engine, destination: str, state: Stage, *, at: float, who: str) -> int:
    """A person sends what was refused once more, or lets it be; how many objects."""
    told: dict[str, Any] = {"state": str(state), "due_at": at, "attempts": 0}
    if state is Stage.DISMISSED:
        told["reason"] = f"dismissed by {who}"
    change = update(DELIVERY).where(DELIVERY.c.destination == destination, DELIVERY.c.state == "refused")
    with writing(engine) as connection:
        return connection.execute(change.values(**told)).rowcount


def undelivered(engine: Engine, arrivals: Sequence[int], destinations: Sequence[str]) -> frozenset[int]:
    """Those arrivals that at least one of the destinations does not have for sure."""
    if not destinations:
        return frozenset()
    n_settled: dict[int, int] = {}
    with reading(engine) as connection:
        for start in range(0, len(arrivals), _AT_ONCE):
            query = (
                select(DELIVERY.c.arrival, func.count())
                .where(
                    DELIVERY.c.arrival.in_(arrivals[start : start + _AT_ONCE]),
                    DELIVERY.c.destination.in_(destinations),
                    DELIVERY.c.state.in_(SETTLED),
                )
                .group_by(DELIVERY.c.arrival)
            )
            n_settled |= {row[0]: row[1] for row in connection.execute(query)}
    return frozenset(number for number in arrivals if n_settled.get(number, 0) < len(destinations))


def delivery_from(row: Mapping[str, Any]) -> Delivery:
    """A row as the value it stands for."""
    return Delivery(**{**row, "state": Stage(row["state"])})
