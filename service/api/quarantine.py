"""Objects that were refused or could not be judged, with the reason, until somebody dismisses them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Query
from pydantic import Field

from detection.vocabulary import NO_PROCEDURE, Entry, EntryType
from dicom_gateway import quarantine
from service.api import asks, wire
from service.api.answers import time_of
from service.api.deps import Actor, After, DepsHere, Limit
from service.api.errors import Refused, not_found, unavailable

router = APIRouter(prefix="/quarantine", tags=["quarantine"])


class Quarantined(wire.Wire):
    """One object that cannot be used. It is named by hashes, never by its UID or its patient."""

    number: int = Field(description="Time of receipt in microseconds since 1970; the cursor of this list.")
    name: str = Field(description="Its file in the spool's folder of quarantine, without ending.")
    source: str = Field(description="Calling AE title of its sender.")
    reason: str = Field(description="Why it was refused, a fixed phrase.")
    status: str | None = Field(description="DICOM status its sender was told, such as 0xC000; null when unknown.")
    size_bytes: int = Field(description="Size of the object; bytes.")
    uid_hash: str = Field(description="Sixteen hex digits that stand for its SOP Instance UID, as in the log.")
    received_at: str = Field(description="When it was received.")
    arrival: int | None = Field(
        description="Its number in the spool where it is kept there too; null when it was refused."
    )
    dismissed_at: str | None = Field(description="When somebody needed it no more; null while it lies here.")
    dismissed_by: str | None = Field(description="Who that was.")


class QuarantinePage(wire.Wire):
    """A page of the quarantine, oldest first."""

    items: list[Quarantined] = Field(description="Oldest first.")
    next_after: int = Field(description="Pass it back as `after`.")


@router.get("", response_model=QuarantinePage)
def list_quarantine(
    deps: DepsHere,
    after: After = 0,
    limit: Limit = 100,
    dismissed: Annotated[bool, Query(description="Those instead that were dismissed and are not gone yet.")] = False,  # noqa: FBT002 - a query parameter
) -> QuarantinePage:
    """What lies aside, oldest first."""
    folder = deps.spool.quarantined
    try:
        found = quarantine.notes(quarantine.dismissed(folder) if dismissed else folder, after, limit)
    except OSError:
        raise unavailable("The spool cannot be read.") from None
    return QuarantinePage(items=[_told(each) for each in found], next_after=found[-1].number if found else after)


@router.post("/{name}/dismiss", response_model=Quarantined)
def dismiss(
    deps: DepsHere, name: str, actor: Actor, body: Annotated[asks.Dismissal | None, Body()] = None
) -> Quarantined:
    """Nobody needs it any more: it leaves the list, and goes after `keep_dismissed_days`. Written down before it is done."""
    try:
        note = quarantine.find(deps.spool.quarantined, name)
        if note is None:
            raise not_found("object in the quarantine")
        if note.dismissed_at is not None:
            raise Refused(409, "This object has been dismissed already.", code="conflict")
        deps.journal.append([_entry_of(note, deps.now(), actor, body)])
        deps.bell.ring()
        return _told(quarantine.dismiss(deps.spool.quarantined, note, by=actor, at=deps.now()))
    except OSError:
        raise unavailable("The spool cannot be written.") from None


def _entry_of(note: quarantine.Note, at: float, actor: str, body: asks.Dismissal | None) -> Entry:
    told = {"name": note.name, "arrival": note.arrival, "reason": note.reason, "note": body.note if body else None}
    return Entry(
        at=at,
        type=EntryType.QUARANTINE_DISMISSED,
        procedure=NO_PROCEDURE,
        source=note.source,
        actor=actor,
        data=told,
    )


def _told(note: quarantine.Note) -> Quarantined:
    return Quarantined(
        number=note.number,
        name=note.name,
        source=note.source,
        reason=note.reason,
        status=None if note.status is None else f"0x{note.status:04X}",
        size_bytes=note.size,
        uid_hash=note.uid_hash,
        received_at=time_of(note.received_at),
        arrival=note.arrival,
        dismissed_at=None if note.dismissed_at is None else time_of(note.dismissed_at),
        dismissed_by=note.dismissed_by,
    )
