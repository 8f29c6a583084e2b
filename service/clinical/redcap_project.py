"""The record as a REDCap project: its data dictionary, the records in its import format, and the mapping back.

Patient is the first instrument, the others repeat; what a thing belongs to is the instance number of that thing. Values
that follow from answers are left out, and so are confirmations.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cache

from db.connect import Source
from db.record import KINDS, Version, listing
from service.clinical.columns import BETWEEN, NOTHING, Meaning, cells_of, dictionary
from service.clinical.csv_told import csv_line
from service.clinical.record import ADDRESSES, CONFIRMATION, plain_of
from service.clinical.redcap import INSTANCE, REPEAT
from service.clinical.redcap_mapping import TICKED, ProjectMap, suffix_of

RECORD, PSEUDONYM, NONE = "record_id", "pseudonym", "none_of_these"
HEADER = (
    "Variable / Field Name",
    "Form Name",
    "Section Header",
    "Field Type",
    "Field Label",
    "Choices, Calculations, OR Slider Labels",
    "Field Note",
    "Text Validation Type OR Show Slider Number",
    "Text Validation Min",
    "Text Validation Max",
    "Identifier?",
    "Branching Logic (Show field only if...)",
    "Required Field?",
    "Custom Alignment",
    "Question Number (surveys only)",
    "Matrix Group Name",
    "Matrix Ranking?",
    "Field Annotation",
)
TYPES = {"flag": "yesno", "word": "dropdown", "answer": "radio", "words": "checkbox"}
VALIDATIONS = {
    "number": "number",
    "whole_number": "integer",
    "day": "date_ymd",
    "moment": "datetime_seconds_ymd",
}
Thing = tuple[str, str]
"""Kind and id: another kind may have the same id."""
KIND_OF = {f"{address}.csv": kind for kind, address in ADDRESSES.items()}


def project_dictionary() -> Iterator[str]:
    """The data dictionary of the project, line by line."""
    yield csv_line(HEADER)
    first = {"name": RECORD, "form": "patient", "type": "text", "label": "The study's own name for the patient"}
    yield _field(**first, needed="y")
    for kind in KINDS:
        for name, target in KINDS[kind].points_to.items():
            if target != "patient":
                label = f"Number of the {target.replace('_', ' ')} (instance) that this belongs to"
                yield _field(name=f"{kind}_{name}", form=kind, type="text", label=label, validation="integer", low="1")
        for each in _asked(kind):
            yield _line_of(kind, each)


def project_mapping(prefix: str = "") -> ProjectMap:
    """How records of the project are read back."""
    things = []
    for kind in KINDS:
        fields: dict[str, object] = {each.column: _back(kind, each) for each in _asked(kind)}
        if kind == "patient":
            fields[PSEUDONYM] = RECORD
        points = {name: f"{kind}_{name}" for name, target in KINDS[kind].points_to.items() if target != "patient"}
        things.append({"kind": kind, "repeat": "" if kind == "patient" else kind, "fields": fields, "points": points})
    return ProjectMap.model_validate({"record": RECORD, "prefix": prefix, "utc_offset": "+00:00", "thing": things})


def project_records(source: Source) -> Iterator[str]:
    """Every thing of the record as a line of the project's import file."""
    names = [RECORD, REPEAT, INSTANCE, *(name for kind in KINDS for name in _columns(kind))]
    yield csv_line(names)
    record_of: dict[Thing, str] = {}
    instances: dict[Thing, int] = {}
    counted: dict[Thing, int] = {}
    for kind in KINDS:
        for version in listing(source, kind):
            owner = _owner(version)
            record = str(version.fields[PSEUDONYM]) if owner is None else record_of[owner]
            record_of[kind, version.id] = record
            cells = _cells(kind, version, instances) | {RECORD: record}
            if owner is not None:
                n = counted[kind, record] = counted.get((kind, record), 0) + 1
                instances[kind, version.id] = n
                cells |= {REPEAT: kind, INSTANCE: str(n)}
            yield csv_line([cells.get(name, "") for name in names])


def _owner(version: Version) -> Thing | None:
    kind = KINDS[version.kind]
    return None if kind.owner is None else (kind.points_to[kind.owner], str(version.fields[kind.owner]))


@cache
def _asked(kind: str) -> tuple[Meaning, ...]:
    """What is filled in by hand."""
    left_out = {*KINDS[kind].points_to, *CONFIRMATION, *([PSEUDONYM] if kind == "patient" else ())}
    mine = [each for each in dictionary() if KIND_OF[each.file] == kind]
    return tuple(each for each in mine if not each.is_derived and each.column not in left_out)


def _line_of(kind: str, each: Meaning) -> str:
    is_list = each.form == "words"
    kind_of_field = TYPES.get(each.form, "text") if each.values or not is_list else "text"
    values = [str(value) for value in each.values] if each.form in {"word", "words", "answer"} else []
    values += [NONE] if values and is_list else []
    note = "; between entries" if is_list and not values else "UTC" if each.form == "moment" else ""
    return _field(
        name=f"{kind}_{each.column}",
        form=kind,
        type="notes" if each.column == "remark" else kind_of_field,
        label=each.meaning,
        choices=" | ".join(f"{value}, {value.replace('_', ' ')}" for value in values),
        note=note,
        validation=VALIDATIONS.get(each.form, ""),
        low="" if each.low is None else f"{each.low:g}",
        high="" if each.high is None else f"{each.high:.10g}",
        needed="y" if each.is_needed else "",
    )


def _field(**told: str) -> str:
    order = ("name", "form", "", "type", "label", "choices", "note", "validation", "low", "high", "", "", "needed")
    return csv_line([*(told.get(name, "") for name in order), *[""] * (len(HEADER) - len(order))])


def _back(kind: str, each: Meaning) -> object:
    column = f"{kind}_{each.column}"
    if each.form != "words" or not each.values:
        return column
    codes = {str(value): str(value) for value in each.values} | {NONE: NOTHING}
    return {"from": column, "codes": codes}


def _columns(kind: str) -> Iterator[str]:
    yield from (f"{kind}_{name}" for name, target in KINDS[kind].points_to.items() if target != "patient")
    for each in _asked(kind):
        name = f"{kind}_{each.column}"
        is_ticked = each.form == "words" and each.values
        codes = (*map(str, each.values), NONE) if is_ticked else ()
        yield from (f"{name}{TICKED}{suffix_of(code)}" for code in codes) if is_ticked else (name,)


def _cells(kind: str, version: Version, instances: Mapping[Thing, int]) -> dict[str, str]:
    told = cells_of(kind, {"id": version.id, "version": version.version, **plain_of(kind, version.fields)})
    cells = {
        f"{kind}_{name}": str(instances.get((target, str(version.fields[name])), ""))
        for name, target in KINDS[kind].points_to.items()
        if version.fields[name] is not None
    }
    for each in _asked(kind):
        name, text = f"{kind}_{each.column}", told[each.column]
        if each.form == "words" and each.values:
            ticked = {NONE} if text == NOTHING else {*text.split(BETWEEN)} - {""}
            every = (*map(str, each.values), NONE)
            cells |= {f"{name}{TICKED}{suffix_of(code)}": "1" if code in ticked else "0" for code in every}
        elif each.form == "flag":
            cells[name] = {"true": "1", "false": "0"}.get(text, "")
        elif each.form == "moment" and text:
            cells[name] = datetime.fromisoformat(text).strftime("%Y-%m-%d %H:%M:%S")
        else:
            cells[name] = text
    return cells
