"""Procedures and their logs."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query

from db import procedures as store
from db import queries
from detection.vocabulary import Entry, EntryType, Zone
from service.api import asks, procedure_wire, wire
from service.api.answers import entry_of, measurement_of, procedure_of, seen_frame_of
from service.api.deps import Actor, After, Deps, DepsHere, Limit
from service.api.errors import Refused, bad_field, not_found
from service.printout.reported import counted

router = APIRouter(prefix="/procedures", tags=["procedures"])

TYPES = ", ".join(EntryType)
MOST_WORDS = 10
"""Words of a search that count."""


@router.get("", response_model=procedure_wire.Procedures)
def list_procedures(
    deps: DepsHere,
    study: Annotated[str | None, Query(description="Only those of this Study Instance UID.")] = None,
    open: Annotated[bool | None, Query(description="true: only those not closed.")] = None,  # noqa: A002 - the contract's name
    search: Annotated[
        str | None,
        Query(
            max_length=200,
            pattern=r"^[^\x00]*$",
            description="Only those in whose patient, levels, kind, accession number or day (YYYY-MM-DD) each word stands.",
        ),
    ] = None,
    newest: Annotated[bool, Query(description="true: the newest first; next_after then goes back in time.")] = False,  # noqa: FBT002 - a query parameter
    after: After = 0,
    limit: Limit = 100,
) -> procedure_wire.Procedures:
    """Procedures in the order they were opened."""
    words = (search or "").split()[:MOST_WORDS]
    rows = queries.procedures(
        deps.engine, study=study, is_open=open, words=words, is_newest_first=newest, after=after, limit=limit
    )
    return procedure_wire.Procedures(
        items=[procedure_of(row) for row in rows], next_after=rows[-1].number if rows else after
    )


@router.post("", response_model=procedure_wire.Procedure, status_code=201)
def create_procedure(deps: DepsHere, actor: Actor, body: asks.ProcedureAsk) -> procedure_wire.Procedure:
    """A procedure before its first image; images are matched by study, accession number or patient id."""
    given = wanted(body)
    studies = given.pop("study_instance_uids", [])
    for study in studies:
        refuse_if_taken(deps, study)
    made = store.open_procedure(deps.engine, store.Opening(at=deps.now(), actor=actor, **given))
    if studies:
        made = change(deps, made.id, {"study_instance_uids": studies}, actor)
    deps.bell.ring()
    return with_counts(deps, made)


@router.get("/{id}", response_model=procedure_wire.Procedure)
def get_procedure(deps: DepsHere, id: str) -> procedure_wire.Procedure:
    """One procedure with its counts and latencies."""
    return with_counts(deps, find(deps, id))


@router.patch("/{id}", response_model=procedure_wire.Procedure)
def change_procedure(deps: DepsHere, actor: Actor, id: str, body: asks.ProcedureAsk) -> procedure_wire.Procedure:
    """Change what is given; the rest stays."""
    find(deps, id)
    changed = change(deps, id, wanted(body), actor)
    deps.bell.ring()
    return with_counts(deps, changed)


@router.post("/{id}/close", response_model=procedure_wire.Procedure)
def close_procedure(deps: DepsHere, actor: Actor, id: str) -> procedure_wire.Procedure:
    """The operation is over. Closing twice changes nothing."""
    if find(deps, id).closed_at is None:
        store.close(deps.engine, id, at=deps.now(), actor=actor)
        deps.bell.ring()
    return with_counts(deps, find(deps, id))


@router.get("/{id}/log", response_model=wire.Entries)
def get_log(
    deps: DepsHere,
    id: str,
    after: After = 0,
    limit: Limit = 100,
    types: Annotated[str | None, Query(description="Only these, separated by commas.")] = None,
) -> wire.Entries:
    """The journal of one procedure, in order."""
    find(deps, id)
    lines = queries.log_of(deps.engine, id, after=after, types=_types_of(types), limit=limit)
    return wire.Entries(items=[entry_of(line) for line in lines], next_after=_last(lines, after))


@router.post("/{id}/log", response_model=wire.Entry, status_code=201)
def add_to_log(deps: DepsHere, actor: Actor, id: str, body: asks.LogLine) -> wire.Entry:
    """An operator's entry; read by the analysis before its next verdict."""
    if find(deps, id).closed_at is not None and body.type != "note":
        raise Refused(409, "This procedure is closed; only a note can be added.")
    content = body.model_dump(exclude={"type"})
    entry = Entry(at=deps.now(), type=EntryType(body.type), procedure=id, actor=actor, data=content)
    (written,) = deps.journal.append([entry])
    deps.bell.ring()
    return entry_of(written)


@router.get("/{id}/measurements", response_model=procedure_wire.Measurements)
def get_measurements(
    deps: DepsHere,
    id: str,
    zone: Annotated[Zone | None, Query(description="Narrow the zones of each item to this one.")] = None,
    after: After = 0,
    limit: Limit = 100,
    latest: Annotated[bool, Query(description="Only the newest frame.")] = False,  # noqa: FBT002 - a query parameter
) -> procedure_wire.Measurements:
    """The time series of a procedure."""
    find(deps, id)
    if latest:
        newest = queries.latest_frame(deps.engine, id)
        after, limit = (newest.number - 1, 1) if newest and newest.number else (after, limit)
    items = queries.measurements_of(deps.engine, id, zone=zone, after=after, limit=limit)
    return procedure_wire.Measurements(
        items=[measurement_of(item) for item in items], next_after=items[-1].number if items else after
    )


@router.get("/{id}/frames", response_model=procedure_wire.Frames)
def list_frames(deps: DepsHere, id: str, after: After = 0, limit: Limit = 100) -> procedure_wire.Frames:
    """The judged frames of a procedure."""
    find(deps, id)
    lines = list(queries.frames_of(deps.engine, id, after=after, limit=limit))
    items = [item for item in map(seen_frame_of, lines) if item is not None]
    return procedure_wire.Frames(items=items, next_after=_last(lines, after))


def find(deps: Deps, id: str) -> store.Procedure:
    """The procedure, or 404."""
    found = store.procedure(deps.engine, id)
    if found is None:
        raise not_found("procedure")
    return found


def refuse_if_taken(deps: Deps, study: str) -> None:
    """409 when this study has a procedure already."""
    owner = store.find_procedure(deps.engine, study)
    if owner is not None:
        raise Refused(409, "This study belongs to another procedure.", procedure=owner.id)


def change(deps: Deps, id: str, changes: dict[str, Any], actor: str) -> store.Procedure:
    """The procedure after the change; 409 for a study of another one, 400 for a value that is not allowed."""
    try:
        return store.change(deps.engine, id, changes, at=deps.now(), actor=actor)
    except ValueError as error:
        field, _, expected = str(error).partition(": ")
        if field == "study_instance_uids":
            raise Refused(409, "This study belongs to another procedure.") from None
        raise bad_field(field, expected) from None


def with_counts(deps: Deps, procedure: store.Procedure) -> procedure_wire.Procedure:
    """The procedure with how much it holds."""
    return counted(deps.engine, procedure)


def wanted(body: asks.ProcedureAsk) -> dict[str, Any]:
    """What the client gave, without what it left out."""
    return body.model_dump(exclude_unset=True, exclude_none=True)


def _types_of(types: str | None) -> tuple[EntryType, ...] | None:
    if types is None:
        return None
    try:
        return tuple(EntryType(word.strip()) for word in types.split(",") if word.strip())
    except ValueError:
        raise bad_field("types", f"expected some of {TYPES}") from None


def _last(lines: list[Entry], after: int) -> int:
    return lines[-1].number or after if lines else after
