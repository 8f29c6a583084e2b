"""How the archives stand that objects are forwarded to, and what they have refused."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import Field

from db import deliveries
from db.deliveries import Delivery, Standing
from dicom_gateway.arrival import hash_of
from service.api import wire
from service.api.answers import time_of, time_or_none
from service.api.deps import DepsHere, Limit
from service.api.errors import not_found
from service.standing import in_trouble

router = APIRouter(prefix="/forwarding", tags=["forwarding"])


class ArchiveState(wire.Wire):
    """One archive: whether it answers, and how much is on its way to it."""

    name: str = Field(description="What the settings call it.")
    is_answering: bool = Field(description="Whether the last attempt to reach it succeeded.")
    failing_since: str | None = Field(None, description="Since when it does not answer; UTC.")
    reason: str | None = Field(None, description="Why it does not, a fixed phrase.")
    trouble: str | None = Field(None, description="What the alarm 'forward queue' is about, in words.")
    waiting: int = Field(description="Objects that wait to be sent; count.")
    uncommitted: int = Field(description="Objects sent whose storage commitment is pending; count.")
    refused: int = Field(description="Objects that it has refused for good; count.")
    delivered: int = Field(description="Objects that it has taken, ever; count.")
    waiting_since: str | None = Field(None, description="Age of the oldest object that waits; UTC.")
    uncommitted_since: str | None = Field(None, description="Age of the oldest object that awaits commitment; UTC.")
    success_at: str | None = Field(None, description="When it last took an object; UTC.")


class Archives(wire.Wire):
    """Every archive of the settings."""

    items: list[ArchiveState] = Field(description="In the order of the settings.")


class RefusedObject(wire.Wire):
    """One object that an archive has refused for good. It is named by a hash, never by its UID or its patient."""

    arrival: int | None = Field(None, description="Its number in the spool; null for an object of our own.")
    uid_hash: str = Field(description="Sixteen hex digits that stand for its SOP Instance UID, as in the log.")
    sop_class_uid: str = Field(description="Its SOP Class UID.")
    reason: str = Field(description="Why, a fixed phrase.")
    status: int | None = Field(None, description="The archive's last answer: a DICOM status, or a status of HTTP.")
    attempts: int = Field(description="How often it was sent; count.")
    queued_at: str = Field(description="When it was put into the queue; UTC.")


class RefusedObjects(wire.Wire):
    """What one archive has refused."""

    items: list[RefusedObject] = Field(description="Oldest first.")


@router.get("", response_model=Archives)
def list_archives(deps: DepsHere) -> Archives:
    """How every archive stands."""
    standings = [deliveries.standing(deps.engine, archive.name) for archive in deps.settings.archives]
    return Archives(items=[_state_of(each, in_trouble(each, deps.now(), deps.settings)) for each in standings])


@router.get("/{name}/refused", response_model=RefusedObjects)
def list_refused(deps: DepsHere, name: str, limit: Limit = 100) -> RefusedObjects:
    """What an archive has refused; `cementwatch forward --retry` or `--dismiss` says what becomes of it."""
    if name not in {archive.name for archive in deps.settings.archives}:
        raise not_found("archive")
    return RefusedObjects(items=[_told(each) for each in deliveries.refused(deps.engine, name, limit)])


def _state_of(standing: Standing, trouble: str | None) -> ArchiveState:
    return ArchiveState(
        name=standing.name,
        is_answering=standing.failing_since is None,
        failing_since=time_or_none(standing.failing_since),
        reason=standing.reason,
        trouble=trouble,
        waiting=standing.n_waiting,
        uncommitted=standing.n_sent,
        refused=standing.n_refused,
        delivered=standing.n_delivered,
        waiting_since=time_or_none(standing.waiting_since),
        uncommitted_since=time_or_none(standing.sent_since),
        success_at=time_or_none(standing.success_at),
    )


def _told(delivery: Delivery) -> RefusedObject:
    return RefusedObject(
        arrival=delivery.arrival,
        uid_hash=hash_of(delivery.sop_instance_uid),
        sop_class_uid=delivery.sop_class_uid,
        reason=delivery.reason or "",
        status=delivery.status,
        attempts=delivery.attempts,
        queued_at=time_of(delivery.queued_at),
    )
