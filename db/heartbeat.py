"""Is each source being judged right now? One row a source, overwritten by ``watch``; not evidence, so not journaled."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Any

from sqlalchemy import Engine, delete, select

from db.connect import reading, rows_of, upsert, writing
from db.convert import json_text
from db.tables import ROLE, SOURCE
from detection.vocabulary import Flag, Glance, Sight, View, Zone


class SourceState(StrEnum):
    """How a source is doing."""

    WATCHING = "watching"
    IDLE = "idle"
    LATE = "late"
    STOPPED = "stopped"
    UNFIT = "unfit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """One source at one beat; a reader must hold ``beat_at`` against its own clock."""

    source: str
    procedure: str | None
    state: SourceState
    last_frame_at: float | None
    frames_received: int
    frames_judged: int
    frames_skipped: int
    view: View
    zones_watched: tuple[Zone, ...]
    zones_not_visible: tuple[Zone, ...]
    flags: frozenset[Flag]
    beat_at: float
    sight: Sight = field(default_factory=Sight)


def beat(engine: Engine, rows: Sequence[Heartbeat], *, at: float, role: str = "watch") -> None:
    """A sign of life of ``role``, and the heartbeat of each source in ``rows``."""
    with writing(engine) as connection:
        upsert(connection, ROLE, [{"role": role, "beat_at": at}])
        if rows:
            upsert(connection, SOURCE, [heartbeat_data(row) for row in rows])


def forget(engine: Engine, source: str) -> None:
    """A source that is over is no longer shown."""
    with writing(engine) as connection:
        connection.execute(delete(SOURCE).where(SOURCE.c.source == source))


def last_sign(engine: Engine, role: str = "watch") -> float | None:
    """When ``role`` last gave a sign of life; None when it never did."""
    with reading(engine) as connection:
        at = connection.execute(select(ROLE.c.beat_at).where(ROLE.c.role == role)).scalar()
    return None if at is None else float(at)


def heartbeats(engine: Engine) -> tuple[Heartbeat, ...]:
    """The latest heartbeat of every source, by name."""
    with reading(engine) as connection:
        return tuple(heartbeat_from(row) for row in rows_of(connection, select(SOURCE).order_by(SOURCE.c.source)))


def heartbeat_data(row: Heartbeat) -> dict[str, Any]:
    """A heartbeat in plain words, as its row holds it."""
    lists = {name: json_text(list(getattr(row, name))) for name in ("zones_watched", "zones_not_visible")}
    flags = json_text(sorted(map(str, row.flags)))
    words = {"state": str(row.state), "view": str(row.view), "sight": json_text(_sight_data(row.sight))}
    return {**asdict(row), **lists, "flags": flags, **words}


def _sight_data(sight: Sight) -> dict[str, Any]:
    glances = [
        {"source": each.source, "view": str(each.view), "at": each.at, "zones_shown": list(map(str, each.zones_shown))}
        for each in sight.glances
    ]
    return {"glances": glances, "zones_blind": list(map(str, sight.zones_blind))}


def _sight_from(text: str) -> Sight:
    told = json.loads(text)
    glances = tuple(
        Glance(**{**each, "view": View(each["view"]), "zones_shown": tuple(map(Zone, each["zones_shown"]))})
        for each in told["glances"]
    )
    return Sight(glances=glances, zones_blind=tuple(map(Zone, told["zones_blind"])))


def heartbeat_from(row: Mapping[str, Any]) -> Heartbeat:
    """The heartbeat that ``heartbeat_data`` wrote down."""
    return Heartbeat(
        **{
            **row,
            "state": SourceState(row["state"]),
            "view": View(row["view"]),
            "zones_watched": _zones_from(row["zones_watched"]),
            "zones_not_visible": _zones_from(row["zones_not_visible"]),
            "flags": _flags_from(row["flags"]),
            "sight": _sight_from(row["sight"]),
        }
    )


@lru_cache(maxsize=64)
def _zones_from(text: str) -> tuple[Zone, ...]:
    return tuple(map(Zone, json.loads(text)))


@lru_cache(maxsize=64)
def _flags_from(text: str) -> frozenset[Flag]:
    return frozenset(map(Flag, json.loads(text)))
