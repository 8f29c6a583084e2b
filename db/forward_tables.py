"""What passes between us and other peers: objects for archives, commitments, procedure steps, scheduled steps, dose."""

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


class StepTable(Table):
    """One performed procedure step as its device tells it, and the procedure that it brackets."""

    __tablename__ = "step_performed"

    step: Mapped[str] = mapped_column(primary_key=True)
    procedure: Mapped[str]
    source: Mapped[str]
    status: Mapped[str]
    began_at: Mapped[float]
    ended_at: Mapped[float | None]
    is_settled: Mapped[bool]

    __table_args__ = (Index("ix_step_performed_procedure", "procedure"),)


class ScheduledTable(Table):
    """What the worklist said of a procedure that was opened from it; ``told`` is JSON."""

    __tablename__ = "scheduled"

    procedure: Mapped[str] = mapped_column(primary_key=True)
    starts_at: Mapped[float | None]
    told: Mapped[str]
    is_settled: Mapped[bool]


class DoseTable(Table):
    """The totals of one dose report; ``scope_uid`` is what they were accumulated over, and a later report replaces them."""

    __tablename__ = "dose"

    study_instance_uid: Mapped[str] = mapped_column(primary_key=True)
    replay: Mapped[str] = mapped_column(primary_key=True)
    scope_uid: Mapped[str] = mapped_column(primary_key=True)
    arrival: Mapped[int] = mapped_column(BigInteger)
    air_kerma_mgy: Mapped[float | None]
    dose_area_product_gy_cm2: Mapped[float | None]
    fluoroscopy_s: Mapped[float | None]
    n_events: Mapped[int]
    n_planes: Mapped[int]


class InboxTable(Table):
    """How far each reader of numbered things is: notices (1), dose reports among the arrivals (2), closed procedures (3)."""

    __tablename__ = "inbox"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(BigInteger)


DELIVERY = _table(DeliveryTable)
DESTINATION = _table(DestinationTable)
COMMITMENT = _table(CommitmentTable)
INBOX = _table(InboxTable)
STEP = _table(StepTable)
SCHEDULED = _table(ScheduledTable)
DOSE = _table(DoseTable)
