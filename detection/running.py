"""Cement that shows by its run that it has left the body: it reaches past the outline from where no cement was a second ago.

The outline of a body is uncertain by a millimetre and more, so what merely stands beyond it may be inside. But cement in bone
creeps, 0.03 to 0.2 mm/s, and stops at a wall; what runs on past the outline at a millimetre a second has found a way out,
wherever exactly the wall lies. It is given no margin, and no doubt, for as long as it lies there.

A bolus that outgrows the outline of a body nobody is sure of runs past it, too, but no faster there than everywhere. What has
found a way out leaves the bolus behind. So there it must outpace what still spreads in the body; toward canal and foramen nothing
is asked for but the run.

Where no body is known, as in oblique views, nothing is told from an outline. But what runs on from established cement as only
veins let it, and no broader than they are, is in a vein wherever that lies.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from detection.memory import Arrivals, Region, Scene
from detection.patches import Patch, among, linked, patch_kept, widened
from detection.rules import Rules
from detection.vocabulary import ZONE_ORDER, Gray, Mask, Zone

LEFT_OUT = tuple(ZONE_ORDER.index(zone) for zone in (Zone.BODY, Zone.POSTERIOR_BAND, Zone.NEEDLE_TRACT))
"""Where cement may be, and where it is read in steps of the needle's shadow, which tell nothing of speed."""
INSIDE = tuple(ZONE_ORDER.index(zone) for zone in (Zone.BODY, Zone.POSTERIOR_BAND))
SPINAL = tuple(ZONE_ORDER.index(zone) for zone in (Zone.CANAL, Zone.FORAMEN))
LONG_AGO = np.float32(-np.inf)
NEVER = np.float32(np.inf)
RUSHED = np.uint8(128)
"""Added to the sights of what has run as far as only veins let it."""


class Sighted(NamedTuple):
    """Pixels of a patch by their ``places`` in it, flattened, and how often each was seen to run, ``RUSHED`` added; both (n,)."""

    places: NDArray[np.intp]
    told: NDArray[np.uint8]


def arrivals_of(cement: Mask, before: Arrivals | None, time_s: float, rules: Rules) -> Arrivals:
    """When each pixel of cement (h, w) first came; what came while nobody looked, or soon after, came at no known time."""
    if before is None or time_s <= before.at_s:
        came = np.where(cement, LONG_AGO, NEVER if before is None else before.came).astype(np.float32)
        return Arrivals(at_s=time_s, origin_s=time_s, since_s=time_s, came=came)
    since_s = time_s if time_s - before.at_s > rules.beam_pause_s else before.since_s
    patch = patch_kept(cement)
    fresh = None if patch is None else cement[patch] & (before.came[patch] == NEVER)
    came = before.came
    if patch is not None and fresh is not None and fresh.any():
        came = came.copy()
        is_watched = time_s - since_s >= rules.run_s
        came[patch][fresh] = np.float32(time_s - before.origin_s) if is_watched else LONG_AGO
    return replace(before, at_s=time_s, since_s=since_s, came=came)


def ran_out(cement: Mask, scene: Scene, rules: Rules) -> NDArray[np.uint8] | None:
    """How often each pixel (h, w) of cement beyond the outline was seen to run there, ``RUSHED`` added; None where none was.

    A frame on which half enough of what hangs together has run counts one, a frame with enough of it two, one with less begins
    anew. From ``run_sights`` on it has run out, and so has what hangs together with it, for as long as it lies there; where it
    is missing that is remembered for ``run_missed_frames``. It wants ``arrivals`` that know of this cement.
    """
    seen = _seen_to_run(cement, scene, rules)
    if scene.out is None:
        return seen
    is_missed = (scene.out & ~RUSHED > rules.run_sights) & ~cement
    if not is_missed.any():
        return seen
    # it counts one less on each frame, until it has not run
    out = np.zeros(cement.shape, np.uint8) if seen is None else seen
    out[is_missed] = scene.out[is_missed] - np.uint8(1)
    return out


def _seen_to_run(cement: Mask, scene: Scene, rules: Rules) -> NDArray[np.uint8] | None:
    """As ``ran_out``, of the cement of this frame alone."""
    patch, region = patch_kept(cement), scene.region
    if patch is None or scene.arrivals is None or (region is not None and not region.watched):
        return None
    away_px = _from_old(scene.arrivals, patch, rules)
    if region is None:
        seen = _ran_on(cement, patch, away_px, scene, rules)
    else:
        seen = _ran_past(cement, patch, away_px, scene, region, rules)
    if seen is None or not seen.told.any():
        return None
    rows, cols = np.unravel_index(seen.places, away_px.shape)
    out = np.zeros(cement.shape, np.uint8)
    out[rows + patch[0].start, cols + patch[1].start] = seen.told
    return out


def _ran_past(cement: Mask, patch: Patch, away_px: Gray, scene: Scene, region: Region, rules: Rules) -> Sighted | None:
    """What runs past the outline of a body; ``away_px`` of a patch is how far each pixel lies from cement that is no news."""
    zones = region.bare.zones[patch]
    outside = cement[patch] & ~among(zones, LEFT_OUT)
    half_px = rules.run_mm2 * scene.px_per_mm**2 / 2
    if np.count_nonzero(outside) < half_px:
        return None
    places, part, count, _ = linked(outside)
    gone_px, least_px = away_px.ravel()[places], np.full(count, rules.run_mm * scene.px_per_mm)
    if not region.is_sure:
        bolus_px = _spread_px(cement[patch], among(zones, INSIDE), away_px, rules)
        is_spinal = np.bincount(part[among(zones, SPINAL).ravel()[places]], minlength=count) > 0
        least_px[~is_spinal] = max(least_px[0], rules.run_outpace * bolus_px)
    far_px = np.bincount(part[gone_px >= least_px[part]], minlength=count)
    has_rushed = np.bincount(part[gone_px >= rules.run_vein_mm * scene.px_per_mm], minlength=count) >= half_px
    sights = np.where(far_px >= half_px, 1, 0) + (far_px >= 2 * half_px)
    beyond_px = np.zeros(count, np.float32)
    np.maximum.at(beyond_px, part, region.bare.beyond[patch].ravel()[places])
    is_rim = (beyond_px < rules.run_reach_px) | (np.bincount(part, minlength=count) < 2 * half_px)
    sights[is_rim] = 0
    return _counted(places, part, (sights, has_rushed), half_px, None if scene.out is None else scene.out[patch], rules)


def _spread_px(cement: Mask, inside: Mask, away_px: Gray, rules: Rules) -> float:
    """How far the edge of the bolus inside a body has come within the time of a run; what a wall has stopped counts least.

    ``away_px`` (h, w) is how far each pixel lies from cement that is no news. 0 where no edge lies inside.
    """
    deeper = cv2.erode(cement.view(np.uint8), np.ones((3, 3), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0)
    edge_px = away_px[cement & ~deeper.view(np.bool_) & inside]
    return float(np.quantile(edge_px, rules.run_edge_share)) if edge_px.size else 0.0


def _ran_on(cement: Mask, patch: Patch, away_px: Gray, scene: Scene, rules: Rules) -> Sighted | None:
    """Where no body is known: what runs on from established cement as only veins let it, thin as a vein."""
    mm, least_px, arrivals = scene.px_per_mm, rules.run_mm2 * scene.px_per_mm**2, scene.arrivals
    known = None if scene.out is None else scene.out[patch]
    fresh = away_px >= rules.run_mm * mm
    if arrivals is None or np.count_nonzero(_settled(arrivals, patch, rules)) < least_px:
        if known is None:
            return None
        # nothing begins to run, but what has run before lies where it lay
        fresh = np.zeros_like(fresh)
    if scene.opaque is not None:
        # cement that a needle uncovers has not run
        fresh &= ~widened(scene.opaque, round(rules.run_mm * mm), is_kept=True)[patch]
    if known is not None:
        fresh |= known & ~RUSHED >= rules.run_sights
    places, part, count, labels = linked(cement[patch] & fresh)
    n_far = np.bincount(part[away_px.ravel()[places] >= rules.run_open_mm * mm], minlength=count)
    sights = np.where(n_far >= least_px / 2, 1, 0) + (n_far >= least_px)
    for each in np.flatnonzero(sights):
        sights[each] *= _is_thin(labels == each, rules.vein_width_mm * mm)
    return _counted(places, part, (sights, sights > 0), 1, known, rules)


def _counted(
    places: NDArray[np.intp],
    part: NDArray[np.int32],
    now: tuple[NDArray[np.intp], Mask],
    least_px: float,
    known: NDArray[np.uint8] | None,
    rules: Rules,
) -> Sighted:
    """The sights of each part with those of the frames before; where ``least_px`` of it has run out before, all of it has."""
    sights, has_rushed = now
    if known is not None:
        here, count = known.ravel()[places], len(sights)
        before = np.zeros(count, np.uint8)
        np.maximum.at(before, part, here & ~RUSHED)
        was_out = np.bincount(part[here & ~RUSHED >= rules.run_sights], minlength=count) >= least_px
        has_rushed = has_rushed | (was_out & (np.bincount(part[here >= RUSHED], minlength=count) > 0))
        sights = np.where(was_out, rules.run_sights, np.where(sights > 0, sights + before, 0))
    # what has run out counts more, by as many frames as it may be missing
    told = np.where(sights >= rules.run_sights, rules.run_sights + rules.run_missed_frames, sights).astype(np.uint8)
    told += RUSHED * (has_rushed & (sights > 0))
    return Sighted(places=places, told=told[part])


def _is_thin(part: Mask, width_px: float) -> bool:
    """Whether a connected mask (h, w) is no broader in the mean than a tube of this width."""
    length_px = max(cv2.minAreaRect(cv2.findNonZero(part.view(np.uint8)))[1]) + 1.0
    return bool(np.count_nonzero(part) <= width_px * length_px)


def has_run(mask: Mask, patch: Patch, scene: Scene, rules: Rules) -> bool:
    """Whether enough of the mask of a patch has run out, however little it reaches."""
    return _n_out(mask, patch, scene, rules.run_sights) >= rules.run_mm2 / 2 * scene.px_per_mm**2


def has_rushed(mask: Mask, patch: Patch, scene: Scene, rules: Rules) -> bool:
    """Whether any of the mask of a patch has run out as fast as only veins let it."""
    return _n_out(mask, patch, scene, int(RUSHED) + rules.run_sights) > 0


def _n_out(mask: Mask, patch: Patch, scene: Scene, least: float) -> int:
    if scene.out is None:
        return 0
    out = scene.out[patch][mask]
    return int(np.count_nonzero(out >= least if least > RUSHED else out & ~RUSHED >= least))


def _from_old(arrivals: Arrivals, patch: Patch, rules: Rules) -> Gray:
    """How far (px) each pixel of a patch lies from cement that is no news; 0 where there is none to have run from."""
    old = _came_before(arrivals, patch, rules.run_s)
    if not old.any():
        return np.zeros(old.shape, np.float32)
    away = cv2.distanceTransform((~old).view(np.uint8), cv2.DIST_L2, 5)
    return np.asarray(away, dtype=np.float32)


def _settled(arrivals: Arrivals, patch: Patch, rules: Rules) -> Mask:
    """Where in a patch cement is known to be older than a first drop that spreads; what came in a pause may be new after it."""
    old = _came_before(arrivals, patch, rules.run_settled_s)
    if arrivals.at_s - arrivals.since_s < rules.run_settled_s:
        old &= arrivals.came[patch] > LONG_AGO
    return old


def _came_before(arrivals: Arrivals, patch: Patch, age_s: float) -> Mask:
    """Where in a patch cement came so long ago, or nobody saw it come."""
    return np.asarray(arrivals.came[patch] <= np.float32(arrivals.at_s - arrivals.origin_s - age_s))
