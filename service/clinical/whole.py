"""One operation with everything that belongs to it, read from the record."""

from __future__ import annotations

from typing import get_args

from db.connect import Engine
from db.record import KINDS, Version, find, listing
from service.clinical.codes import TimePoint
from service.clinical.remarks import Whole
from service.clinical.scores_spine import LEVELS

OWNED_BY_OPERATION = ("step", "level", "complication", "follow_up")
OWNED_BY_LEVEL = ("needle", "aliquot", "leak")
TIME_POINTS: tuple[str, ...] = get_args(TimePoint)


def whole_of(engine: Engine, operation: Version) -> Whole:
    """The operation's patient and things, in the order in which they stand or came. KeyError when its patient is not there."""
    patient = find(engine, "patient", operation.fields["patient"])
    if patient is None:
        raise KeyError(operation.fields["patient"])
    things = {kind: listing(engine, kind, operation=[operation.id]) for kind in OWNED_BY_OPERATION}
    levels = [level.id for level in things["level"]]
    things |= {kind: listing(engine, kind, level=levels) for kind in OWNED_BY_LEVEL}
    things["step"].sort(key=lambda step: step.fields["place"])
    things["level"].sort(key=lambda level: LEVELS.index(level.fields["level"]))
    things["follow_up"].sort(
        key=lambda visit: (TIME_POINTS.index(visit.fields["time_point"]), visit.fields["months"] or 0)
    )
    return Whole(patient=patient, operation=operation, things={kind: things[kind] for kind in KINDS if kind in things})


def operation_of(engine: Engine, procedure: str) -> Version | None:
    """The operation recorded for a procedure that was watched live."""
    return next(iter(listing(engine, "operation", procedure=[procedure])), None)
