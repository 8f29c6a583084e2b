"""What goes out to archives: one row for each object and destination, and how each destination stands."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from db.tables import Table, _table

_OPEN: dict[str, Any] = {
    f"{dialect}_where": text("state IN ('waiting', 'sent', 'refused')") for dialect in ("sqlite", "postgresql")
}
_UNFINISHED: dict[str, Any] = {
    f"{dialect}_where": text("state IN ('made', 'asked')") for dialect in ("sqlite", "postgresql")
}
"""Nearly all rows are done with; counts and queues look at the others."""


class DeliveryTable(Table):
    """One object for one destination. ``path`` is relative to the data folder; ``arrival`` is None for our own objects."""

    __tablename__ = "delivery"

    destination: Mapped[str] = mapped_column(primary_key=True)
    path: Mapped[str] = mapped_column(primary_key=True)
    arrival: Mapped[int | None] = mapped_column(BigInteger)
    sop_class_uid: Mapped[str]
    sop_instance_uid: Mapped[str]
    digest: Mapped[str]
    state: Mapped[str]
    queued_at: Mapped[float]
    due_at: Mapped[float]
    attempts: Mapped[int]
    sent_at: Mapped[float | None]
    status: Mapped[int | None]
    reason: Mapped[str | None]
    transaction_uid: Mapped[str | None]

    __table_args__ = (
        Index("ix_delivery_open", "destination", "state", "due_at", **_OPEN),
        Index("ix_delivery_arrival", "arrival"),
        Index("ix_delivery_sop_instance_uid", "sop_instance_uid"),
        Index("ix_delivery_transaction_uid", "transaction_uid"),
    )


class DestinationTable(Table):
    """How one destination stands. ``reach``: arrivals up to this number are in its queue; ``failing_since`` None: it answers."""

    __tablename__ = "destination"

    name: Mapped[str] = mapped_column(primary_key=True)
    reach: Mapped[int] = mapped_column(BigInteger)
    n_delivered: Mapped[int] = mapped_column(BigInteger)
    success_at: Mapped[float | None]
    failing_since: Mapped[float | None]
    reason: Mapped[str | None]


class CommitmentTable(Table):
    """One transaction of storage commitment: ours with an archive, or that of a device with us."""

    __tablename__ = "commitment"

    peer: Mapped[str] = mapped_column(primary_key=True)
    transaction_uid: Mapped[str] = mapped_column(primary_key=True)
    is_ours: Mapped[bool]
    state: Mapped[str]
    items: Mapped[str]
    opened_at: Mapped[float]
    due_at: Mapped[float]
    attempts: Mapped[int]
    reason: Mapped[str | None]

    __table_args__ = (
        Index("ix_commitment_open", "is_ours", "due_at", **_UNFINISHED),
        Index("ix_commitment_transaction_uid", "transaction_uid"),
    )


class InboxTable(Table):
    """One row: notices up to this number have been acted on."""

    __tablename__ = "inbox"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(BigInteger)


DELIVERY = _table(DeliveryTable)
DESTINATION = _table(DestinationTable)
COMMITMENT = _table(CommitmentTable)
INBOX = _table(InboxTable)
