"""What a line about a judged frame holds for drawing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from detection.picture import Marks
from detection.vocabulary import Corners, Zone


def marks_of(data: Mapping[str, Any]) -> Marks:
    """What a FRAME_SEEN entry holds for drawing."""
    corners = (data.get("body") or {}).get("corners")
    pieces = [*(data.get("pieces") or ()), *(data.get("vanished") or ())]
    return Marks(
        cement=tuple(_outline(each) for each in data.get("cement_outlines") or ()),
        leaks=tuple(
            (Zone(piece["zone"]), _outline(piece["outline"])) for piece in pieces if piece["zone"] != Zone.BODY
        ),
        zones=tuple((Zone(each["zone"]), _outline(each["outline"])) for each in data.get("zone_outlines") or ()),
        corners=corners and Corners(**{name: (point[0], point[1]) for name, point in corners.items()}),
    )


def _outline(points: Any) -> tuple[tuple[float, float], ...]:
    return tuple((float(row), float(col)) for row, col in points)
