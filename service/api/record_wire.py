"""The shapes of the clinical record on the wire: what was written down, and which version it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field, create_model

from db.record import KINDS, Version, changed_fields
from service.api.answers import time_of
from service.api.asks import Ask
from service.api.wire import Time, Wire
from service.clinical.record import MOMENTS, SHAPES, plain_of


class RecordVersion(Wire):
    """Which version of a thing this is, and who wrote it."""

    id: str = Field(description="Identifier.")
    version: int = Field(description="Counts the changes from 1; a change must name the version that it was made on.")
    number: int = Field(description="Number of the journal entry that tells of this version.")
    is_withdrawn: bool = Field(description="Withdrawn: kept, but no part of any list or table.")
    recorded_at: Time = Field(description="When it was written; UTC.")
    recorded_by: str | None = Field(None, description="Who wrote it.")
    reason: str | None = Field(None, description="Why it was changed or withdrawn.")


class Was(Wire):
    """One field before and after."""

    field: str = Field(description="Name of the field.")
    before: Any = Field(None, description="Value before.")
    after: Any = Field(None, description="Value after.")


class PastVersion(Wire):
    """One version of a thing and what it changed."""

    version: int = Field(description="Counts the changes from 1.")
    number: int = Field(description="Number of the journal entry.")
    is_withdrawn: bool = Field(description="Whether this version withdrew it.")
    recorded_at: Time = Field(description="When; UTC.")
    recorded_by: str | None = Field(None, description="Who.")
    reason: str | None = Field(None, description="Why.")
    changed: list[Was] = Field(description="Fields that differ from the version before.")


class History(Wire):
    """Every version of a thing, oldest first."""

    items: list[PastVersion] = Field(description="Versions, oldest first.")
    next_after: int | None = Field(None, description="Always null: a history is told as a whole.")


class RecordChange(Ask):
    """A change of some fields."""

    version: int = Field(ge=1, description="The version that the change was made on; 409 when there is a newer one.")
    changes: dict[str, Any] = Field(description="Fields of the thing and their new values; null: not known.")
    reason: str | None = Field(None, max_length=1000, description="Why.")


class Withdrawal(Ask):
    """A thing that should not count."""

    version: int = Field(ge=1, description="The version that was looked at; 409 when there is a newer one.")
    reason: str = Field(min_length=1, max_length=1000, description="Why.")


def _row_model(kind: str) -> type[RecordVersion]:
    shape = SHAPES[kind]
    told: dict[str, Any] = {}
    for name, info in shape.model_fields.items():
        annotation = Time | None if name in MOMENTS else info.annotation
        told[name] = (annotation, Field(None if not info.is_required() else ..., description=info.description))
    for name in KINDS[kind].fields:
        if name not in told:
            told[name] = (float | None, Field(None, description="Follows from the answers beside it."))
    return create_model(f"{shape.__name__}Record", __base__=RecordVersion, __doc__=shape.__doc__, **told)


def _page_model(kind: str, row: type[RecordVersion]) -> type[Wire]:
    fields: dict[str, Any] = {
        "items": (list[row], Field(description="Current versions, by the entry that last changed them.")),  # type: ignore[valid-type]
        "next_after": (int, Field(description="Pass it back as after.")),
    }
    return create_model(f"{SHAPES[kind].__name__}Page", __base__=Wire, __doc__="A page of a list.", **fields)


ROWS: Mapping[str, type[RecordVersion]] = {kind: _row_model(kind) for kind in SHAPES}
PAGES: Mapping[str, type[Wire]] = {kind: _page_model(kind, row) for kind, row in ROWS.items()}


def row_of(version: Version) -> dict[str, Any]:
    """A version as it is told."""
    return {
        "id": version.id,
        "version": version.version,
        "number": version.number,
        "is_withdrawn": version.is_withdrawn,
        "recorded_at": time_of(version.recorded_at),
        "recorded_by": version.recorded_by,
        "reason": version.reason,
        **plain_of(version.kind, version.fields),
    }


def history_of(versions: list[Version]) -> History:
    """Each version with what it changed."""
    items, before = [], None
    for version in versions:
        items.append(
            PastVersion(
                version=version.version,
                number=version.number,
                is_withdrawn=version.is_withdrawn,
                recorded_at=time_of(version.recorded_at),
                recorded_by=version.recorded_by,
                reason=version.reason,
                changed=differences(before, version),
            )
        )
        before = version
    return History(items=items, next_after=None)


def differences(before: Version | None, after: Version) -> list[Was]:
    """The fields in which two versions differ."""
    old = plain_of(after.kind, before.fields) if before else {}
    new = plain_of(after.kind, after.fields)
    earlier = before.fields if before else {}
    return [Was(field=name, before=old.get(name), after=new[name]) for name in changed_fields(earlier, after.fields)]
