"""The clinical record: every kind of thing under its own address, with the same six verbs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import ValidationError

from db import record as store
from service.api.deps import Actor, After, Deps, DepsHere, Limit
from service.api.errors import Refused, bad_field, not_found
from service.api.record_wire import (
    PAGES,
    ROWS,
    History,
    RecordChange,
    Withdrawal,
    differences,
    history_of,
    row_of,
)
from service.clinical.instruments import ImpossibleAnswer
from service.clinical.record import ADDRESSES, SHAPES, fields_of, given_of, without_confirmation
from service.clinical.shape import problems_of

router = APIRouter(prefix="/record", tags=["record"])

Owner = Annotated[str | None, Query(description="Only those that belong to the thing with this id.")]
Newest = Annotated[bool, Query(description="true: the last changed first; next_after then goes back in time.")]
Pseudonym = Annotated[str | None, Query(max_length=64, description="Of patients: only the one with this pseudonym.")]


def find(deps: Deps, kind: str, id: str, version: int | None = None) -> store.Version:
    """The thing, or 404."""
    found = store.find(deps.engine, kind, id, version)
    if found is None:
        raise not_found(f"{_words(kind)}")
    return found


def write(deps: Deps, actor: str, drafts: Sequence[store.Draft]) -> tuple[store.Version, ...]:
    """Write; what the store refuses is answered in the one error shape."""
    try:
        written = store.write(deps.engine, drafts, at=deps.now(), actor=actor)
    except store.Outdated as outdated:
        raise _conflict(outdated) from None
    except store.Taken as taken:
        raise Refused(409, f"This {taken.field} is in use.", code="taken", field=taken.field) from None
    except store.StillOwns as owns:
        what = f"{owns.n} of {ADDRESSES[owns.kind]}"
        raise Refused(
            409, f"Withdraw what belongs to it first: {what}.", code="still_owns", kind=owns.kind, n=owns.n
        ) from None
    except store.NoOwner as missing:
        raise bad_fields([{"field": missing.field, "expected": "expected the id of a thing that is there"}]) from None
    deps.bell.ring()
    return written


def checked(kind: str, told: Mapping[str, Any]) -> dict[str, Any]:
    """The fields in the form of storage, or 400 with every field that is wrong."""
    try:
        return fields_of(kind, told)
    except ValidationError as error:
        raise bad_fields(problems_of(error)) from None


def unconfirmed(kind: str, before: Mapping[str, Any] | None, told: Mapping[str, Any]) -> dict[str, Any]:
    """As ``checked``, for what is written by anything but a confirmation."""
    try:
        return without_confirmation(kind, before, checked(kind, told))
    except ImpossibleAnswer as answer:
        raise bad_field(answer.field, answer.expected) from None


def bad_fields(problems: list[dict[str, str]]) -> Refused:
    """400 that names every bad field and what was expected of it."""
    first = problems[0]
    return Refused(
        400,
        f"{first['field']}: {first['expected']}.",
        field=first["field"],
        expected=first["expected"],
        problems=problems,
    )


def _conflict(outdated: store.Outdated) -> Refused:
    draft, current, seen = outdated.draft, outdated.current, outdated.seen
    wanted = set(store.changed_fields(seen.fields, draft.fields)) if seen else set(draft.fields)
    told = [was.model_dump() | {"is_yours": was.field in wanted} for was in differences(seen, current)]
    return Refused(
        409,
        "Somebody else changed this meanwhile.",
        code="outdated",
        version=current.version,
        recorded_by=current.recorded_by,
        is_withdrawn=current.is_withdrawn,
        differences=told,
    )


def _words(kind: str) -> str:
    return kind.replace("_", "-")


def _add_reading(kind: str) -> None:
    address = ADDRESSES[kind]

    def list_all(
        deps: DepsHere,
        owner: Owner = None,
        pseudonym: Pseudonym = None,
        newest: Newest = False,  # noqa: FBT002 - a query parameter
        after: After = 0,
        limit: Limit = 100,
    ) -> dict[str, Any]:
        """Current versions, withdrawn ones left out; an item comes again when it changes."""
        narrowed = {store.KINDS[kind].owner or "id": None if owner is None else [owner]}
        if pseudonym is not None:
            if kind != "patient":
                raise bad_field("pseudonym", "expected only where patients are listed")
            narrowed["pseudonym"] = [pseudonym]
        rows = store.listing(deps.engine, kind, after=after, limit=limit, is_newest_first=newest, **narrowed)
        return {"items": [row_of(row) for row in rows], "next_after": rows[-1].number if rows else after}

    def get_one(
        deps: DepsHere, id: str, version: Annotated[int | None, Query(ge=1, description="An earlier one.")] = None
    ) -> dict[str, Any]:
        """The current version, or the one asked for."""
        return row_of(find(deps, kind, id, version))

    def get_history(deps: DepsHere, id: str) -> History:
        """Who changed what, and why."""
        find(deps, kind, id)
        return history_of(store.history(deps.engine, kind, id))

    add = router.add_api_route
    add(f"/{address}", list_all, response_model=PAGES[kind], summary=f"List {address}", name=f"list {address}")
    add(f"/{address}/{{id}}", get_one, response_model=ROWS[kind], summary=f"One of {address}", name=f"get {kind}")
    add(f"/{address}/{{id}}/history", get_history, response_model=History, summary="Every version", name=f"past {kind}")


def _add_making(kind: str) -> None:
    address = ADDRESSES[kind]

    def create(deps: DepsHere, actor: Actor, body: Any) -> dict[str, Any]:
        """Add one; answers it with its id and version 1."""
        draft = store.Draft(kind=kind, fields=unconfirmed(kind, None, body.model_dump()))
        return row_of(write(deps, actor, [draft])[0])

    create.__annotations__["body"] = SHAPES[kind]
    router.add_api_route(
        f"/{address}",
        create,
        methods=["POST"],
        response_model=ROWS[kind],
        status_code=201,
        summary=f"Add to {address}",
        name=f"add {kind}",
    )


def _add_changing(kind: str) -> None:
    def change(deps: DepsHere, actor: Actor, id: str, body: RecordChange) -> dict[str, Any]:
        """A new version with these fields changed; 409 with the differences when there is a newer one already."""
        find(deps, kind, id)
        seen = find(deps, kind, id, body.version)
        fields = unconfirmed(kind, seen.fields, given_of(seen) | body.changes)
        draft = store.Draft(kind=kind, id=id, base=body.version, fields=fields, reason=body.reason)
        return row_of(write(deps, actor, [draft])[0])

    def withdraw(deps: DepsHere, actor: Actor, id: str, body: Withdrawal) -> dict[str, Any]:
        """It counts no longer. It and its history stay; a later change brings it back."""
        find(deps, kind, id)
        seen = find(deps, kind, id, body.version)
        told: dict[str, Any] = {"id": id, "base": body.version, "fields": seen.fields, "reason": body.reason}
        return row_of(write(deps, actor, [store.Draft(kind=kind, is_withdrawn=True, **told)])[0])

    row, one, add = ROWS[kind], f"/{ADDRESSES[kind]}/{{id}}", router.add_api_route
    add(one, change, methods=["PATCH"], response_model=row, summary="Change", name=f"change {kind}")
    add(
        f"{one}/withdraw",
        withdraw,
        methods=["POST"],
        response_model=row,
        summary="Withdraw",
        name=f"withdraw {kind}",
    )


for _kind in SHAPES:
    _add_reading(_kind)
    _add_making(_kind)
    _add_changing(_kind)
