"""From a body and a view to the zone of every pixel.

Lateral: behind the wall the canal (upper half, pedicle level) and the foramen (below); the posterior band is the
last share of the body and reaches a margin beyond the wall line, because the wall is concave and its line uncertain;
discs above and below; anterior veins and soft tissue share a strip and are told apart by shape.
A body of low trust has wide margins, no posterior band and no distance to its wall: only what is surely outside is judged.
AP: discs, and beside the waist veins or soft tissue by shape. The canal lies over the body there: not visible.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from detection.memory import Layout, Region
from detection.patches import among, patch_of
from detection.rules import Rules
from detection.vocabulary import ZONE_ORDER, Body, Gray, Mask, Outline, Point, View, Wall, Zone, ZoneMap

Doubt = tuple[float, float, float, float]
"""How far (mm) beyond the near, far, superior and inferior side of a body the true one may lie."""
NO_DOUBT_MM: Doubt = (0.0, 0.0, 0.0, 0.0)

WATCHED: dict[View, tuple[Zone, ...]] = {
    View.LATERAL: (
        Zone.POSTERIOR_BAND,
        Zone.CANAL,
        Zone.FORAMEN,
        Zone.DISC,
        Zone.VEIN,
        Zone.SOFT_TISSUE,
        Zone.NEEDLE_TRACT,
    ),
    View.AP: (Zone.DISC, Zone.VEIN, Zone.SOFT_TISSUE, Zone.NEEDLE_TRACT),
    View.OBLIQUE: (),
    View.UNKNOWN: (),
}


DRAWN = (Zone.POSTERIOR_BAND, Zone.CANAL, Zone.FORAMEN, Zone.DISC, Zone.SOFT_TISSUE)
"""Zones with an outline of their own; veins share the strip beside the body, the tract lies wherever a needle does."""

LEAST_DEPTH_MM = 2.0
"""A zone thinner than this holds no leak that could be told from blur."""

EVERY = (Zone.POSTERIOR_BAND, Zone.CANAL, Zone.FORAMEN, Zone.VEIN, Zone.DISC, Zone.SOFT_TISSUE, Zone.NEEDLE_TRACT)

PARTLY: dict[View, tuple[Zone, ...]] = {View.LATERAL: (Zone.VEIN, Zone.SOFT_TISSUE)}
"""Watched where they show, in front of the body; what leaves it sideways lies over it and is not seen."""


def not_visible(view: View) -> tuple[Zone, ...]:
    """The zones that a view cannot show, or only in part."""
    watched = set(WATCHED[view]) - set(PARTLY.get(view, ()))
    return tuple(zone for zone in EVERY if zone not in watched)


def _with_room(zones: tuple[Zone, ...], layout: Layout, px_per_mm: float) -> tuple[Zone, ...]:
    """The zones that have room in this picture."""

    def has_room(zone: Zone) -> bool:
        place = np.asarray(layout.zones == ZONE_ORDER.index(zone), dtype=np.bool_)
        patch = patch_of(place, 1)
        if patch is None:
            return False
        depth = cv2.distanceTransform(place[patch].view(np.uint8), cv2.DIST_L2, 3)
        return bool(depth.max() >= LEAST_DEPTH_MM / 2 * px_per_mm)

    return tuple(zone for zone in zones if zone not in DRAWN or has_room(zone))


def _doubtful(height_mm: float, doubt_mm: Doubt, rules: Rules) -> tuple[Zone, ...]:
    """The zones that doubt about the body covers, but for a sliver: a leak shows there only as a long thin cast."""
    near, far, superior, inferior = doubt_mm
    rooms = {
        Zone.DISC: rules.disc_height_share * height_mm - rules.end_margin_mm - max(superior, inferior),
        Zone.CANAL: rules.canal_depth_mm - rules.wall_margin_mm - near,
        Zone.FORAMEN: rules.canal_depth_mm - rules.wall_margin_mm - near,
        Zone.SOFT_TISSUE: rules.beside_mm - rules.side_margin_mm - far,
    }
    return tuple(zone for zone, room_mm in rooms.items() if room_mm < LEAST_DEPTH_MM)


def region_of(body: Body, shape: tuple[int, int], px_per_mm: float, opaque: Mask | None, rules: Rules) -> Region:
    """Zones of a picture (h, w) around a body whose corners are in the same pixels."""
    is_sure = body.trust >= rules.body_trust
    frame = _Axes(body)
    doubt = NO_DOUBT_MM if is_sure else body.doubt_mm
    outlines = _polygons(body, frame, px_per_mm, rules, doubt)
    if not is_sure:
        # the last share of a body whose wall may lie elsewhere is a part of it like any other
        outlines = [(Zone.BODY if zone is Zone.POSTERIOR_BAND else zone, line) for zone, line in outlines]
    intact = _layout(outlines, shape, opaque, frame)
    breached = intact
    if not is_sure:
        breached = _layout(_polygons(body, frame, px_per_mm, rules, NO_DOUBT_MM), shape, opaque, frame)
    elif body.view is View.LATERAL:
        unguarded = _polygons(body, frame, px_per_mm, replace(rules, wall_margin_mm=0.0), NO_DOUBT_MM)
        breached = _layout(unguarded, shape, opaque, frame)
    bare = _layout(_bare(body, frame, px_per_mm, rules, doubt), shape, opaque, frame)
    watched = _with_room(WATCHED[body.view], intact if is_sure else breached, px_per_mm)
    if not is_sure:
        watched = tuple(zone for zone in watched if zone is not Zone.POSTERIOR_BAND)
    hidden = (*not_visible(body.view), *_doubtful(frame.height / px_per_mm, doubt, rules))
    return Region(
        body=body,
        intact=intact,
        breached=breached,
        bare=bare,
        watched=watched,
        not_visible=tuple(zone for zone in EVERY if zone not in watched or zone in hidden),
        outlines=tuple(outlines),
        to_wall=_to_wall(body, shape) if body.view is View.LATERAL and is_sure else None,
        depth_px=frame.depth,
        centre=frame.at(0.5, 0.5),
        down=frame.down,
        is_sure=is_sure,
    )


def _layout(polygons: list[tuple[Zone, Outline]], shape: tuple[int, int], opaque: Mask | None, axes: _Axes) -> Layout:
    zones = np.full(shape, ZONE_ORDER.index(Zone.ELSEWHERE), np.uint8)
    for zone, polygon in polygons:
        cv2.fillPoly(zones, [_as_cv(polygon)], ZONE_ORDER.index(zone))
    if opaque is not None and polygons:
        _mark_tract(zones, opaque, axes)
    return Layout(zones=zones, beyond=_beyond(zones))


class _Axes:
    """Positions in a body: ``across`` 0 at the near side and 1 at the far side, ``along`` 0 superior and 1 inferior."""

    def __init__(self, body: Body) -> None:
        c = body.corners
        self._quad = np.array([[c.near_superior, c.near_inferior], [c.far_superior, c.far_inferior]], dtype=float)
        near, far = self._quad[0].mean(axis=0), self._quad[1].mean(axis=0)
        top, bottom = self._quad[:, 0].mean(axis=0), self._quad[:, 1].mean(axis=0)
        self.depth = float(np.linalg.norm(far - near))
        self.height = float(np.linalg.norm(bottom - top))
        down = (bottom - top) / max(self.height, 1e-6)
        self.down: Point = (float(down[0]), float(down[1]))

    def at(self, across: float, along: float) -> Point:
        near = self._quad[0, 0] * (1 - along) + self._quad[0, 1] * along
        far = self._quad[1, 0] * (1 - along) + self._quad[1, 1] * along
        point = near + (far - near) * across
        return float(point[0]), float(point[1])


def _bare(body: Body, axes: _Axes, px_per_mm: float, rules: Rules, doubt: Doubt) -> list[tuple[Zone, Outline]]:
    """Zones without any margin but a share of doubt."""
    no_margin = replace(rules, wall_margin_mm=0.0, side_margin_mm=0.0, end_margin_mm=0.0)
    near, far, superior, inferior = (rules.run_doubt * each for each in doubt)
    return _polygons(body, axes, px_per_mm, no_margin, (near, far, superior, inferior))


def _polygons(body: Body, axes: _Axes, px_per_mm: float, rules: Rules, doubt: Doubt) -> list[tuple[Zone, Outline]]:
    """Later polygons are drawn over earlier ones; doubt about a side moves all that lies beyond it outwards."""
    across = px_per_mm / axes.depth
    along = px_per_mm / axes.height
    near, far = -doubt[0] * across, 1 + doubt[1] * across
    top, bottom = -doubt[2] * along, 1 + doubt[3] * along
    disc, beside = rules.disc_height_share, rules.beside_mm * across
    ends, side = rules.end_margin_mm * along, rules.side_margin_mm * across
    body_box = _box(axes, 0, 1, 0, 1)
    if body.view is View.AP:
        return [
            (Zone.SOFT_TISSUE, _box(axes, 1, far + beside, top - disc, bottom + disc)),
            (Zone.SOFT_TISSUE, _box(axes, near - beside, 0, top - disc, bottom + disc)),
            (Zone.DISC, _box(axes, 0, 1, top - disc, 0)),
            (Zone.DISC, _box(axes, 0, 1, 1, bottom + disc)),
            (Zone.BODY, _box(axes, near - side, far + side, top - ends, bottom + ends)),
            (Zone.BODY, body_box),
        ]
    if body.view is not View.LATERAL:
        return []
    share = rules.near_share * (rules.broken_wall_factor if body.wall is Wall.BROKEN else 1)
    wall, canal = near - rules.wall_margin_mm * across, near - rules.canal_depth_mm * across
    return [
        (Zone.SOFT_TISSUE, _box(axes, 1, far + beside, top - disc, bottom + disc)),
        (Zone.DISC, _box(axes, 0, 1, top - disc, 0)),
        (Zone.DISC, _box(axes, 0, 1, 1, bottom + disc)),
        (Zone.CANAL, _box(axes, canal, wall, top - disc, 0.5)),
        (Zone.FORAMEN, _box(axes, canal, wall, 0.5, bottom + disc)),
        (Zone.BODY, _box(axes, 0, far + side, top - ends, bottom + ends)),
        (Zone.POSTERIOR_BAND, _box(axes, wall, share, top - ends, bottom + ends)),
    ]


def _box(axes: _Axes, near: float, far: float, top: float, bottom: float) -> Outline:
    return axes.at(near, top), axes.at(far, top), axes.at(far, bottom), axes.at(near, bottom)


def _as_cv(outline: Outline) -> np.ndarray:
    return np.array([[round(col), round(row)] for row, col in outline], dtype=np.int32)


def _mark_tract(zones: ZoneMap, opaque: Mask, axes: _Axes) -> None:
    """Outside the body, along the cannula: what reaches back in its shadow, and beside it far from the body."""
    size = 2 * round(axes.depth * 0.08) + 1
    beside = cv2.dilate(opaque.astype(np.uint8), np.ones((size, size), np.uint8)).astype(np.bool_)
    held = [ZONE_ORDER.index(zone) for zone in (Zone.BODY, Zone.POSTERIOR_BAND)]
    tract = (beside & (zones == ZONE_ORDER.index(Zone.ELSEWHERE))) | (opaque & ~among(zones, held))
    zones[tract] = ZONE_ORDER.index(Zone.NEEDLE_TRACT)


def _beyond(zones: ZoneMap) -> Gray:
    held = among(zones, [ZONE_ORDER.index(Zone.BODY), ZONE_ORDER.index(Zone.POSTERIOR_BAND)])
    return np.asarray(cv2.distanceTransform((~held).astype(np.uint8), cv2.DIST_L2, 5), dtype=np.float32)


def _to_wall(body: Body, shape: tuple[int, int]) -> Gray:
    c = body.corners
    start, end = np.array(c.near_superior), np.array(c.near_inferior)
    line = (end - start) / max(float(np.linalg.norm(end - start)), 1e-6)
    normal = np.array([-line[1], line[0]])
    if normal @ (np.array(c.far_superior) - start) < 0:
        normal = -normal
    rows, cols = np.ogrid[: shape[0], : shape[1]]
    return np.asarray((rows - start[0]) * normal[0] + (cols - start[1]) * normal[1], dtype=np.float32)
