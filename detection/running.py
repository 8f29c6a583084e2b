"""Cement that shows by its run that it has left the body: it reaches past the outline from where no cement was a second ago.

The outline of a body is uncertain by a millimetre and more, so what merely stands beyond it may be inside. But cement in bone
creeps, 0.03 to 0.2 mm/s, and stops at a wall; what runs on past the outline at a millimetre a second has found a way out,
wherever exactly the wall lies. It is given no margin, and no doubt, for as long as it lies there.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from detection.memory import Arrivals, Scene
from detection.patches import Patch, among, linked, patch_kept
from detection.rules import Rules
from detection.vocabulary import ZONE_ORDER, Gray, Mask, Zone

LEFT_OUT = tuple(ZONE_ORDER.index(zone) for zone in (Zone.BODY, Zone.POSTERIOR_BAND, Zone.NEEDLE_TRACT))
"""Where cement may be, and where it is read in steps of the needle's shadow, which tell nothing of speed."""
LONG_AGO = np.float32(-np.inf)
NEVER = np.float32(np.inf)
RUSHED = np.uint8(128)
"""Added to the sights of what has run as far as only veins let it."""


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
    anew. From ``run_sights`` on it has run out, and so has what hangs together with it, for as long as it lies there. It wants
    ``arrivals`` that know of this cement.
    """
    patch, region, arrivals = patch_kept(cement), scene.region, scene.arrivals
    if patch is None or region is None or arrivals is None or not region.watched:
        return None
    outside = cement[patch] & ~among(region.bare.zones[patch], LEFT_OUT)
    half_px = rules.run_mm2 * scene.px_per_mm**2 / 2
    if np.count_nonzero(outside) < half_px:
        return None
    places, part, count, _ = linked(outside)
    away_px = _from_old(arrivals, patch, rules).ravel()[places]
    far_px, rushed_px = (
        np.bincount(part[away_px >= mm * scene.px_per_mm], minlength=count) for mm in (rules.run_mm, rules.run_vein_mm)
    )
    has_rushed = rushed_px >= half_px
    sights = np.where(far_px >= half_px, 1, 0) + (far_px >= 2 * half_px)
    beyond_px = np.zeros(count, np.float32)
    np.maximum.at(beyond_px, part, region.bare.beyond[patch].ravel()[places])
    is_rim = (beyond_px < rules.run_reach_px) | (np.bincount(part, minlength=count) < 2 * half_px)
    sights[is_rim] = 0
    if scene.out is not None:
        known = scene.out[patch].ravel()[places]
        before = np.zeros(count, np.uint8)
        np.maximum.at(before, part, known & ~RUSHED)
        was_out = np.bincount(part[known & ~RUSHED >= rules.run_sights], minlength=count) >= half_px
        has_rushed |= was_out & (np.bincount(part[known >= RUSHED], minlength=count) > 0)
        sights = np.where(was_out, rules.run_sights, np.where(sights > 0, sights + before, 0))
    if not sights[part].any():
        return None
    out = np.zeros(cement.shape, np.uint8)
    rows, cols = np.unravel_index(places, outside.shape)
    told = np.minimum(sights, rules.run_sights).astype(np.uint8) + RUSHED * (has_rushed & (sights > 0))
    out[rows + patch[0].start, cols + patch[1].start] = told[part]
    return out


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
    now = np.float32(arrivals.at_s - arrivals.origin_s - rules.run_s)
    old = arrivals.came[patch] <= now
    if not old.any():
        return np.zeros(old.shape, np.float32)
    away = cv2.distanceTransform((~old).view(np.uint8), cv2.DIST_L2, 5)
    return np.asarray(away, dtype=np.float32)
