"""The vocabulary to JSON and back, in the shapes of the HTTP contract; what is not known is null, NaN never gets out."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

from detection.vocabulary import (
    Act,
    Alert,
    Band,
    Body,
    Condition,
    Entry,
    EntryType,
    Extent,
    Findings,
    Front,
    Interval,
    Kind,
    Mode,
    Outline,
    Piece,
    Point,
    Priority,
    Seen,
    Side,
    Signal,
    Stamp,
    TechnicalCause,
    Validity,
    View,
    Witness,
    Zone,
)

Json = dict[str, Any]

_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)
"""Made once: ``json.dumps`` makes one for every word that it is asked for."""


def json_text(value: Any) -> str:
    """``value`` as canonical JSON: sorted keys, no spaces, ASCII, NaN and infinity as null."""
    try:
        return _CANONICAL.encode(value)
    except (TypeError, ValueError):
        return _CANONICAL.encode(plain(value))


def plain(value: Any) -> Any:
    """``value`` with nothing in it but dict, list, str, int, finite float, bool and None."""
    if isinstance(value, Mapping):
        return {str(name): plain(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    if isinstance(value, (set, frozenset)):
        return sorted((plain(part) for part in value), key=str)
    if hasattr(value, "tolist"):  # an array or a number of numpy, which this folder does not import
        return plain(value.tolist())
    if isinstance(value, float):
        return finite(value)
    return value if value is None or isinstance(value, (bool, int)) else str(value)


def findings_data(findings: Findings) -> Json:
    """All that a screen draws of one frame, as the ``data`` of its FRAME_SEEN line; outlines to 0.01 pixel."""
    stamp = findings.stamp
    return {
        "arrival": stamp.arrival,
        "study_instance_uid": stamp.study_instance_uid,
        "mode": str(stamp.mode),
        "time_s": finite(stamp.time_s),
        "view": str(findings.view),
        "scene": findings.scene,
        "shift_px": _point(findings.shift_px),
        "is_fit": bool(findings.is_fit),
        "flags": sorted(map(str, findings.flags)),
        "trust": finite(findings.trust),
        "shape": [int(n) for n in findings.shape],
        "mm_per_px": finite(findings.mm_per_px),
        "cement_area_mm2": finite(findings.cement_area_mm2),
        "cement_volume_ml": _band_data(findings.cement_volume_ml),
        "front": _front_data(findings.front),
        "pieces": [_piece_data(piece) for piece in findings.pieces],
        "vanished": [_piece_data(piece) for piece in findings.vanished],
        "zones": {str(zone): _extent_data(extent) for zone, extent in findings.zones.items()},
        "zones_watched": _names(findings.zones_watched),
        "zones_not_visible": _names(findings.zones_not_visible),
        "body": _body_data(findings.body),
        "zone_outlines": [{"zone": str(z), "outline": _outline(line)} for z, line in findings.zone_outlines],
        "cement_outlines": [_outline(line) for line in findings.cement_outlines],
    }


def alert_data(alert: Alert) -> Json:
    """An alert with the field names of the vocabulary; times stay seconds since 1970."""
    names = ("id", "procedure", "source", "level", "message", "acknowledged_by")
    numbers = ("area_mm2", "length_mm", "distance_to_wall_mm", "speed_mm_s", "trust", "raised_at", "changed_at")
    words = ("kind", "zone", "side", "priority", "condition", "validity", "signal", "view", "mode", "technical_cause")
    return {
        **{name: getattr(alert, name) for name in names},
        **{name: finite(getattr(alert, name)) for name in numbers},
        **{name: _word(getattr(alert, name)) for name in words},
        "first_frame": seen_data(alert.first_frame),
        "raised_frame": seen_data(alert.raised_frame),
        "last_frame": seen_data(alert.last_frame),
        "seconds_to_wall": _interval_data(alert.seconds_to_wall),
        "volume_ml": _band_data(alert.volume_ml),
        "outline": [[float(row), float(col)] for row, col in alert.outline],
        "escalation": alert.escalation,
        "witnesses": [_witness_data(witness) for witness in alert.witnesses],
    }


def _witness_data(witness: Witness) -> Json:
    words = ("view", "condition", "priority", "side")
    return {
        "source": witness.source,
        **{name: _word(getattr(witness, name)) for name in words},
        **{name: finite(getattr(witness, name)) for name in ("area_mm2", "length_mm", "trust")},
        "first_frame": seen_data(witness.first_frame),
        "last_frame": seen_data(witness.last_frame),
    }


def _witness_from(data: Mapping[str, Any]) -> Witness:
    return Witness(
        **{name: data[name] for name in ("source", "area_mm2", "length_mm", "trust")},
        view=View(data["view"]),
        condition=Condition(data["condition"]),
        priority=Priority(data["priority"]),
        side=Side(data["side"]) if data["side"] else None,
        first_frame=seen_from(data["first_frame"]),
        last_frame=seen_from(data["last_frame"]),
    )


def alert_from(data: Mapping[str, Any]) -> Alert:
    """The alert that ``alert_data`` wrote down."""
    seconds, volume = data["seconds_to_wall"], data["volume_ml"]
    names = ("id", "procedure", "source", "level", "message", "acknowledged_by")
    numbers = ("area_mm2", "length_mm", "distance_to_wall_mm", "speed_mm_s", "trust", "raised_at", "changed_at")
    return Alert(
        **{name: data[name] for name in names + numbers},
        kind=Kind(data["kind"]),
        zone=Zone(data["zone"]) if data["zone"] else None,
        side=Side(data["side"]) if data["side"] else None,
        priority=Priority(data["priority"]),
        condition=Condition(data["condition"]),
        validity=Validity(data["validity"]),
        signal=Signal(data["signal"]),
        view=View(data["view"]),
        mode=Mode(data["mode"]),
        technical_cause=TechnicalCause(data["technical_cause"]) if data["technical_cause"] else None,
        first_frame=seen_from(data["first_frame"]),
        raised_frame=seen_from(data["raised_frame"]),
        last_frame=seen_from(data["last_frame"]),
        seconds_to_wall=Interval(**seconds) if seconds else None,
        volume_ml=Band(**volume) if volume else None,
        outline=tuple((row, col) for row, col in data["outline"]),
        escalation=data.get("escalation", 0),
        witnesses=tuple(map(_witness_from, data.get("witnesses", ()))),
    )


def seen_data(seen: Seen | None) -> Json | None:
    """A frame as an alert or a line names it."""
    if seen is None:
        return None
    return {
        "sop_instance_uid": seen.sop_instance_uid,
        "index": seen.index,
        "acquired_at": seen.acquired_at,
        "received_at": seen.received_at,
        "judged_at": seen.judged_at,
    }


def seen_from(data: Mapping[str, Any] | None) -> Seen | None:
    """The frame that ``seen_data`` wrote down."""
    return Seen(**data) if data else None


def entry_from_row(row: Mapping[str, Any]) -> Entry:
    """A line of the journal as it was written."""
    return Entry(
        at=row["at"],
        type=EntryType(row["type"]),
        procedure=row["procedure"],
        source=row["source"],
        alert=row["alert"],
        from_state=row["from_state"],
        to_state=row["to_state"],
        cause=row["cause"],
        actor=row["actor"],
        frame=_seen_of_row(row),
        times=json.loads(row["times"]),
        data=json.loads(row["data"]),
        number=row["number"],
        hash=row["hash"],
        previous_hash=row["previous_hash"],
    )


def act_from_row(row: Mapping[str, Any]) -> Act:
    """A line that an operator caused."""
    return Act(
        number=row["number"],
        type=EntryType(row["type"]),
        at=row["at"],
        actor=row["actor"] or "",
        alert=row["alert"],
        data=json.loads(row["data"]),
    )


def _seen_of_row(row: Mapping[str, Any]) -> Seen | None:
    if row["sop_instance_uid"] is None:
        return None
    return Seen(
        sop_instance_uid=row["sop_instance_uid"],
        index=row["frame_index"],
        acquired_at=row["acquired_at"],
        received_at=row["received_at"],
        judged_at=row["judged_at"],
    )


def finite(value: float | None) -> float | None:
    """``value`` as a float; None for what is not known, not a number or without end."""
    return float(value) if value is not None and math.isfinite(value) else None


def _word(value: str | None) -> str | None:
    return None if value is None else str(value)


def _names(values: Iterable[str]) -> list[str]:
    return [str(value) for value in values]


def _point(point: Point) -> list[float | None]:
    return [finite(point[0]), finite(point[1])]


def _outline(outline: Outline) -> list[list[float]]:
    return [[round(float(row), 2), round(float(col), 2)] for row, col in outline]


def _interval_data(interval: Interval | None) -> Json | None:
    if interval is None:
        return None
    return {"value": finite(interval.value), "low": finite(interval.low), "high": finite(interval.high)}


def _band_data(band: Band | None) -> Json | None:
    return None if band is None else {"low": finite(band.low), "high": finite(band.high)}


def _extent_data(extent: Extent) -> Json:
    return {name: finite(getattr(extent, name)) for name in ("area_mm2", "length_mm", "area_px")}


def _front_data(front: Front | None) -> Json | None:
    if front is None:
        return None
    names = ("distance_px", "share", "distance_mm", "depth_mm", "speed_mm_s")
    numbers = {name: finite(getattr(front, name)) for name in names}
    return {**numbers, "seconds_to_wall": _interval_data(front.seconds_to_wall)}


def _piece_data(piece: Piece) -> Json:
    numbers = ("area_px", "area_mm2", "length_mm", "width_mm", "tubularity", "trust")
    return {
        "zone": str(piece.zone),
        "side": _word(piece.side),
        **{name: finite(getattr(piece, name)) for name in numbers},
        "volume_ml": _band_data(piece.volume_ml),
        "n_seen": int(piece.n_seen),
        "first_seen": _stamp_data(piece.first_seen),
        "outline": _outline(piece.outline),
    }


def _stamp_data(stamp: Stamp) -> Json:
    return {
        "sop_instance_uid": stamp.sop_instance_uid,
        "index": stamp.index,
        "acquired_at": finite(stamp.acquired_at),
        "received_at": finite(stamp.received_at),
        "time_s": finite(stamp.time_s),
    }


def _body_data(body: Body | None) -> Json | None:
    if body is None:
        return None
    names = ("near_superior", "near_inferior", "far_superior", "far_inferior")
    return {
        "view": str(body.view),
        "corners": {name: _point(getattr(body.corners, name)) for name in names},
        "origin": str(body.origin),
        "trust": finite(body.trust),
        "level": body.level,
        "wall": str(body.wall),
        "mm_per_px": finite(body.mm_per_px),
    }
