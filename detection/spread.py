"""How much cement is where, how fast it nears the wall, and what has vanished."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from detection.memory import Layout, Region, Scene, Track
from detection.rules import Rules
from detection.vocabulary import (
    ZONE_ORDER,
    Band,
    Extent,
    Front,
    Gray,
    Intensity,
    Interval,
    Mask,
    Outline,
    Piece,
    Side,
    Stamp,
    View,
    Zone,
    ZoneMap,
)

HELD = (Zone.BODY, Zone.POSTERIOR_BAND)
"""Where cement may be: it makes no piece, the front says how far it is."""

STRIPS = (Zone.VEIN, Zone.SOFT_TISSUE)
"""They share the strip beside the body."""

Parts = dict[tuple[Zone, Side | None], Mask]
"""The cement of each zone and side, (h, w)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """What the cement of one frame amounts to; positions in working pixels of the reference."""

    pieces: tuple[Piece, ...]
    vanished: tuple[Piece, ...]
    zones: dict[Zone, Extent]
    front: Front | None
    area_mm2: float | None
    volume_ml: Band | None
    tracks: tuple[Track, ...]
    history: tuple[tuple[float, float], ...]
    is_breached: bool


def measure_spread(scene: Scene, stamp: Stamp, intensity: Intensity, rules: Rules) -> Spread:
    """Pieces, zones, front and volume of a scene whose ``cement`` mask is up to date."""
    cement = scene.cement if scene.cement is not None else np.zeros(scene.reference.shape, np.bool_)
    front, history = _front(cement, scene, stamp.time_s, rules)
    is_breached = _is_breached(history, scene, rules)
    scene = replace(scene, is_breached=is_breached)
    parts = _with_veins(_parts(cement, scene, rules), scene, stamp.time_s, rules)
    tracks = _follow(parts, scene, stamp, rules)
    gone = [track for track in tracks if _has_vanished(track, scene.px_per_mm, rules)]
    seen = {(track.zone, track.side): track for track in tracks}
    pieces = tuple(
        _piece(zone, side, mask, seen[zone, side], scene) for (zone, side), mask in parts.items() if zone not in HELD
    )
    return Spread(
        pieces=pieces,
        vanished=tuple(_ghost(track, scene) for track in gone),
        zones=_extents(parts, scene),
        front=front,
        area_mm2=_mm2(float(cement.sum()), scene),
        volume_ml=_volume(cement, scene, intensity, rules),
        tracks=tuple(track for track in tracks if track.n_missed <= rules.forget_frames),
        history=history,
        is_breached=is_breached,
    )


def _mm2(area_px: float, scene: Scene) -> float | None:
    return area_px / scene.px_per_mm**2 if scene.is_scale_known else None


def _is_breached(history: tuple[tuple[float, float], ...], scene: Scene, rules: Rules) -> bool:
    """Whether cement was seen to run through the posterior wall: past its line by a rush, and not back since.

    The line is uncertain by a millimetre, so where the front stands says little; but contained cement creeps
    and is stopped by the wall, and what crosses the line in a rush is not contained.
    """
    if not history:
        return False
    time_s, place = history[-1]
    if scene.is_breached:
        return place < rules.breach_mm * scene.px_per_mm
    before = max((d for t, d in history if t >= time_s - rules.breach_window_s), default=place)
    return place < 0.0 and before - place >= rules.breach_mm * scene.px_per_mm


def _parts(cement: Mask, scene: Scene, rules: Rules) -> Parts:
    """Cement split by zone and side; specks are left out, anterior strips are vein or soft tissue by shape."""
    parts: Parts = {}
    if scene.region is None:
        return {(Zone.ELSEWHERE, None): cement} if cement.any() else {}
    layout = scene.region.breached if scene.is_breached else scene.region.intact
    zones = _with_tract(np.where(cement, layout.zones, 255), layout, scene, rules)
    for index in np.unique(zones[zones != 255]):
        zone = ZONE_ORDER[index]
        mask = zones == index
        if zone in HELD:
            parts[zone, None] = mask
            continue
        for side, half in _by_side(zone, mask, scene.region):
            if _is_outside(half, layout, scene.px_per_mm, rules):
                parts[zone, side] = half
    return parts


def _with_veins(parts: Parts, scene: Scene, time_s: float, rules: Rules) -> Parts:
    """Beside the body what runs is in a vein, and so is a thin tube that points away; what is broader than a vessel is not."""

    def named(zone: Zone, side: Side | None, mask: Mask) -> Zone:
        if zone is not Zone.SOFT_TISSUE or scene.region is None:
            return zone
        known = [track for track in scene.tracks if track.zone in STRIPS and track.side is side]
        reach = _reach_px(mask, scene)
        if _size(mask)[1] > rules.vessel_mm * scene.px_per_mm:
            return zone
        was_vein = any(track.zone is Zone.VEIN for track in known)
        is_vein = was_vein or _is_tube(mask, reach, scene, rules) or _is_running(reach, known, scene, time_s, rules)
        return Zone.VEIN if is_vein else zone

    return {(named(zone, side, mask), side): mask for (zone, side), mask in parts.items()}


def _reach_px(mask: Mask, scene: Scene) -> float:
    """How far a part reaches from where cement may be."""
    if scene.region is None:
        return 0.0
    layout = scene.region.breached if scene.is_breached else scene.region.intact
    return float(layout.beyond[mask].max())


def _is_tube(mask: Mask, reach: float, scene: Scene, rules: Rules) -> bool:
    """Thin, long, and not along the wall, where every leak begins as a strip."""
    length, width = _size(mask)
    is_thin = width <= rules.vein_width_mm * scene.px_per_mm and length >= 3.0 * max(width, 1.0)
    return is_thin and reach >= 0.7 * length


def _is_running(reach: float, known: list[Track], scene: Scene, time_s: float, rules: Rules) -> bool:
    """Whether the tip has gone on as fast as only veins let it since it was first seen."""
    for track in known:
        age_s = time_s - track.first_seen.time_s
        if age_s >= rules.vein_least_s and reach - track.first_reach_px >= rules.vein_mm_s * age_s * scene.px_per_mm:
            return True
    return False


def _with_tract(zones: ZoneMap, layout: Layout, scene: Scene, rules: Rules) -> ZoneMap:
    """Cement along the needle takes in the strip beside the needle; what ends close to the body is no tract cement."""
    tract = zones == ZONE_ORDER.index(Zone.NEEDLE_TRACT)
    if scene.region is None or scene.region.rim is None or not tract.any():
        return zones
    if layout.beyond[tract].max() < rules.tract_reach_mm * scene.px_per_mm:
        zones[tract] = ZONE_ORDER.index(Zone.BODY)
        return zones
    kept = [ZONE_ORDER.index(zone) for zone in HELD]
    spinal = [ZONE_ORDER.index(zone) for zone in (Zone.CANAL, Zone.FORAMEN)]
    if np.count_nonzero(np.isin(zones, spinal) & ~scene.region.rim) >= rules.least_leak_mm2 * scene.px_per_mm**2:
        kept += spinal  # what reaches farther than a cast about the needle would is in the canal
    zones[scene.region.rim & (zones != 255) & ~np.isin(zones, kept)] = ZONE_ORDER.index(Zone.NEEDLE_TRACT)
    return zones


def _is_outside(mask: Mask, layout: Layout, px_per_mm: float, rules: Rules) -> bool:
    """Large enough, and reaching far enough beyond the body to be no blur of what is inside."""
    if mask.sum() < rules.least_leak_mm2 * px_per_mm**2:
        return False
    return bool(layout.beyond[mask].max() >= rules.leak_reach_mm * px_per_mm)


def _by_side(zone: Zone, mask: Mask, region: Region) -> list[tuple[Side | None, Mask]]:
    if zone in (Zone.CANAL, Zone.FORAMEN):
        return [(Side.POSTERIOR, mask)]
    rows, cols = np.nonzero(mask)
    below = (rows - region.centre[0]) * region.down[0] + (cols - region.centre[1]) * region.down[1] > 0
    if zone is Zone.DISC:
        return _split(mask, rows, cols, below, (Side.INFERIOR, Side.SUPERIOR))
    if zone is Zone.SOFT_TISSUE:
        if region.body.view is View.LATERAL:
            return [(Side.ANTERIOR, mask)]
        return _split(mask, rows, cols, cols > region.centre[1], (Side.IMAGE_RIGHT, Side.IMAGE_LEFT))
    return [(None, mask)]


def _split(
    mask: Mask, rows: np.ndarray, cols: np.ndarray, first: np.ndarray, sides: tuple[Side, Side]
) -> list[tuple[Side | None, Mask]]:
    halves: list[tuple[Side | None, Mask]] = []
    for side, chosen in zip(sides, (first, ~first), strict=True):
        half = np.zeros_like(mask)
        half[rows[chosen], cols[chosen]] = True
        halves.append((side, half))
    return halves


def _size(mask: Mask) -> tuple[float, float]:
    """Length and mean width in pixels of the largest connected part."""
    outline = _largest_outline(mask)
    if outline is None:
        return 0.0, 0.0
    (_, _), (side_a, side_b), _ = cv2.minAreaRect(outline)
    length = max(side_a, side_b) + 1.0
    area = float(cv2.contourArea(outline)) + len(outline) / 2.0
    return length, area / length


def _largest_outline(mask: Mask) -> np.ndarray | None:
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return max(outlines, key=len, default=None)


def outline_of(mask: Mask) -> Outline:
    """The outline of the largest connected part, in (row, col), thinned to what a screen needs."""
    outline = _largest_outline(mask)
    return () if outline is None else _as_outline(outline)


def outlines_of(mask: Mask) -> tuple[Outline, ...]:
    """The outlines of all connected parts."""
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return tuple(_as_outline(outline) for outline in sorted(outlines, key=len, reverse=True)[:20])


def _as_outline(outline: np.ndarray) -> Outline:
    points = cv2.approxPolyDP(outline, 0.7, closed=True)[:, 0]
    return tuple((float(row), float(col)) for col, row in points)


def _follow(parts: Parts, scene: Scene, stamp: Stamp, rules: Rules) -> tuple[Track, ...]:
    """Tracks of every zone that holds or held cement, counting frames seen and missed."""
    before = {(track.zone, track.side): track for track in scene.tracks}
    areas = {key: float(mask.sum()) for key, mask in parts.items()}
    tracks = []
    for key in {**before, **parts}:
        area = areas.get(key, 0.0) or _renamed(key, areas)
        old = before.get(key)
        if old is None:
            old = _begun(key, parts[key], scene, stamp)
        is_here = area > rules.gone_share * old.peak_px
        outline = outline_of(parts[key]) if key in parts and area >= old.peak_px else old.outline
        tracks.append(
            replace(
                old,
                n_seen=old.n_seen + is_here,
                n_missed=0 if is_here else old.n_missed + 1,
                peak_px=max(old.peak_px, area),
                outline=outline,
            )
        )
    return tuple(tracks)


def _begun(key: tuple[Zone, Side | None], mask: Mask, scene: Scene, stamp: Stamp) -> Track:
    reach = _reach_px(mask, scene)
    return Track(
        zone=key[0],
        side=key[1],
        first_seen=stamp,
        first_reach_px=reach,
        n_seen=0,
        n_missed=0,
        peak_px=0.0,
        outline=(),
    )


def _renamed(key: tuple[Zone, Side | None], areas: dict[tuple[Zone, Side | None], float]) -> float:
    """Cement that was soft tissue and is known as a vein now, or the reverse, has not gone."""
    return max((areas.get((zone, key[1]), 0.0) for zone in STRIPS), default=0.0) if key[0] in STRIPS else 0.0


def _has_vanished(track: Track, px_per_mm: float, rules: Rules) -> bool:
    """Well seen before, gone for a while now; cement in bone or disc cannot go, only flow can carry it off."""
    can_go = track.zone in (Zone.VEIN, Zone.CANAL, Zone.FORAMEN, Zone.SOFT_TISSUE)
    was_real = track.n_seen >= rules.vanish_seen and track.peak_px >= rules.vanish_mm2 * px_per_mm**2
    return can_go and was_real and track.n_missed >= rules.vanish_frames


def _piece(zone: Zone, side: Side | None, mask: Mask, track: Track, scene: Scene) -> Piece:
    length, width = _size(mask)
    area = float(mask.sum())
    body_trust = scene.region.body.trust if scene.region is not None else 0.5
    return Piece(
        zone=zone,
        side=side,
        area_px=area * scene.factor**2,
        area_mm2=_mm2(area, scene),
        length_mm=length / scene.px_per_mm if scene.is_scale_known else None,
        width_mm=width / scene.px_per_mm if scene.is_scale_known else None,
        tubularity=max(0.0, 1.0 - width / max(length, 1.0)),
        n_seen=track.n_seen,
        first_seen=track.first_seen,
        outline=outline_of(mask),
        trust=round(body_trust * min(1.0, 0.5 + 0.1 * track.n_seen), 3),
    )


def _ghost(track: Track, scene: Scene) -> Piece:
    """A piece that is no longer there."""
    return Piece(
        zone=track.zone,
        side=track.side,
        area_px=track.peak_px * scene.factor**2,
        area_mm2=_mm2(track.peak_px, scene),
        length_mm=None,
        width_mm=None,
        tubularity=1.0,
        n_seen=track.n_seen,
        first_seen=track.first_seen,
        outline=track.outline,
        trust=0.7,
    )


def _extents(parts: Parts, scene: Scene) -> dict[Zone, Extent]:
    extents: dict[Zone, Extent] = {}
    for (zone, _), mask in parts.items():
        length, area = _size(mask)[0], float(mask.sum())
        known = extents.get(zone)
        area_px = area * scene.factor**2 + (known.area_px if known else 0.0)
        longest = length / scene.px_per_mm
        if known and known.length_mm is not None:
            longest = max(longest, known.length_mm)
        extents[zone] = Extent(
            area_mm2=_mm2(area_px / scene.factor**2, scene),
            length_mm=longest if scene.is_scale_known else None,
            area_px=area_px,
        )
    return extents


def _front(
    cement: Mask, scene: Scene, time_s: float, rules: Rules
) -> tuple[Front | None, tuple[tuple[float, float], ...]]:
    """The cement edge nearest to the wall, robust against specks, and its history of (time, distance px)."""
    region = scene.region
    if region is None or region.to_wall is None:
        return None, ()
    within = cement & np.isin(
        region.intact.zones, [ZONE_ORDER.index(zone) for zone in (*HELD, Zone.CANAL, Zone.FORAMEN)]
    )
    distances = region.to_wall[within]
    n_edge = max(3, round(rules.edge_mm2 * scene.px_per_mm**2))
    if distances.size < 2 * n_edge:
        return None, scene.front
    nearest = float(np.partition(distances, n_edge)[n_edge])
    history = tuple((t, d) for t, d in scene.front if time_s - rules.speed_window_s <= t < time_s)
    history = (*history, (time_s, nearest))
    speed, error = _slope(history, rules)
    mm = scene.px_per_mm if scene.is_scale_known else None
    front = Front(
        distance_px=nearest * scene.factor,
        share=nearest / region.depth_px,
        distance_mm=nearest / mm if mm else None,
        depth_mm=region.depth_px / mm if mm else None,
        speed_mm_s=speed / mm if mm and speed is not None else None,
        seconds_to_wall=_arrival(nearest, speed, error, scene.px_per_mm, rules),
    )
    return front, history


def _slope(history: tuple[tuple[float, float], ...], rules: Rules) -> tuple[float | None, float]:
    """Approach speed in px/s, positive toward the wall, and its spread.

    The first drop spreads fast and slows: where the newer half of the time is slower, it counts.
    """
    times = np.array([t for t, _ in history])
    places = np.array([d for _, d in history])
    over_s = times[-1] - times[0]
    if times.size < 4 or over_s < rules.speed_least_s or np.diff(times).max() > over_s / 2:
        return None, 0.0
    speed, error = _theil_sen(times, places)
    newer = times >= (times[0] + times[-1]) / 2
    if np.count_nonzero(newer) >= 4:
        speed = min(speed, _theil_sen(times[newer], places[newer])[0])
    return speed, error


def _theil_sen(times: NDArray[np.float64], places: NDArray[np.float64]) -> tuple[float, float]:
    """Robust slope of places over times, positive where they fall, with its spread (Theil 1950, Sen 1968)."""
    early, late = np.triu_indices(times.size, 1)
    far = times[late] - times[early] > 0.3 * (times[-1] - times[0])
    slopes = (places[late] - places[early])[far] / (times[late] - times[early])[far]
    low, middle, high = np.percentile(slopes, [16, 50, 84])
    return float(-middle), float(max(high - low, 1e-6) / 2)


def _arrival(distance: float, speed: float | None, error: float, px_per_mm: float, rules: Rules) -> Interval | None:
    if speed is None or speed < rules.least_speed_mm_s * px_per_mm or distance <= 0:
        return None
    if error > rules.speed_error_share * speed:
        return None  # a front that jumps has no speed to go by
    slow = max(speed - error, rules.least_speed_mm_s * px_per_mm)
    return Interval(value=distance / speed, low=distance / (speed + error), high=distance / slow)


def _volume(cement: Mask, scene: Scene, intensity: Intensity, rules: Rules) -> Band | None:
    """Beer-Lambert with scatter: wide, because neither scatter nor the mix is known (physics.md section 9)."""
    if intensity is Intensity.DISPLAY or not scene.is_scale_known or scene.change is None:
        return None
    contrast = np.maximum(scene.change[cement], 0.0)
    pixel_mm2 = 1.0 / scene.px_per_mm**2
    low = _path_mm(contrast, rules.scatter_low, rules.mu_high_per_mm).sum() * pixel_mm2 / 1000.0
    high = _path_mm(contrast, rules.scatter_high, rules.mu_low_per_mm).sum() * pixel_mm2 / 1000.0
    return Band(low=float(low), high=float(high))


def _path_mm(contrast: Gray, scatter: float, mu_per_mm: float) -> Gray:
    primary = np.maximum((1.0 + scatter) * np.exp(-contrast) - scatter, 0.02)
    return np.asarray(-np.log(primary) / mu_per_mm, dtype=np.float32)
