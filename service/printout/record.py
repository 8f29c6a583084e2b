"""The sections of a report that tell the clinical record: what was done, what leaked, and how the patient fared.

The pseudonym is left out: the report names the patient as the images do, and a sheet with both would be the key to a study.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from db.record import Version
from service.clinical.columns import Meaning, dictionary
from service.clinical.record import ADDRESSES, plain_of
from service.clinical.remarks import Whole, remarks_on
from service.printout.parts import Cell, Section, Table, Words

LEVELS = ("level", "lesion", "approach", "posterior_wall", "volume_ml", "end_reason", "examined_with", "sins_total")
NEEDLES = ("side", "route", "gauge_g", "tip_third")
LEAKS = ("finding", "site", "side", "yeom", "modality", "volume_ml", "consequence", "treatment")
STEPS = ("place", "kind", "level", "side", "started_at", "ended_at", "instrument", "gauge_g")
COMPLICATIONS = ("kind", "happened_on", "is_due_to_leak", "outcome", "treatment")
FOLLOW_UPS = ("time_point", "seen_on", "vas", "odi_percent", "kps", "barthel_total", "bm22_sum", "asia", "is_alive")
PATIENT = ("birth_year", "sex", "primary_tumour", "primary_text")
HIDDEN = frozenset({"patient", "procedure", "confirmed_at", "confirmed_by", "tomita", "tokuhashi"})
LONGEST_UNIT = 14
LABELS = {"operation.kind": "Kind of operation"}
HEADS = {
    "level": "vertebra",
    "volume_ml": "ml",
    "yeom": "type (Yeom)",
    "modality": "first shown by",
    "finding": "decision",
    "vas": "VAS",
    "odi_percent": "ODI, %",
    "kps": "KPS",
    "barthel_total": "Barthel",
    "bm22_sum": "BM22 sum",
    "asia": "ASIA",
    "sins_total": "SINS",
    "gauge_g": "gauge",
    "seen_on": "seen",
    "is_due_to_leak": "due to a leak",
    "is_alive": "alive",
}


def sections_of(whole: Whole) -> Iterator[Section]:
    """The record of one operation, section by section; what is empty is left out."""
    operation = plain_of("operation", whole.operation.fields)
    confirmed = "Not confirmed: nobody has read this record as a whole since it was last changed."
    if operation["confirmed_at"]:
        confirmed = f"Confirmed by {operation['confirmed_by']}, {moment(operation['confirmed_at'])}."
    patient = plain_of("patient", whole.patient.fields)
    rows = [*_known("patient", patient, PATIENT), *_known("operation", operation, _operation_fields())]
    yield Section(title="Clinical record", parts=(Words(text=confirmed), Table(rows=tuple(rows))))
    yield from _levels(whole)
    for kind, title, names in (
        ("step", "Steps", STEPS),
        ("complication", "Complications", COMPLICATIONS),
        ("follow_up", "Follow-up", FOLLOW_UPS),
    ):
        if things := whole.things.get(kind, ()):
            yield Section(title=title, parts=(_table(kind, things, names),))
    if remarks := remarks_on(whole):
        rows = [(words_of(each.kind), words_of(each.field), each.words) for each in remarks]
        yield Section(title="What does not add up", parts=(Table(head=("of", "field", "what"), rows=tuple(rows)),))


def _levels(whole: Whole) -> Iterator[Section]:
    levels = list(whole.things.get("level", ()))
    if not levels:
        return
    yield Section(title="Treated vertebrae", parts=(_table("level", levels, LEVELS),))
    for kind, title, names in (("needle", "Needles", NEEDLES), ("leak", "Leaks", LEAKS)):
        rows = [
            (level.fields["level"], *_cells(kind, each, names)) for level in levels for each in whole.of(kind, level)
        ]
        head = ("vertebra", *(HEADS.get(name, words_of(name)) for name in names))
        if rows:
            yield Section(title=title, parts=(Table(head=head, rows=tuple(rows)),))
        elif kind == "leak":
            yield Section(
                title=title, parts=(Words(text="No leak is recorded. That says nothing of what was not looked at."),)
            )


def _table(kind: str, things: Sequence[Version], names: Sequence[str]) -> Table:
    head = tuple(HEADS.get(name, words_of(name)) for name in names)
    return Table(head=head, rows=tuple(tuple(_cells(kind, each, names)) for each in things))


def _cells(kind: str, thing: Version, names: Sequence[str]) -> Iterator[Cell]:
    told = plain_of(kind, thing.fields)
    yield from (cell_of(name, told[name]) for name in names)


def _known(kind: str, told: Mapping[str, Any], names: Sequence[str]) -> Iterator[tuple[Cell, ...]]:
    """Name and value of what is known, the name as the dictionary has it."""
    meanings = _meanings(kind)
    for name in names:
        if told[name] is not None:
            yield _label(f"{kind}.{name}", meanings[name].meaning), cell_of(name, told[name])


def _label(name: str, meaning: str) -> str:
    """The dictionary's sentence as far as it names the field and its unit."""
    head, *rest = meaning.rstrip(".").split("; ")
    unit = [part for part in rest if len(part) <= LONGEST_UNIT]
    return LABELS.get(name) or ", ".join([head, *unit])


def _operation_fields() -> list[str]:
    return ["kind", *(name for name in _meanings("operation") if name not in {*HIDDEN, "kind"})]


def _meanings(kind: str) -> dict[str, Meaning]:
    """By field; the items of answers are not told one by one."""
    theirs = [each for each in dictionary() if each.file == f"{ADDRESSES[kind]}.csv" and each.item is None]
    return {each.field: each for each in theirs}


def cell_of(name: str, value: Any) -> Cell:
    """A value as people read it."""
    match value:
        case None:
            return None
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(words_of(each) for each in value) or "none"
        case str() if name.endswith("_at"):
            return moment(value)
        case float():
            return f"{value:g}" if value != round(value, 1) else f"{value:.1f}".removesuffix(".0")
        case str() if name in {"remark", "drugs", "comorbidities", "treatment", "instrument", "primary_text"}:
            return value
        case str():
            return words_of(value)
    return str(value)


def words_of(code: str) -> str:
    """A code without its underscores."""
    return code.replace("_", " ")


def moment(time: str) -> str:
    """``2026-11-22 10:30:05 UTC`` of a time in UTC as it is told outside."""
    return f"{time[:10]} {time[11:19]} UTC"
