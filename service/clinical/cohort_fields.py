"""The fields that a cohort table may hold, and what can be made of each: counts of words, or figures of numbers."""

from __future__ import annotations

from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from db.cohort import line_of
from db.record import KINDS
from service.clinical.instruments import ImpossibleAnswer
from service.clinical.record import SHAPES
from service.clinical.scores import INSTRUMENTS
from service.clinical.shape import SCORED

UNITS: Mapping[str, str] = {
    "patient": "patient",
    "operation": "operation",
    "vertebra": "level",
    "site": "leak",
    "visit": "follow_up",
    "complication": "complication",
}
"""What can be counted, and the kind of record that stands for it."""

_NAMES = frozenset({"pseudonym", "procedure", "alert", "sop_instance_uid", "frame_index", "remark"})
"""What names a single thing makes no group."""

Nature = Literal["number", "word", "words"]

FOLLOWED: Mapping[str, Nature] = {
    "operation.n_levels": "number",
    "operation.cement_ml": "number",
    "follow_up.is_last": "word",
}
"""What follows from other things of the record, and is asked for like a field."""


def nature_of(name: str) -> Nature | None:
    """What the values of ``kind.field`` are; None for free text, answers, times, ids, and for what is not there."""
    kind, _, field = name.partition(".")
    if name in FOLLOWED:
        return FOLLOWED[name]
    if kind not in SHAPES:
        return None
    if field in _items(kind):
        return "word"
    if field in {derived for answers, derived in SCORED.items() if answers in SHAPES[kind].model_fields}:
        return "number"
    told = SHAPES[kind].model_fields.get(field)
    if told is None or field in _NAMES or field in KINDS[kind].points_to:
        return None
    return _nature(told.annotation)


def _items(kind: str) -> set[str]:
    """Answers by item; they are counted, and their sum is a number beside them."""
    asked = [name for name in SCORED if name in SHAPES[kind].model_fields]
    return {f"{name}_{item.key}" for name in asked for item in INSTRUMENTS[name].scheme().items}


def _nature(annotation: Any) -> Nature | None:
    origin = get_origin(annotation)
    if origin in {Union, UnionType}:
        kinds = {_nature(each) for each in get_args(annotation) if each is not NoneType}
        return kinds.pop() if len(kinds) == 1 else None
    if origin is Annotated:
        return _nature(get_args(annotation)[0])
    if origin is list:
        return "words"
    if annotation in {int, float}:
        return "number"
    return "word" if origin is Literal or annotation in {bool, str} else None


def check_field(name: str, unit: str, *, needs: tuple[Nature, ...]) -> Nature:
    """What ``name`` is, if a table of ``unit`` may hold it. Raises ImpossibleAnswer."""
    nature = nature_of(name)
    allowed = line_of(UNITS[unit])
    if nature is None or nature not in needs or name.partition(".")[0] not in allowed:
        what = " or ".join(needs)
        raise ImpossibleAnswer("field", f"expected kind.field of {', '.join(allowed)} that holds {what}")
    return nature
