"""Landmarks to JSON and back, in the shape of the plan: what an operator says of a body, checked word by word."""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, TypeVar

from db.convert import Json, finite
from detection.vocabulary import Body, Corners, Landmarks, Origin, Point, View, Wall

Word = TypeVar("Word", bound=StrEnum)

CORNER_NAMES: Mapping[View, Mapping[str, str]] = {
    View.LATERAL: {
        "near_superior": "posterior_superior",
        "near_inferior": "posterior_inferior",
        "far_superior": "anterior_superior",
        "far_inferior": "anterior_inferior",
    },
    View.AP: {
        "near_superior": "left_superior",
        "near_inferior": "left_inferior",
        "far_superior": "right_superior",
        "far_inferior": "right_inferior",
    },
}
"""What the four corners of a body are called outside, in each view that can be planned."""


def landmarks_data(landmarks: Landmarks) -> Json:
    """Landmarks in the shape of the plan: corners by their names in this view. ValueError for other views."""
    body = landmarks.body
    frame = landmarks.sop_instance_uid
    return {
        "view": str(body.view),
        "level": body.level,
        **{told: list(getattr(body.corners, ours)) for ours, told in _corner_names(body.view).items()},
        "frame": {"sop_instance_uid": frame, "index": landmarks.index} if frame else None,
        "posterior_wall": str(body.wall),
        "mm_per_px": finite(body.mm_per_px),
        "origin": str(body.origin),
        "trust": finite(body.trust),
    }


def landmarks_from(data: Mapping[str, Any]) -> Landmarks:
    """Landmarks from the shape of the plan, with its ``view`` in it.

    Raises ValueError that names the field and what was expected.
    """
    view = _told_word(data, "view", View, View.UNKNOWN)
    corners = {ours: _told_point(data, told) for ours, told in _corner_names(view).items()}
    uid, index = _told_frame(data.get("frame"))
    body = Body(
        view=view,
        corners=Corners(**corners),
        origin=_told_word(data, "origin", Origin, Origin.OPERATOR),
        trust=_told_trust(data.get("trust")),
        level=_told_level(data.get("level")),
        wall=_told_word(data, "posterior_wall", Wall, Wall.INTACT),
        mm_per_px=_told_scale(data.get("mm_per_px")),
    )
    return Landmarks(body=body, sop_instance_uid=uid, index=index)


def _corner_names(view: View) -> Mapping[str, str]:
    if view not in CORNER_NAMES:
        raise ValueError(f"view: expected lateral or ap, not {view}")
    return CORNER_NAMES[view]


def _told_word(data: Mapping[str, Any], name: str, kind: type[Word], default: Word) -> Word:
    try:
        return default if data.get(name) is None else kind(data[name])
    except ValueError:
        raise ValueError(f"{name}: expected one of {', '.join(kind)}") from None


def _told_point(data: Mapping[str, Any], name: str) -> Point:
    point = data.get(name)
    if isinstance(point, list | tuple) and len(point) == 2 and all(map(_is_finite, point)):
        return float(point[0]), float(point[1])
    raise ValueError(f"{name}: expected [row, col] in pixels")


def _told_level(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise ValueError("level: expected a text such as L2, or null")


def _told_frame(value: Any) -> tuple[str | None, int]:
    if value is None:
        return None, 0
    uid, index = (value.get("sop_instance_uid"), value.get("index", 0)) if isinstance(value, Mapping) else (None, None)
    if isinstance(uid, str) and isinstance(index, int) and index >= 0:
        return uid, index
    raise ValueError("frame: expected sop_instance_uid and a zero-based index, or null")


def _told_scale(value: Any) -> float | None:
    if value is None or (_is_finite(value) and value > 0):
        return None if value is None else float(value)
    raise ValueError("mm_per_px: expected a number above 0, or null")


def _told_trust(value: Any) -> float:
    if value is None or (_is_finite(value) and 0 <= value <= 1):
        return 1.0 if value is None else float(value)
    raise ValueError("trust: expected a number from 0 to 1, or null")


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
