"""Recorded studies that are asked to be played again: ``serve`` asks, a runner plays, both may look and cancel."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Engine, func, insert, select, update

from db.connect import reading, row_of, rows_of, writing
from db.tables import REPLAY


class ReplayState(StrEnum):
    """How far a replay is."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


UNFINISHED = (str(ReplayState.QUEUED), str(ReplayState.RUNNING))


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """One replay. ``speed`` None is as fast as possible; ``total`` is None until it is known; ``number`` orders lists."""

    number: int
    id: str
    source: str
    study_instance_uid: str | None
    speed: float | None
    state: ReplayState
    sent: int
    total: int | None
    queued_at: float
    started_at: float | None
    ended_at: float | None
    reason: str | None
    procedure: str | None


def queue_replay(
    engine: Engine, *, source: str, study_instance_uid: str | None, speed: float | None, at: float
) -> Replay:
    """Ask for a replay. Its id is short enough to be the end of an AE title."""
    replay_id = uuid.uuid4().hex[:12]
    with writing(engine) as connection:
        number = (connection.execute(select(func.max(REPLAY.c.number))).scalar() or 0) + 1
        row = {
            "number": number,
            "id": replay_id,
            "source": source,
            "study_instance_uid": study_instance_uid,
            "speed": speed,
            "state": str(ReplayState.QUEUED),
            "sent": 0,
            "queued_at": at,
        }
        connection.execute(insert(REPLAY), [row])
    return _known(engine, replay_id)


def find_replay(engine: Engine, replay_id: str) -> Replay | None:
    """The replay with this id."""
    with reading(engine) as connection:
        row = row_of(connection, select(REPLAY).where(REPLAY.c.id == replay_id))
    return None if row is None else _from_row(row)


def replays(engine: Engine, *, after: int = 0, limit: int = 100) -> list[Replay]:
    """Replays with numbers above ``after``, ascending."""
    query = select(REPLAY).where(REPLAY.c.number > after).order_by(REPLAY.c.number).limit(limit)
    with reading(engine) as connection:
        return [_from_row(row) for row in rows_of(connection, query)]


def begin_replay(engine: Engine, replay_id: str, *, at: float) -> bool:
    """Make a queued replay a running one; False when it is no longer queued."""
    query = update(REPLAY).where(REPLAY.c.id == replay_id, REPLAY.c.state == str(ReplayState.QUEUED))
    with writing(engine) as connection:
        return bool(connection.execute(query.values(state=str(ReplayState.RUNNING), started_at=at)).rowcount)


def note_sent(
    engine: Engine, replay_id: str, *, sent: int, total: int | None = None, procedure: str | None = None
) -> Replay:
    """Note how far a running replay got; the answer tells whether it was cancelled meanwhile."""
    told: dict[str, Any] = {"sent": sent}
    told |= {name: value for name, value in (("total", total), ("procedure", procedure)) if value is not None}
    with writing(engine) as connection:
        connection.execute(update(REPLAY).where(_is_unfinished(replay_id)).values(**told))
    return _known(engine, replay_id)


def end_replay(engine: Engine, replay_id: str, state: ReplayState, *, at: float, reason: str | None = None) -> Replay:
    """End a replay as done, failed or cancelled; one that has ended stays as it is. KeyError for an unknown one."""
    ended = {"state": str(state), "ended_at": at, "reason": reason}
    with writing(engine) as connection:
        connection.execute(update(REPLAY).where(_is_unfinished(replay_id)).values(**ended))
    return _known(engine, replay_id)


def _is_unfinished(replay_id: str) -> Any:
    return (REPLAY.c.id == replay_id) & REPLAY.c.state.in_(UNFINISHED)


def _known(engine: Engine, replay_id: str) -> Replay:
    known = find_replay(engine, replay_id)
    if known is None:
        raise KeyError(replay_id)
    return known


def _from_row(row: Mapping[str, Any]) -> Replay:
    return Replay(**{**row, "state": ReplayState(row["state"])})
