"""The record as tidy tables: one file for each kind, one column for each field or item, and the dictionary of them.

An empty cell is not known, never 0. A list is separated by semicolons, an empty list is ``-``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from service.clinical.cohort_fields import nature_of
from service.clinical.instruments import ImpossibleAnswer, Item
from service.clinical.record import ADDRESSES, SHAPES
from service.clinical.scores import INSTRUMENTS
from service.clinical.shape import SCORED

BETWEEN, NOTHING = ";", "-"
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet would take a text that begins so for a formula."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column: a field, one item of a field's answers, or a value that follows from them."""

    name: str
    field: str
    item: Item | None = None
    is_derived: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """What the dictionary says of a column."""

    file: str
    column: str
    is_needed: bool
    is_derived: bool
    allowed: str
    meaning: str
    field: str
    item: str | None
    form: str
    values: tuple[str | int, ...] = ()
    low: float | None = None
    high: float | None = None


@cache
def columns_of(kind: str) -> tuple[Column, ...]:
    """Every column of a kind's file, without id and version, in the order of its shape."""
    made: list[Column] = []
    for field in SHAPES[kind].model_fields:
        if field not in SCORED:
            made.append(Column(name=field, field=field))
            continue
        items = INSTRUMENTS[field].scheme().items
        made.extend(Column(name=f"{field}_{item.key}", field=field, item=item) for item in items)
        made.append(Column(name=SCORED[field], field=field, is_derived=True))
    return tuple(made)


def cells_of(kind: str, told: Mapping[str, Any]) -> dict[str, str]:
    """A thing as it is told outside, as the cells of its row."""
    row = {"id": str(told["id"]), "version": str(told["version"])}
    for column in columns_of(kind):
        value = told.get(column.name) if column.item is None else (told.get(column.field) or {}).get(column.item.key)
        row[column.name] = _cell(value)
    return row


def told_by(kind: str, cells: Mapping[str, str]) -> dict[str, Any]:
    """What a row tells: fields to be checked by the kind's shape. Raises ImpossibleAnswer for an item's answer."""
    told: dict[str, Any] = {}
    for column in columns_of(kind):
        text = _plain(cells.get(column.name) or "")
        if not text or column.is_derived:
            continue
        if column.item is not None:
            told.setdefault(column.field, {})[column.item.key] = _answer(column, text)
        elif nature_of(f"{kind}.{column.field}") == "words":
            is_empty = (cells.get(column.name) or "").strip() == NOTHING
            told[column.field] = [] if is_empty else [part.strip() for part in text.split(BETWEEN)]
        else:
            told[column.field] = text
    return told


def dictionary() -> list[Meaning]:
    """Every column of every file: what may stand in it and what it means."""
    return [meaning for kind in SHAPES for meaning in _meanings(kind)]


def _meanings(kind: str) -> list[Meaning]:
    schema = SHAPES[kind].model_json_schema()
    needed = schema.get("required", ())
    told = []
    for column in columns_of(kind):
        about = schema["properties"][column.field]
        allowed, meaning = _allowed(about), str(about.get("description", ""))
        if column.item is not None:
            allowed, meaning = column.item.expected.removeprefix("expected "), column.item.label
        elif column.is_derived:
            allowed, meaning = (
                "follows from the answers",
                f"{INSTRUMENTS[column.field].label}; in a file it may be empty",
            )
        told.append(
            Meaning(
                file=f"{ADDRESSES[kind]}.csv",
                column=column.name,
                is_needed=column.field in needed,
                is_derived=column.is_derived,
                allowed=allowed,
                meaning=meaning,
                field=SCORED[column.field] if column.is_derived else column.field,
                item=None if column.item is None else column.item.key,
                **_form(column, about),
            )
        )
    return told


FORMS = {"number": "number", "integer": "whole_number", "boolean": "flag"}
FORMS_OF_TEXT = {"date": "day", "date-time": "moment"}


def _form(column: Column, about: Mapping[str, Any]) -> dict[str, Any]:
    """How a screen asks for it: form, the values to choose from, the range."""
    if column.is_derived:
        return {"form": "derived"}
    if column.item is not None:
        return {"form": "answer", "values": tuple(column.item.points)}
    told = _known(about)
    if told.get("type") == "array":
        return {"form": "words", "values": tuple(told["items"].get("enum", ()))}
    if "enum" in told:
        return {"form": "word", "values": tuple(told["enum"])}
    form = FORMS.get(str(told.get("type"))) or FORMS_OF_TEXT.get(str(told.get("format")), "text")
    low, high = _ends(told)
    return {"form": form, "low": low, "high": high}


def _known(about: Mapping[str, Any]) -> Mapping[str, Any]:
    """The part of a JSON schema that is not null."""
    kinds = [each for each in about.get("anyOf", (about,)) if each.get("type") != "null"]
    return kinds[0] if kinds else {}


def _ends(told: Mapping[str, Any]) -> tuple[float | None, float | None]:
    low, high = (told.get(name, told.get(f"exclusive{name.capitalize()}")) for name in ("minimum", "maximum"))
    return low, high


def _allowed(about: Mapping[str, Any]) -> str:
    """What a JSON schema allows, in words."""
    told = _known(about)
    if told.get("type") == "array":
        return f"some of: {_allowed(told['items'])}; separated by semicolons"
    if "enum" in told:
        return ", ".join(map(str, told["enum"]))
    low, high = _ends(told)
    words = {"number": "number", "integer": "whole number", "boolean": "true or false"}.get(
        str(told.get("type")), "text"
    )
    words = {"date": "YYYY-MM-DD", "date-time": "RFC 3339 with offset"}.get(str(told.get("format")), words)
    return words if low is None and high is None else f"{words}, {low} to {high}"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value == []:
        return NOTHING
    if isinstance(value, list):
        value = BETWEEN.join(map(str, value))
    if isinstance(value, str) and value.lstrip("'").startswith(FORMULA):
        return f"'{value}"
    return repr(value) if isinstance(value, float) else str(value)


def _plain(text: str) -> str:
    text = text.strip()
    return text[1:] if text.startswith("'") and text.lstrip("'").startswith(FORMULA) else text


def _answer(column: Column, text: str) -> str | int | float:
    """A cell as an answer to its item: the number that it spells where the item takes numbers."""
    assert column.item is not None  # noqa: S101 - only asked for items
    for answer in column.item.points:
        if str(answer) == text or (isinstance(answer, int) and _number(text) == answer):
            return answer  # type: ignore[no-any-return] # a key of the item's points
    raise ImpossibleAnswer(column.name, column.item.expected)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
