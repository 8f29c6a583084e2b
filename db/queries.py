"""What screens ask. Every list goes on from a number (``after``) and is served by an index."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Engine, Select, false, func, or_, select, text

from db.connect import reading, row_of, rows_of
from db.convert import Json, alert_from, entry_from_row, json_text
from db.procedures import Procedure, procedures_from
from db.tables import ALERT, ARRIVAL, ENTRY, PROCEDURE, STUDY
from detection.vocabulary import NO_PROCEDURE, PRIORITY_ORDER, Alert, Entry, EntryType, Seen, Zone

END = 2**62
"""Beyond every number."""
LATENCY_FRAMES = 3000
"""More say nothing new of a machine's pace; an hour at 15 frames a second would be 54,000."""
DAY = re.compile(r"\d{4}-\d\d-\d\d")


class Listed(NamedTuple):
    """An alert with the number of the line that last changed it, and when it was acknowledged, if it is."""

    number: int
    alert: Alert
    acknowledged_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One judged frame as a point of a time series, in the shapes of the HTTP contract; unfit frames hold None."""

    number: int
    frame: Seen | None
    view: str
    cement_area_mm2: float | None
    cement_volume_ml: Json | None
    distance_to_wall_mm: float | None
    distance_share: float | None
    speed_mm_s: float | None
    seconds_to_wall: Json | None
    zones: Json
    flags: Sequence[str]
    trust: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many frames were judged and failed, and how many alerts there were by priority."""

    frames: int
    frames_failed: int
    alerts: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Latencies:
    """Milliseconds from receipt of a frame to its line in the journal (nearest rank); None when no frame was seen."""

    p50: float | None
    p95: float | None
    p99: float | None
    max: float | None


def alerts_after(
    engine: Engine, after: int = 0, *, procedure: str | None = None, active: bool | None = None, limit: int = 100
) -> list[Listed]:
    """Alerts that changed after line ``after``, in the order of their last change."""
    query = select(ALERT).where(ALERT.c.number > after)
    if procedure is not None:
        query = query.where(ALERT.c.procedure == procedure)
    if active is not None:
        query = query.where(ALERT.c.is_active.is_(active))  # word by word as in the partial index
    with reading(engine) as connection:
        rows = rows_of(connection, query.order_by(ALERT.c.number, ALERT.c.id).limit(limit))
    return [_listed(row) for row in rows]


def alert(engine: Engine, alert_id: str) -> Listed | None:
    """The alert with this id."""
    with reading(engine) as connection:
        row = row_of(connection, select(ALERT).where(ALERT.c.id == alert_id))
    return None if row is None else _listed(row)


def procedures(
    engine: Engine,
    *,
    study: str | None = None,
    is_open: bool | None = None,
    words: Sequence[str] = (),
    is_newest_first: bool = False,
    after: int = 0,
    limit: int = 100,
) -> list[Procedure]:
    """Procedures in the order in which they opened, or the other way round; ``after`` is a ``Procedure.number``.

    Each of ``words`` must stand in the patient, the levels, the kind, the accession number or the day (YYYY-MM-DD).
    """
    opened = PROCEDURE.c.opened_number
    query = select(PROCEDURE).where(*(_is_told_by(word) for word in words))
    query = query.where(opened < (after or END) if is_newest_first else opened > after)
    if study is not None:
        query = query.where(PROCEDURE.c.id.in_(select(STUDY.c.procedure).where(STUDY.c.study_instance_uid == study)))
    if is_open is not None:
        query = query.where(PROCEDURE.c.closed_at.is_(None) if is_open else PROCEDURE.c.closed_at.is_not(None))
    with reading(engine) as connection:
        return procedures_from(connection, query.order_by(opened.desc() if is_newest_first else opened).limit(limit))


def closed_after(engine: Engine, since: float, *, before: float, limit: int = 20) -> list[Procedure]:
    """Procedures that closed after ``since`` and not after ``before``, in that order.

    About ``limit`` of them: those that closed at one moment are never parted.
    """
    at = PROCEDURE.c.closed_at
    first = select(at).where(at > since, at <= before).order_by(at).limit(limit).subquery()
    last = select(func.max(first.c.closed_at)).scalar_subquery()
    with reading(engine) as connection:
        query = select(PROCEDURE).where(at > since, at <= last).order_by(at, PROCEDURE.c.id)
        return procedures_from(connection, query)


def has_unjudged(engine: Engine, procedure: str) -> bool:
    """Whether images of this procedure wait to be judged."""
    query = select(ARRIVAL.c.number).where(text("status = 'open'"), ARRIVAL.c.procedure == procedure).limit(1)
    with reading(engine) as connection:
        return connection.execute(query).first() is not None


def _is_told_by(word: str) -> ColumnElement[bool]:
    """Whether a procedure has this word in it, whatever its letters' size."""
    if DAY.fullmatch(word):
        try:
            day = datetime.fromisoformat(word).replace(tzinfo=UTC).timestamp()
        except ValueError:
            return false()
        return PROCEDURE.c.opened_at.between(day, day + 86400)
    # the patient is kept as JSON in ASCII, where letters beyond it are escapes and know no size
    forms = {json_text(form)[1:-1].lower() for form in (word, word.lower(), word.upper(), word.capitalize())}
    columns = (PROCEDURE.c.patient, PROCEDURE.c.levels, PROCEDURE.c.kind, PROCEDURE.c.accession_number)
    return or_(*(func.lower(column).contains(form, autoescape=True) for column in columns for form in forms))


def log_of(
    engine: Engine,
    procedure: str,
    after: int = 0,
    types: Collection[EntryType] | None = None,
    limit: int = 100,
    *,
    source: str | None = None,
) -> list[Entry]:
    """The journal of one procedure after line ``after``, in order; only ``types`` and of one ``source`` where given."""
    query = select(ENTRY).where(ENTRY.c.procedure == procedure, ENTRY.c.number > after)
    if source is not None:
        query = query.where(ENTRY.c.source == source)
    if types is not None:
        query = query.where(ENTRY.c.type.in_(sorted(map(str, types))))
    return _entries(engine, query.order_by(ENTRY.c.number).limit(limit))


def audit_about(engine: Engine, procedure: str, after: int = 0) -> list[Entry]:
    """Who looked at a procedure or took it away, after line ``after``, in order; such lines stand under ``NO_PROCEDURE``."""
    wanted = (str(EntryType.PATIENT_VIEWED), str(EntryType.EXPORTED))
    query = select(ENTRY).where(ENTRY.c.procedure == NO_PROCEDURE, ENTRY.c.number > after, ENTRY.c.type.in_(wanted))
    query = query.where(ENTRY.c.data.contains(json_text({"procedure": procedure})[1:-1], autoescape=True))
    return [entry for entry in _entries(engine, query.order_by(ENTRY.c.number)) if entry.data["procedure"] == procedure]


def entries_after(engine: Engine, number: int, procedure: str | None = None, limit: int = 100) -> list[Entry]:
    """The journal of all procedures after line ``number``, in order; of one procedure where given.

    Who signed in or looked at what is not told here: it stands under ``NO_PROCEDURE``, for ``log_of``.
    """
    query = select(ENTRY).where(ENTRY.c.number > number, ENTRY.c.procedure != NO_PROCEDURE)
    if procedure is not None:
        query = query.where(ENTRY.c.procedure == procedure)
    return _entries(engine, query.order_by(ENTRY.c.number).limit(limit))


def history_of(engine: Engine, alert_id: str, after: int = 0, limit: int = 100) -> list[Entry]:
    """Every line about one alert, in order."""
    query = select(ENTRY).where(ENTRY.c.alert == alert_id, ENTRY.c.number > after)
    return _entries(engine, query.order_by(ENTRY.c.number).limit(limit))


def frames_of(
    engine: Engine, procedure: str, after: int = 0, limit: int = 100, *, source: str | None = None
) -> list[Entry]:
    """The FRAME_SEEN lines of a procedure after line ``after``, in order; of one ``source`` where given."""
    return log_of(engine, procedure, after, (EntryType.FRAME_SEEN,), limit, source=source)


def frames_back(engine: Engine, procedure: str, most: int) -> Iterator[Entry]:
    """The FRAME_SEEN lines of a procedure from the last one back, a page at a time; at most so many."""
    before, n_left = END, most
    while n_left > 0:
        query = select(ENTRY).where(
            ENTRY.c.procedure == procedure, ENTRY.c.type == str(EntryType.FRAME_SEEN), ENTRY.c.number < before
        )
        page = _entries(engine, query.order_by(ENTRY.c.number.desc()).limit(min(n_left, 500)))
        if not page:
            return
        yield from page
        before, n_left = page[-1].number or 0, n_left - len(page)


def latest_frame(engine: Engine, procedure: str) -> Entry | None:
    """The last FRAME_SEEN line of a procedure."""
    return latest_of(engine, procedure, EntryType.FRAME_SEEN)


def latest_of(engine: Engine, procedure: str, type: EntryType) -> Entry | None:
    """The last line of this type of a procedure."""
    query = select(ENTRY).where(ENTRY.c.procedure == procedure, ENTRY.c.type == str(type))
    return next(iter(_entries(engine, query.order_by(ENTRY.c.number.desc()).limit(1))), None)


def frame_entry(engine: Engine, sop_instance_uid: str, index: int, procedure: str | None = None) -> Entry | None:
    """The last FRAME_SEEN line about one frame; of one procedure where given, for a replay shows the frame again."""
    query = select(ENTRY).where(
        ENTRY.c.sop_instance_uid == sop_instance_uid,
        ENTRY.c.frame_index == index,
        ENTRY.c.type == str(EntryType.FRAME_SEEN),
    )
    if procedure is not None:
        query = query.where(ENTRY.c.procedure == procedure)
    return next(iter(_entries(engine, query.order_by(ENTRY.c.number.desc()).limit(1))), None)


def measurements_of(
    engine: Engine, procedure: str, zone: Zone | None = None, after: int = 0, limit: int = 100
) -> list[Measurement]:
    """One item for each judged frame after line ``after``, in order; ``zone`` narrows the zones of each item."""
    return [_measurement(entry, zone) for entry in frames_of(engine, procedure, after, limit)]


def counts_of(engine: Engine, procedure: str) -> Counts:
    """How many frames and alerts a procedure had."""
    wanted = (str(EntryType.FRAME_SEEN), str(EntryType.FRAME_FAILED))
    frames = (
        select(ENTRY.c.type, func.count())
        .where(ENTRY.c.procedure == procedure, ENTRY.c.type.in_(wanted))
        .group_by(ENTRY.c.type)
    )
    alerts = select(ALERT.c.priority, func.count()).where(ALERT.c.procedure == procedure).group_by(ALERT.c.priority)
    with reading(engine) as connection:
        n_frames: dict[str, int] = {row[0]: row[1] for row in connection.execute(frames)}
        n_alerts: dict[str, int] = {row[0]: row[1] for row in connection.execute(alerts)}
    return Counts(
        frames=n_frames.get(wanted[0], 0),
        frames_failed=n_frames.get(wanted[1], 0),
        alerts={str(priority): n_alerts.get(priority, 0) for priority in reversed(PRIORITY_ORDER)},
    )


def latencies_of(engine: Engine, procedure: str) -> Latencies:
    """How long the latest ``LATENCY_FRAMES`` frames of a procedure took from receipt to journal."""
    query = select(ENTRY.c.times).where(ENTRY.c.procedure == procedure, ENTRY.c.type == str(EntryType.FRAME_SEEN))
    query = query.order_by(ENTRY.c.number.desc()).limit(LATENCY_FRAMES)
    with reading(engine) as connection:
        all_times = [json.loads(text) for text in connection.execute(query).scalars()]
    delays = sorted(
        (times["written"] - times["received"]) * 1000.0
        for times in all_times
        if times.get("written") is not None and times.get("received") is not None
    )
    p50, p95, p99, longest = (_nearest_rank(delays, share) for share in (0.50, 0.95, 0.99, 1.0))
    return Latencies(p50=p50, p95=p95, p99=p99, max=longest)


def last_at(engine: Engine, procedure: str) -> float | None:
    """When the last line of a procedure was written; None when it has none."""
    query = select(ENTRY.c.at).where(ENTRY.c.procedure == procedure).order_by(ENTRY.c.number.desc()).limit(1)
    with reading(engine) as connection:
        return connection.execute(query).scalar()


def _entries(engine: Engine, query: Select[Any]) -> list[Entry]:
    with reading(engine) as connection:
        rows = rows_of(connection, query)
    return [entry_from_row(row) for row in rows]


def _listed(row: Mapping[str, Any]) -> Listed:
    return Listed(row["number"], alert_from(json.loads(row["snapshot"])), row["acknowledged_at"])


def _measurement(entry: Entry, zone: Zone | None) -> Measurement:
    said = entry.data
    front = said.get("front") or {}
    zones = said.get("zones") or {}
    return Measurement(
        number=entry.number or 0,
        frame=entry.frame,
        view=said.get("view", "unknown"),
        cement_area_mm2=said.get("cement_area_mm2"),
        cement_volume_ml=said.get("cement_volume_ml"),
        distance_to_wall_mm=front.get("distance_mm"),
        distance_share=front.get("share"),
        speed_mm_s=front.get("speed_mm_s"),
        seconds_to_wall=front.get("seconds_to_wall"),
        zones={name: extent for name, extent in zones.items() if zone is None or name == zone},
        flags=tuple(said.get("flags") or ()),
        trust=said.get("trust"),
    )


def _nearest_rank(ordered: Sequence[float], share: float) -> float | None:
    if not ordered:
        return None
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
