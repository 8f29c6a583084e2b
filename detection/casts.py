"""Cement that shows by its shape that it has left a body nobody is sure of: thin, long, and beyond the likely outline.

A bolus in bone is a blob, and its rim is ragged by a few millimetres. What has found a way out runs on as a cast: a layer in the
disc, a strand in a vein, a film behind the wall. So where margins about an uncertain body are wide, a thin long cast is held
against the outline that is most likely, and everything else against the margins.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from detection.memory import Layout, Scene
from detection.patches import among, patch_kept
from detection.rules import Rules
from detection.vocabulary import ZONE_ORDER, Mask, Zone

WITHIN = tuple(ZONE_ORDER.index(zone) for zone in (Zone.BODY, Zone.POSTERIOR_BAND))


def casts_of(cement: Mask, scene: Scene, rules: Rules) -> NDArray[np.uint8] | None:
    """On how many frames in a row each pixel (h, w) of cement was a cast between the likely outline and the margins about it.

    None where none is. What was one so often stays one for as long as cement lies there, even if a bolus grows about it:
    what has left the body does not come back.
    """
    region, patch = scene.region, patch_kept(cement)
    if region is None or region.is_sure or patch is None:
        return None
    here = cement[patch]
    before = np.zeros(here.shape, np.uint8) if scene.casts is None else scene.casts[patch]
    likely = Layout(zones=region.breached.zones[patch], beyond=region.breached.beyond[patch])
    now = casts_in(here, likely, scene.px_per_mm, rules) & among(region.intact.zones[patch], WITHIN)
    now |= here & (before >= rules.cast_frames)
    if not now.any():
        return None
    counts = np.zeros(cement.shape, np.uint8)
    counts[patch] = np.where(now, cv2.add(before, np.ones_like(before)), np.uint8(0))
    return counts


def casts_in(cement: Mask, likely: Layout, px_per_mm: float, rules: Rules) -> Mask:
    """The pixels of cement (h, w) that make long thin casts beyond the likely outline."""
    casts = np.zeros(cement.shape, np.bool_)
    outside = cement & ~among(likely.zones, WITHIN)
    if np.count_nonzero(outside) < rules.cast_mm2 * px_per_mm**2:
        return casts
    thin = np.asarray(outside & ~_blob(cement, px_per_mm, rules), dtype=np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(thin, connectivity=8)
    for label in range(1, count):
        if stats[label, cv2.CC_STAT_AREA] < rules.cast_mm2 * px_per_mm**2:
            continue
        part = labels == label
        length_px = max(cv2.minAreaRect(cv2.findNonZero(part.view(np.uint8)))[1]) + 1.0
        is_far = likely.beyond[part].max() >= rules.cast_reach_mm * px_per_mm
        if length_px >= rules.cast_mm * px_per_mm and is_far:
            casts |= part
    return casts


def _blob(cement: Mask, px_per_mm: float, rules: Rules) -> Mask:
    """What of cement (h, w) is broader than a cast, and its ragged rim."""
    size = 2 * round(rules.cast_width_mm / 2 * px_per_mm) + 1
    framed = cv2.copyMakeBorder(cement.view(np.uint8), size, size, size, size, cv2.BORDER_CONSTANT)
    broad = cv2.morphologyEx(framed, cv2.MORPH_OPEN, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)))
    rim = 2 * round(rules.cast_rim_mm * px_per_mm) + 1
    wide = cv2.dilate(broad, np.ones((rim, rim), np.uint8))
    return np.asarray(wide[size:-size, size:-size], dtype=np.bool_)
