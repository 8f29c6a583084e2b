"""Where the vertebral body lies: given by the operator, or found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Path

from db import plans, queries
from db.landmarks import CORNER_NAMES
from detection.vocabulary import Origin, View
from service.api import asks, procedure_wire, wire
from service.api.deps import Actor, Deps, DepsHere
from service.api.errors import Refused, bad_field, not_found
from service.api.procedures import find

router = APIRouter(prefix="/procedures", tags=["plan"])

ALL_CORNERS = tuple(name for names in CORNER_NAMES.values() for name in names.values())
PlanViewName = Annotated[View, Path(description="lateral or ap.")]


@router.put("/{id}/plan/{view}", response_model=procedure_wire.PlanView)
def put_plan(
    deps: DepsHere, actor: Actor, id: str, view: PlanViewName, body: asks.Landmarks
) -> procedure_wire.PlanView:
    """Give the four corners of the body in one view; they hold from the next frame on."""
    names = corner_names(view)
    if find(deps, id).closed_at is not None:
        raise Refused(409, "This procedure is closed.")
    check_corners(view, body)
    given = body.model_dump(mode="json", exclude=set(ALL_CORNERS) - set(names.values()))
    plans.put_plan(deps.engine, id, view, given, actor=actor, at=deps.now())
    deps.bell.ring()
    return procedure_wire.PlanView(view=view, origin=Origin.OPERATOR, trust=1.0, **given)


@router.get("/{id}/plan/{view}", response_model=procedure_wire.PlanView)
def get_plan(deps: DepsHere, id: str, view: PlanViewName) -> procedure_wire.PlanView:
    """What the operator gave; else what was found on the latest frame of this view, with its trust."""
    corner_names(view)
    find(deps, id)
    given = given_plan(deps, id, view)
    if given is not None:
        return procedure_wire.PlanView(view=view, origin=Origin.OPERATOR, trust=1.0, **given)
    found = found_plan(deps, id, view)
    if found is None:
        raise not_found("plan: no landmarks were given and no vertebral body was found in this view")
    return found


def corner_names(view: View) -> Mapping[str, str]:
    """What the corners are called in this view; 400 for a view that has no landmarks."""
    if view not in CORNER_NAMES:
        raise bad_field("view", "expected lateral or ap")
    return CORNER_NAMES[view]


def check_corners(view: View, body: asks.Landmarks) -> None:
    """400 unless exactly this view's corners are given and go round a body that has an inside."""
    names = corner_names(view)
    for name in ALL_CORNERS:
        is_given, is_wanted = getattr(body, name) is not None, name in names.values()
        if is_wanted and not is_given:
            raise bad_field(name, f"expected [row, col] in the {view} view")
        if is_given and not is_wanted:
            raise bad_field(name, f"does not belong to the {view} view")
    around = ("near_superior", "far_superior", "far_inferior", "near_inferior")
    ring = [getattr(body, names[corner]) for corner in around]
    turns = [_turn(ring[i], ring[(i + 1) % 4], ring[(i + 2) % 4]) for i in range(4)]
    if not (all(turn > 0 for turn in turns) or all(turn < 0 for turn in turns)):
        raise bad_field(names["near_superior"], "expected four corners that go round the body without crossing")


def _turn(first: wire.Position, second: wire.Position, third: wire.Position) -> float:
    """Twice the signed area of a triangle: its sign is the way that the corner turns."""
    return (second[0] - first[0]) * (third[1] - second[1]) - (second[1] - first[1]) * (third[0] - second[0])


def given_plan(deps: Deps, id: str, view: View) -> dict[str, Any] | None:
    """The landmarks as they were put, or None."""
    entry = plans.plan_entry(deps.engine, id, view)
    if entry is None:
        return None
    return {name: entry.data[name] for name in asks.Landmarks.model_fields if name in entry.data}


def found_plan(deps: Deps, id: str, view: View) -> procedure_wire.PlanView | None:
    """The body on the latest judged frame, if that shows this view."""
    entry = queries.latest_frame(deps.engine, id)
    body = entry.data.get("body") if entry is not None else None
    if entry is None or not body or body.get("view") != view:
        return None
    corners = {theirs: body["corners"][ours] for ours, theirs in CORNER_NAMES[view].items()}
    frame = entry.frame and wire.FrameRef(sop_instance_uid=entry.frame.sop_instance_uid, index=entry.frame.index)
    return procedure_wire.PlanView(
        view=view,
        origin=body.get("origin", Origin.FOUND),
        trust=body.get("trust"),
        level=body.get("level"),
        frame=frame,
        posterior_wall=body.get("wall"),
        mm_per_px=body.get("mm_per_px") or entry.data.get("mm_per_px"),
        **corners,
    )
