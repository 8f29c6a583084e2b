"""Recorded studies, played again."""

from __future__ import annotations

from fastapi import APIRouter, Response

from service.api import asks, wire
from service.api.answers import time_or_none
from service.api.deps import Deps, DepsHere
from service.api.errors import Refused, not_found, unavailable

router = APIRouter(prefix="/replays", tags=["replays"])


@router.post("", response_model=wire.Replay, status_code=201)
def start_replay(deps: DepsHere, body: asks.ReplayAsk) -> wire.Replay:
    """Play a recorded study over DICOM, by the same path as a live one. Its alerts are marked as replay."""
    try:
        id = deps.replays.start(body.source, body.study_instance_uid, body.speed)
    except ValueError as error:
        raise Refused(400, f"This cannot be replayed: {error}.", field="study_instance_uid") from None
    except LookupError:
        raise not_found("study in this recorder") from None
    except ConnectionError:
        raise unavailable("The recorder does not answer.") from None
    return find_replay(deps, id)


@router.get("/{id}", response_model=wire.Replay)
def get_replay(deps: DepsHere, id: str) -> wire.Replay:
    """How far it is."""
    return find_replay(deps, id)


@router.delete("/{id}", response_class=Response, status_code=204)
def cancel_replay(deps: DepsHere, id: str) -> Response:
    """Stop it; what has been played stays in the log."""
    if not deps.replays.cancel(id):
        raise not_found("replay")
    return Response(status_code=204)


def find_replay(deps: Deps, id: str) -> wire.Replay:
    """The progress of a replay, or 404."""
    progress = deps.replays.progress(id)
    if progress is None:
        raise not_found("replay")
    times = {name: time_or_none(progress.get(name)) for name in ("queued_at", "started_at", "ended_at")}
    return wire.Replay(**{**progress, **times})
