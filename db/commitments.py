"""Transactions of storage commitment: ours with archives, and those of devices with us. They survive restarts.

::

    ours     made -> asked -> answered          asked -> lapsed: no answer in time, asked anew under another UID
    theirs   made -> answered | given_up        answered: the device has taken our report
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Engine, select, update

from db.connect import insert_new, reading, row_of, rows_of, writing
from db.convert import json_text
from db.deliveries import Delivery, Stage, delivery_from
from db.forward_tables import COMMITMENT, DELIVERY, INBOX

Item = tuple[str, str]
"""SOP class and instance."""

NO_SUCH_INSTANCE, CLASS_CONFLICT, CLASS_NOT_SUPPORTED = 0x0112, 0x0119, 0x0122
"""Failure reasons of PS3.3 C.14.1.1."""
MOST_SENT = 3
"""Times that an object is sent to an archive that then does not hold it."""
NOT_HELD = "the archive took it and does not hold it"
NOT_COMMITTED = "the archive will not commit to it"


class Course(StrEnum):
    """How far a transaction is."""

    MADE = "made"
    ASKED = "asked"
    ANSWERED = "answered"
    LAPSED = "lapsed"
    GIVEN_UP = "given_up"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """One transaction; ``items`` are what it is about, ``due_at`` when it is looked at again."""

    peer: str
    transaction_uid: str
    is_ours: bool
    state: Course
    items: tuple[Item, ...]
    opened_at: float
    due_at: float
    attempts: int
    reason: str | None


def make_ours(engine: Engine, archive: str, transaction_uid: str, *, at: float, limit: int) -> Transaction | None:
    """A transaction about what was sent to ``archive`` and is due to be asked for; None when nothing is.

    It is written before the archive is asked, so that an answer finds it after a crash.
    """
    is_due = (
        select(DELIVERY.c.path, DELIVERY.c.sop_class_uid, DELIVERY.c.sop_instance_uid)
        .where(DELIVERY.c.destination == archive, DELIVERY.c.state == "sent", DELIVERY.c.due_at <= at)
        .where(DELIVERY.c.transaction_uid.is_(None))
        .order_by(DELIVERY.c.due_at)
        .limit(limit)
    )
    with writing(engine) as connection:
        rows = rows_of(connection, is_due)
        if not rows:
            return None
        items = tuple((row["sop_class_uid"], row["sop_instance_uid"]) for row in rows)
        paths = DELIVERY.c.path.in_([row["path"] for row in rows])
        told = {"transaction_uid": transaction_uid}
        connection.execute(update(DELIVERY).where(DELIVERY.c.destination == archive, paths).values(**told))
        return _make(connection, archive, transaction_uid, items, is_ours=True, at=at)


def make_theirs(engine: Engine, peer: str, transaction_uid: str, items: Sequence[Item], *, at: float) -> None:
    """A device asks; one that asks again under the same UID is answered again."""
    with writing(engine) as connection:
        _make(connection, peer, transaction_uid, items, is_ours=False, at=at)
        which = (COMMITMENT.c.peer == peer) & (COMMITMENT.c.transaction_uid == transaction_uid)
        again = {"state": str(Course.MADE), "opened_at": at, "due_at": at, "attempts": 0}
        is_over = COMMITMENT.c.state.not_in(["made", "asked"])
        connection.execute(update(COMMITMENT).where(which, ~COMMITMENT.c.is_ours, is_over).values(**again))


def _make(
    connection: Connection, peer: str, transaction_uid: str, items: Sequence[Item], *, is_ours: bool, at: float
) -> Transaction:
    row = {
        "peer": peer,
        "transaction_uid": transaction_uid,
        "is_ours": is_ours,
        "state": str(Course.MADE),
        "items": json_text([list(item) for item in items]),
        "opened_at": at,
        "due_at": at,
        "attempts": 0,
        "reason": None,
    }
    insert_new(connection, COMMITMENT, [row])
    return _from_row(row)


def due_transactions(engine: Engine, *, at: float, is_ours: bool, peer: str | None = None) -> list[Transaction]:
    """Unfinished transactions that are to be looked at now, the longest due first."""
    query = select(COMMITMENT).where(
        COMMITMENT.c.state.in_(["made", "asked"]), COMMITMENT.c.is_ours == is_ours, COMMITMENT.c.due_at <= at
    )
    if peer is not None:
        query = query.where(COMMITMENT.c.peer == peer)
    with reading(engine) as connection:
        return [_from_row(row) for row in rows_of(connection, query.order_by(COMMITMENT.c.due_at))]


def note_transaction(
    engine: Engine, transaction: Transaction, state: Course, *, due_at: float, reason: str | None = None
) -> None:
    """What became of a transaction that was tried once more. A lapsed one lets go of its objects: they are asked for anew."""
    which = (COMMITMENT.c.peer == transaction.peer) & (COMMITMENT.c.transaction_uid == transaction.transaction_uid)
    with writing(engine) as connection:
        connection.execute(
            update(COMMITMENT)
            .where(which, COMMITMENT.c.state.in_(["made", "asked"]))
            .values(state=str(state), due_at=due_at, attempts=COMMITMENT.c.attempts + 1, reason=reason)
        )
        if state is Course.LAPSED:
            mine = DELIVERY.c.transaction_uid == transaction.transaction_uid
            is_pending = mine & (DELIVERY.c.state == "sent")
            connection.execute(update(DELIVERY).where(is_pending).values(transaction_uid=None, due_at=due_at))


def take_answer(
    engine: Engine, transaction_uid: str, held: Iterable[str], failed: Mapping[str, int], *, at: float, again_at: float
) -> bool:
    """An archive's answer to a transaction of ours; False when we never asked that.

    What it holds is committed, late as the answer may be. What it does not hold is sent again, a few times; what it
    failed to look up is asked for again at ``again_at``; anything else is refused.
    """
    with writing(engine) as connection:
        query = select(COMMITMENT).where(COMMITMENT.c.transaction_uid == transaction_uid, COMMITMENT.c.is_ours)
        row = row_of(connection, query)
        if row is None:
            return False
        asked = {uid for _, uid in _from_row(row).items}
        pending = select(DELIVERY).where(
            DELIVERY.c.destination == row["peer"],
            DELIVERY.c.state == "sent",
            DELIVERY.c.sop_instance_uid.in_(asked & {*held, *failed}),
        )
        for each in map(delivery_from, rows_of(connection, pending)):
            reason = failed.get(each.sop_instance_uid)
            told = (
                {"state": "committed", "reason": None} if reason is None else _told_of_failure(each, reason, again_at)
            )
            this = (DELIVERY.c.destination == each.destination) & (DELIVERY.c.path == each.path)
            connection.execute(update(DELIVERY).where(this).values(transaction_uid=None, **told))
        this_one = COMMITMENT.c.transaction_uid == transaction_uid
        connection.execute(update(COMMITMENT).where(this_one, COMMITMENT.c.is_ours).values(state="answered", due_at=at))
        unsaid = DELIVERY.c.transaction_uid == transaction_uid
        connection.execute(update(DELIVERY).where(unsaid).values(transaction_uid=None, due_at=again_at))
        return True


def _told_of_failure(each: Delivery, reason: int, again_at: float) -> dict[str, Any]:
    told: dict[str, Any] = {"status": reason, "due_at": again_at}
    if reason == NO_SUCH_INSTANCE:
        is_over = each.attempts >= MOST_SENT
        return told | {"state": str(Stage.REFUSED if is_over else Stage.WAITING), "reason": NOT_HELD}
    if reason in {CLASS_CONFLICT, CLASS_NOT_SUPPORTED}:
        return told | {"state": str(Stage.REFUSED), "reason": NOT_COMMITTED}
    return told | {"reason": NOT_COMMITTED}


def deliveries_of(engine: Engine, sop_instance_uids: Sequence[str]) -> list[Delivery]:
    """Every delivery of these instances, to whatever archive."""
    found: list[Delivery] = []
    with reading(engine) as connection:
        for start in range(0, len(sop_instance_uids), 500):
            some = DELIVERY.c.sop_instance_uid.in_(sop_instance_uids[start : start + 500])
            found += [delivery_from(row) for row in rows_of(connection, select(DELIVERY).where(some))]
    return found


def inbox_reach(engine: Engine, reader: int = 1) -> int:
    """Notices (reader 1), dose reports (2), or procedures by their end (3: objects, 4: FHIR), up to this number have been acted on."""
    with reading(engine) as connection:
        return int(connection.execute(select(INBOX.c.number).where(INBOX.c.id == reader)).scalar_one())


def meet_reader(engine: Engine, reader: int, number: int) -> None:
    """A reader that is new begins after ``number``; one that is known stays where it is."""
    with writing(engine) as connection:
        insert_new(connection, INBOX, [{"id": reader, "number": number}])


def note_inbox(engine: Engine, number: int, reader: int = 1) -> None:
    """Everything up to ``number`` has been acted on."""
    with writing(engine) as connection:
        connection.execute(update(INBOX).where(INBOX.c.id == reader).values(number=number))


def _from_row(row: Mapping[str, Any]) -> Transaction:
    items = tuple((sop_class, uid) for sop_class, uid in json.loads(row["items"]))
    return Transaction(**{**row, "state": Course(row["state"]), "items": items})
