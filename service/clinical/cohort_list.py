"""One row for each patient, operation or vertebra, as the table of a small series prints them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from db.cohort import Condition, line_of, rows
from db.connect import Engine
from service.clinical.cohort import word
from service.clinical.cohort_fields import UNITS, nature_of
from service.clinical.cohort_series import DAYS_PER_MONTH
from service.clinical.instruments import ImpossibleAnswer

MONTHS = "patient.months"
"""From the operation to death or to the last news."""
_DAYS = ("operation.performed_on", "patient.died_on", "patient.last_seen_on")


def cohort_list(
    engine: Engine, unit: str, fields: Sequence[str], *, where: Sequence[Condition] = ()
) -> list[dict[str, str]]:
    """The ``fields`` of each thing of ``unit``, in order of the first of them; what it owns stands side by side.

    What is not known is empty. Raises ImpossibleAnswer.
    """
    kind = UNITS[unit]
    own = [name for name in fields if name.partition(".")[0] in line_of(kind)]
    owned = [name for name in fields if name not in own]
    for name in fields:
        _check(name, kind, is_own=name in own)
    asked = [name for name in own if name != MONTHS]
    days = list(_DAYS) if MONTHS in own else []
    if days and kind == "patient":
        raise ImpossibleAnswer("fields", f"expected {MONTHS} only where an operation or a part of it is listed")
    beside = {name: _owned(engine, kind, name) for name in owned}
    told = []
    for id, *values in rows(engine, kind, [f"{kind}.id", *asked, *days], where):
        cells = {name: _cell(value) for name, value in zip(asked, values, strict=False)}
        if days:
            cells[MONTHS] = _months(*values[len(asked) :])
        cells |= {name: ", ".join(sorted(each.get(id, ()), key=_rank)) for name, each in beside.items()}
        told.append({name: cells[name] for name in fields})
    return sorted(told, key=lambda row: [_rank(row[name]) for name in fields])


def _check(name: str, kind: str, *, is_own: bool) -> None:
    """No free text: a list is made to be handed on. A pseudonym is what a row is known by."""
    is_told = nature_of(name) is not None or name in {"patient.pseudonym", MONTHS} or name.endswith("_on")
    if not is_told or (not is_own and kind not in line_of(name.partition(".")[0])):
        raise ImpossibleAnswer(
            "fields", f"expected kind.field of {kind}, of its owners or of what it owns; no free text"
        )


def _owned(engine: Engine, kind: str, name: str) -> Mapping[str, list[str]]:
    told: dict[str, list[str]] = {}
    for id, value in rows(engine, name.partition(".")[0], [f"{kind}.id", name]):
        if value is not None:
            told.setdefault(id, []).append(_cell(value))
    return told


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else word(value)


def _rank(text: str) -> tuple[int, float, str]:
    """Numbers by their size, then words; what is empty comes last."""
    try:
        return (0, float(text), "")
    except ValueError:
        return (1 if text else 2, 0.0, text)


def _months(first: str | None, died_on: str | None, last_seen_on: str | None) -> str:
    end = died_on or last_seen_on
    if first is None or end is None or end < first:
        return ""
    return f"{(date.fromisoformat(end) - date.fromisoformat(first)).days / DAYS_PER_MONTH:.1f}"
