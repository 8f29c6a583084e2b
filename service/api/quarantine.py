"""Objects that were refused and lie aside, with the reason."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import Field

from dicom_gateway import quarantine
from service.api import wire
from service.api.answers import time_of
from service.api.deps import After, DepsHere, Limit
from service.api.errors import unavailable

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


class QuarantinePage(wire.Wire):
    """A page of the quarantine, oldest first."""

    items: list[Quarantined] = Field(description="Oldest first.")
    next_after: int = Field(description="Pass it back as `after`.")


@router.get("", response_model=QuarantinePage)
def list_quarantine(deps: DepsHere, after: After = 0, limit: Limit = 100) -> QuarantinePage:
    """What lies aside, oldest first."""
    try:
        found = quarantine.notes(deps.spool.quarantined, after, limit)
    except OSError:
        raise unavailable("The spool cannot be read.") from None
    return QuarantinePage(items=[_told(each) for each in found], next_after=found[-1].number if found else after)


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
    )
