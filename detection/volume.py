"""How much cement an outline may hold, from its shape: cement is taken to be as thick as it is wide.

Brightness tells less: scatter, glare, the mix and the device's own curve are unknown, and display pictures tell nothing of it
(physics.md section 9). On phantoms the shape came within a factor of two of the truth where the Beer-Lambert law, with what
is known of it, did so in one case of three (docs/algorithm.md).
"""

from __future__ import annotations

import cv2
import numpy as np

from detection.patches import NOWHERE, patch_kept
from detection.rules import Rules
from detection.vocabulary import Band, Mask

BALL = 4.0
"""A ball of radius R: its disc's distances to the rim add up to pi R**3 / 3, a quarter of its volume."""


def volume_of(cement: Mask, px_per_mm: float, rules: Rules) -> Band:
    """Of all cement of a mask (h, w), whatever its parts; ml. Exact for balls, a quarter too much for long rods."""
    patch = patch_kept(cement)
    inside = np.pad(cement[patch or NOWHERE].astype(np.uint8), 1)
    rim_px = cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_5) - 0.5 * inside
    return _band(BALL * float(rim_px.sum()) / px_per_mm**3, rules)


def volume_of_piece(area_mm2: float, width_mm: float, rules: Rules) -> Band:
    """Of one piece of that area and mean width; ml. Exact for round rods, a twelfth too little for balls."""
    return _band(np.pi / 4.0 * area_mm2 * width_mm, rules)


def _band(mm3: float, rules: Rules) -> Band:
    ml = mm3 / 1000.0
    return Band(low=ml / rules.volume_factor, high=ml * rules.volume_factor)
