"""The record's kinds: their shapes, what follows from their answers, and the way to and from storage."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from db.record import KINDS, Version, changed_fields
from service.clinical.instruments import ImpossibleAnswer
from service.clinical.scores import score
from service.clinical.shape import SCORED, Shape
from service.clinical.shapes_level import Aliquot, Leak, Level, Needle, Step
from service.clinical.shapes_patient import Complication, FollowUp, Operation, Patient

SHAPES: Mapping[str, type[Shape]] = {
    "patient": Patient,
    "operation": Operation,
    "step": Step,
    "level": Level,
    "needle": Needle,
    "aliquot": Aliquot,
    "leak": Leak,
    "complication": Complication,
    "follow_up": FollowUp,
}
ADDRESSES: Mapping[str, str] = {
    "patient": "patients",
    "operation": "operations",
    "step": "steps",
    "level": "levels",
    "needle": "needles",
    "aliquot": "aliquots",
    "leak": "leaks",
    "complication": "complications",
    "follow_up": "follow-ups",
}
"""What each kind is called in addresses and file names."""

CONFIRMATION = ("confirmed_at", "confirmed_by")
"""Fields of an operation that only its confirmation writes."""

MOMENTS = frozenset(name for shape in SHAPES.values() for name in shape.model_fields if name.endswith("_at"))


def fields_of(kind: str, told: Mapping[str, Any]) -> dict[str, Any]:
    """``told`` checked, in the form of storage, with the values that follow from answers. Raises ValidationError."""
    shape = SHAPES[kind].model_validate(dict(told))
    plain = {name: _stored(getattr(shape, name)) for name in type(shape).model_fields}
    return plain | derived_from(kind, plain)


def without_confirmation(kind: str, before: Mapping[str, Any] | None, fields: Mapping[str, Any]) -> dict[str, Any]:
    """``fields`` as anything but a confirmation may write them, ``before`` being there.

    A confirmation is of what was read: it cannot be entered, and a change ends it. Raises ImpossibleAnswer.
    """
    if kind != "operation":
        return dict(fields)
    there = before or dict.fromkeys(CONFIRMATION)
    for name in CONFIRMATION:
        if fields[name] not in {None, there[name]}:
            raise ImpossibleAnswer(name, "expected nothing, or what is there: a record is confirmed after it was read")
    is_same = before is not None and not changed_fields(before, fields)
    return dict(fields) if is_same else {**fields, **dict.fromkeys(CONFIRMATION)}


def derived_from(kind: str, fields: Mapping[str, Any]) -> dict[str, float | None]:
    """The values that follow from the answers among ``fields``; None where there are no answers, or too few."""
    told = {answers: value for answers, value in SCORED.items() if answers in SHAPES[kind].model_fields}
    return {
        value: score(answers, fields[answers]).value if fields.get(answers) else None for answers, value in told.items()
    }


def plain_of(kind: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Stored fields as they are told outside: times as RFC 3339 in UTC."""
    return {name: _told(name, fields.get(name)) for name in KINDS[kind].fields}


def given_of(version: Version) -> dict[str, Any]:
    """The fields that somebody gave, without those that follow from them, as they are told outside."""
    told = plain_of(version.kind, version.fields)
    return {name: told[name] for name in SHAPES[version.kind].model_fields}


def _stored(value: Any) -> Any:
    if isinstance(value, datetime):
        return round(value.timestamp(), 3)  # the precision in which it is told
    return value.isoformat() if isinstance(value, date) else value


def _told(name: str, value: Any) -> Any:
    if name in MOMENTS and value is not None:
        return datetime.fromtimestamp(value, UTC).isoformat(timespec="milliseconds")
    return value
