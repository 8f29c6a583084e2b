"""From the journal and the spool to the report of a procedure: which frames are worth keeping, and what was seen on them.

Key frames are those on which an alert was raised, those on which it last worsened, and of each view the last frame that
showed cement. The rest stays in the journal.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from db import procedures, queries
from db.connect import Engine
from db.convert import alert_from
from db.procedures import Procedure
from detection.picture import filled
from detection.vocabulary import MM_UNCERTAINTY, Alert, Entry, EntryType, Kind, Outline, Seen, Side, View, Zone
from dicom_gateway.refusal import Unreadable
from dicom_gateway.report.nouns import Bound, KeyFrame, Maker, Measure, Name, Report, Sighting, Source, Unit
from dicom_gateway.report.stored import source_at
from dicom_gateway.spool import Spool
from service.whereabouts import find_object

PAGE = 500
MOST_LOOKED_AT = 4000
"""Judged frames that are looked through, from the last one back, for the last of each view."""
ALERT_LINES = (EntryType.ALERT_RAISED, EntryType.ALERT_WORSENED)
NOT_SEEN_WORDS = "No cement was seen on this frame, the last that was fit to be judged. That is no proof of none."


class NothingToReport(LookupError):
    """There is no report to be made; its words say why, and name no patient."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where to look, and what stands in every object."""

    engine: Engine
    spool: Spool
    maker: Maker
    words: str
    codes: Mapping[str, Any] = field(default_factory=dict)
    draw: Callable[[Entry], Any] | None = None


@dataclass(slots=True, kw_only=True)
class Found:
    """One frame worth keeping, as the journal tells it."""

    entry: Entry
    sightings: list[Sighting]
    is_alert: bool = False


def reports_of(place: Place, id: str) -> tuple[Report, ...]:
    """The report of each study of a procedure. NothingToReport when it has none, KeyError for an unknown procedure."""
    procedure = procedures.procedure(place.engine, id)
    if procedure is None:
        raise KeyError(id)
    found = found_in(place.engine, procedure)
    if not found:
        raise NothingToReport("no frame of this procedure was fit to be judged")
    sources = {key: source for key, each in found.items() if (source := _source_of(place, each.entry)) is not None}
    if not sources:
        raise NothingToReport("the images of this procedure have left the spool")
    by_study: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for key in sources:
        by_study[str(found[key].entry.data["study_instance_uid"])].append(key)
    remarks = remarks_on(procedure, n_gone=len(found) - len(sources))
    maker = maker_of(place.engine, place.maker, id)
    return tuple(
        Report(
            procedure=id,
            study_instance_uid=study,
            at=max(found[key].entry.at for key in keys),
            words=place.words,
            maker=maker,
            frames=tuple(_key_frame(place, found[key], sources[key]) for key in keys),
            remarks=remarks,
            codes=place.codes,
        )
        for study, keys in by_study.items()
    )


def found_in(engine: Engine, procedure: Procedure) -> dict[tuple[str, int], Found]:
    """Key frames by object and index, in the order in which they were judged."""
    wanted: dict[tuple[str, int], list[Alert]] = defaultdict(list)
    for seen, alert in _alert_frames(engine, procedure.id):
        wanted[seen.sop_instance_uid, seen.index].append(alert)
    found: dict[tuple[str, int], Found] = {}
    level = procedure.levels[0] if len(procedure.levels) == 1 else None
    for (uid, index), alerts in wanted.items():
        entry = queries.frame_entry(engine, uid, index, procedure.id)
        if entry is not None:
            sightings = [_of_alert(alert, level) for alert in alerts]
            found[uid, index] = Found(entry=entry, sightings=sightings, is_alert=True)
    for entry in _last_with_cement(engine, procedure.id):
        if entry.frame is not None:
            key = (entry.frame.sop_instance_uid, entry.frame.index)
            found.setdefault(key, Found(entry=entry, sightings=[])).sightings.extend(_of_frame(entry, level))
    return dict(sorted(found.items(), key=lambda item: item[1].entry.number or 0))


def _alert_frames(engine: Engine, id: str) -> Iterator[tuple[Seen, Alert]]:
    """Where each alert about cement was raised, and where it last worsened, as it was then."""
    told: dict[tuple[str, EntryType], tuple[Seen, Alert]] = {}
    after = 0
    while lines := queries.log_of(engine, id, after=after, types=ALERT_LINES, limit=PAGE):
        for line in lines:
            after = line.number or after
            alert = alert_from(line.data["alert"])
            seen = line.frame or alert.last_frame
            if alert.kind is not Kind.TECHNICAL and seen is not None:
                is_first = line.type is EntryType.ALERT_RAISED and (alert.id, line.type) not in told
                if is_first or line.type is EntryType.ALERT_WORSENED:
                    told[alert.id, line.type] = seen, alert
    yield from told.values()


def _last_with_cement(engine: Engine, id: str) -> list[Entry]:
    """Of each view the last frame that showed cement; the last fit frame when none did."""
    latest: dict[str, Entry] = {}
    fit: Entry | None = None
    for entry in queries.frames_back(engine, id, MOST_LOOKED_AT):
        said = entry.data
        if not said.get("is_fit"):
            continue
        fit = _later(fit, entry)
        if said.get("cement_outlines"):
            latest[said["view"]] = _later(latest.get(said["view"]), entry)
    return list(latest.values()) or ([fit] if fit is not None else [])


def _later(one: Entry | None, other: Entry) -> Entry:
    """By when they were made: skipped frames are judged after younger ones."""
    return other if one is None or other.data["time_s"] > one.data["time_s"] else one


def _of_alert(alert: Alert, level: str | None) -> Sighting:
    """What an alert said when it was raised or worsened."""
    lengths = (
        (Name.LENGTH, alert.length_mm, Unit.MM),
        (Name.DISTANCE_TO_WALL, alert.distance_to_wall_mm, Unit.MM),
        (Name.SPEED, alert.speed_mm_s, Unit.MM_S),
    )
    measures = [*_area(alert.area_mm2), *(each for told in lengths for each in _length(*told)), *_trust(alert.trust)]
    if (seconds := alert.seconds_to_wall) is not None:
        below, above = _number(seconds.value - seconds.low), _number(seconds.high - seconds.value)
        value = _number(seconds.value)
        measures.append(Measure(name=Name.TIME_TO_WALL, value=value, unit=Unit.S, below=below, above=above))
    return Sighting(
        id=f"alert {alert.id}",
        kind=alert.kind,
        words=alert.message,
        zone=alert.zone,
        side=alert.side,
        level=alert.level or level,
        priority=alert.priority,
        outline=alert.outline,
        measures=tuple(measures),
    )


def _of_frame(entry: Entry, level: str | None) -> Iterator[Sighting]:
    """All cement on one frame, or that there was none; then each piece of it beyond the body."""
    said = entry.data
    is_seen = any(said.get(name) for name in ("cement_outlines", "cement_area_mm2", "pieces"))
    words = f"All cement on the last frame of the {said['view']} view that showed any."
    level = (said.get("body") or {}).get("level") or level
    whole = Sighting(
        id=f"cement {said['view']}",
        kind=None,
        words=words if is_seen else NOT_SEEN_WORDS,
        zone=None,
        side=None,
        level=level,
        is_seen=is_seen,
        measures=(*_area(said.get("cement_area_mm2")), *_volume(said.get("cement_volume_ml")), *_front(said)),
    )
    yield whole
    for piece in said.get("pieces") or ():
        zone, side = Zone(piece["zone"]), Side(piece["side"]) if piece["side"] else None
        measures = (
            *_area(piece["area_mm2"], piece["area_px"]),
            *_length(Name.LENGTH, piece["length_mm"], Unit.MM),
            *_length(Name.WIDTH, piece["width_mm"], Unit.MM),
            *_trust(piece["trust"]),
        )
        words = " ".join(filter(None, (said["view"], zone, side)))
        blank = replace(whole, id=f"cement {words}", words="", zone=zone, side=side)
        yield replace(blank, outline=_outline(piece["outline"]), measures=measures)


def _area(area_mm2: float | None, area_px: float | None = None) -> Iterator[Measure]:
    """An area with the uncertainty of its scale; in pixels where there is no scale."""
    if area_mm2 is not None:
        low, high = (1 - MM_UNCERTAINTY) ** 2, (1 + MM_UNCERTAINTY) ** 2
        below, above = _number(area_mm2 * (1 - low)), _number(area_mm2 * (high - 1))
        yield Measure(name=Name.AREA, value=_number(area_mm2), unit=Unit.MM2, below=below, above=above)
    elif area_px is not None:
        yield Measure(name=Name.AREA, value=_number(area_px), unit=Unit.PIXELS)


def _length(name: Name, value: float | None, unit: Unit) -> Iterator[Measure]:
    if value is not None:
        spread = _number(abs(value) * MM_UNCERTAINTY)
        yield Measure(name=name, value=_number(value), unit=unit, below=spread, above=spread)


def _volume(band: Mapping[str, float] | None) -> Iterator[Measure]:
    """A band has no best value: its two ends."""
    for bound, end in ((Bound.LOWEST, "low"), (Bound.HIGHEST, "high")):
        if band is not None and band[end] is not None:
            yield Measure(name=Name.VOLUME, value=_number(band[end]), unit=Unit.ML, bound=bound)


def _front(said: Mapping[str, Any]) -> Iterator[Measure]:
    yield from _length(Name.DISTANCE_TO_WALL, (said.get("front") or {}).get("distance_mm"), Unit.MM)


def _trust(trust: float | None) -> Iterator[Measure]:
    if trust is not None:
        yield Measure(name=Name.TRUST, value=_number(trust), unit=Unit.RATIO)


def _number(value: float) -> float:
    """More digits than that were never measured."""
    return round(float(value), 3)


def _outline(points: Any) -> Outline:
    return tuple((float(row), float(col)) for row, col in points)


def _source_of(place: Place, entry: Entry) -> Source | None:
    """The image of a judged frame; None when it has left the spool, or cannot be read any more."""
    arrival = find_object(place.spool, place.engine, int(entry.data["arrival"]))
    if arrival is None:
        return None
    try:
        return source_at(arrival.path)
    except (Unreadable, OSError):
        return None


def _key_frame(place: Place, found: Found, source: Source) -> KeyFrame:
    said = found.entry.data
    outlines = tuple(_outline(each) for each in said.get("cement_outlines") or ())
    return KeyFrame(
        source=source,
        index=found.entry.frame.index if found.entry.frame else 0,
        view=View(said["view"]),
        is_alert=found.is_alert,
        sightings=tuple(found.sightings),
        outlines=outlines,
        cement=filled(outlines, (source.rows, source.cols)) if outlines else None,
        picture=place.draw(found.entry) if place.draw is not None else None,
    )


def maker_of(engine: Engine, maker: Maker, id: str) -> Maker:
    """``maker`` with algorithm and rules as the journal says that the procedure was judged by."""
    (opened,) = queries.log_of(engine, id, types=(EntryType.PROCEDURE_OPENED,), limit=1) or (None,)
    said = opened.data if opened is not None else {}
    return replace(
        maker, algorithm=str(said.get("algorithm") or maker.algorithm), rules=str(said.get("rules") or maker.rules)
    )


def remarks_on(procedure: Procedure, *, n_gone: int = 0) -> tuple[str, ...]:
    """What a reader must know of the findings as a whole."""
    told = [
        f"Received {procedure.mode.value.replace('_', ' ')}. Lengths are estimated: the scale is that of the isocentre."
    ]
    if n_gone:
        told.append(f"{n_gone} key frames are left out: their images have left the spool.")
    return tuple(told)
