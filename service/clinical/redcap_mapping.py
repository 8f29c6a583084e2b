"""How a REDCap project is read as records: which rows make which things, and which column fills which field.

A mapping is a TOML file. ``thing`` names a kind, the rows that make one (repeating instrument, events) and its fields; a
field is the name of a column, or a table: ``from`` and ``codes``, ``is`` for what always holds, ``event`` for what the
event of a row says.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from db.record import KINDS
from service.clinical.columns import columns_of
from service.clinical.exchange import NoTable, rows_of
from service.clinical.record import CONFIRMATION
from service.clinical.shape import problems_of

CHOICES, VARIABLE, KIND_OF_FIELD = "Choices, Calculations, OR Slider Labels", "Variable / Field Name", "Field Type"
WITH_CHOICES = frozenset({"dropdown", "radio", "checkbox"})
TICKED = "___"
"""Between the name of a checkbox field and the code of one box."""


class Part(BaseModel):
    """A section of the file."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(Part):
    """Where the value of one field comes from."""

    column: str | None = Field(None, alias="from")
    codes: dict[str, str] = {}
    constant: str | None = Field(None, alias="is")
    event: dict[str, str] = {}

    @model_validator(mode="before")
    @classmethod
    def _from_a_name(cls, told: object) -> object:
        return {"from": told} if isinstance(told, str) else told


class ThingMap(Part):
    """The rows that make a thing of ``kind``: those of one repeating instrument ("": none), of some events or of all.

    ``points`` names the column with the instance of the thing that this one belongs to; without it there must be one only.
    """

    kind: str
    repeat: str = ""
    events: list[str] = []
    fields: Annotated[dict[str, Source], Field(min_length=1)]
    points: dict[str, str] = {}

    @model_validator(mode="after")
    def _fits_the_kind(self) -> ThingMap:
        if self.kind not in KINDS:
            raise ValueError(f"kind: expected one of {', '.join(KINDS)}")
        pointers = KINDS[self.kind].points_to
        known = {each.name for each in columns_of(self.kind) if not each.is_derived} - {*pointers, *CONFIRMATION}
        if set(self.fields) - known:
            raise ValueError(f"fields: expected columns of {self.kind} that are filled in by hand")
        if set(self.points) - set(pointers):
            raise ValueError(f"points: expected some of {', '.join(pointers) or 'nothing'}")
        return self


class ProjectMap(Part):
    """A whole project."""

    record: str = "record_id"
    prefix: str = Field("", pattern=r"^[A-Za-z0-9._-]{0,20}$")
    utc_offset: str = Field("", pattern=r"^([+-][0-9]{2}:[0-9]{2})?$")
    missing: list[str] = []
    thing: Annotated[list[ThingMap], Field(min_length=1)]

    def columns(self) -> Iterator[str]:
        """Every column or checkbox field that the mapping names."""
        yield self.record
        for thing in self.thing:
            yield from (source.column for source in thing.fields.values() if source.column)
            yield from thing.points.values()


def read_mapping(text: str) -> ProjectMap:
    """The mapping that ``text`` (TOML) holds. Raises NoTable."""
    try:
        return ProjectMap.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise NoTable(f"mapping: not TOML: {error}") from None
    except ValidationError as error:
        first = problems_of(error)[0]
        raise NoTable(f"mapping: {first['field']}: {first['expected']}") from None


def choices_in(dictionary: str) -> dict[str, list[str]]:
    """Each field of a project's data dictionary (CSV) with the codes of its choices. Raises NoTable."""
    (_, names), *rows = rows_of(dictionary)
    if {VARIABLE, KIND_OF_FIELD, CHOICES} - set(names):
        raise NoTable("data dictionary: expected the columns of a REDCap data dictionary")
    told = {}
    for _, row in rows:
        field = dict(zip(names, row, strict=True))
        asked = field[CHOICES] if field[KIND_OF_FIELD] in WITH_CHOICES else ""
        told[field[VARIABLE]] = [part.partition(",")[0].strip() for part in asked.split("|") if part.strip()]
    return told


def gaps_in(mapping: ProjectMap, choices: dict[str, list[str]]) -> list[str]:
    """What a mapping misses of its project: fields that are not there, choices without a code."""
    told = [f"{name}: the project has no such field" for name in mapping.columns() if name not in choices]
    for thing in mapping.thing:
        for source in thing.fields.values():
            lost = [each for each in choices.get(source.column or "", ()) if source.codes and each not in source.codes]
            told += [f"{source.column}: choice {each} has no code" for each in lost]
    return told


def suffix_of(code: str) -> str:
    """A checkbox's code as it stands in the name of its column: small letters, all else an underscore."""
    return re.sub(r"[^a-z0-9_]", "_", code.lower())
