"""Cement that shows by its shape that it has left a body nobody is sure of: thin, long, and beyond the likely outline.

A bolus in bone is a blob, and its rim is ragged by a few millimetres. What has found a way out runs on as a cast: a layer in the
disc, a strand in a vein, a film behind the wall. So where margins about an uncertain body are wide, a thin long cast is held
against the outline that is most likely, and everything else against the margins.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from detection.memory import Layout, Region
from detection.patches import Patch, among
from detection.rules import Rules
from detection.vocabulary import ZONE_ORDER, Mask, Zone

WITHIN = tuple(ZONE_ORDER.index(zone) for zone in (Zone.BODY, Zone.POSTERIOR_BAND))


def layout_for(
    cement: Mask, patch: Patch, region: Region, px_per_mm: float, rules: Rules, *, is_breached: bool
) -> Layout:
    """The layout that the cement (h, w) of a patch is judged by, of that patch: of a sure body one for all of it."""
    whole = region.breached if is_breached else region.intact
    layout = Layout(zones=whole.zones[patch], beyond=whole.beyond[patch])
    if region.is_sure:
        return layout
    likely = Layout(zones=region.breached.zones[patch], beyond=region.breached.beyond[patch])
    out = casts_in(cement, likely, px_per_mm, rules) & among(layout.zones, WITHIN)
    if not out.any():
        return layout
    return replace(
        layout, zones=np.where(out, likely.zones, layout.zones), beyond=np.where(out, likely.beyond, layout.beyond)
    )


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
