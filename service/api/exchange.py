"""Records in and out: one CSV file for each kind, all kinds as JSON, and the dictionary of every column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query, Response
from pydantic import Field

from db.connect import snapshot
from db.record import listing
from service.api.asks import Ask
from service.api.deps import Actor, Deps, DepsHere
from service.api.errors import Refused, bad_field, not_found
from service.api.record import write
from service.api.record_wire import row_of
from service.api.wire import Wire
from service.clinical.cohort_answers import Answer
from service.clinical.columns import dictionary
from service.clinical.csv_told import csv_lines
from service.clinical.exchange import BadCell, Line, NoTable, check, read_csv, read_rows
from service.clinical.record import ADDRESSES
from service.safety import SAFETY_WORDS

router = APIRouter(prefix="/record", tags=["record"])

KIND_AT = {address: kind for kind, address in ADDRESSES.items()}
DryRun = Annotated[bool, Query(description="true: look at everything, write nothing.")]
CSV = "text/csv; charset=utf-8"


class MeaningAnswer(Answer):
    """One column of one file."""

    file: str = Field(description="Name of the file.")
    column: str = Field(description="Name of the column.")
    is_needed: bool = Field(description="Must not be empty.")
    is_derived: bool = Field(description="Follows from answers.")
    allowed: str = Field(description="What may stand in it.")
    meaning: str = Field(description="What it means, with its unit.")
    field: str = Field(description="Name of the field in JSON; columns of one field are the items of its answers.")
    item: str | None = Field(None, description="Key of the item within the field's answers.")
    form: str = Field(
        description="text, number, whole_number, flag, day, moment, word (one of values), words (some of values, or any), "
        "answer (one of values, to an item) or derived."
    )
    values: tuple[str | int, ...] = Field(
        (), description="What may be chosen; none where anything of the form may stand."
    )
    low: float | None = Field(None, description="Smallest value, in the field's unit.")
    high: float | None = Field(None, description="Largest value, in the field's unit.")


class Dictionary(Wire):
    """Every column of every file."""

    items: list[MeaningAnswer] = Field(description="Columns, file by file.")
    next_after: int | None = Field(None, description="Always null.")


class BadCellAnswer(Answer):
    """One cell that cannot be taken."""

    kind: str = Field(description="Kind of the thing.")
    line: int = Field(description="Line of the file, from 1; of JSON the place in its list.")
    column: str = Field(description="Column.")
    expected: str = Field(description="What was expected.")


class Imported(Wire):
    """What an import did, or would do."""

    dry_run: bool = Field(description="Whether nothing was to be written.")
    n_rows: int = Field(description="Rows read; count.")
    n_new: int = Field(description="Things added; count.")
    n_changed: int = Field(description="Things with a new version; count.")
    n_same: int = Field(description="Things that are there already, as they are; count.")
    bad: list[BadCellAnswer] = Field(description="Bad cells; with any of them nothing is written.")


class AllKinds(Ask):
    """Rows of several kinds, in the fields of their shapes; owners may be among them."""

    patients: list[dict[str, Any]] = Field([], description="Patients.")
    operations: list[dict[str, Any]] = Field([], description="Operations.")
    steps: list[dict[str, Any]] = Field([], description="Steps.")
    levels: list[dict[str, Any]] = Field([], description="Vertebrae.")
    needles: list[dict[str, Any]] = Field([], description="Needles.")
    aliquots: list[dict[str, Any]] = Field([], description="Aliquots.")
    leaks: list[dict[str, Any]] = Field([], description="Leaks.")
    complications: list[dict[str, Any]] = Field([], description="Complications.")
    follow_ups: list[dict[str, Any]] = Field([], description="Follow-ups.")
    safety: str | None = Field(None, description="As the export wrote it; not read.")


class Exported(Wire):
    """Everything that is recorded and not withdrawn."""

    safety: str = Field(description="What every screen and export must say.")
    patients: list[dict[str, Any]] = Field(description="Patients.")
    operations: list[dict[str, Any]] = Field(description="Operations.")
    steps: list[dict[str, Any]] = Field(description="Steps.")
    levels: list[dict[str, Any]] = Field(description="Vertebrae.")
    needles: list[dict[str, Any]] = Field(description="Needles.")
    aliquots: list[dict[str, Any]] = Field(description="Aliquots.")
    leaks: list[dict[str, Any]] = Field(description="Leaks.")
    complications: list[dict[str, Any]] = Field(description="Complications.")
    follow_ups: list[dict[str, Any]] = Field(description="Follow-ups.")


@router.get("/dictionary", response_model=Dictionary)
def get_dictionary() -> Dictionary:
    """What may stand in each column, and what it means."""
    return Dictionary(items=[MeaningAnswer.model_validate(each) for each in dictionary()], next_after=None)


@router.get("/export.json", response_model=Exported)
def export_json(deps: DepsHere) -> dict[str, Any]:
    """Every current thing of every kind, as all stood at one moment."""
    with snapshot(deps.engine) as seen:
        told = {_list_name(kind): [row_of(each) for each in listing(seen, kind)] for kind in ADDRESSES}
    return {"safety": SAFETY_WORDS, **told}


@router.get("/{address}.csv", response_class=Response, responses={200: {"content": {"text/csv": {}}}})
def export_csv(deps: DepsHere, address: str) -> Response:
    """One kind as a table; its first line is a remark with the safety words."""
    kind = _kind_at(address)
    headers = {"Content-Disposition": f'attachment; filename="{ADDRESSES[kind]}.csv"'}
    with snapshot(deps.engine) as seen:
        return Response("".join(csv_lines(seen, kind, SAFETY_WORDS)), media_type=CSV, headers=headers)


@router.post("/import", response_model=Imported)
def import_json(deps: DepsHere, actor: Actor, body: AllKinds, dry_run: DryRun = False) -> Imported:  # noqa: FBT002 - a query parameter
    """Several kinds at once: all or nothing."""
    try:
        lines = [line for kind in ADDRESSES for line in read_rows(kind, getattr(body, _list_name(kind)))]
    except NoTable as error:
        raise bad_field("body", str(error)) from None
    return _take(deps, actor, lines, dry_run=dry_run)


@router.post("/{address}/import", response_model=Imported)
def import_csv(
    deps: DepsHere,
    actor: Actor,
    address: str,
    body: Annotated[bytes, Body(media_type="text/csv", description="The file, in UTF-8.")],
    dry_run: DryRun = False,  # noqa: FBT002 - a query parameter
) -> Imported:
    """A table of one kind: with ``dry_run`` every bad cell is named; without, it is written all or not at all."""
    kind = _kind_at(address)
    try:
        lines = read_csv(kind, body.decode("utf-8"))
    except UnicodeDecodeError:
        raise bad_field("body", "expected UTF-8") from None
    except NoTable as error:
        raise bad_field("body", str(error)) from None
    return _take(deps, actor, lines, dry_run=dry_run)


def _take(deps: Deps, actor: str, lines: Sequence[Line], *, dry_run: bool) -> Imported:
    intake = check(deps.engine, lines)
    if intake.bad and not dry_run:
        message = f"{len(intake.bad)} cells cannot be taken; nothing was written."
        raise Refused(400, message, code="bad_cells", cells=[_cell(each).model_dump() for each in intake.bad])
    if not dry_run:
        write(deps, actor, intake.drafts)
    return Imported(
        dry_run=dry_run,
        n_rows=len(lines),
        n_new=intake.n_new,
        n_changed=intake.n_changed,
        n_same=intake.n_same,
        bad=[_cell(each) for each in intake.bad],
    )


def _cell(bad: BadCell) -> BadCellAnswer:
    return BadCellAnswer.model_validate(bad)


def _kind_at(address: str) -> str:
    if address not in KIND_AT:
        raise not_found("kind of record")
    return KIND_AT[address]


def _list_name(kind: str) -> str:
    return ADDRESSES[kind].replace("-", "_")
