"""The lines of the journal about who came, looked, took away, or changed who may."""

from __future__ import annotations

from fastapi import APIRouter

from db import queries
from detection.vocabulary import NO_PROCEDURE
from service.api import wire
from service.api.answers import entry_of
from service.api.deps import After, DepsHere, Limit

router = APIRouter(prefix="/audit", tags=["audit"])


@router.get("", response_model=wire.Entries)
def get_audit(deps: DepsHere, after: After = 0, limit: Limit = 100) -> wire.Entries:
    """Signing in and out, views of patients, exports, and changes of users, tokens and settings, in order."""
    lines = queries.log_of(deps.engine, NO_PROCEDURE, after=after, limit=limit)
    return wire.Entries(
        items=[entry_of(line) for line in lines], next_after=lines[-1].number or after if lines else after
    )
