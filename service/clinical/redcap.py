"""Rows of a REDCap project, in its raw CSV export, as rows of the record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from db.connect import Engine
from db.record import KINDS, Version, changed_fields
from service.clinical.cohort_fields import nature_of
from service.clinical.columns import BETWEEN, cells_of, columns_of, told_by
from service.clinical.exchange import BadCell, Intake, Line, NoTable, check, current, rows_of
from service.clinical.record import MOMENTS, fields_of, plain_of
from service.clinical.redcap_mapping import TICKED, ProjectMap, Source, ThingMap, suffix_of

EVENT, REPEAT, INSTANCE = "redcap_event_name", "redcap_repeat_instrument", "redcap_repeat_instance"
REASON = "REDCap"
NO_OWNER = "expected the instance of one"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of an export."""

    number: int
    cells: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A thing that a row makes, before it is known what it belongs to."""

    line: Line
    thing: ThingMap
    record: str
    instance: str
    row: Row


Family = dict[tuple[str, str], list[Made]]
"""What was made, by kind and record."""


@dataclass(slots=True, kw_only=True)
class Reading:
    """What was read: lines of the record, and bad cells by the project's own column names."""

    lines: list[Line] = field(default_factory=list)
    bad: list[BadCell] = field(default_factory=list)
    sources: dict[tuple[str, int, str], str] = field(default_factory=dict)


def read_export(text: str, mapping: ProjectMap) -> Reading:
    """Every thing that the rows of ``text`` make. Raises NoTable when a column of the mapping is not there."""
    (_, names), *rows = rows_of(text)
    if len(set(names)) != len(names):
        raise NoTable("header: expected every column once")
    for name in mapping.columns():
        if name not in names and not any(each.startswith(name + TICKED) for each in names):
            raise NoTable(f"header: expected the column {name}, which the mapping names")
    reading, made = Reading(), list[Made]()
    seen: set[str] = set()
    for number, cells in rows:
        row = Row(number=number, cells=dict(zip(names, (cell.strip() for cell in cells), strict=True)))
        for place, thing in enumerate(mapping.thing):
            one = _made(row, thing, place, mapping, reading)
            if one is not None and not (thing.kind == "patient" and _is_again(one, seen, mapping)):
                made.append(one)
    of_record: Family = {}
    for each in made:
        of_record.setdefault((each.line.kind, each.record), []).append(each)
    reading.lines = [_linked(each, of_record, reading, mapping) for each in made]
    return reading


def take_export(engine: Engine, reading: Reading, *, may_update: bool) -> Intake:
    """Check everything that was read. What is there already keeps what the project does not say.

    Without ``may_update`` it is a bad cell when the project says something else than the record.
    """
    lines = [line for kind in KINDS for line in _beside(engine, kind, reading, may_update=may_update)]
    intake = check(engine, lines)
    unlinked = {(bad.kind, bad.line) for bad in reading.bad if bad.expected.startswith(NO_OWNER)}
    named = [
        replace(bad, column=_source_of(bad, reading))
        for bad in intake.bad
        if bad.column not in KINDS[bad.kind].points_to or (bad.kind, bad.line) not in unlinked
    ]
    intake.bad = sorted({*reading.bad, *named}, key=lambda bad: (bad.line, bad.column))
    intake.drafts = [replace(draft, reason=REASON) for draft in intake.drafts]
    return intake


def _source_of(bad: BadCell, reading: Reading) -> str:
    return reading.sources.get((bad.kind, bad.line, bad.column), bad.column)


def _made(row: Row, thing: ThingMap, place: int, mapping: ProjectMap, reading: Reading) -> Made | None:
    event = row.cells.get(EVENT, "")
    wanted = {*thing.events} or {each for source in thing.fields.values() for each in source.event}
    if row.cells.get(REPEAT, "") != thing.repeat or (wanted and event not in wanted):
        return None
    told = {name: _told(name, source, row, thing, mapping, reading) for name, source in thing.fields.items()}
    from_row = {name for name, source in thing.fields.items() if source.column not in {None, mapping.record}}
    if thing.kind != "patient" and not any(told[name] for name in from_row):
        return None
    record, instance = row.cells[mapping.record], row.cells.get(INSTANCE, "")
    id = f"{mapping.prefix}{record}"
    if thing.kind != "patient":
        is_one_of_many = sum(each.kind == thing.kind for each in mapping.thing) > 1
        parts = [id, thing.kind, str(place) if is_one_of_many else "", event, instance]
        id = "-".join(part for part in parts if part)
    line = Line(kind=thing.kind, number=row.number, cells={"id": id, **told})
    return Made(line=line, thing=thing, record=record, instance=instance, row=row)


def _is_again(one: Made, seen: set[str], mapping: ProjectMap) -> bool:
    """Another event of a patient who has a row, where the project says nothing more of the patient."""
    names = [name for name, source in one.thing.fields.items() if source.column not in {None, mapping.record}]
    is_again = one.record in seen and not any(one.line.cells[name] for name in names)
    seen.add(one.record)
    return is_again


def _told(name: str, source: Source, row: Row, thing: ThingMap, mapping: ProjectMap, reading: Reading) -> str:
    """A cell of the record. A code that the mapping does not know is a bad cell."""
    if source.column is None:
        return source.event.get(row.cells.get(EVENT, ""), "") if source.event else source.constant or ""
    reading.sources[thing.kind, row.number, name] = source.column
    if source.column not in row.cells:
        return _ticked(source, row, thing, reading)
    text = row.cells[source.column]
    if not text or text in mapping.missing:
        return ""
    if source.codes:
        if text not in source.codes:
            _refuse(reading, thing, row, source.column, f"expected one of {', '.join(source.codes)}")
        return source.codes.get(text, "")
    is_clock = name in MOMENTS and len(text) <= len("2026-11-22 10:30:00")
    return f"{text.replace(' ', 'T')}{mapping.utc_offset}" if is_clock else text


def _ticked(source: Source, row: Row, thing: ThingMap, reading: Reading) -> str:
    """The boxes of a checkbox field that are ticked. No box says nothing: nobody can tell it from an open question."""
    known = {suffix_of(code): word for code, word in source.codes.items()}
    words = []
    for name, cell in row.cells.items():
        field, _, code = name.partition(TICKED)
        if field != source.column or cell in {"", "0"}:
            continue
        if cell != "1" or (known and code not in known):
            _refuse(reading, thing, row, name, "expected 0, 1, or a choice that the mapping knows")
            continue
        words.append(known.get(code, code))
    return BETWEEN.join(words)


def _linked(made: Made, of_record: Family, reading: Reading, mapping: ProjectMap) -> Line:
    """The line with the ids of what it belongs to."""
    cells = dict(made.line.cells)
    for name, target in KINDS[made.line.kind].points_to.items():
        if target == "patient":
            cells[name] = f"{mapping.prefix}{made.record}"
            continue
        column = made.thing.points.get(name)
        wanted = made.row.cells[column] if column else ""
        is_needed = name == KINDS[made.line.kind].owner
        if not wanted and not is_needed:
            continue
        theirs = of_record.get((target, made.record), ())
        fitting = [each for each in theirs if not wanted or each.instance == wanted]
        if len(fitting) == 1:
            cells[name] = str(fitting[0].line.cells["id"])
        else:
            _refuse(reading, made.thing, made.row, column or mapping.record, f"{NO_OWNER} {target}")
    return replace(made.line, cells=cells)


def _refuse(reading: Reading, thing: ThingMap, row: Row, column: str, expected: str) -> None:
    reading.bad.append(BadCell(kind=thing.kind, line=row.number, column=column, expected=expected))


def _beside(engine: Engine, kind: str, reading: Reading, *, may_update: bool) -> Iterator[Line]:
    theirs = [line for line in reading.lines if line.kind == kind]
    there = {each.id: each for each in current(engine, kind, "id", [line.id for line in theirs])}
    for line in theirs:
        yield _merged(line, there[line.id], may_update=may_update) if line.id in there else line


def _merged(line: Line, there: Version, *, may_update: bool) -> Line:
    """What the project says over what is there; what it leaves open stays."""
    old = cells_of(line.kind, {"id": there.id, "version": there.version, **plain_of(line.kind, there.fields)})
    derived = {column.name for column in columns_of(line.kind) if column.is_derived}
    lists = {name for name in old if nature_of(f"{line.kind}.{name}") == "words"}
    is_same = {name: name in lists and _is_same_list(text, old[name]) for name, text in line.cells.items()}
    new = {name: text for name, text in line.cells.items() if text and not is_same[name]}
    cells = {name: "" if name in derived else text for name, text in {**old, **new}.items()}
    is_known = may_update or _is_same(line.kind, cells, there)
    return replace(line, cells=cells if is_known else {**cells, "version": ""})


def _is_same_list(one: str, other: str) -> bool:
    """Boxes have the order of the form, a list has its own."""
    return sorted(one.split(BETWEEN)) == sorted(other.split(BETWEEN))


def _is_same(kind: str, cells: Mapping[str, str], there: Version) -> bool:
    try:
        return not changed_fields(there.fields, fields_of(kind, told_by(kind, cells)))
    except ValueError:
        return False
