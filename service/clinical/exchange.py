"""Records in and out as tables. An import is checked as a whole first, every bad cell is named, and it is all or nothing."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pydantic import ValidationError

from db.connect import Engine
from db.record import KINDS, VERSION_FIELDS, Draft, Version, changed_fields, listing
from service.clinical.columns import cells_of, columns_of, told_by
from service.clinical.csv_told import MARK
from service.clinical.instruments import ImpossibleAnswer
from service.clinical.record import SHAPES, fields_of, plain_of, without_confirmation
from service.clinical.shape import SCORED, problems_of

PAGE = 1000


class NoTable(ValueError):
    """The text is no such table at all; says what was expected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One row of a file."""

    kind: str
    number: int
    cells: Mapping[str, str]

    @property
    def id(self) -> str:
        """The id that stands in it, "" where there is none."""
        return (self.cells.get("id") or "").strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class BadCell:
    """One cell that cannot be taken; what stands in it is never repeated."""

    kind: str
    line: int
    column: str
    expected: str


@dataclass(slots=True, kw_only=True)
class Intake:
    """What an import would do. ``drafts`` can be written only while ``bad`` is empty."""

    may_confirm: bool = False
    drafts: list[Draft] = field(default_factory=list)
    bad: list[BadCell] = field(default_factory=list)
    n_same: int = 0

    @property
    def n_new(self) -> int:
        """Things that would be added."""
        return sum(draft.base is None for draft in self.drafts)

    @property
    def n_changed(self) -> int:
        """Things that would get a new version."""
        return len(self.drafts) - self.n_new


def read_csv(kind: str, text: str) -> list[Line]:
    """The rows of a kind's file. Raises NoTable when there is no header that fits."""
    (_, names), *rows = rows_of(text)
    _check_header(kind, names)
    return [Line(kind=kind, number=number, cells=dict(zip(names, row, strict=True))) for number, row in rows]


def rows_of(text: str) -> list[tuple[int, list[str]]]:
    """Header and rows of a CSV file, each with its line, all of the same length. Raises NoTable."""
    text = text.lstrip("\ufeff")
    n_marked = 0
    while text.startswith((MARK, f'"{MARK}')):  # some spreadsheets quote every cell
        _, _, text = text.partition("\n")
        n_marked += 1
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[tuple[int, list[str]]] = []
    before = 0
    try:
        for row in reader:
            if row:
                rows.append((n_marked + before + 1, row))
            before = reader.line_num
    except csv.Error:
        raise NoTable(
            f"line {n_marked + reader.line_num}: expected comma-separated cells with balanced quotes"
        ) from None
    if not rows:
        raise NoTable("expected a header and rows")
    header = [name.strip() for name in rows[0][1]]
    if len(header) == 1 and ";" in header[0]:
        raise NoTable("header: expected cells separated by commas, not by semicolons")
    for number, row in rows[1:]:
        if len(row) != len(header):
            raise NoTable(f"line {number}: expected {len(header)} cells")
    return [(rows[0][0], header), *rows[1:]]


def read_rows(kind: str, rows: Sequence[Mapping[str, object]]) -> list[Line]:
    """Rows of JSON, in the fields of the kind's shape. Raises NoTable for a field that is not known.

    What an export says of each version besides (who wrote it, and when) is not read.
    """
    known = {*VERSION_FIELDS, *SHAPES[kind].model_fields, *SCORED.values()}
    for number, row in enumerate(rows, start=1):
        if set(row) - known:
            raise NoTable(f"{kind} {number}: expected only fields of the dictionary")
        for name, value in row.items():
            if name in SCORED and not isinstance(value, dict | None):
                raise NoTable(f"{kind} {number}: {name}: expected answers by item")
    plain = ({"id": "", "version": "", **row} for row in rows)
    return [Line(kind=kind, number=number, cells=_told_cells(kind, row)) for number, row in enumerate(plain, start=1)]


def _told_cells(kind: str, row: Mapping[str, object]) -> dict[str, str]:
    """The cells of the fields that a row has; null is a cell too, an empty one."""
    left_out = {each.name for each in columns_of(kind) if (each.name if each.is_derived else each.field) not in row}
    return {name: cell for name, cell in cells_of(kind, row).items() if name not in left_out}


def check(engine: Engine, lines: Sequence[Line], *, may_confirm: bool = False) -> Intake:
    """Look at every row before anything is written: cells, owners, pseudonyms, versions.

    A column that a file lacks leaves what is there; an empty cell empties it.
    With ``may_confirm`` a row may bring its confirmation with it: records move from one system to another.
    """
    intake = Intake(may_confirm=may_confirm)
    for kind in KINDS:
        theirs = [line for line in lines if line.kind == kind]
        if theirs:
            _check_kind(engine, kind, theirs, intake, _ids(lines))
    return intake


def _ids(lines: Sequence[Line]) -> dict[str, set[str]]:
    told: dict[str, set[str]] = {}
    for line in lines:
        told.setdefault(line.kind, set()).add(line.id)
    return told


def _check_kind(
    engine: Engine, kind: str, lines: Sequence[Line], intake: Intake, coming: Mapping[str, set[str]]
) -> None:
    there = {each.id: each for each in current(engine, kind, "id", [line.id for line in lines])}
    lines = [_completed(line, there.get(line.id)) for line in lines]
    owners = {name: _there(engine, kind, name, lines) | coming.get(target, set()) for name, target in _pointers(kind)}
    names = _taken_names(engine, lines) if kind == "patient" else {}
    seen: dict[str, int] = {}
    for line in lines:
        bad = [*_bad_id(line, there, seen), *_bad_owner(line, owners), *_bad_name(line, names)]
        before = there.get(line.id)
        fields = _fields(line, bad)
        if fields is not None and not intake.may_confirm:
            fields = _unconfirmed(line, before, fields, bad)
        intake.bad.extend(bad)
        if fields is None or bad:
            continue
        if before is not None and not changed_fields(before.fields, fields):
            intake.n_same += 1
            continue
        base = before.version if before else None
        intake.drafts.append(Draft(kind=kind, id=line.id or None, base=base, fields=fields, reason="import"))


def _completed(line: Line, there: Version | None) -> Line:
    """The row with what is there in the columns that it has not."""
    if there is None:
        return line
    derived = {each.name for each in columns_of(line.kind) if each.is_derived}
    old = cells_of(line.kind, {"id": there.id, "version": "", **plain_of(line.kind, there.fields)})
    return replace(line, cells={**{name: "" if name in derived else cell for name, cell in old.items()}, **line.cells})


def _fields(line: Line, bad: list[BadCell]) -> dict[str, object] | None:
    """The row's fields in the form of storage; None, with every bad cell added, when there are some."""
    told: dict[str, object] | None = None
    try:
        told = fields_of(line.kind, told_by(line.kind, line.cells))
    except ImpossibleAnswer as answer:
        bad.append(_bad(line, answer.field, answer.expected))
        told = None
    except ValidationError as error:
        named = {each.column for each in bad}
        for problem in problems_of(error):
            column, expected = _column_of(problem["field"], problem["expected"])
            if column not in named:
                bad.append(_bad(line, column, expected))
    if told is not None:
        bad.extend(_bad_derived(line, told))
    return told


def _unconfirmed(
    line: Line, before: Version | None, fields: dict[str, object], bad: list[BadCell]
) -> dict[str, object]:
    try:
        return without_confirmation(line.kind, before.fields if before else None, fields)
    except ImpossibleAnswer as answer:
        bad.append(_bad(line, answer.field, answer.expected))
        return fields


def _column_of(field: str, expected: str) -> tuple[str, str]:
    """``prior_treatment.0`` is a cell of prior_treatment; a rule between fields names its field in its sentence."""
    if field == "record" and ": " in expected:
        column, _, words = expected.partition(": ")
        return column, words
    return field.partition(".")[0], expected


def _bad_derived(line: Line, fields: Mapping[str, object]) -> Iterator[BadCell]:
    """A derived value in a file must be the one that follows from its answers."""
    for column in columns_of(line.kind):
        text = (line.cells.get(column.name) or "").strip()
        if column.is_derived and text:
            value = fields[SCORED[column.field]]
            try:
                is_it = value is not None and abs(float(text) - float(str(value))) < 0.01
            except ValueError:
                is_it = False
            if not is_it:
                yield _bad(line, column.name, "expected nothing, or what follows from the answers in this row")


def _bad_id(line: Line, there: Mapping[str, Version], seen: dict[str, int]) -> Iterator[BadCell]:
    id = line.id
    if not id:
        return
    if len(id) > 64 or not all(letter.isalnum() or letter in "._-" for letter in id) or not id.isascii():
        yield _bad(line, "id", "expected up to 64 letters, digits, dots, hyphens, underscores, or nothing")
    if id in seen:
        yield _bad(line, "id", f"expected another id than in line {seen[id]}")
    seen.setdefault(id, line.number)
    before = there.get(id)
    version = (line.cells.get("version") or "").strip()
    if before is not None and version != str(before.version):
        yield _bad(line, "version", f"expected {before.version}, the version that is there, to change this thing")
    if before is None and version:
        yield _bad(line, "version", "expected nothing: there is no thing with this id yet")


def _bad_owner(line: Line, owners: Mapping[str, set[str]]) -> Iterator[BadCell]:
    for name, known in owners.items():
        id = (line.cells.get(name) or "").strip()
        if id and id not in known:
            yield _bad(line, name, f"expected the id of a {KINDS[line.kind].points_to[name]} that is there")


def _bad_name(line: Line, names: Mapping[str, set[str]]) -> Iterator[BadCell]:
    name = (line.cells.get("pseudonym") or "").strip()
    id = line.id
    if name and line.kind == "patient" and names.get(name, set()) - {id or f"line {line.number}"}:
        yield _bad(line, "pseudonym", "expected a pseudonym that no other patient has")


def _taken_names(engine: Engine, lines: Sequence[Line]) -> dict[str, set[str]]:
    """Who has a pseudonym: ids of patients, there or in the file."""
    wanted = [(line.cells.get("pseudonym") or "").strip() for line in lines]
    told: dict[str, set[str]] = {}
    for each in current(engine, "patient", "pseudonym", wanted):
        told.setdefault(str(each.fields["pseudonym"]), set()).add(each.id)
    for line, name in zip(lines, wanted, strict=True):
        told.setdefault(name, set()).add(line.id or f"line {line.number}")
    return told


def _pointers(kind: str) -> Iterator[tuple[str, str]]:
    yield from KINDS[kind].points_to.items()


def _there(engine: Engine, kind: str, name: str, lines: Sequence[Line]) -> set[str]:
    wanted = [(line.cells.get(name) or "").strip() for line in lines]
    return {each.id for each in current(engine, KINDS[kind].points_to[name], "id", wanted)}


def current(engine: Engine, kind: str, field: str, values: Sequence[str]) -> Iterator[Version]:
    """The things whose ``field`` is one of ``values``, however many: a database takes only so many in one question."""
    wanted = sorted({value for value in values if value})
    for start in range(0, len(wanted), PAGE // 2):
        among: dict[str, list[str]] = {field: wanted[start : start + PAGE // 2]}
        yield from listing(engine, kind, **among)  # type: ignore[arg-type] # one field of the kind


def _check_header(kind: str, names: Sequence[str]) -> None:
    known = {"id", "version", *(column.name for column in columns_of(kind))}
    unknown = [str(place) for place, name in enumerate(names, start=1) if name not in known]
    if unknown:
        raise NoTable(f"header: column {', '.join(unknown)} is not in the dictionary of this file")
    if len(set(names)) != len(names):
        raise NoTable("header: expected every column once")


def _bad(line: Line, column: str, expected: str) -> BadCell:
    return BadCell(kind=line.kind, line=line.number, column=column, expected=expected)
