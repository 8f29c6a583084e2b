"""How much cement is where, how fast it nears the wall, and what has vanished."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from detection.casts import casts_of
from detection.front import HELD, front_of, is_breached_by
from detection.memory import Arrivals, Layout, Region, Scene, Track
from detection.patches import NOWHERE, Patch, patch_kept
from detection.rules import Rules
from detection.running import RUSHED, arrivals_of, has_run, has_rushed, ran_out
from detection.vocabulary import (
    ZONE_ORDER,
    Band,
    Extent,
    Front,
    Mask,
    Outline,
    Piece,
    Side,
    Stamp,
    View,
    Zone,
    ZoneMap,
)
from detection.volume import volume_of, volume_of_piece

STRIPS = (Zone.VEIN, Zone.SOFT_TISSUE)
"""They share the strip beside the body."""


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
    arrivals: Arrivals | None = None
    out: NDArray[np.uint8] | None = None
    casts: NDArray[np.uint8] | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Part:
    """Cement of one zone and side.

    ``contour`` (n, 1, 2) is the outline of its largest connected bit as OpenCV has it, length and mean width are those of that bit.
    ``reach_px`` is how far it reaches from where cement may be.
    """

    area_px: float
    contour: np.ndarray
    length_px: float
    width_px: float
    reach_px: float = 0.0
    has_run: bool = False
    has_rushed: bool = False


Parts = dict[tuple[Zone, Side | None], Part]


def measure_spread(scene: Scene, stamp: Stamp, rules: Rules) -> Spread:
    """Pieces, zones, front and volume of a scene whose ``cement`` mask is up to date."""
    cement = scene.cement if scene.cement is not None else np.zeros(scene.reference.shape, np.bool_)
    front, history = front_of(cement, scene, stamp.time_s, rules)
    is_breached = is_breached_by(history, scene, rules)
    arrivals = arrivals_of(cement, scene.arrivals, stamp.time_s, rules)
    scene = replace(scene, is_breached=is_breached, arrivals=arrivals)
    scene = replace(scene, out=ran_out(cement, scene, rules), casts=casts_of(cement, scene, rules))
    parts = _with_veins(_parts(cement, scene, rules), scene, stamp.time_s, rules)
    tracks = _follow(parts, scene, stamp, rules)
    gone = [track for track in tracks if _has_vanished(track, scene.px_per_mm, rules)]
    seen = {(track.zone, track.side): track for track in tracks}
    pieces = tuple(
        _piece(zone, side, part, seen[zone, side], scene, rules)
        for (zone, side), part in parts.items()
        if zone not in HELD
    )
    return Spread(
        pieces=pieces,
        vanished=tuple(_ghost(track, scene) for track in gone),
        zones=_extents(parts, scene),
        front=front,
        area_mm2=_mm2(float(np.count_nonzero(cement)), scene),
        volume_ml=volume_of(cement, scene.px_per_mm, rules) if scene.is_scale_known else None,
        tracks=tuple(track for track in tracks if track.n_missed <= rules.forget_frames),
        history=history,
        is_breached=is_breached,
        arrivals=arrivals,
        out=scene.out,
        casts=scene.casts,
    )


def after_spread(scene: Scene, spread: Spread) -> Scene:
    """The scene with what the next frame must know of this one's spread."""
    return replace(
        scene,
        tracks=spread.tracks,
        front=spread.history,
        is_breached=spread.is_breached,
        arrivals=spread.arrivals,
        out=spread.out,
        casts=spread.casts,
    )


def _mm2(area_px: float, scene: Scene) -> float | None:
    return area_px / scene.px_per_mm**2 if scene.is_scale_known else None


def _parts(cement: Mask, scene: Scene, rules: Rules) -> Parts:
    """Cement split by zone and side; specks are left out, anterior strips are vein or soft tissue by shape."""
    patch = patch_kept(cement)
    if patch is None:
        return {}
    here = cement[patch]
    if scene.region is None:
        return _parts_of_none(here, patch, scene, rules)
    layout = _layout_at(patch, scene, scene.region, rules)
    zones = _with_tract(np.where(here, layout.zones, 255), layout, scene.px_per_mm, rules)
    parts: Parts = {}
    for index in np.flatnonzero(np.bincount(zones.ravel(), minlength=256)[: len(ZONE_ORDER)]).tolist():
        zone = ZONE_ORDER[index]
        mask = zones == index
        if zone in HELD:
            parts[zone, None] = _part_of(mask, patch)
            continue
        for side, half in _by_side(zone, mask, patch, scene.region):
            is_out = has_run(half, patch, scene, rules)
            if is_out or _is_outside(half, layout, scene.px_per_mm, rules):
                parts[zone, side] = replace(
                    _part_of(half, patch),
                    reach_px=float(layout.beyond[half].max()),
                    has_run=is_out,
                    has_rushed=is_out and has_rushed(half, patch, scene, rules),
                )
    return parts


def _parts_of_none(here: Mask, patch: Patch, scene: Scene, rules: Rules) -> Parts:
    """Cement of a patch where no body is known: what has run on as in a vein, and the rest, which may lie anywhere."""
    ran = np.zeros_like(here) if scene.out is None else here & (scene.out[patch] & ~RUSHED >= rules.run_sights)
    rest = here & ~ran
    parts: Parts = {}
    if rest.any():
        parts[Zone.ELSEWHERE, None] = _part_of(rest, patch)
    if ran.any():
        parts[Zone.VEIN, None] = replace(_part_of(ran, patch), has_run=True, has_rushed=True)
    return parts


def _layout_at(patch: Patch, scene: Scene, region: Region, rules: Rules) -> Layout:
    """The layout that the cement of a patch is judged by, of that patch: long casts and what has run out have one of their own."""
    whole = region.breached if scene.is_breached else region.intact
    layout = Layout(zones=whole.zones[patch], beyond=whole.beyond[patch])
    casts = None if scene.casts is None else scene.casts[patch] > 0
    out = None if scene.out is None else scene.out[patch] & ~RUSHED >= rules.run_sights
    for chosen, own in ((casts, region.breached), (out, region.bare)):
        if chosen is not None and chosen.any():
            zones = np.where(chosen, own.zones[patch], layout.zones)
            layout = Layout(zones=zones, beyond=np.where(chosen, own.beyond[patch], layout.beyond))
    return layout


def _with_veins(parts: Parts, scene: Scene, time_s: float, rules: Rules) -> Parts:
    """Beside the body what runs is in a vein, and so is a thin tube that points away; what is broader than a vessel is not."""

    def named(zone: Zone, side: Side | None, part: Part) -> Zone:
        if zone is not Zone.SOFT_TISSUE or part.width_px > rules.vessel_mm * scene.px_per_mm:
            return zone
        known = [track for track in scene.tracks if track.zone in STRIPS and track.side is side]
        was_vein = any(track.zone is Zone.VEIN for track in known)
        is_small = part.length_px <= rules.vein_width_mm * scene.px_per_mm
        is_running = (part.has_rushed and is_small) or _is_running(part, known, scene.px_per_mm, time_s, rules)
        return Zone.VEIN if was_vein or is_running or _is_tube(part, scene.px_per_mm, rules) else zone

    return {(named(zone, side, part), side): part for (zone, side), part in parts.items()}


def _is_tube(part: Part, px_per_mm: float, rules: Rules) -> bool:
    """Thin, long, and not along the wall, where every leak begins as a strip."""
    is_thin = part.width_px <= rules.vein_width_mm * px_per_mm and part.length_px >= 3.0 * max(part.width_px, 1.0)
    return is_thin and part.reach_px >= 0.7 * part.length_px


def _is_running(part: Part, known: list[Track], px_per_mm: float, time_s: float, rules: Rules) -> bool:
    """Whether the tip has gone on as fast as only veins let it since it was first seen."""
    for track in known:
        age_s, gone_px = time_s - track.first_seen.time_s, part.reach_px - track.first_reach_px
        least_mm = max(rules.vein_mm_s * age_s, rules.vein_least_mm)
        if age_s >= rules.vein_least_s and gone_px >= least_mm * px_per_mm:
            return True
    return False


def _with_tract(zones: ZoneMap, layout: Layout, px_per_mm: float, rules: Rules) -> ZoneMap:
    """What lies along the needle and ends close to the body is no tract cement."""
    tract = zones == ZONE_ORDER.index(Zone.NEEDLE_TRACT)
    if tract.any() and layout.beyond[tract].max() < rules.tract_reach_mm * px_per_mm:
        zones[tract] = ZONE_ORDER.index(Zone.BODY)
    return zones


def _is_outside(mask: Mask, layout: Layout, px_per_mm: float, rules: Rules) -> bool:
    """Large enough, and reaching far enough beyond the body to be no blur of what is inside."""
    if np.count_nonzero(mask) < rules.least_leak_mm2 * px_per_mm**2:
        return False
    return bool(layout.beyond[mask].max() >= rules.leak_reach_mm * px_per_mm)


def _by_side(zone: Zone, mask: Mask, patch: Patch, region: Region) -> list[tuple[Side | None, Mask]]:
    """The mask of a patch, split where the sides of its zone are told apart."""
    if zone in (Zone.CANAL, Zone.FORAMEN):
        return [(Side.POSTERIOR, mask)]
    rows, cols = np.nonzero(mask)
    down, across = rows + patch[0].start - region.centre[0], cols + patch[1].start - region.centre[1]
    if zone is Zone.DISC:
        below = down * region.down[0] + across * region.down[1] > 0
        return _split(mask, rows, cols, below, (Side.INFERIOR, Side.SUPERIOR))
    if zone is Zone.SOFT_TISSUE:
        if region.body.view is View.LATERAL:
            return [(Side.ANTERIOR, mask)]
        return _split(mask, rows, cols, across > 0, (Side.IMAGE_RIGHT, Side.IMAGE_LEFT))
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


def _part_of(mask: Mask, patch: Patch) -> Part:
    """What a mask of a patch that is not empty amounts to."""
    contour = max(_contours(mask, patch), key=len)
    (_, _), (side_a, side_b), _ = cv2.minAreaRect(contour)
    length = max(side_a, side_b) + 1.0
    area = float(cv2.contourArea(contour)) + len(contour) / 2.0
    n_set = float(np.count_nonzero(mask))
    return Part(area_px=n_set, contour=contour, length_px=length, width_px=area / length)


def _contours(mask: Mask, patch: Patch) -> Sequence[np.ndarray]:
    """The outlines in the picture of the mask of a patch."""
    where = (patch[1].start, patch[0].start)
    how = (cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return cv2.findContours(mask.view(np.uint8), *how, offset=where)[0]


def outlines_of(mask: Mask) -> tuple[Outline, ...]:
    """The outlines of all connected parts, largest first, in (row, col), thinned to what a screen needs."""
    patch = patch_kept(mask)
    if patch is None:
        return ()
    largest_first = sorted(_contours(mask[patch], patch), key=len, reverse=True)
    return tuple(map(_as_outline, largest_first[:20]))


def _as_outline(outline: np.ndarray) -> Outline:
    points = cv2.approxPolyDP(outline, 0.7, closed=True)[:, 0]
    return tuple((float(row), float(col)) for col, row in points.tolist())


def _follow(parts: Parts, scene: Scene, stamp: Stamp, rules: Rules) -> tuple[Track, ...]:
    """Tracks of every zone that holds or held cement, counting frames seen and missed."""
    before = {(track.zone, track.side): track for track in scene.tracks}
    areas = {key: part.area_px for key, part in parts.items()}
    tracks = []
    for key in {**before, **parts}:
        area = areas.get(key, 0.0) or _renamed(key, areas)
        old = before.get(key)
        if old is None:
            old = Track(zone=key[0], side=key[1], first_seen=stamp, first_reach_px=parts[key].reach_px)
        area = area or min(_merged(key, scene) or _unnamed(old, scene), old.peak_px)
        is_here = area > rules.gone_share * old.peak_px
        outline = _as_outline(parts[key].contour) if key in parts and area >= old.peak_px else old.outline
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


def _renamed(key: tuple[Zone, Side | None], areas: dict[tuple[Zone, Side | None], float]) -> float:
    """Cement that was soft tissue and is known as a vein now, or the reverse, has not gone."""
    return max((areas.get((zone, key[1]), 0.0) for zone in STRIPS), default=0.0) if key[0] in STRIPS else 0.0


def _merged(key: tuple[Zone, Side | None], scene: Scene) -> float:
    """A cast about an uncertain body that cement has grown about is no cast any more, but it has not gone: what lies where it was."""
    zone, region, cement = Zone.SOFT_TISSUE if key[0] is Zone.VEIN else key[0], scene.region, scene.cement
    if region is None or region.is_sure or cement is None:
        return 0.0
    patch = patch_kept(cement) or NOWHERE
    here = cement[patch] & (region.breached.zones[patch] == ZONE_ORDER.index(zone))
    return float(max(np.count_nonzero(half) for side, half in _by_side(zone, here, patch, region) if side is key[1]))


def _unnamed(track: Track, scene: Scene) -> float:
    """Where no body is known what was named a vein's for its run may lose that name, but what lies where it was has not gone."""
    if scene.region is not None or scene.cement is None or track.zone is not Zone.VEIN or not track.outline:
        return 0.0
    was = np.zeros(scene.cement.shape, np.uint8)
    cv2.fillPoly(was, [np.array([(col, row) for row, col in track.outline], np.int32)], 1)
    return float(np.count_nonzero(scene.cement & was.view(np.bool_)))


def _has_vanished(track: Track, px_per_mm: float, rules: Rules) -> bool:
    """Well seen before, gone for a while now; cement in bone or disc cannot go, only flow can carry it off."""
    can_go = track.zone in (Zone.VEIN, Zone.CANAL, Zone.FORAMEN, Zone.SOFT_TISSUE)
    was_real = track.n_seen >= rules.vanish_seen and track.peak_px >= rules.vanish_mm2 * px_per_mm**2
    return can_go and was_real and track.n_missed >= rules.vanish_frames


def _piece(zone: Zone, side: Side | None, part: Part, track: Track, scene: Scene, rules: Rules) -> Piece:
    length, width, area = part.length_px, part.width_px, part.area_px
    body_trust = _body_trust(scene, rules)
    area_mm2, width_mm = _mm2(area, scene), width / scene.px_per_mm if scene.is_scale_known else None
    return Piece(
        zone=zone,
        side=side,
        area_px=area * scene.factor**2,
        area_mm2=area_mm2,
        length_mm=length / scene.px_per_mm if scene.is_scale_known else None,
        width_mm=width_mm,
        volume_ml=None if area_mm2 is None or width_mm is None else volume_of_piece(area_mm2, width_mm, rules),
        tubularity=max(0.0, 1.0 - width / max(length, 1.0)),
        n_seen=track.n_seen,
        first_seen=track.first_seen,
        outline=_as_outline(part.contour),
        has_run=part.has_run,
        trust=round(body_trust * min(1.0, 0.5 + 0.1 * track.n_seen), 3),
    )


def _body_trust(scene: Scene, rules: Rules) -> float:
    """How likely cement beyond the margins is truly outside: those of an uncertain body are as wide as its doubt."""
    if scene.region is None:
        return 0.5
    return scene.region.body.trust if scene.region.is_sure else rules.body_doubt_share


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
    for (zone, _), part in parts.items():
        known = extents.get(zone)
        area_px = part.area_px * scene.factor**2 + (known.area_px if known else 0.0)
        longest = part.length_px / scene.px_per_mm
        if known and known.length_mm is not None:
            longest = max(longest, known.length_mm)
        extents[zone] = Extent(
            area_mm2=_mm2(area_px / scene.factor**2, scene),
            length_mm=longest if scene.is_scale_known else None,
            area_px=area_px,
        )
    return extents
